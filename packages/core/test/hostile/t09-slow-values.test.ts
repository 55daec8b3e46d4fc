import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { JsonCodec } from "../../src/json-codec.ts";
import { DEFAULT_LIMITS } from "../../src/limits.ts";
import { MsgPackCodec } from "../../src/msgpack-codec.ts";
import { URL_COST, readUrl } from "../../src/standard-values.ts";
import { StructuredCloneCodec } from "../../src/structured-clone-codec.ts";
import { builtins, bytes, greeted, thrownBy } from "../support.ts";

class Text {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** A URL as any peer may write it. */
function sentUrl(codec: JsonCodec | MsgPackCodec | StructuredCloneCodec, text: string): Buffer {
  if (codec instanceof StructuredCloneCodec)
    return Buffer.concat([bytes("c1 c1 09"), Buffer.from(new MsgPackCodec().encode(text))]);
  codec.setBuiltins(builtins((value) => (value instanceof Text ? { typeId: -9, data: value.text } : undefined)));
  return Buffer.from(codec.encode(new Text(text)));
}

/** Characters of which no two are the same: a label of them takes the engine longest. */
function ideographs(count: number): string {
  return Array.from({ length: count }, (_, index) => String.fromCodePoint(0x4e_00 + (index % 20_000))).join("");
}

function attempted(make: () => unknown): unknown {
  try {
    return make();
  } catch (error) {
    return error;
  }
}

const NO_BOUND = { spend() {} };

describe.each([
  ["JSON", JsonCodec],
  ["MsgPack", MsgPackCodec],
  ["structured clones", StructuredCloneCodec],
])("T9: values that take longer than their memory tells, in %s", (_name, CodecClass) => {
  const decoded = (payload: Buffer, maxDecodedCost: number): unknown => {
    const codec = greeted(new CodecClass());
    codec.limits = { ...DEFAULT_LIMITS, maxDecodedCost };
    return codec.decode(payload);
  };
  const costOf = (payload: Buffer): number => {
    let [low, high] = [0, DEFAULT_LIMITS.maxDecodedCost];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (attempted(() => decoded(payload, middle) !== undefined) === true) high = middle;
      else low = middle;
    }
    return high;
  };

  it("a URL with a long host is refused, both ways", () => {
    for (const host of [ideographs(65_000), "xn--".padEnd(60_000, "a"), `${"a".repeat(60)}.`.repeat(5)]) {
      const payload = sentUrl(new CodecClass(), `http://${host}/`);
      const { message } = thrownBy(() => decoded(payload, DEFAULT_LIMITS.maxDecodedCost));
      expect(message).toBe(`URL with a host of ${host.length} characters; the limit is 255`);
    }
    const url = new URL(`http://${"a".repeat(60)}.${ideographs(150)}/`);
    expect(thrownBy(() => greeted(new CodecClass()).encode(url)).message).toContain("the limit is 255");
  });

  it("a host of a URL counts with the square of its length", () => {
    const [short, long] = ["ab", "ab".repeat(100)].map((host) => sentUrl(new CodecClass(), `http://${host}/`)) as [
      Buffer,
      Buffer,
    ];
    const grown = costOf(long) - costOf(short) - (200 ** 2 - 2 ** 2);
    expect(grown).toBeGreaterThan(0);
    expect(grown).toBeLessThan(1000);
    expect(costOf(short)).toBeLessThan(URL_COST + 500);
  });

  it("a field of an error counts beyond what it takes in a map", () => {
    const fields = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`k${index}`, index]));
    const error = greeted(new CodecClass()).encode(Object.assign(new Error("m"), fields));
    const map = greeted(new CodecClass()).encode(fields);
    const grown = costOf(Buffer.from(error)) - costOf(Buffer.from(map)) - 8192 - 500 * 512;
    expect(grown).toBeGreaterThan(0);
    expect(grown).toBeLessThan(1000);
  });

  it("an error may have large fields", () => {
    const fields = { bytes: new Uint8Array(2 ** 20), text: "x".repeat(2 ** 20), items: Array(100_000).fill(1.5) };
    const payload = greeted(new CodecClass()).encode(Object.assign(new Error("m"), fields));
    const error = decoded(Buffer.from(payload), DEFAULT_LIMITS.maxDecodedCost) as Error & typeof fields;
    expect([error.bytes, error.text, error.items].map((field) => field.length)).toEqual([2 ** 20, 2 ** 20, 100_000]);
  });
});

describe("T9: the host of a URL", () => {
  const [short, long] = ["h".repeat(9), "h".repeat(300)] as const;
  const pieces = [
    "http",
    "WSS",
    "file",
    "a",
    ":",
    "/",
    "\\",
    "@",
    "?",
    "#",
    "\t",
    "\n",
    " ",
    ".",
    ":8080",
    short,
    long,
  ];
  const NAMED = /^(?:file|ftp|https?|wss?):$/;
  const text = fc
    .tuple(
      fc.constantFrom("", "http:", " \tht\ntp://", "file://", "file:", "FTP:\\", "a://", "data:"),
      fc.array(fc.constantFrom(...pieces), { maxLength: 9 }),
    )
    .map(([start, rest]) => start + rest.join(""));

  it("is what the parser takes for it", () => {
    fc.assert(
      fc.property(text, (given) => {
        const read = attempted(() => readUrl(given, NO_BOUND));
        const url = attempted(() => new URL(given));
        const isTaken = url instanceof URL && !(NAMED.test(url.protocol) && url.host.length > 255);
        expect(String(read)).toMatch(isTaken ? url.href : /^SerializationError: /);
      }),
      { numRuns: 3000 },
    );
  });
});
