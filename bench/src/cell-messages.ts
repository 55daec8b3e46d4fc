import type { Measurement, Timing } from "./measure.ts";

/** What a child process is started for; travels as JSON in its first argument. */
export type CellOrder =
  | { readonly role: "server"; readonly peer: string }
  | {
      readonly role: "client";
      readonly peer: string;
      readonly workload: string;
      readonly address: string;
      readonly timing: Timing;
    };

/** What a child process tells its parent. */
export type CellReport =
  | { readonly kind: "ready"; readonly address: string; readonly versions: Readonly<Record<string, string>> }
  | { readonly kind: "measured"; readonly measurement: Measurement }
  | { readonly kind: "closed" }
  | { readonly kind: "failed"; readonly reason: string };

/** What the parent tells a server when its client is done. */
export const closeRequest = "close";
