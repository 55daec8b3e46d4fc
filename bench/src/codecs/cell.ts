// The program of a child process: one codec alone, or one side of a transfer of an array.
import { isDeepStrictEqual } from "node:util";
import { connect, serve, type Connection } from "@colloquy/rpc";
import { ArraySource } from "../arrays/array-source.ts";
import { checksumOf, makeArray, type Kind } from "../arrays/samples.ts";
import { answerQuestions } from "../subprocess.ts";
import { codecKinds } from "./kinds.ts";
import { values } from "./values.ts";

/** What the parent asks. */
export type CodecsQuestion =
  | { readonly kind: "alone"; readonly codec: string; readonly value: string; readonly seconds: number }
  | { readonly kind: "offer"; readonly codec: string; readonly sample: Kind; readonly bytes: number }
  | { readonly kind: "connect"; readonly codec: string; readonly offer: ArrayOffer }
  | { readonly kind: "fetch"; readonly times: number };

export interface Alone {
  readonly bytes: number;
  readonly encodeUs: number;
  readonly decodeUs: number;
}

export interface ArrayOffer {
  readonly address: string;
  readonly checksum: number;
}

export interface Fetched {
  /** Milliseconds of each transfer. */
  readonly milliseconds: readonly number[];
  /** Bytes on the wire of one. */
  readonly wireBytes: number;
}

let connection: Connection<ArraySource> | undefined;
let checksum = 0;

answerQuestions(async (question: CodecsQuestion) => {
  switch (question.kind) {
    case "alone":
      return alone(question);
    case "offer": {
      const array = makeArray(question.sample, question.bytes);
      const server = await serve("tcp://127.0.0.1:0", new ArraySource(array), { codec: kindOf(question.codec) });
      return { address: server.address, checksum: checksumOf(array) };
    }
    case "connect":
      ({ checksum } = question.offer);
      connection = await connect<ArraySource>(question.offer.address, { codec: kindOf(question.codec) });
      return undefined;
    case "fetch":
      return fetchArray(question.times);
  }
});

function kindOf(name: string): NonNullable<ReturnType<ReturnType<typeof codecKinds>["get"]>> {
  const kind = codecKinds().get(name);
  if (kind === undefined) throw new Error(`no codec ${name}`);
  return kind;
}

async function alone({ codec: name, value: valueName, seconds }: CodecsQuestion & { kind: "alone" }): Promise<Alone> {
  const codec = new (kindOf(name))();
  const value = values.find((candidate) => candidate.name === valueName)?.make();
  const bytes = await codec.encode(value);
  if (!isDeepStrictEqual(await codec.decode(bytes), value)) throw new Error(`${name} changes ${valueName}`);
  return {
    bytes: bytes.length,
    encodeUs: await microsecondsEach(() => codec.encode(value), seconds),
    decodeUs: await microsecondsEach(() => codec.decode(bytes), seconds),
  };
}

/** One after another: what a message takes, in other threads too. */
async function microsecondsEach(work: () => unknown, seconds: number): Promise<number> {
  let elapsed = 0;
  let count = 0;
  // The first half warms up.
  for (const share of [0.5, 0.5]) {
    count = 0;
    const start = performance.now();
    do {
      const result = work();
      if (result instanceof Promise) await result;
      count++;
      elapsed = performance.now() - start;
    } while (elapsed < seconds * share * 1000);
  }
  return (elapsed * 1000) / count;
}

async function fetchArray(times: number): Promise<Fetched> {
  const { remote } = connection!;
  const milliseconds: number[] = [];
  const before = connection!.stats().receivedBytes;
  for (let time = 0; time < times; time++) {
    const start = performance.now();
    const array = await remote.fetch();
    milliseconds.push(performance.now() - start);
    if (checksumOf(array) !== checksum) throw new Error("the array arrived with other bytes");
  }
  return { milliseconds, wireBytes: (connection!.stats().receivedBytes - before) / times };
}
