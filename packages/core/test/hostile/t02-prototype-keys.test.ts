import { afterEach, describe, expect, it } from "vitest";
import { JsonCodec } from "../../src/json-codec.ts";
import { MsgPackCodec } from "../../src/msgpack-codec.ts";
import { StructuredCloneCodec } from "../../src/structured-clone-codec.ts";
import { bytes, decodeMessage, hex, thrownBy } from "../support.ts";

function text(value: string): string {
  return (0xa0 + value.length).toString(16) + hex(Buffer.from(value));
}

/** What careless code does with what it got. */
function merged(target: any, source: any): any {
  for (const key in source) {
    if (typeof source[key] === "object" && source[key] !== null) {
      target[key] ??= {};
      merged(target[key], source[key]);
    } else target[key] = source[key];
  }
  return target;
}

describe("T2: keys that reach a prototype", () => {
  afterEach(() => {
    expect(Object.keys(Object.prototype)).toStrictEqual([]);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  const json = [
    '{"__proto__":{"polluted":1}}',
    '{"\\u005f_proto__":{"polluted":1}}',
    '{"a":[{"__proto__":{"polluted":1}}]}',
    '{"constructor":{"prototype":{"polluted":1}}}',
    '{"\\u0063onstructor":{"prototype":{"polluted":1}}}',
    '{"constructor":{"\\u0070rototype":{"polluted":1}}}',
  ];
  it.each(json)("the JSON %s is refused, as a message too", (given) => {
    expect(thrownBy(() => merged({}, new JsonCodec().decode(Buffer.from(given))))).toMatchObject({
      code: "SERIALIZATION_ERROR",
    });
    expect(decodeMessage(new JsonCodec(), Buffer.from(`[0,1,${given}]`))).toMatchObject({
      content: undefined,
      error: { code: "SERIALIZATION_ERROR" },
    });
  });

  const polluted = `81${text("polluted")}01`;
  const msgpack = [
    `81 ${text("__proto__")} ${polluted}`,
    `81 a161 91 81 d909${hex(Buffer.from("__proto__"))} ${polluted}`,
    `81 da0009${hex(Buffer.from("__proto__"))} ${polluted}`,
    `81 ${text("constructor")} 81 ${text("prototype")} ${polluted}`,
    `82 a161 01 ${text("constructor")} 82 a161 01 ${text("prototype")} ${polluted}`,
  ];
  it.each(msgpack)("the MsgPack %s is refused, as a message too", (given) => {
    expect(thrownBy(() => merged({}, new MsgPackCodec().decode(bytes(given))))).toMatchObject({
      code: "SERIALIZATION_ERROR",
    });
    expect(decodeMessage(new MsgPackCodec(), bytes(`93 00 01 ${given}`))).toMatchObject({
      content: undefined,
      error: { code: "SERIALIZATION_ERROR" },
    });
  });

  const inner = `${text("inner")} 81 ${text("constructor")}`;
  const clones = [
    ["before it comes", `82 ${text("prototype")} ${polluted} ${inner} c1 00 00`],
    ["after what refers to its owner", `82 ${inner} c1 00 00 ${text("prototype")} ${polluted}`],
    ["in an outer map", `82 a161 81 ${inner} c1 00 00 ${text("prototype")} ${polluted}`],
    [
      "of an error",
      `c1 08 a145 a16d c2 82 ${text("cause")} 81 ${text("constructor")} c1 00 00 ${text("fields")} 81 ${text("prototype")} ${polluted}`,
    ],
  ];
  it.each(clones)("a prototype under a constructor is refused in a structured clone %s", (_where, given) => {
    expect(thrownBy(() => new StructuredCloneCodec().decode(bytes(`c1 ${given}`)))).toMatchObject({
      code: "SERIALIZATION_ERROR",
      message: expect.stringContaining('"constructor" with a "prototype"') as string,
    });
  });

  it("what stands under a constructor in one clone is nothing to the next one", () => {
    const codec = new StructuredCloneCodec();
    const decoded = (given: string): unknown => decodeMessage(codec, bytes(`c1 93 00 01 ${given}`)).content;
    const cyclic = decoded(`81 ${inner} c1 00 00`) as { readonly inner: { readonly constructor: unknown } };
    expect(cyclic.inner.constructor).toBe(cyclic);
    expect(decoded(`81 ${text("prototype")} 01`)).toStrictEqual({ prototype: 1 });
  });

  it("such keys are refused behind anything, in large messages too", () => {
    const filling = "x".repeat(70_000);
    for (const given of json) {
      const large = `["${filling}",${given}]`;
      for (const text of [large, `["\\",${given}]`, `["${filling}\\u0041",${given}]`, `[[],[{}],${given}]`])
        expect(thrownBy(() => new JsonCodec().decode(Buffer.from(text)))).toMatchObject({
          code: "SERIALIZATION_ERROR",
        });
    }
    for (const given of msgpack) {
      const large = Buffer.concat([bytes("92 db 00011170"), Buffer.from(filling), bytes(given)]);
      expect(thrownBy(() => new MsgPackCodec().decode(large))).toMatchObject({ code: "SERIALIZATION_ERROR" });
    }
  });

  it("keys of a prototype are ordinary keys of decoded maps", () => {
    for (const key of ["toString", "hasOwnProperty", "valueOf", "constructor", "__defineGetter__", "then", "toJSON"]) {
      const fromJson = new JsonCodec().decode(Buffer.from(JSON.stringify({ [key]: 1 })));
      const fromMsgPack = new MsgPackCodec().decode(bytes(`81 ${text(key)} 01`));
      for (const map of [fromJson, fromMsgPack] as Record<string, unknown>[]) {
        expect(Object.hasOwn(map, key)).toBe(true);
        expect(map[key]).toBe(1);
        expect(Object.getPrototypeOf(map)).toBe(Object.prototype);
      }
    }
  });

  it("types and ids of a prototype's names are no types and ids", () => {
    for (const name of ["constructor", "__proto__", "toString"]) {
      expect(thrownBy(() => new JsonCodec().decode(Buffer.from(`{"__type__":["${name}",1]}`)))).toMatchObject({
        code: "SERIALIZATION_ERROR",
      });
    }
  });
});
