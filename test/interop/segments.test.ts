import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { JsonCodec, MsgPackCodec } from "@colloquy/core";
import { Service, connect, expose, serve, withOptions } from "@colloquy/rpc";
import type { Connection } from "@colloquy/rpc";
import { PythonPeer, pythonMissing } from "./driver.ts";

const missing = pythonMissing();
if (missing !== undefined) process.emitWarning(missing);

const script = "segment_drive.py";
const CODECS = { json: JsonCodec, msgpack: MsgPackCodec } as const;

/** Bytes that tell their place, as `segments.py` makes them. */
function striped(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let index = 0; index < length; index++) bytes[index] = (index * 7 + (index >> 8) + seed) % 251;
  return bytes;
}

/** The form of a typed array that has come to the Python side. */
function arrived(name: string, bytes: Uint8Array): object {
  return { $array: { name, length: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") } };
}

function bytesOf(view: unknown): Buffer {
  const { buffer, byteOffset, byteLength } = view as ArrayBufferView;
  return Buffer.from(buffer, byteOffset, byteLength);
}

class Desk extends Service {
  readonly seen: unknown[] = [];

  @expose echo(x: unknown): unknown {
    this.seen.push(x);
    return x;
  }
  @expose async callBack(callback: any, ...args: unknown[]): Promise<unknown> {
    return callback(...args);
  }
}

/** One end is Python's: the other is a client of it, or serves it. */
describe.skipIf(missing !== undefined).each([
  ["json", "client"],
  ["json", "server"],
  ["msgpack", "client"],
  ["msgpack", "server"],
] as const)("segments of Python, %s, as a %s", (codec, mode) => {
  let python: PythonPeer;
  let connection: Connection<any>;
  let desk: Desk;
  let closers: (() => Promise<void>)[];

  async function open(limits = {}, hello: boolean | Record<string, unknown> = true): Promise<void> {
    desk = new Desk();
    if (mode === "client") {
      const server = await serve("tcp://127.0.0.1:0", desk, { codec: CODECS[codec], limits });
      python = await PythonPeer.start({ script, mode, codec, address: server.address, hello });
      connection = [...server.connections][0] as Connection<any>;
      closers = [() => python.close(), () => server.close({ graceMs: 0 })];
    } else {
      python = await PythonPeer.start({ script, mode, codec, hello });
      connection = await connect<any>(python.address, { codec: CODECS[codec], service: desk, limits });
      closers = [() => connection.close({ graceMs: 0 }), () => python.close()];
    }
  }

  beforeEach(() => void (closers = []));
  afterEach(async () => {
    for (const close of closers) await close();
  });

  async function idle(): Promise<void> {
    const left = { incoming: 0, counted: 0, unreleased: 0, underWay: 0 };
    await expect.poll(() => python.result({ op: "segments" })).toMatchObject(left);
    expect(connection.stats()).toMatchObject({ pending: 0, running: 0, waiting: 0 });
  }

  test("go both ways, byte for byte", async () => {
    await open();
    const sizes = [8, 32_760, 32_768, 100_000, 3_000_000].map((length, seed) => ({
      name: "Float64Array",
      length,
      seed,
    }));
    for (const { name, length, seed } of sizes) {
      const bytes = striped(length, seed);
      expect(await python.remote("echo", { $striped: { name, length, seed } })).toEqual(arrived(name, bytes));
      expect(bytesOf(desk.seen.at(-1)).equals(bytes)).toBe(true);
      expect(desk.seen.at(-1)).toBeInstanceOf(Float64Array);
      const found: unknown = await connection.remote.echo(new Int16Array(bytes.buffer, bytes.byteOffset, length / 2));
      expect(found).toBeInstanceOf(Int16Array);
      expect(bytesOf(found).equals(bytes)).toBe(true);
    }
    await idle();
  });

  test("come several with a message, beside what is small", async () => {
    await open();
    const array = (length: number, seed: number): object => ({ $striped: { name: "Int8Array", length, seed } });
    const given = [1, array(50_000, 1), { deep: [array(70_001, 2), array(3, 3)] }, array(50_000, 1)];
    const back = (await python.remote("echo", given)) as unknown[];
    expect(back[1]).toEqual(arrived("Int8Array", striped(50_000, 1)));
    expect(back[2]).toEqual({
      deep: [arrived("Int8Array", striped(70_001, 2)), arrived("Int8Array", striped(3, 3))],
    });
    expect(back[3]).toEqual(back[1]);
    await idle();
  });

  test("are many at once, more than either side takes at a time", async () => {
    await open({ maxSegmentBytes: 300_000 }, { limits: { maxSegmentBytes: 250_000 } });
    const calls = Array.from({ length: 40 }, async (_, seed) => {
      const length = 40_000 + seed * 1000;
      const bytes = striped(length, seed);
      const there = python.remote("echo", { $striped: { name: "Uint8Array", length, seed } });
      const found: unknown = await connection.remote.echo(new Uint8Array(bytes));
      expect(bytesOf(found).equals(bytes)).toBe(true);
      expect(await there).toEqual(arrived("Uint8Array", bytes));
    });
    await Promise.all(calls);
    await idle();
  });

  test("that one side takes back are forgotten, and the call never starts", async () => {
    await open();
    await python.result({ op: "hold", pieces: 3 });
    const given = python.call({
      op: "call",
      path: "echo",
      args: [{ $striped: { name: "Uint8Array", length: 900_000, seed: 1 } }],
    });
    await expect.poll(async () => ((await python.result({ op: "segments" })) as { pieces: number }).pieces).toBe(3);
    expect(await python.result({ op: "withdraw" })).toBe(1);
    expect((await given).error?.type).toBe("CancelledError");
    await python.result({ op: "hold", pieces: null });
    expect(await python.remote("echo", "next")).toBe("next");
    expect(desk.seen).toEqual(["next"]);
    await idle();
  });

  test("are withdrawn by a call that is given up, and Python forgets them", async () => {
    await open();
    for (let count = 1; count <= 3; count++) {
      const abort = new AbortController();
      const options = { signal: abort.signal };
      const call = withOptions(connection.remote.echo, options)(new Uint8Array(60_000_000)) as Promise<unknown>;
      abort.abort();
      await expect(call).rejects.toMatchObject({ code: "CANCELLED", executed: "no" });
      expect(await connection.remote.echo(count)).toBe(count);
      expect(await python.result({ op: "segments" })).toMatchObject({ withdrawals: count, incoming: 0 });
    }
    await idle();
  });

  test("of one that takes none stay in the message", async () => {
    await open({}, { segments: false });
    const bytes = striped(100_000, 4);
    const found: unknown = await connection.remote.echo(new Uint8Array(bytes));
    expect(bytesOf(found).equals(bytes)).toBe(true);
  });

  test("go through a callback while the call is under way", async () => {
    await open();
    const array = { $striped: { name: "Uint8Array", length: 200_000, seed: 5 } };
    if (mode === "client") {
      expect(await python.remote("callBack", { $function: "echo" }, array)).toEqual(
        arrived("Uint8Array", striped(200_000, 5)),
      );
    } else {
      const found: unknown = await connection.remote.call_back(
        async (bytes: Uint8Array) => bytes.map((value) => 250 - value),
        "",
        new Uint8Array(striped(200_000, 5)),
      );
      expect(bytesOf(found).equals(striped(200_000, 5).map((value) => 250 - value))).toBe(true);
    }
    await idle();
  });
});
