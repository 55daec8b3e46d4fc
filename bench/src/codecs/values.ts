import { samplePayload } from "../payload.ts";

/** A value for the codecs to carry. */
export interface Value {
  readonly name: string;
  readonly title: string;
  make(): unknown;
}

const lineCount = 1_000;
const recordCount = 1_000;

/** Every value, in the order of the report. */
export const values: readonly Value[] = [
  {
    name: "request",
    title: "a small request",
    make: () => [0, 17, ["agents/0/add", [3, 4], {}]],
  },
  { name: "object", title: "an object of about 1 KB", make: samplePayload },
  {
    name: "records",
    title: "a list of 1,000 records",
    make: () => Array.from({ length: recordCount }, (_, index) => record(index)),
  },
  {
    name: "log",
    title: "1,000 lines of a log as one text",
    make: () => Array.from({ length: lineCount }, (_, index) => line(index)).join("\n"),
  },
];

function record(index: number): object {
  return { id: index, name: `meter-${index}`, value: 230 + (index % 100) / 7, isActive: index % 3 !== 0 };
}

function line(index: number): string {
  const hex = Math.imul(index, 0x9e37_79b9) >>> 0;
  return `2026-01-01T00:${String(index % 60).padStart(2, "0")}:07Z info meter-${index % 17} read ${hex.toString(16)} in ${index % 40} ms`;
}
