import { afterEach, describe, expect, it } from "vitest";
import { DEFAULT_LIMITS } from "../../src/limits.ts";
import { MsgPackCodec } from "../../src/msgpack-codec.ts";
import { Shapes } from "../../src/shapes.ts";
import { bytes, decodeMessage, thrownBy } from "../support.ts";

const KEYS = Array.from({ length: 64 }, (_, index) => `k${index}`);

function codecWith(...lists: string[][]): MsgPackCodec {
  const codec = new MsgPackCodec();
  for (const [id, keys] of lists.entries()) codec.shapes.receive(id, keys);
  return codec;
}

/** A message whose content is an array of `count` times `item`. */
function message(count: number, item: Buffer): Buffer {
  const head = Buffer.from([0x93, 0, 7, 0xdd, 0, 0, 0, 0]);
  head.writeUInt32BE(count, 4);
  return Buffer.concat([head, ...Array.from<Buffer>({ length: count }).fill(item)]);
}

describe("T9: maps of a shape, which are small on the wire and large in memory", () => {
  it("cost what they take: few bytes don't become many maps", () => {
    const codec = codecWith(KEYS);
    const item = Buffer.concat([bytes("dc0041 d40100"), Buffer.alloc(64, 0xc0)]);
    const { maxDecodedCost } = DEFAULT_LIMITS;
    const most = Math.floor(maxDecodedCost / (64 + 64 * 32 + 8));
    expect(decodeMessage(codec, message(Math.floor(most / 2), item)).error).toBeUndefined();
    expect(decodeMessage(codec, message(most + 100, item)).error?.message).toContain("(maxDecodedCost)");
  });

  it("cost at least as much as arrays of their values", () => {
    const codec = codecWith(["a", "b"]);
    const cost = (content: Buffer): number => {
      let [low, high] = [0, 100_000];
      while (low < high) {
        const middle = (low + high) >> 1;
        codec.limits = { ...DEFAULT_LIMITS, maxDecodedCost: middle };
        if (decodeMessage(codec, content).error === undefined) high = middle;
        else low = middle + 1;
      }
      return low;
    };
    const shaped = cost(message(10, bytes("93 d40100 c0 c0")));
    expect(shaped).toBeGreaterThanOrEqual(cost(message(10, bytes("93 c0 c0 c0"))));
    expect(shaped).toBeGreaterThanOrEqual(64 + 10 * 8 + 10 * (64 + 2 * 32));
  });

  it("are bounded in depth before anything is made", () => {
    const codec = codecWith(["a"]);
    const depth = 1_000_000;
    const payload = Buffer.concat([
      bytes("93 00 07"),
      ...Array.from<Buffer>({ length: depth }).fill(bytes("92 d40100")),
    ]);
    expect(decodeMessage(codec, payload).error?.message).toContain("(maxDepth)");
  });

  it("that declare more values than there are bytes take no memory", () => {
    const codec = codecWith(KEYS);
    for (const content of ["dd ffffffff d40100", "dc 0041 d40100 01", "dd 00000041 d40100"]) {
      expect(decodeMessage(codec, Buffer.concat([bytes("93 00 07"), bytes(content)])).error?.message).toMatch(
        /declares/,
      );
    }
  });
});

describe("T2: keys of a shape that reach a prototype", () => {
  afterEach(() => {
    expect(Object.keys(Object.prototype)).toStrictEqual([]);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  it.each(["__proto__", "__type__", "then", "toJSON", "constructor"])("such as %s are refused", (key) => {
    for (const keys of [[key], ["a", key], [key, "a"]])
      expect(thrownBy(() => codecWith(keys))).toMatchObject({ code: "SERIALIZATION_ERROR" });
  });

  it.each(["prototype", "__defineSetter__", "__lookupGetter__", "hasOwnProperty", "toString"])(
    "such as %s are keys of the map itself",
    (key) => {
      const codec = codecWith([key]);
      const { content } = decodeMessage(codec, bytes("93 00 07 92 d40100 81 a8 706f6c6c75746564 01"));
      expect(Object.getPrototypeOf(content)).toBe(Object.prototype);
      expect(Object.getOwnPropertyDescriptor(content, key)?.value).toStrictEqual({ polluted: 1 });
    },
  );
});

describe("definitions that come again and again", () => {
  it("are refused: a connection makes functions for 256 shapes at most", () => {
    const shapes = new Shapes();
    for (let number = 0; number < 256; number++) shapes.receive(number, [`key${number}`]);
    for (let number = 0; number < 256; number++) {
      expect(thrownBy(() => shapes.receive(number, [`other${number}`])).message).toBe(
        `shape ${number} was defined already`,
      );
    }
  });
});
