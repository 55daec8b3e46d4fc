import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, readdir, rename, rm } from "node:fs/promises";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { DEFAULT_ERROR_RULES, resolveErrors } from "../src/error-rules.ts";
import { ColloquyError, RemoteError, SerializationError } from "../src/errors.ts";
import { PublicError } from "../src/public-error.ts";
import { readException } from "../src/read-exception.ts";
import { writeException } from "../src/write-exception.ts";
import type { ExceptionStyle } from "../src/write-exception.ts";
import { MsgPackCodec } from "../src/msgpack-codec.ts";
import { greeted } from "./support.ts";

const STYLES: ExceptionStyle[] = ["text", "list", "map"];

describe("readException", () => {
  it("reads a traceback of Python", () => {
    const traceback =
      'Traceback (most recent call last):\n  File "x.py", line 1, in f\nbuiltins.ValueError: boom\nsecond line\n';
    const error = readException(traceback);
    expect(error).toBeInstanceOf(RemoteError);
    expect(error).toMatchObject({
      code: "REMOTE_ERROR",
      executed: "unknown",
      remoteName: "ValueError",
      message: "boom\nsecond line",
      remoteStack: traceback,
    });
  });

  it.each([
    ["KeyError", "KeyError", ""],
    ["KeyError: 'x'", "KeyError", "'x'"],
    ["no name at all!", "Error", "no name at all!"],
    ["", "Error", ""],
    ["a: b\nOSError: [Errno 2] none: x", "OSError", "[Errno 2] none: x"],
  ])("reads the text %j", (text, remoteName, message) => {
    expect(readException(text)).toMatchObject({ remoteName, message });
  });

  it("reads the list of mosaik", () => {
    const error = readException(["ValueError", "boom", "Traceback ...\n", "ValueError: boom\n"]);
    expect(error).toMatchObject({
      remoteName: "ValueError",
      message: "boom",
      remoteStack: "Traceback ...\nValueError: boom\n",
    });
    expect(readException([])).toMatchObject({ remoteName: "Error", message: "", remoteStack: undefined });
    expect(readException([1, {}, null])).toMatchObject({ remoteName: "Error", message: "" });
  });

  it("writes the stack into the list of mosaik, line by line, where stacks may leave", () => {
    const error = new RangeError("boom");
    error.stack = "RangeError: boom\n    at f (x.ts:1:2)\n    at g (y.ts:3:4)";
    expect(writeException(error, "list")).toEqual(["RangeError", "boom", "RangeError: boom"]);
    const lines = ["RangeError: boom\n", "    at f (x.ts:1:2)\n", "    at g (y.ts:3:4)\n"];
    expect(writeException(error, "list", resolveErrors({ stacks: true }))).toEqual(["RangeError", "boom", ...lines]);
    expect(writeException(error, "list", resolveErrors({ stacks: true, allow: "name" }))).toHaveLength(3);
    expect(writeException("a text", "list", resolveErrors({ stacks: true }))).toEqual([
      "string",
      "a text",
      "string: a text",
    ]);
    expect(readException(["RangeError", "boom", ...lines])).toMatchObject({ remoteStack: lines.join("") });
  });

  it("reads a map, with what surely didn't run as a failure of the call", () => {
    const refused = readException({
      name: "ColloquyError",
      message: "full",
      code: "RESOURCE_EXHAUSTED",
      executed: "no",
    });
    expect(refused).not.toBeInstanceOf(RemoteError);
    expect(refused).toMatchObject({ code: "RESOURCE_EXHAUSTED", executed: "no", message: "full" });
    const cause = { name: "TypeError", message: "deep" };
    expect(readException({ name: "X", message: "m", data: { a: 1 }, stack: "there", cause })).toMatchObject({
      remoteName: "X",
      message: "m",
      fields: { a: 1 },
      remoteStack: "there",
      cause: { remoteName: "TypeError", message: "deep" },
    });
  });

  it("reads anything else without trusting it", () => {
    for (const content of [
      null,
      undefined,
      1,
      true,
      {},
      { name: 1, message: [], code: "__proto__", executed: "maybe", cause: 5, stack: {} },
    ]) {
      const error = readException(content);
      expect(error).toBeInstanceOf(RemoteError);
      expect(error).toMatchObject({ code: "REMOTE_ERROR", executed: "unknown", remoteName: "Error" });
    }
    let cause: unknown = {};
    for (let depth = 0; depth < 10_000; depth++) cause = { cause };
    expect(readException(cause)).toBeInstanceOf(RemoteError);
  });
});

describe("writeException", () => {
  it("is read as what was thrown, in each style", () => {
    for (const style of STYLES) {
      expect(readException(writeException(new TypeError("no: way"), style))).toMatchObject({
        remoteName: "TypeError",
        message: "no: way",
      });
      const passedOn = new RemoteError("KeyError", "'x'");
      expect(readException(writeException(passedOn, style))).toMatchObject({ remoteName: "KeyError", message: "'x'" });
    }
    const refusal = new ColloquyError("NOT_FOUND", "nothing there");
    expect(readException(writeException(refusal, "map"))).toMatchObject({
      code: "NOT_FOUND",
      executed: "no",
      message: "nothing there",
    });
  });

  it("leaves out the paths that the system puts into its errors, in causes too, and nothing of others", async () => {
    const folder = await mkdtemp(join(tmpdir(), "secret-"));
    const socket = join(folder, "none.sock");
    const failures = [
      readFile(join(folder, "keys.txt")),
      rename(join(folder, "a"), join(folder, "b")),
      once(spawn(join(folder, "tool")), "spawn"),
      once(net.connect(socket), "connect"),
      readdir("secret-here"),
    ].map(async (promise) => promise.catch((error: unknown) => error));
    for (const error of await Promise.all(failures)) {
      expect((error as Error).message).toContain("secret-");
      for (const style of STYLES) {
        const written = JSON.stringify(writeException(new Error("outer", { cause: error }), style));
        expect(written + JSON.stringify(writeException(error, style))).not.toContain("secret-");
      }
      expect(readException(writeException(error, "map")).message).toMatch(/ENOENT/);
    }
    const own = Object.assign(new Error("no route /a/b"), { path: "/a/b" });
    expect(readException(writeException(own, "map")).message).toBe("no route /a/b");
    const told = Object.assign(new PublicError("no file /a/b"), { syscall: "open", path: "/a/b" });
    expect(readException(writeException(told, "map")).message).toBe("no file /a/b");
    await rm(folder, { recursive: true });
  });

  it("sends neither stacks nor fields, and causes to a depth", () => {
    const error = Object.assign(new Error("outer", { cause: new Error("inner") }), { secret: "token" });
    const written = JSON.stringify(STYLES.map((style) => writeException(error, style)));
    expect(written).not.toContain("token");
    expect(written).not.toContain("exception.test");
    expect(written).toContain("inner");
    const cycle = new Error("cycle");
    cycle.cause = cycle;
    expect(JSON.stringify(writeException(cycle, "map")).length).toBeLessThan(2000);
  });

  it("takes anything that was thrown, and gives what a codec carries", () => {
    class Hostile extends Error {
      override get message(): string {
        throw new Error("of the getter");
      }
    }
    const nameless = Object.defineProperty(new Error("x"), "name", { value: 5 });
    const unpaired = Object.assign(new Error("\ud800"), { name: "\udc00" });
    const cut = Object.assign(new Error(`${"x".repeat(4095)}😀`), { name: `${"n".repeat(255)}😀` });
    const revocable = Proxy.revocable({}, {});
    revocable.revoke();
    for (const thrown of [
      undefined,
      null,
      0,
      "text",
      Symbol("s"),
      1n,
      {},
      Object.create(null),
      () => 1,
      new Hostile(),
      nameless,
      unpaired,
      cut,
      new Error("x".repeat(100_000)),
      revocable.proxy,
      new SerializationError("a", { place: ["\ud800"] }),
    ]) {
      for (const style of STYLES) {
        const encoded = greeted(new MsgPackCodec()).encode(writeException(thrown, style));
        expect(encoded.length).toBeLessThan(15_000);
      }
    }
  });
});

/** As it crosses, of any shape. */
function written(thrown: unknown, rules = DEFAULT_ERROR_RULES): any {
  return writeException(thrown, "map", rules);
}

/** An error with this many causes below it. */
function nested(count: number): Error {
  return count === 0 ? new Error("end") : new Error(`${count}`, { cause: nested(count - 1) });
}

/** How many levels of causes there are below. */
function depthOf(error: { cause?: unknown }): number {
  return error.cause === undefined ? 0 : 1 + depthOf(error.cause as { cause?: unknown });
}

describe("what an exception tells of the call", () => {
  const changed = (code: PropertyDescriptor, executed: PropertyDescriptor): ColloquyError =>
    Object.defineProperties(new ColloquyError("INTERNAL", "text"), { code, executed });

  it.each([
    ["no code", changed({ value: "OUT_OF_STOCK" }, { value: "maybe" })],
    ["no text", changed({ value: ["INTERNAL"] }, { value: ["no"] })],
    ["a proxy", changed({ value: revoked() }, { value: revoked() })],
    ["a getter that throws", changed({ get: fail }, { get: fail })],
  ])("is what other errors tell where it is %s", (_what, error) => {
    expect(written(error)).toStrictEqual({
      name: "ColloquyError",
      message: "text",
      code: "REMOTE_ERROR",
      executed: "yes",
    });
  });

  it("is the code, or the answer, that is left", () => {
    expect(written(changed({ value: "UNAVAILABLE" }, { value: 1 }))).toMatchObject({
      code: "UNAVAILABLE",
      executed: "yes",
    });
    expect(written(changed({ value: 1 }, { value: "unknown" }))).toMatchObject({
      code: "REMOTE_ERROR",
      executed: "unknown",
    });
  });
});

function fail(): never {
  throw new Error("a getter");
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

describe("the bounds of an exception", () => {
  it.each([
    [255, 255],
    [256, 256],
    [257, 256],
  ])("take of a name of %i characters %i", (given, kept) => {
    const error = Object.assign(new Error("x"), { name: "n".repeat(given) });
    expect(written(error).name).toHaveLength(kept);
    expect(written(new RemoteError("n".repeat(given), "x")).name).toHaveLength(kept);
  });

  it.each([
    [4095, 4095],
    [4096, 4096],
    [4097, 4099],
  ])("take of a message of %i characters %i, with dots where it is cut", (given, kept) => {
    for (const thrown of [new Error("m".repeat(given)), "m".repeat(given)])
      expect(written(thrown).message).toHaveLength(kept);
  });

  it.each([7, 8, 9, 20])("hold eight levels of %i causes, written and read", (count) => {
    const kept = Math.min(count, 8);
    expect(depthOf(written(nested(count)))).toBe(kept);
    let map: object = { name: "E", message: "m" };
    for (let level = 0; level < count; level++) map = { name: "E", message: "m", cause: map };
    expect(depthOf(readException(map))).toBe(kept);
  });

  it.each([62, 63, 64, 1000])("hold 64 errors, of an AggregateError of %i, written and read", (count) => {
    const error = new AggregateError(Array.from({ length: count }, (_, index) => new Error(`${index}`)));
    const kept = Math.min(count, 63);
    expect(written(error).errors).toHaveLength(kept);
    const errors = Array.from({ length: count }, (_, index) => ({ name: "E", message: `${index}` }));
    expect(readException({ name: "E", message: "m", errors })).toHaveProperty("errors.length", kept);
  });

  it("hold 64 errors also where each gathers others, itself among them", () => {
    const error = new AggregateError([], "cycle");
    error.errors = [error, error, error];
    error.cause = error;
    expect(JSON.stringify(written(error)).match(/"name"/g)).toHaveLength(64);
    let map: Record<string, unknown> = { name: "E", message: "m" };
    for (let level = 0; level < 8; level++) map = { name: "E", message: "m", errors: [map, map, map], cause: map };
    let count = 0;
    const visit = (one: { cause?: unknown; errors?: unknown }): void => {
      count++;
      if (one.cause !== undefined) visit(one.cause as object);
      for (const inner of (one.errors ?? []) as object[]) visit(inner);
    };
    visit(readException(map));
    expect(count).toBe(64);
  });

  it("hold 65,536 bytes of fields, of all its errors together: the first that fit", () => {
    // A key and a text take 9 bytes each beside their characters.
    const [keys, overhead] = [2, 4 * 9];
    const error = (length: number) => new PublicError("x", { fields: { a: "y".repeat(length), b: "" } });
    const fits = 65_536 - keys - overhead;
    for (const length of [fits - 1, fits]) expect(Object.keys(written(error(length)).data)).toEqual(["a", "b"]);
    expect(Object.keys(written(error(fits + 1)).data)).toEqual(["a"]);
    expect(Object.keys(written(error(70_000)).data)).toEqual(["b"]);
    const outer = new PublicError("x", { fields: { a: "y".repeat(60_000) }, cause: error(10_000) });
    expect(Object.keys(written(outer).cause.data)).toEqual(["b"]);
  });

  it("leave out fields that are cyclic, bottomless or can't be read, and end", () => {
    const cycle: Record<string, unknown> = {};
    cycle["self"] = cycle;
    const endless = new Proxy(
      {},
      {
        ownKeys: () => ["next"],
        get: () => endless,
        getOwnPropertyDescriptor: () => ({ value: 1, enumerable: true, configurable: true }),
      },
    );
    const revoked = Proxy.revocable({}, {});
    revoked.revoke();
    const error = new PublicError("x", {
      fields: {
        cycle,
        endless,
        revoked: revoked.proxy,
        huge: Array.from({ length: 100_000 }, () => 1),
        digits: [10n ** 4000n],
        fine: 1,
      },
    });
    Object.defineProperty(error, "thrower", {
      enumerable: true,
      get() {
        throw new Error("of the getter");
      },
    });
    expect(written(error).data).toEqual({ digits: [10n ** 4000n], fine: 1 });
  });

  it.each([65_535, 65_536, 65_537])("hold 65,536 characters of stacks, of %i", (length) => {
    const rules = resolveErrors({ stacks: true });
    const error = Object.assign(new Error("x", { cause: new Error("y") }), { stack: "s".repeat(length) });
    expect(written(error, rules).stack).toHaveLength(Math.min(length, 65_536));
    expect(written(error, rules).cause.stack?.length ?? 0).toBe(Math.max(65_536 - length, 0));
    const read = readException({ name: "E", message: "m", stack: "s".repeat(length) }) as RemoteError;
    expect(read.remoteStack).toHaveLength(Math.min(length, 65_536));
  });
});

describe("fields of an exception", () => {
  it("never are what every error has, nor what a map can't have", () => {
    const error = new PublicError("text");
    for (const key of ["message", "name", "stack", "cause", "constructor", "toString", "__proto__", "__type__"])
      Object.defineProperty(error, key, { value: "secret", enumerable: true, configurable: true });
    const map = written(error);
    expect(Object.keys(map.data)).toEqual([]);
    expect(map.message).toBe("secret");
  });

  it("of a ColloquyError are those that an application has added", () => {
    class Busy extends ColloquyError {
      readonly after = 5;
    }
    expect(written(new Busy("UNAVAILABLE", "busy"))).toMatchObject({ code: "UNAVAILABLE", data: { after: 5 } });
    for (const error of [new ColloquyError("NOT_FOUND", "x"), new SerializationError("x", { place: [1] })])
      expect(Object.keys(written(error))).not.toContain("data");
  });

  it("are without those that a receiver refuses, and with errors that lead back to themselves", () => {
    const then = (): number => 1;
    const cyclic = new Error("cyclic");
    Object.defineProperty(cyclic, "cause", { value: cyclic });
    const shared = { a: 1 };
    const fine = { shared, again: shared, cyclic, then: 1, constructor: { name: "x" }, toJSON: [{}] };
    const refused = {
      map: new Map([["k", { then }]]),
      key: new Map([[{ toJSON: then }, 1]]),
      set: new Set([[{ then }]]),
      error: Object.assign(new Error("x"), { then }),
      caused: new Error("x", { cause: { constructor: { prototype: 1 } } }),
      gathered: new AggregateError([new Error("x", { cause: { then } })]),
      instance: { then: new (class Held {})() },
      again: [shared, { again: shared, then }],
      revoked: { then: revoked() },
    };
    expect(written(new PublicError("x", { fields: { fine, ...refused, last: 1 } })).data).toEqual({ fine, last: 1 });
    expect(written({ a: 1, constructor: { prototype: 1 } }).thrown).toEqual({ a: 1 });
    expect(written([1, { then }])).not.toHaveProperty("thrown");
    expect(written(new RemoteError("N", "x", { fields: [{ then }] }))).not.toHaveProperty("data");
  });

  it("of an error that gathers nothing may be called `errors`", () => {
    const errors = [{ path: "a", reason: "missing" }];
    const map = written(new PublicError("x", { fields: { errors } }));
    expect(map.data).toEqual({ errors });
    expect(Object.keys(map)).not.toContain("errors");
    expect(written(Object.assign(new Error("x"), { errors: [new Error("secret")] }))).not.toHaveProperty("errors");
  });
});
