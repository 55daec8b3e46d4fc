import { describe, expect, test } from "vitest";
import { DEFAULT_LIMITS } from "@colloquy/core";
import { connect, expose, serve, service } from "../src/index.ts";
import { UnreadBytes, UnreadItems } from "../src/unread-bytes.ts";
import { Child, failureOf, greeted, newAddress, pair, until, wireServer } from "./support.ts";
import type { AnyRemote, WirePeer } from "./support.ts";

type Reader = AsyncIterableIterator<unknown, undefined>;

const ITEM_BYTES = 20_000;
const MOST_BYTES = 1_000_000;
const limits = { maxHeldBytes: MOST_BYTES };

/** Streams of the peer by hand, whose pulls it answers with as many items as were asked for, each of `ITEM_BYTES`. */
async function openedBy(wire: WirePeer, remote: AnyRemote, count: number): Promise<Reader[]> {
  const opening = remote["open"]() as Promise<Reader[]>;
  const [, id] = (await wire.next()) as [number, number];
  const references = Array.from({ length: count }, (_, index) => ({ __type__: [-14, `$/ref/${index + 1}`] }));
  wire.send([1, id, references]);
  return opening;
}

/** Answers the pull that is next. Returns the stream's number. */
async function answerPull(wire: WirePeer, itemCount: number, ended = false): Promise<number> {
  const [, id, content] = (await wire.next()) as [number, number, [string, [number, number, number]]];
  const [path, [stream]] = content;
  if (path !== "$/pull") throw new Error(`${path} in place of a pull`);
  wire.send([1, id, [Array.from({ length: itemCount }, () => "x".repeat(ITEM_BYTES)), ended]]);
  return stream;
}

function counting(count: number, bytes: number): () => AsyncGenerator<string> {
  return async function* () {
    for (let index = 0; index < count; index++) yield String(index).padEnd(bytes, ".");
  };
}

describe("Items that nobody has read", () => {
  test("are bounded for all streams of a connection: one that brings more fails, and the others go on", async () => {
    await using server = await wireServer();
    const { connection, wire } = await greeted<AnyRemote>(server, { limits });
    const streams = await openedBy(wire, connection.remote, 3);
    const first = streams.map((stream) => stream.next());
    // 32 items were asked for, of 262,144 bytes in all: these have 640,000.
    for (let count = 0; count < 2; count++) await answerPull(wire, 32);
    expect(await first[0]).toMatchObject({ done: false });
    const failure = await failureOf(first[1]);
    expect(failure).toMatchObject({ code: "RESOURCE_EXHAUSTED", limit: "maxHeldBytes", executed: "yes" });
    expect(failure.message).toMatch(
      /^items of .* are more than the 1000000 bytes .*\(maxHeldBytes\); read them sooner/,
    );
    expect(connection.stats().unreadBytes).toBeLessThanOrEqual(MOST_BYTES);
    await answerPull(wire, 1, true);
    expect(await first[2]).toMatchObject({ done: false });
    for (let index = 1; index < 32; index++) expect(await streams[0]!.next()).toMatchObject({ done: false });
    connection.destroy();
    await connection.closed;
    expect(connection.stats().unreadBytes).toBe(0);
  });

  test("of one stream alone are taken, whatever they hold", async () => {
    await using server = await wireServer();
    const { connection, wire } = await greeted<AnyRemote>(server, { limits: { maxHeldBytes: 10 } });
    const [stream] = await openedBy(wire, connection.remote, 1);
    const item = stream!.next();
    await answerPull(wire, 32);
    expect(await item).toMatchObject({ done: false });
    for (let index = 1; index < 32; index++) expect(await stream!.next()).toMatchObject({ done: false });
    connection.destroy();
  });

  test("aren't asked for ahead of a reader beyond half of the limit, so that slow readers of many streams lose none", async () => {
    const source = service({ open: expose(counting(20, ITEM_BYTES)) });
    await using link = await pair(source, { limits: { maxHeldBytes: 50 * ITEM_BYTES } });
    const open = (link.remote as AnyRemote)["open"] as () => Promise<Reader>;
    const streams = await Promise.all(Array.from({ length: 40 }, async () => open()));
    let highest = 0;
    for (let index = 0; index < 20; index++) {
      for (const stream of streams) {
        expect((await stream.next()).value).toBe(String(index).padEnd(ITEM_BYTES, "."));
        highest = Math.max(highest, link.client.stats().unreadBytes);
      }
    }
    for (const stream of streams) expect(await stream.next()).toMatchObject({ done: true });
    expect(highest).toBeGreaterThan(25 * ITEM_BYTES);
    expect(highest).toBeLessThanOrEqual(50 * ITEM_BYTES);
    expect(link.client.stats()).toMatchObject({ unreadBytes: 0, importedStreams: 0 });
  });

  test("count until they are read, or left, or their stream has failed", async () => {
    const source = service({
      open: expose(counting(20, 100)),
      fails: expose(async function* () {
        yield 1;
        yield 2;
        throw new Error("of the producer");
      }),
    });
    await using link = await pair(source);
    const { client } = link;
    const remote = link.remote as AnyRemote;
    const read = (await remote["open"]()) as Reader;
    expect(client.stats().unreadBytes).toBe(0);
    await read.next();
    expect(client.stats().unreadBytes).toBeGreaterThan(0);
    for await (const item of read) expect(item).toHaveLength(100);
    expect(client.stats().unreadBytes).toBe(0);
    const left = (await remote["open"]()) as Reader;
    await left.next();
    expect(client.stats().unreadBytes).toBeGreaterThan(0);
    await left.return!();
    await until(() => client.stats().pending === 0);
    expect(client.stats().unreadBytes).toBe(0);
    const failed = (await remote["fails"]()) as Reader;
    await expect(
      (async () => {
        for await (const item of failed) expect(item).toBeTypeOf("number");
      })(),
    ).rejects.toThrow("of the producer");
    expect(client.stats().unreadBytes).toBe(0);
  });

  test("that callbacks' streams bring to a server are bounded as well", async () => {
    const reader = service({ read: expose(async (stream: Reader) => (await stream.next(), new Promise(() => {}))) });
    const server = await serve(newAddress(), reader, { limits });
    const client = await connect<AnyRemote>(server.address);
    const [peer] = server.connections;
    for (let index = 0; index < 20; index++) {
      const call = client.remote["read"](counting(40, ITEM_BYTES)()) as Promise<unknown>;
      call.catch(() => {});
    }
    await until(() => peer!.stats().pending === 0 && peer!.stats().unreadBytes > MOST_BYTES / 2);
    expect(peer!.stats().unreadBytes).toBeLessThanOrEqual(MOST_BYTES);
    await client.close({ graceMs: 0 });
    await server.close({ graceMs: 0 });
    expect(peer!.stats().unreadBytes).toBe(0);
  });

  test("of a stream that was collected don't count", async () => {
    await using child = new Child("unread.ts", [], ["--expose-gc"]);
    expect(await child.line()).toEqual({ before: true, after: 0 });
  });

  test("are at least a number, without a limit", () => {
    const unread = new UnreadBytes(Infinity, true);
    const items = new UnreadItems(unread, {});
    expect(unread.most).toBe(Number.MAX_SAFE_INTEGER);
    expect(items.add([1], unread.most)).toBe(true);
    items.take();
    expect(unread.held).toBe(0);
    expect(DEFAULT_LIMITS.maxHeldBytes).toBeLessThan(unread.most);
  });
});
