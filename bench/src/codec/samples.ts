import { samplePayload } from "../payload.ts";

/** A value for codecs to carry. */
export interface Sample {
  readonly name: string;
  readonly title: string;
  make(): unknown;
}

const floatCount = 10_000;
const textLength = 10_240;
const recordCount = 1_000;
const sentence =
  "The feeder carries what the north needs; its reserve is 12.5 % of the load, measured every 15 minutes. ";

/** Every sample, in the order of the report. */
export const samples: readonly Sample[] = [
  {
    name: "request",
    title: 'a small request, `[0, id, ["add", [3, 4], {}]]`',
    make: () => [0, 1234, ["add", [3, 4], {}]],
  },
  {
    name: "agent-request",
    title: 'a small request to an agent, `[0, 17, ["agents/0/add", [3, 4], {}]]`',
    make: () => [0, 17, ["agents/0/add", [3, 4], {}]],
  },
  { name: "payload", title: "the object of W3, 931 bytes in MsgPack", make: samplePayload },
  {
    name: "floats",
    title: "an array of 10,000 floats",
    make: () => Array.from({ length: floatCount }, (_, index) => Math.sin(index + 1) * 400),
  },
  { name: "text", title: "10 KiB of ASCII text", make: () => repeated(sentence, textLength) },
  {
    name: "records",
    title: "a list of 1,000 small records of one shape",
    make: () => Array.from({ length: recordCount }, (_, index) => record(index)),
  },
];

function record(index: number): object {
  return { id: index, name: `meter-${index}`, value: 230 + (index % 100) / 7, isActive: index % 3 !== 0 };
}

/** One flat string: pieces that are joined lazily would be flattened while the clock runs. */
function repeated(text: string, length: number): string {
  const whole = text.repeat(Math.ceil(length / text.length)).slice(0, length);
  return Buffer.from(whole, "latin1").toString("latin1");
}
