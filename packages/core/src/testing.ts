export type {} from "./codec.ts";
