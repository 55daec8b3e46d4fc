import * as fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { MsgPackCodec } from "../src/msgpack-codec.ts";
import { compileReader, compileWriter, loopReader, loopWriter } from "../src/shape-code.ts";
import type { ShapeReader, ShapeWriter } from "../src/shape-code.ts";
import { shapeFunctions } from "../src/shape-functions.ts";
import { bytes, decodeMessage, expectSame } from "./support.ts";

/** What reads and what writes. */
interface ShapeCode {
  readonly write: ShapeWriter;
  readonly read: ShapeReader;
}

function compiled(keys: readonly string[]): ShapeCode {
  return { write: compileWriter(keys)!, read: compileReader(keys)! };
}

function loops(keys: readonly string[]): ShapeCode {
  return { write: loopWriter(keys), read: loopReader(keys) };
}

describe("functions of shapes", () => {
  afterEach(() => {
    vi.doUnmock("node:vm");
    vi.resetModules();
  });

  /** What they do: values in order, what comes out, and under which key a failure is told. */
  function trace({ write, read }: ShapeCode, keys: readonly string[], failAt: number): unknown {
    const steps: unknown[] = [];
    const within = (error: unknown, key: string): unknown => [error, key];
    const step = (value: unknown, depth: number): unknown => {
      if (steps.length === failAt) throw steps.length;
      steps.push([value, depth]);
      return steps.length;
    };
    const outcome = (action: () => unknown): unknown => {
      try {
        return { done: action() };
      } catch (error) {
        return { error };
      }
    };
    const map = Object.fromEntries(keys.map((key, index) => [key, `value ${index}`]));
    const written = outcome(() => write({ write: step, within }, map, 5));
    const values = steps.splice(0);
    const found = outcome(() => read({ read: (depth) => step("read", depth), within }, 6)) as { done?: object };
    const shape =
      found.done === undefined
        ? undefined
        : [Object.keys(found.done), Object.getPrototypeOf(found.done) === Object.prototype];
    return [values, written, steps, found, shape];
  }

  const HOSTILE = [
    '"]; process.exit(1); //',
    "'+process.exit(1)+'",
    "`${process.exit(1)}`",
    "*/ process.exit(1) /*",
    "]: 1, [process.exit(1)",
    "\\",
    '\\"',
    '"',
    "\u2028",
    "\u2029 x",
    "\n\r\0",
    "\ud800",
    "\u{1f600}",
    "",
    "at",
    "map",
    "reader",
    "writer",
    "depth",
    "get x",
    "async",
    "...x",
    "prototype",
    "hasOwnProperty",
    "toString",
    "valueOf",
    "__defineGetter__",
  ];

  it("do the same compiled and as loops, whatever the keys", () => {
    const key = fc.oneof(fc.constantFrom(...HOSTILE), fc.string({ unit: "binary", maxLength: 10 }));
    const list = fc.uniqueArray(key, { minLength: 1, maxLength: 12 });
    const definable = list.filter((keys) => keys.every((text) => text !== "__proto__" && !/^\d+$/.test(text)));
    fc.assert(
      fc.property(definable, fc.integer({ min: -1, max: 12 }), (keys, failAt) => {
        expectSame(trace(compiled(keys), keys, failAt), trace(loops(keys), keys, failAt));
      }),
      { numRuns: 500 },
    );
  });

  it("take keys that look like code as keys", () => {
    for (const text of HOSTILE) {
      for (const { read } of [compiled([text, "last"]), loops([text, "last"])])
        expectSame(read({ read: () => 1, within: (error) => error }, 0), { [text]: 1, last: 1 });
    }
    const codec = new MsgPackCodec();
    for (const [id, text] of HOSTILE.entries()) {
      expect(codec.shapes.receive(id, [text])).toBe(true);
      const payload = Buffer.from([0x93, 0, 7, 0x92, 0xd4, 1, id, 5]);
      for (let count = 0; count < 300; count++) expectSame(decodeMessage(codec, payload).content, { [text]: 5 });
    }
    expect(shapeFunctions.usedCount).toBe(HOSTILE.length);
    codec.shapes.close();
  });

  it("are not compiled where the runtime compiles no code", async () => {
    vi.resetModules();
    vi.doMock("node:vm", () => ({
      compileFunction: () => {
        throw new EvalError("code generation from strings disallowed");
      },
    }));
    const code = await import("../src/shape-code.ts");
    expect([code.compileReader(["a"]), code.compileWriter(["a"])]).toStrictEqual([undefined, undefined]);
    const { MsgPackCodec: Codec } = await import("../src/msgpack-codec.ts");
    const codec = new Codec();
    codec.shapes.receive(0, ["a"]);
    for (let count = 0; count < 600; count++)
      expectSame(decodeMessage(codec, bytes("93 00 07 92 d40100 05")).content, { a: 5 });
  });
});
