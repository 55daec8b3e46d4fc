import { afterEach, describe, expect, test } from "vitest";
import { Codec, MsgPackBloscCodec, MsgPackCodec, compressed } from "@colloquy/core";
import { announcement, piece, receipt, release, withdrawal } from "../../core/test/segment-support.ts";
import type { SentFrame } from "../../core/test/segment-support.ts";
import { Service, connect, expose, notify, serve, withOptions } from "../src/index.ts";
import type { CallContext } from "../src/index.ts";
import { SegmentPeer } from "./segment-peer.ts";
import { failureOf, pair, turns, until } from "./support.ts";

const TCP = "tcp://127.0.0.1:0";
const MEBIBYTE = 1_048_576;
/** More than leaves before the other side confirms any of it. */
const HUGE = 64 * MEBIBYTE;
const LARGE = 40_000;

type Callback = (array: Uint8Array) => Promise<Uint8Array>;

class Store extends Service {
  readonly log: string[] = [];
  readonly aborted: string[] = [];
  kept: unknown;
  callback: Callback | undefined;

  @expose echo(value: unknown): unknown {
    return value;
  }
  @expose put(name: string, array: Uint8Array, ..._more: unknown[]): number {
    this.log.push(name);
    return array.length;
  }
  @expose make(length: number, value: number): Uint8Array {
    return new Uint8Array(length).fill(value);
  }
  @expose keep(array: unknown): void {
    this.kept = array;
  }
  @expose({ context: true }) async hang(array: Uint8Array, context: CallContext): Promise<number> {
    this.log.push("hang");
    await new Promise<void>((resolve) => context.signal.addEventListener("abort", () => resolve()));
    this.aborted.push("hang");
    return array.length;
  }
  @expose subscribe(callback: Callback): void {
    this.callback = callback;
  }
  @expose async callBack(callback: Callback, array: Uint8Array): Promise<Uint8Array> {
    return callback(array);
  }
}

function bytesOf(length: number, seed: number): Uint8Array {
  return new Uint8Array(length).map((_, index) => (index * 7 + seed) % 251);
}

function isSame(found: unknown, wanted: Uint8Array): boolean {
  return found instanceof Uint8Array && Buffer.from(found).equals(wanted);
}

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** A client of a server made by hand, which confirms what a test lets it. */
async function byHand(fields: object = {}) {
  const server = await SegmentPeer.serving(fields);
  closers.push(() => server.close());
  const connection = await connect<Store>(server.address, { limits: { writeStallMs: 60_000 } });
  closers.push(() => connection.close({ graceMs: 0 }));
  const wire = await server.accepted;
  return { connection, wire, remote: connection.remote };
}

/** Confirms all pieces, releases messages as they are complete and answers `put` with its name; returns the names. */
async function answerAll(wire: SegmentPeer, count: number): Promise<string[]> {
  const names: string[] = [];
  const calls = new Map<number, { id: number; name: string; missing: number }>();
  while (names.length < count) {
    const frame = await wire.next();
    if (frame.kind === 1) {
      const [, id, [, [name]]] = JSON.parse(frame.payload.toString()) as [number, number, [string, [string]]];
      calls.set(frame.handle, { id, name, missing: frame.lengths[0]![0] });
    }
    if (frame.kind !== 2) continue;
    wire.send(receipt(frame.bytes.length));
    const call = calls.get(frame.handle)!;
    call.missing -= frame.bytes.length;
    if (call.missing > 0) continue;
    names.push(call.name);
    wire.send(release(frame.handle), [1, call.id, call.name]);
  }
  return names;
}

describe.each([
  ["JSON", undefined],
  ["MsgPack", MsgPackCodec],
])("large arrays in %s", (_name, codec) => {
  const options = { codec, address: TCP, serve: { codec } };

  test("are arguments and results, beside others", async () => {
    await using link = await pair(new Store(), options);
    const array = bytesOf(3 * MEBIBYTE + 1, 1);
    expect(isSame(await link.remote.echo(array), array)).toBe(true);
    expect(await link.remote.put("one", array, { more: [bytesOf(LARGE, 2)] })).toBe(array.length);
    expect(isSame(await link.remote.make(5 * MEBIBYTE, 9), new Uint8Array(5 * MEBIBYTE).fill(9))).toBe(true);
    const named = withOptions(link.remote.put as unknown as (name: string) => Promise<number>, { kwargs: { array } });
    expect(await named("named")).toBe(array.length);
  });

  test("go through callbacks, both ways at once", async () => {
    await using link = await pair(new Store(), options);
    const double: Callback = async (array) => array.map((value) => value * 2);
    const calls = Array.from({ length: 20 }, async (_, index) => {
      const array = bytesOf(200_000 + index, index);
      const found = await link.remote.callBack(double, array);
      return isSame(found, await double(array));
    });
    expect(await Promise.all(calls)).toStrictEqual(calls.map(() => true));
    await until(() => link.client.stats().pending === 0 && link.peer.stats().pending === 0);
  });

  test("are carried by notifications", async () => {
    const store = new Store();
    await using link = await pair(store, options);
    const array = bytesOf(MEBIBYTE, 3);
    notify(link.remote.keep)(array);
    await until(() => store.kept !== undefined);
    expect(isSame(store.kept, array)).toBe(true);
    expect(link.peer.stats().failedNotifications).toBe(0);
  });

  test("are the caller's again once they are flushed, also those that waited for hello", async () => {
    const server = await serve(TCP, new Store(), { codec });
    closers.push(() => server.close({ graceMs: 0 }));
    await using connection = await connect<Store>(server.address, { codec });
    const array = bytesOf(3 * MEBIBYTE, 4);
    const answer = connection.remote.echo(array);
    await connection.flushed();
    array.fill(0);
    expect(isSame(await answer, bytesOf(3 * MEBIBYTE, 4))).toBe(true);
  });
});

describe("a call that is given up", () => {
  test("while its array waits for room never starts, and leaves nothing", async () => {
    const { connection, wire, remote } = await byHand({ limits: { maxSegmentBytes: HUGE } });
    const first = remote.put("first", new Uint8Array(HUGE));
    await until(() => connection.stats().sentBytes > 16 * MEBIBYTE && connection.stats().queuedBytes === 0);
    const abort = new AbortController();
    const second = failureOf(
      withOptions(remote.put, { signal: abort.signal })("second", new Uint8Array(LARGE), () => 1),
    );
    const third = remote.put("third", new Uint8Array(LARGE));
    expect(connection.stats()).toMatchObject({ exportedReferences: 1, pending: 3, waiting: 0 });
    abort.abort();
    expect(await second).toMatchObject({ code: "CANCELLED", executed: "no" });
    expect(connection.stats()).toMatchObject({ exportedReferences: 0, pending: 2 });
    expect(await answerAll(wire, 2)).toStrictEqual(["first", "third"]);
    expect([await first, await third]).toStrictEqual(["first", "third"]);
    expect(connection.stats()).toMatchObject({ pending: 0, waiting: 0, lateAnswers: 0 });
  });

  test("in the middle of its array is withdrawn, with the references in it", async () => {
    const store = new Store();
    await using link = await pair(store, { address: TCP });
    for (let count = 0; count < 3; count++) {
      const abort = new AbortController();
      const call = failureOf(
        withOptions(link.remote.put, { signal: abort.signal })("huge", new Uint8Array(HUGE), () => 1),
      );
      if (count > 0) await until(() => link.peer.stats().receivedBytes > (count * 17 + 1) * MEBIBYTE);
      expect(link.client.stats()).toMatchObject({ pending: 1, exportedReferences: 1 });
      abort.abort();
      expect(await call).toMatchObject({ code: "CANCELLED", executed: "no" });
      expect(link.client.stats()).toMatchObject({ pending: 0, exportedReferences: 0 });
      await link.client.flushed();
    }
    expect(await link.remote.put("next", new Uint8Array(LARGE))).toBe(LARGE);
    expect(store.log).toStrictEqual(["next"]);
    expect(link.peer.stats()).toMatchObject({ running: 0, importedReferences: 0 });
  });

  test("after its last piece is cancelled as any other", async () => {
    const store = new Store();
    await using link = await pair(store, { address: TCP });
    const abort = new AbortController();
    const call = failureOf(withOptions(link.remote.hang, { signal: abort.signal })(new Uint8Array(LARGE)));
    await until(() => store.log.length > 0);
    abort.abort();
    expect(await call).toMatchObject({ code: "CANCELLED", executed: "unknown" });
    await until(() => store.aborted.length > 0 && link.client.stats().lateAnswers === 1);
    expect(link.client.stats()).toMatchObject({ pending: 0 });
    expect(link.peer.stats()).toMatchObject({ running: 0 });
  });

  test("by its time limit is withdrawn, too, and its id isn't waited for", async () => {
    const { connection, wire, remote } = await byHand();
    const call = failureOf(withOptions(remote.put, { timeout: 30 })("slow", new Uint8Array(HUGE)));
    expect(await call).toMatchObject({ code: "DEADLINE_EXCEEDED", executed: "no" });
    expect(connection.stats().pending).toBe(0);
    const frames: SentFrame[] = [];
    await until(() => (frames.push(...wire.taken()), frames.at(-1)?.kind === 3));
    const [announced, ...rest] = frames;
    expect(announced).toMatchObject({ kind: 1, handle: 0, lengths: [[HUGE, 0]] });
    expect(rest.at(-1)).toStrictEqual({ kind: 3, number: 0 });
    expect(new Set(rest.slice(0, -1).map(({ kind }) => kind))).toStrictEqual(new Set([2]));
    // No $/cancel: there is nothing to cancel.
    await turns(5);
    expect(wire.taken()).toStrictEqual([]);
  });

  test("from within a serializer, while another message is written, is withdrawn behind that one", async () => {
    class Trigger {}
    const abort = new AbortController();
    const extraSerializers = [
      () =>
        [
          Trigger,
          () => {
            abort.abort();
            return "x".repeat(20_000);
          },
          () => "triggered",
        ] as const,
    ];
    const store = new Store();
    await using link = await pair(store, { address: TCP, extraSerializers, serve: { extraSerializers } });
    const call = failureOf(withOptions(link.remote.put, { signal: abort.signal })("huge", new Uint8Array(HUGE)));
    expect(await link.remote.echo(new Trigger())).toBe("triggered");
    expect(await call).toMatchObject({ code: "CANCELLED", executed: "no" });
    expect(await link.remote.echo("next")).toBe("next");
    expect(store.log).toStrictEqual([]);
  });
});

describe("a large result", () => {
  test("whose caller has given up isn't sent to its end", async () => {
    await using link = await pair(new Store(), { address: TCP });
    const abort = new AbortController();
    const call = failureOf(withOptions(link.remote.make, { signal: abort.signal })(2 * HUGE, 1));
    await until(() => link.client.stats().receivedBytes > MEBIBYTE);
    abort.abort();
    expect(await call).toMatchObject({ code: "CANCELLED", executed: "unknown" });
    await until(() => link.client.stats().lateAnswers === 1);
    expect(link.client.stats().receivedBytes).toBeLessThan(2 * HUGE);
    expect(link.client.stats()).toMatchObject({ pending: 0 });
    expect(link.peer.stats()).toMatchObject({ running: 0, queuedBytes: 0 });
    expect(await link.remote.echo(1)).toBe(1);
  });

  test("is answered by an exception in its place, once, when it is cancelled", async () => {
    const server = await serve(TCP, new Store(), { limits: { writeStallMs: 60_000 } });
    closers.push(() => server.close({ graceMs: 0 }));
    await using wire = await SegmentPeer.greeted(server.address);
    wire.send([0, 1, ["make", [HUGE, 1], {}]]);
    expect(await wire.next()).toMatchObject({ kind: 1, handle: 0, lengths: [[HUGE, 0]] });
    wire.send([3, 0, ["$/cancel", [1], {}]], [3, 0, ["$/cancel", [1], {}]]);
    expect(await wire.message()).toMatchObject([2, 1, { code: "CANCELLED", executed: "yes" }]);
    wire.send([0, 1, ["echo", ["again"], {}]]);
    expect(await wire.message()).toStrictEqual([1, 1, "again"]);
    expect([...server.connections][0]!.stats()).toMatchObject({ running: 0 });
  });

  test("holds the slot of its request until it has left", async () => {
    const limits = { maxRunningCount: 3, writeStallMs: 60_000 };
    const server = await serve(TCP, new Store(), { limits });
    closers.push(() => server.close({ graceMs: 0 }));
    await using wire = await SegmentPeer.greeted(server.address);
    for (const id of [1, 2, 3, 4]) wire.send([0, id, ["make", [HUGE, 1], {}]]);
    // The same id once more is no way around it.
    wire.send([0, 1, ["make", [HUGE, 1], {}]]);
    const refused = [await wire.message(), await wire.message()];
    expect(refused.map(([type, id, { code }]) => [type, id, code])).toStrictEqual([
      [2, 4, "RESOURCE_EXHAUSTED"],
      [2, 1, "RESOURCE_EXHAUSTED"],
    ]);
  });
});

describe("the end of a connection", () => {
  test("in order waits until arrays of notifications have left", async () => {
    const store = new Store();
    const server = await serve(TCP, store);
    closers.push(() => server.close({ graceMs: 0 }));
    const connection = await connect<Store>(server.address);
    const array = bytesOf(HUGE, 5);
    notify(connection.remote.keep)(array);
    await connection.close();
    await until(() => store.kept !== undefined);
    expect(isSame(store.kept, array)).toBe(true);
  });

  test("in order answers a call whose array has begun to come, though a smaller message has overtaken it", async () => {
    const server = await serve(TCP, new Store());
    await using wire = await SegmentPeer.greeted(server.address);
    const payload = JSON.stringify([0, 1, ["put", ["late", { __type__: [-10, ["Uint8Array", 0]] }], {}]]);
    wire.send(announcement(7, [5], payload), piece(7, 0, Buffer.from("hel")));
    await until(() => [...server.connections][0]!.stats().receivedBytes > 150);
    const closing = server.close();
    expect(await wire.message()).toMatchObject([3, 0, ["$/goaway", [], {}]]);
    const [, id] = await wire.message();
    wire.send([1, id, null]);
    await turns(20);
    expect(wire.isClosed).toBe(false);
    wire.send(piece(7, 0, Buffer.from("lo")));
    expect(await wire.message()).toMatchObject([2, 1, { code: "UNAVAILABLE", executed: "no" }]);
    await closing;
  });

  test("in order waits for no array that is withdrawn", async () => {
    const server = await serve(TCP, new Store());
    await using wire = await SegmentPeer.greeted(server.address);
    wire.send(announcement(7, [5], "[]"));
    const closing = server.close();
    await wire.message();
    const [, id] = await wire.message();
    wire.send([1, id, null]);
    await turns(20);
    wire.send(withdrawal(7));
    await wire.closed();
    await closing;
  });

  test("lets calls with arrays under way finish, in both directions", async () => {
    const store = new Store();
    await using link = await pair(store, { address: TCP });
    await link.remote.subscribe(async (array: Uint8Array) => array);
    const array = bytesOf(20 * MEBIBYTE, 6);
    const there = link.remote.echo(array);
    const back = store.callback!(array);
    const closed = link.client.close();
    expect([isSame(await there, array), isSame(await back, array)]).toStrictEqual([true, true]);
    await closed;
  });

  test("without grace fails calls whose arrays were on their way, and says that they were not carried out", async () => {
    const { connection, remote } = await byHand();
    const calls = [
      failureOf(remote.put("one", new Uint8Array(HUGE))),
      failureOf(remote.put("two", new Uint8Array(HUGE))),
      failureOf(remote.put("small", new Uint8Array(3))),
    ];
    await connection.close({ graceMs: 0 });
    const outcomes = (await Promise.all(calls)).map(({ code, executed }) => [code, executed]);
    expect(outcomes[0]).toStrictEqual(["CONNECTION_LOST", "no"]);
    expect(outcomes[1]).toStrictEqual(["CONNECTION_LOST", "no"]);
    expect(outcomes[2]![0]).toBe("CONNECTION_LOST");
    expect(connection.stats()).toMatchObject({ pending: 0, exportedReferences: 0 });
    await connection.flushed();
  });

  test("after the last piece doesn't know whether a call was carried out", async () => {
    const { connection, wire, remote } = await byHand();
    const call = failureOf(remote.put("one", new Uint8Array(LARGE)));
    await wire.next();
    expect(await wire.next()).toMatchObject({ kind: 2, index: 0 });
    connection.destroy();
    expect(await call).toMatchObject({ code: "CONNECTION_LOST", executed: "unknown" });
  });
});

describe("a peer", () => {
  test("that takes no segments gets all in the message", async () => {
    const { wire, remote } = await byHand({ segments: false });
    remote.put("one", new Uint8Array(LARGE)).catch(() => {});
    const [, , [path, args]] = (await wire.message()) as [number, number, [string, unknown[]]];
    expect(path).toBe("put");
    expect(JSON.stringify(args)).toContain(Buffer.alloc(LARGE).toString("base64").slice(0, 100));
  });

  test.each(["auto", "aiomas"] as const)(
    "that says no hello may send no extended frames, dialect %s",
    async (dialect) => {
      const server = await serve(TCP, new Store(), { dialect });
      closers.push(() => server.close({ graceMs: 0 }));
      for (const first of [[], [[0, 0, ["echo", [1], {}]]]]) {
        await using wire = await SegmentPeer.connect(server.address);
        wire.send(...first, receipt(0));
        await wire.closed();
      }
    },
  );

  test("may send them directly behind its hello, also where that takes a while to decode", async () => {
    class Slow extends Codec {
      override encode(value: unknown): Uint8Array {
        return Buffer.from(JSON.stringify(this.serialize(value)));
      }
      override async decode(bytes: Uint8Array): Promise<unknown> {
        await turns(3);
        return this.deserialize(JSON.parse(Buffer.from(bytes).toString()));
      }
    }
    const payload = JSON.stringify([0, 0, ["put", ["at once", { __type__: [-10, ["Uint8Array", 0]] }], {}]]);
    const behind = [announcement(0, [3], payload), piece(0, 0, Buffer.from("abc")), [0, 1, ["put", ["then", 0], {}]]];
    const server = await SegmentPeer.serving({}, ...behind);
    closers.push(() => server.close());
    const store = new Store();
    await using connection = await connect(server.address, { codec: Slow, service: store });
    const wire = await server.accepted;
    expect(await wire.message()).toStrictEqual([1, 0, 3]);
    expect((await wire.message())[1]).toBe(1);
    expect(store.log).toStrictEqual(["at once", "then"]);
    connection.destroy();
  });

  test("is told of what has come, and that it is decoded", async () => {
    const store = new Store();
    const server = await serve(TCP, store);
    closers.push(() => server.close({ graceMs: 0 }));
    await using wire = await SegmentPeer.greeted(server.address);
    const payload = JSON.stringify([0, 1, ["put", ["by hand", { __type__: [-10, ["Uint8Array", 0]] }], {}]]);
    wire.send(announcement(7, [5], payload), piece(7, 0, Buffer.from("hel")), piece(7, 0, Buffer.from("lo")));
    expect(await wire.next()).toStrictEqual({ kind: 4, number: 5 });
    expect(await wire.next()).toStrictEqual({ kind: 5, number: 7 });
    expect(await wire.message()).toStrictEqual([1, 1, 5]);
    expect(store.log).toStrictEqual(["by hand"]);
  });

  test("that confirms goes on to get what waits, however much there is", async () => {
    const { connection, wire, remote } = await byHand({ limits: { maxSegmentBytes: 40 * MEBIBYTE } });
    const names = ["a", "b", "c", "d", "e"];
    const calls = names.map((name) => remote.put(name, new Uint8Array(15 * MEBIBYTE)));
    // Two at a time fit; they take turns.
    expect((await answerAll(wire, 5)).toSorted((one, other) => one.localeCompare(other))).toStrictEqual(names);
    expect(await Promise.all(calls)).toStrictEqual(names);
    expect(connection.stats().pending).toBe(0);
  });
});

test.each([compressed(MsgPackCodec, { algorithm: "deflate" }), MsgPackBloscCodec])(
  "many messages with packed segments are no more in a turn than others (%o)",
  async (codec) => {
    let inTurn = 0;
    let mostInTurn = 0;
    class Busy extends Service {
      @expose take(array: Float64Array): number {
        if (++inTurn === 1) setImmediate(() => (inTurn = 0));
        mostInTurn = Math.max(mostInTurn, inTurn);
        for (const start = performance.now(); performance.now() - start < 1.2;);
        return array.length;
      }
    }
    const server = await serve(TCP, new Busy(), { codec });
    closers.push(() => server.close());
    const client = await connect<Busy>(server.address, { codec });
    closers.push(() => client.close());
    const lengths = await Promise.all(Array.from({ length: 60 }, () => client.remote.take(new Float64Array(20_000))));
    expect(lengths).toStrictEqual(Array.from({ length: 60 }, () => 20_000));
    expect(mostInTurn).toBeLessThanOrEqual(4);
  },
);
