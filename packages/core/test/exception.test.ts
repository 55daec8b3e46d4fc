import { describe, expect, it } from "vitest";
import { ColloquyError, RemoteError, SerializationError } from "../src/errors.ts";
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
