// The program of a child process: the producer, or the reader.
import { setTimeout as sleep } from "node:timers/promises";
import { MsgPackCodec, connect, serve, type Connection } from "@colloquy/rpc";
import { quantile } from "../statistics.ts";
import { answerQuestions } from "../subprocess.ts";
import { Source, monotonicMs } from "./source.ts";

/** What the parent asks. */
export type StreamsQuestion =
  | { readonly kind: "serve" }
  | { readonly kind: "connect"; readonly address: string }
  | { readonly kind: "stream"; readonly count: number }
  | { readonly kind: "calls"; readonly count: number; readonly inFlight: number }
  | { readonly kind: "leave"; readonly at: number }
  | { readonly kind: "beside"; readonly seconds: number; readonly hasReader: boolean };

/** Items per second, and what the reader's process has grown by. */
export interface StreamRun {
  readonly perSecond: number;
  readonly grownBytes: number;
}

export interface Left {
  /** From the end of the loop to that of the producer. */
  readonly milliseconds: number;
  readonly roundTripMs: number;
  /** Items that the producer had given by then. */
  readonly given: number;
}

const leaveCount = 200;
let connection: Connection<Source> | undefined;

answerQuestions(async (question: StreamsQuestion) => {
  switch (question.kind) {
    case "serve":
      return (await serve("tcp://127.0.0.1:0", new Source(), { codec: MsgPackCodec })).address;
    case "connect":
      connection = await connect<Source>(question.address, { codec: MsgPackCodec });
      return undefined;
    case "stream":
      return stream(question.count);
    case "calls":
      return calls(question.count, question.inFlight);
    case "leave":
      return leave(question.at);
    case "beside":
      return beside(question.seconds, question.hasReader);
  }
});

async function stream(count: number): Promise<StreamRun> {
  const before = process.memoryUsage.rss();
  const start = performance.now();
  let sum = 0;
  for await (const number of connection!.remote.count(count)) sum += number;
  const seconds = (performance.now() - start) / 1000;
  if (sum !== (count * (count - 1)) / 2) throw new Error(`the sum is ${sum}`);
  return { perSecond: count / seconds, grownBytes: process.memoryUsage.rss() - before };
}

async function calls(count: number, inFlight: number): Promise<number> {
  const { remote } = connection!;
  let left = count;
  const start = performance.now();
  const caller = async (): Promise<void> => {
    while (left-- > 0) await remote.next();
  };
  await Promise.all(Array.from({ length: inFlight }, caller));
  return count / ((performance.now() - start) / 1000);
}

async function leave(at: number): Promise<Left> {
  const { remote } = connection!;
  const median = (samples: number[]): number =>
    quantile(
      samples.sort((a, b) => a - b),
      0.5,
    );
  const roundTrips: number[] = [];
  const ends: number[] = [];
  let given = 0;
  for (let time = 0; time < leaveCount; time++) {
    const start = performance.now();
    await remote.next();
    roundTrips.push(performance.now() - start);
    for await (const number of remote.count(1_000_000_000)) if (number >= at) break;
    const left = monotonicMs();
    let ended = await remote.ended();
    while (ended.at === 0) ended = await remote.ended();
    ends.push(ended.at - left);
    given = Math.max(given, ended.given);
  }
  return { milliseconds: median(ends), roundTripMs: median(roundTrips), given };
}

/** The 99th percentile of small calls, in microseconds; beside a stream whose reader sleeps after each item, if so. */
async function beside(seconds: number, hasReader: boolean): Promise<number> {
  const { remote } = connection!;
  const end = performance.now() + seconds * 1000;
  const reader = async (): Promise<void> => {
    for await (const _item of remote.count(1_000_000_000)) {
      if (performance.now() >= end) break;
      await sleep(100);
    }
  };
  const reading = hasReader ? reader() : undefined;
  const samples: number[] = [];
  while (performance.now() < end) {
    const start = performance.now();
    await remote.next();
    samples.push((performance.now() - start) * 1000);
  }
  await reading;
  return quantile(
    samples.sort((a, b) => a - b),
    0.99,
  );
}
