// The program of a child process: it offers an array, or fetches it.
import { MsgPackCodec } from "@colloquy/core";
import { connect, serve, type Connection } from "@colloquy/rpc";
import { quantile } from "../statistics.ts";
import { answerQuestions } from "../subprocess.ts";
import { ArraySource } from "./array-source.ts";
import { receiveCopied, receiveInPlace, serveBytes } from "./bare-transfer.ts";
import { checksumOf, makeArray, type Kind } from "./samples.ts";

/** How an array is fetched. */
export type Way = "colloquy" | "in-place" | "copied";

/** What the parent asks. */
export type ArraysQuestion =
  | { readonly kind: "offer"; readonly sample: Kind; readonly bytes: number }
  | { readonly kind: "connect"; readonly offer: Offer }
  | { readonly kind: "fetch"; readonly way: Way }
  | { readonly kind: "small"; readonly seconds: number; readonly isFetching: boolean }
  | { readonly kind: "usage" };

export interface Offer {
  readonly address: string;
  readonly port: number;
  readonly bytes: number;
  readonly checksum: number;
}

export interface Transfer {
  readonly seconds: number;
  readonly isRight: boolean;
}

/** Round-trip times of small calls, in us. */
export interface Latency {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
}

let connection: Connection<ArraySource> | undefined;
let offer: Offer | undefined;

answerQuestions(async (question: ArraysQuestion) => {
  switch (question.kind) {
    case "offer":
      return offerArray(makeArray(question.sample, question.bytes));
    case "connect":
      offer = question.offer;
      connection = await connect<ArraySource>(offer.address, { codec: MsgPackCodec });
      return connection.remote.add(1, 2);
    case "fetch":
      return transfer(question.way);
    case "small":
      return smallCalls(question.seconds, question.isFetching);
    case "usage": {
      const { user, system } = process.cpuUsage();
      const peak = process.resourceUsage().maxRSS * 1024;
      return { resident: process.memoryUsage.rss(), peak, cpuSeconds: (user + system) / 1e6 };
    }
  }
});

async function offerArray(array: Float64Array): Promise<Offer> {
  const server = await serve("tcp://127.0.0.1:0", new ArraySource(array), { codec: MsgPackCodec });
  const port = await serveBytes(new Uint8Array(array.buffer));
  return { address: server.address, port, bytes: array.byteLength, checksum: checksumOf(array) };
}

async function transfer(way: Way): Promise<Transfer> {
  const { port, bytes, checksum } = offer!;
  const start = performance.now();
  const received = await fetched(way, port, bytes);
  const seconds = (performance.now() - start) / 1000;
  return { seconds, isRight: received.byteLength === bytes && checksumOf(received) === checksum };
}

function fetched(way: Way, port: number, bytes: number): Promise<ArrayBufferView> {
  if (way === "colloquy") return connection!.remote.fetch();
  return way === "in-place" ? receiveInPlace(port, bytes) : receiveCopied(port, bytes);
}

/** One small call after another, for a time or while the array is fetched. */
async function smallCalls(seconds: number, isFetching: boolean): Promise<Latency> {
  const { remote } = connection!;
  const end = performance.now() + seconds * 1000;
  let isThere = false;
  if (isFetching) void remote.fetch().then(() => (isThere = true));
  const samples: number[] = [];
  while (isFetching ? !isThere : performance.now() < end) {
    const start = performance.now();
    await remote.add(3, 4);
    samples.push((performance.now() - start) * 1000);
  }
  samples.sort((a, b) => a - b);
  return { count: samples.length, p50: quantile(samples, 0.5), p99: quantile(samples, 0.99) };
}
