import { createHash } from "node:crypto";
import { once } from "node:events";
import net from "node:net";
import { isDeepStrictEqual } from "node:util";
import { expect } from "vitest";
import { ByteWriter } from "../src/byte-writer.ts";
import type { Codec } from "../src/codec.ts";
import { FrameDecoder } from "../src/frame-decoder.ts";
import type { Message } from "../src/message.ts";
import type { BuiltinTypes, ExtendedValue } from "../src/serializers.ts";
import { numberHash } from "../src/number-hash.ts";
import { StandardTypes } from "../src/standard-types.ts";

/** Bytes of a text like `93 00 00 a4 6f`. */
export function bytes(hex: string): Buffer {
  return Buffer.from(hex.replaceAll(/\s/g, ""), "hex");
}

export function hex(data: Uint8Array): string {
  return Buffer.from(data).toString("hex");
}

/** Bytes that look random and are the same in each run. */
export function noise(length: number): Buffer {
  const parts: Buffer[] = [];
  for (let made = 0; made < length; made += 32) parts.push(createHash("sha256").update(String(made)).digest());
  return Buffer.concat(parts).subarray(0, length);
}

/** A frame around a payload: a Buffer, or a text that is taken as UTF-8. */
export function frame(payload: Uint8Array | string): Buffer {
  const content = Buffer.from(payload as string);
  const header = Buffer.alloc(4);
  header.writeUInt32BE(content.length);
  return Buffer.concat([header, content]);
}

/** The payloads of whole frames. */
export function payloads(data: Buffer): Buffer[] {
  const found: Buffer[] = [];
  const onFrame = (chunk: Buffer, start: number, end: number): void => {
    found.push(Buffer.from(chunk.subarray(start, end)));
  };
  new FrameDecoder(0x7fff_ffff, { onFrame }).push(data);
  return found;
}

export function decodeMessage(codec: Codec, payload: Buffer): Message {
  const message: Message = { type: -1, id: -1, content: undefined, error: undefined };
  // Not at the start of the memory, as in a chunk from a socket.
  const shifted = Buffer.concat([Buffer.from([1, 2, 3]), payload, Buffer.from([4])]);
  if (codec.decodeMessage(shifted, 3, shifted.length - 1, message) !== undefined) throw new Error("decoded later");
  return message;
}

export function encodeMessage(codec: Codec, type: number, id: number, content: unknown): Buffer {
  const writer = new ByteWriter();
  codec.segments.begin();
  if (codec.encodeMessage(writer, type, id, content) !== undefined) throw new Error("encoded later");
  return Buffer.from(writer.take());
}

/** The codec of a connection whose two sides have said hello, without segments. */
export function greeted<C extends Codec>(codec: C): C {
  const types = new StandardTypes(codec, "standard");
  types.expected = true;
  codec.setBuiltins(types);
  return codec;
}

/** Built-in types by hand, for what a peer may send. */
export function builtins(encode: (value: unknown) => ExtendedValue | undefined): BuiltinTypes {
  const [isBeside, refusal, decode] = [() => false, () => undefined, () => undefined];
  return { sendable: true, encode, isBeside, refusal, decode };
}

/** A class that has no serializer. */
export class Stranger {}

/** Deeply equal, prototypes and -0 included; also for maps with a key such as "constructor". */
export function expectSame(found: unknown, wanted: unknown): void {
  if (!isDeepStrictEqual(found, wanted)) expect(found).toStrictEqual(wanted);
  expect(isDeepStrictEqual(found, wanted)).toBe(true);
}

/** What a function throws. */
export function thrownBy(action: () => unknown): Error & { code?: string; place?: unknown; cause?: unknown } {
  try {
    action();
  } catch (error) {
    return error as Error;
  }
  throw new Error("nothing was thrown");
}

/** What a promise rejects with. */
export async function rejectionOf(
  promise: Promise<unknown>,
): Promise<Error & { code?: string; executed?: string; cause?: any; place?: unknown; remoteName?: string }> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error("the promise was fulfilled");
}

/** Resolves when the condition holds; the condition is looked at in every turn of the event loop. */
export async function until(condition: () => boolean, what = "the condition"): Promise<void> {
  const end = performance.now() + 8_000;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`${what} did not come about`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** A peer that writes and reads raw bytes. */
export class RawPeer {
  readonly socket: net.Socket;
  received: Buffer = Buffer.alloc(0);
  ended = false;

  constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => (this.received = Buffer.concat([this.received, chunk])));
    socket.on("error", () => {});
    socket.on("close", () => (this.ended = true));
  }

  /** Connects to `tcp://127.0.0.1:port`. */
  static async connect(address: string): Promise<RawPeer> {
    const socket = net.connect({ host: "127.0.0.1", port: Number(address.split(":").at(-1)) });
    await once(socket, "connect");
    return new RawPeer(socket);
  }

  /** Sends a frame around a payload. */
  send(payload: Uint8Array | string): void {
    this.socket.write(frame(payload));
  }

  /** The first `count` payloads, as text. */
  async texts(count: number): Promise<string[]> {
    await until(() => payloads(this.received).length >= count || this.ended, `${count} payloads`);
    return payloads(this.received).map((payload) => payload.toString());
  }

  async closed(): Promise<void> {
    await until(() => this.ended, "the end of the connection");
  }
}

/** A server of raw peers on a port of its own. */
export class RawServer implements AsyncDisposable {
  readonly server: net.Server;
  readonly peers: RawPeer[] = [];

  private constructor(server: net.Server) {
    this.server = server;
  }

  static async listen(onPeer: (peer: RawPeer) => void = () => {}): Promise<RawServer> {
    const server = net.createServer();
    const raw = new RawServer(server);
    server.on("connection", (socket) => {
      const peer = new RawPeer(socket);
      raw.peers.push(peer);
      onPeer(peer);
    });
    server.listen({ host: "127.0.0.1", port: 0 });
    await once(server, "listening");
    return raw;
  }

  get address(): string {
    return `tcp://127.0.0.1:${(this.server.address() as net.AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const peer of this.peers) peer.socket.destroy();
    this.server.close();
  }
}

/** Integers that share a bucket in tables of up to so many buckets. */
export function meetingIntegers(count: number, buckets = 4096): number[] {
  return meeting(count, buckets, (index) => index);
}

export function meetingDoubles(count: number, buckets = 4096): number[] {
  return meeting(count, buckets, (index) => index + 0.25);
}

export function meetingBigInts(count: number): bigint[] {
  return Array.from({ length: count }, (_, index) => (BigInt(index + 1) << 64n) + 5n);
}

function meeting(count: number, buckets: number, make: (index: number) => number): number[] {
  const found: number[] = [];
  for (let index = 1; found.length < count; index++) {
    const number = make(index);
    if ((numberHash(number) & (buckets - 1)) === 77) found.push(number);
  }
  return found;
}
