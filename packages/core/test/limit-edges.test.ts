import { once } from "node:events";
import net from "node:net";
import { describe, expect, it, vi } from "vitest";
import { FrameDecoder } from "../src/frame-decoder.ts";
import { HeldBytes } from "../src/held-bytes.ts";
import { IncomingSegments } from "../src/incoming-segments.ts";
import { JsonCodec } from "../src/json-codec.ts";
import { DEFAULT_LIMITS } from "../src/limits.ts";
import type { Limits } from "../src/limits.ts";
import { MsgPackCodec } from "../src/msgpack-codec.ts";
import { Outbox } from "../src/outbox.ts";
import { Overhead } from "../src/overhead.ts";
import { PendingCalls } from "../src/pending.ts";
import { connectTransport, listenTransport } from "../src/transports.ts";
import { makeAuthority } from "./certificates.ts";
import { HandTransport } from "./sending-support.ts";
import { frame, until } from "./support.ts";

/** Refused: it throws, or resolves with false. */
type Attempt = (size: number, limit: number) => unknown;

function limits(changes: Partial<Limits>): Limits {
  return { ...DEFAULT_LIMITS, ...changes };
}

function nested(depth: number): unknown {
  let value: unknown = [];
  for (let level = 1; level < depth; level++) value = [value];
  return value;
}

/** An announcement of one segment. */
function announce(length: number, maxSegmentBytes: number): void {
  const receipts = { hasRoom: true, sendReceipt() {}, sendRelease() {}, onReceipt() {}, onRelease() {} };
  const content = Buffer.alloc(4 + 4 + 16);
  content.writeUInt32BE(1, 4);
  content.writeUInt32BE(length, 12);
  new IncomingSegments(limits({ maxSegmentBytes }), { onSegmented() {} }, receipts).onExtended(1, content, 0, 24);
}

/** A first message that holds a thousand bytes, and one beside it that holds the rest. */
function hold(bytes: number, maxHeldBytes: number): boolean {
  const message = { payloadBytes: 1000, segmentBytes: 0, mostCostOfByte: Infinity };
  const held = new HeldBytes(limits({ maxHeldBytes }), message);
  held.admit([]);
  held.keep();
  expect(held.held).toBe(8000);
  message.payloadBytes = bytes - 8000;
  return held.admit([]) === undefined;
}

/** Whether a message is written that comes while so many bytes are queued. */
function queue(bytes: number, maxQueuedBytes: number): boolean {
  const transport = new HandTransport();
  const handler = { onRequest() {}, onNotification() {}, onClosed() {}, onLostNotification() {} };
  const listener = { remoteAddress: "", onBroken() {}, onIdle() {} };
  const outbox = new Outbox(transport, new PendingCalls(10), limits({ maxQueuedBytes }), listener, handler);
  outbox.codec = new JsonCodec();
  transport.keeps = true;
  // `[3,0,"..."]` in its frame.
  outbox.notify("x".repeat(bytes - 12));
  outbox.frames.flush();
  expect(transport.queuedBytes).toBe(bytes);
  outbox.notify(1);
  return outbox.waitingCount === 0;
}

function pend(count: number, maxPendingCount: number): boolean {
  const failures: unknown[] = [];
  const pending = new PendingCalls(maxPendingCount);
  const handler = { onRequest() {}, onNotification() {}, onClosed() {}, onLostNotification() {} };
  const listener = { remoteAddress: "", onBroken() {}, onIdle() {} };
  const outbox = new Outbox(new HandTransport(), pending, limits({ maxPendingCount }), listener, handler);
  outbox.codec = new JsonCodec();
  const call = { id: -1, onResult() {}, onException() {}, onFailure: (error: unknown) => void failures.push(error) };
  for (let made = 0; made < count; made++) outbox.request({ ...call }, made, false);
  return failures.length === 0;
}

/** Five times the limit at once. */
function flood(count: number, perSecond: number): boolean {
  const overhead = new Overhead(perSecond, () => 0);
  for (let sent = 1; sent < 5 * count; sent++) overhead.spend();
  return overhead.spend() === 0;
}

async function connectAll(count: number, maxConnectionCount: number): Promise<boolean> {
  const options = { handshakeTimeoutMs: 1000, maxConnectionCount };
  const open: { destroy(): void }[] = [];
  const listener = await listenTransport("tcp://127.0.0.1:0", (transport) => void open.push(transport), options);
  const sockets: net.Socket[] = [];
  let closedCount = 0;
  for (let made = 0; made < count; made++) {
    const socket = net.connect({ host: "127.0.0.1", port: Number(listener.address.split(":").at(-1)) });
    sockets.push(socket.on("error", () => {}).resume());
    socket.once("close", () => closedCount++);
    await once(socket, "connect");
  }
  await until(() => open.length + closedCount === count, "every client");
  const isAllThere = closedCount === 0;
  // Who leaves makes room.
  for (const transport of open.splice(0)) transport.destroy();
  await until(() => closedCount === count, "the end of every client");
  const next = net.connect({ host: "127.0.0.1", port: Number(listener.address.split(":").at(-1)) });
  sockets.push(next);
  await until(() => open.length === 1, "one more client");
  for (const socket of sockets) socket.destroy();
  for (const transport of open) transport.destroy();
  await listener.close();
  return isAllThere;
}

/** As many sockets of which only the last one shakes hands. */
async function shakeLast(count: number, maxConnectionCount: number): Promise<boolean> {
  const authority = await makeAuthority();
  const tls = await authority.issue("127.0.0.1");
  const options = { handshakeTimeoutMs: 60_000, maxConnectionCount, tls };
  const accepted: { destroy(): void }[] = [];
  const listener = await listenTransport("tcp://127.0.0.1:0", (transport) => void accepted.push(transport), options);
  const silent: net.Socket[] = [];
  for (let made = 1; made < count; made++) {
    const socket = net.connect({ host: "127.0.0.1", port: Number(listener.address.split(":").at(-1)) });
    silent.push(socket.on("error", () => {}).resume());
    await once(socket, "connect");
  }
  const last = await connectTransport(listener.address, { tls }).catch(() => undefined);
  for (const socket of [...silent, ...accepted, ...(last === undefined ? [] : [last])]) socket.destroy();
  await listener.close();
  return last !== undefined;
}

const edges: readonly (readonly [name: keyof Limits, limit: number, attempt: Attempt])[] = [
  [
    "maxMessageBytes",
    100,
    (size, limit) => new FrameDecoder(limit, { onFrame() {} }).push(frame(Buffer.alloc(size, 0x20))),
  ],
  ["maxSegmentBytes", 100_000, announce],
  [
    "maxDecodedCost",
    10_000,
    (size, limit) => {
      const codec = new MsgPackCodec();
      codec.limits = limits({ maxDecodedCost: limit });
      // A text costs 24 and its length.
      codec.decode(codec.encode("x".repeat(size - 24)));
    },
  ],
  [
    "maxDepth",
    20,
    (size, limit) => {
      const codec = new JsonCodec();
      codec.limits = limits({ maxDepth: limit });
      codec.decode(Buffer.from(JSON.stringify(nested(size))));
    },
  ],
  ["maxHeldBytes", 100_000, hold],
  ["maxPendingCount", 7, pend],
  ["maxOverheadPerSecond", 10, flood],
  ["maxConnectionCount", 3, connectAll],
  ["maxConnectionCount", 4, shakeLast],
  ["maxQueuedBytes", 1000, queue],
];

async function passes(attempt: Attempt, size: number, limit: number): Promise<boolean> {
  try {
    return (await attempt(size, limit)) !== false;
  } catch {
    return false;
  }
}

describe("limits at their edges, and doubled:", () => {
  it.each(edges)("%s", async (name, limit, attempt) => {
    const warned = vi.spyOn(process, "emitWarning").mockReturnValue();
    const found = [];
    for (const size of [limit - 1, limit, limit + 1]) found.push(await passes(attempt, size, limit));
    found.push(await passes(attempt, limit + 1, 2 * limit));
    expect(found, name).toStrictEqual([true, true, false, true]);
    expect(warned.mock.calls.length, "warnings of what anybody can cause").toBe(name === "maxConnectionCount" ? 1 : 0);
  });
});
