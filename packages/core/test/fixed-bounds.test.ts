import { describe, expect, it, vi } from "vitest";
import { parseAddress } from "../src/address.ts";
import { readBloscHeader } from "../src/blosc-header.ts";
import { Endpoint } from "../src/endpoint.ts";
import { quoted } from "../src/errors.ts";
import { IncomingSegments } from "../src/incoming-segments.ts";
import { makeHello, readHello } from "../src/hello.ts";
import { JsonCodec } from "../src/json-codec.ts";
import { DEFAULT_LIMITS } from "../src/limits.ts";
import { MsgPackCodec } from "../src/msgpack-codec.ts";
import { NdArray } from "../src/ndarray.ts";
import { readNpy } from "../src/npy.ts";
import { readException } from "../src/read-exception.ts";
import { LEAST_SEGMENT_BYTES } from "../src/segments.ts";
import { Shapes } from "../src/shapes.ts";
import { digitsOf, hrefOf, readBigInt, readUrl } from "../src/standard-values.ts";
import { writeException } from "../src/write-exception.ts";
import { connectTransport } from "../src/transports.ts";
import { HandTransport } from "./sending-support.ts";
import { bytes, frame, greeted, payloads, rejectionOf } from "./support.ts";

/** Refused: it throws, or returns false. */
type Attempt = (size: number) => unknown;

function announce(count: number): void {
  const receipts = { hasRoom: true, sendReceipt() {}, sendRelease() {}, onReceipt() {}, onRelease() {} };
  const content = Buffer.alloc(8 + 16 * count);
  content.writeUInt32BE(count, 4);
  new IncomingSegments(DEFAULT_LIMITS, { onSegmented() {} }, receipts).onExtended(1, content, 0, content.length);
}

/** Whether bytes cross beside their message. */
function isBeside(byteCount: number): boolean {
  const codec = greeted(new MsgPackCodec());
  codec.segments.support = "segments";
  codec.segments.begin();
  return codec.table.builtins!.isBeside(new Uint8Array(byteCount));
}

function keyed(length: number): object {
  return { ["x".repeat(length)]: 1 };
}

function url(length: number): string {
  return `a:${"b".repeat(length - 2)}`;
}

function bloscHeader(blockBytes: number): Buffer {
  const header = Buffer.from([2, 1, 0x11, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  header.writeUInt32LE(33_554_432, 4);
  header.writeUInt32LE(blockBytes, 8);
  header.writeUInt32LE(16 + 4 * Math.ceil(33_554_432 / blockBytes), 12);
  return Buffer.concat([header, Buffer.alloc(header.readUInt32LE(12) - 16)]);
}

function npy(headerBytes: number): Buffer {
  const text = "{'descr': '<f8', 'fortran_order': False, 'shape': (0,), }";
  const head = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 2, 0, 0, 0, 0, 0]);
  head.writeUInt32LE(headerBytes, 8);
  return Buffer.concat([head, Buffer.from(text.padEnd(headerBytes - 1)), Buffer.from("\n")]);
}

function shape(keys: readonly string[]): boolean {
  return new Shapes().receive(0, keys);
}

const edges: readonly (readonly [row: string, bound: number, attempt: Attempt])[] = [
  ["digits of a bigint", 4096, (size) => digitsOf(10n ** BigInt(size) - 1n)],
  ["digits of a bigint", 4096, (size) => digitsOf(1n - 10n ** BigInt(size))],
  ["digits of a bigint", 4096, (size) => readBigInt("9".repeat(size))],
  ["characters of a key of a map", 16_383, (size) => new MsgPackCodec().encode(keyed(size))],
  ["characters of a key of a map", 16_383, (size) => new JsonCodec().decode(Buffer.from(JSON.stringify(keyed(size))))],
  ["characters of a URL", 65_536, (size) => hrefOf(new URL(url(size)))],
  ["characters of a URL", 65_536, (size) => readUrl(url(size), { spend() {} })],
  ["characters of the host of a URL", 255, (size) => hrefOf(new URL(`ws://${"h".repeat(size)}`))],
  ["characters of the host of a URL", 255, (size) => readUrl(`ws://${"h".repeat(size)}`, { spend() {} })],
  ["binary values beside one message", 1024, announce],
  [
    "a block of a received Blosc container",
    16_777_216,
    (size) => readBloscHeader(bloscHeader(size), 0, bloscHeader(size).length, 64 << 20, "maxMessageBytes"),
  ],
  [
    "path of an `ipc://` address",
    process.platform === "darwin" ? 103 : 107,
    (size) => parseAddress(`ipc:///${"x".repeat(size - 1)}`),
  ],
  [
    "dimensions of an array",
    32,
    (size) =>
      NdArray.zeros(
        Array.from({ length: size }, () => 1),
        "uint8",
      ),
  ],
  ["header of an `.npy` file", 65_536, (size) => readNpy(npy(size))],
  [
    "shapes of maps in each direction of a connection",
    64,
    (size) => shape(Array.from({ length: size }, (_, index) => `k${index}`)),
  ],
  ["shapes of maps in each direction of a connection", 512, (size) => shape(["x".repeat(size)])],
  ["shapes of maps in each direction of a connection", 256, (size) => new Shapes().receive(size - 1, ["x"])],
];

/** What is longer is cut: how much is left of so much. */
const cuts: readonly (readonly [row: string, bound: number, left: (size: number) => number])[] = [
  ["a peer's text in a message of an error", 256, (size) => quoted("x".repeat(size)).replaceAll(/["."]/g, "").length],
  ["of a peer's hello: `software`, `root`", 256, (size) => hello({ software: "x".repeat(size) }).software.length],
  ["of a peer's hello: `software`, `root`", 64, (size) => hello({ root: "x".repeat(size) }).root!.length],
  [
    "of an error, thrown or a value: name, message, causes",
    256,
    (size) => (written(named("x".repeat(size), "")) as { name: string }).name.length,
  ],
  [
    "of an error, thrown or a value: name, message, causes",
    4096,
    (size) => messageOf(new Error("x".repeat(size))).length,
  ],
  ["of an error, thrown or a value: name, message, causes", 8, (size) => depthOf(written(caused(size)))],
  [
    "of an exception: errors in it, causes and gathered",
    64,
    (size) => gathered(written(new AggregateError(Array.from({ length: size - 1 }, () => new Error("x"))))),
  ],
];

function hello(fields: object): ReturnType<typeof readHello> {
  const own = makeHello(new MsgPackCodec(), DEFAULT_LIMITS, []);
  return readHello({ protocol: 1, ...fields }, own, "client");
}

function named(name: string, message: string): Error {
  return Object.assign(new Error(message), { name });
}

function written(error: Error): unknown {
  return writeException(error, "map");
}

/** Without the dots that say that there was more. */
function messageOf(error: Error): string {
  return (written(error) as { message: string }).message.replace(/\.{3}$/, "");
}

function caused(depth: number): Error {
  let error = new Error("x");
  for (let level = 0; level < depth; level++) error = new Error("x", { cause: error });
  return error;
}

function depthOf(content: unknown): number {
  let depth = 0;
  let error = readException(content).cause as Error | undefined;
  for (; error !== undefined; error = error.cause as Error | undefined) depth++;
  return depth;
}

function gathered(content: unknown): number {
  return 1 + (content as { errors: unknown[] }).errors.length;
}

/** A connection attempt whose name never gets an address. */
async function attempt(): Promise<void> {
  const socket = { lookup() {} };
  await rejectionOf(connectTransport("tcp://nowhere.example:1", { dangerouslyAllowPlaintext: true, socket }));
}

/** A client that speaks MsgPack, and stays when a server of JSON has answered it and ended its output. */
async function foreignClient(): Promise<void> {
  const transport = new HandTransport();
  await new Promise<void>((resolve) => {
    const handler = { onRequest() {}, onNotification() {}, onLostNotification() {}, onClosed: () => resolve() };
    new Endpoint(transport, new JsonCodec(), handler, DEFAULT_LIMITS).onChunk(frame(bytes("93 00 07 01")));
  });
  expect(payloads(transport.taken())).toHaveLength(1);
}

const times: readonly (readonly [row: string, milliseconds: number, end: () => Promise<void>])[] = [
  ["an attempt to connect with `timeout: 0`", 10_000, attempt],
  ["a peer of another codec, from its answer to the end", 1000, foreignClient],
];

function passes(attempt: Attempt, size: number): boolean {
  try {
    return attempt(size) !== false;
  } catch {
    return false;
  }
}

describe("fixed bounds at their edges:", () => {
  it.each(edges)("%s (%i)", (_row, bound, attempt) => {
    expect([bound - 1, bound, bound + 1].map((size) => passes(attempt, size))).toStrictEqual([true, true, false]);
  });

  it.each(cuts)("%s (%i), the rest is cut off", (_row, bound, left) => {
    expect([bound - 1, bound, bound + 1].map((size) => left(size))).toStrictEqual([bound - 1, bound, bound]);
  });

  it.each(times)("%s (%i), in virtual time", async (_row, milliseconds, end) => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    try {
      let isOver = false;
      void end().then(() => (isOver = true));
      await vi.advanceTimersByTimeAsync(milliseconds - 1);
      expect(isOver).toBe(false);
      await vi.advanceTimersByTimeAsync(1);
      expect(isOver).toBe(true);
    } finally {
      vi.useRealTimers();
    }
  });

  it("binary values beside one message, of 32,768 bytes at least", () => {
    const sizes = [LEAST_SEGMENT_BYTES - 1, LEAST_SEGMENT_BYTES, LEAST_SEGMENT_BYTES + 1];
    expect(LEAST_SEGMENT_BYTES).toBe(32_768);
    expect(sizes.map((size) => isBeside(size))).toStrictEqual([false, true, true]);
  });
});
