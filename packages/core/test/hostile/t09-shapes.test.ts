import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { DEFAULT_LIMITS } from "../../src/limits.ts";
import { MsgPackCodec } from "../../src/msgpack-codec.ts";
import { shapeFunctions } from "../../src/shape-functions.ts";
import { Shapes } from "../../src/shapes.ts";
import type { SerializerFactory } from "../../src/serializers.ts";
import { bytes, decodeMessage, encodeMessage } from "../support.ts";

const KEYS = Array.from({ length: 64 }, (_, index) => `k${index}`);

const codecs: MsgPackCodec[] = [];

let now = 1e6;

// There is time for each function.
beforeEach(() => void vi.spyOn(performance, "now").mockImplementation(() => (now += 10)));

afterEach(() => {
  for (const codec of codecs.splice(0)) codec.shapes.close();
  expect(shapeFunctions.usedCount).toBe(0);
});

function codecWith(...lists: string[][]): MsgPackCodec {
  const codec = new MsgPackCodec();
  codecs.push(codec);
  for (const [id, keys] of lists.entries()) {
    if (!codec.shapes.receive(id, keys)) throw new Error(`shape ${id} was refused`);
  }
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

  it.each([
    ["one key", ["a"], "92 d40100 c0", 64 + 32],
    ["long keys, which were paid with the definition", ["a", "k".repeat(500)], "93 d40100 c0 05", 64 + 2 * 32],
    ["a shape within a shape", ["a", "b"], "93 d40100 01 93 d40100 01 02", 2 * (64 + 2 * 32)],
    [
      "values that cost by themselves",
      ["a", "b"],
      "93 d40100 a3 616263 92 01 02",
      64 + 2 * 32 + (24 + 3) + (64 + 2 * 8),
    ],
  ])("cost 64, and 32 an entry: %s", (_what, keys, content, cost) => {
    const codec = codecWith(keys);
    for (const [limit, fits] of [
      [cost - 1, false],
      [cost, true],
      [cost + 1, true],
    ] as const) {
      codec.limits = { ...DEFAULT_LIMITS, maxDecodedCost: limit };
      const { error } = decodeMessage(codec, Buffer.concat([bytes("93 00 07"), bytes(content)]));
      expect(error === undefined).toBe(fits);
      if (!fits) expect(error!.message).toContain("(maxDecodedCost)");
    }
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
    for (const keys of [[key], ["a", key], [key, "a"]]) expect(new Shapes().receive(0, keys)).toBe(false);
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

describe("T6: definitions that come again and again", () => {
  it("are refused: a connection keeps 256, and the first of each number", () => {
    const codec = codecWith(...Array.from({ length: 256 }, (_, number) => [`key${number}`]));
    for (let number = -1; number < 300; number++) expect(codec.shapes.receive(number, ["other"])).toBe(false);
    expect(decodeMessage(codec, bytes("93 00 07 92 d401ff 05")).content).toStrictEqual({ key255: 5 });
  });

  it("may be as large as a message, and are refused by their size", () => {
    const shapes = new Shapes();
    const sparse: string[] = [];
    sparse.length = 5;
    const lists = [sparse, Array.from({ length: 1_000_000 }, (_, index) => `k${index}`), ["7".repeat(10_000_000)]];
    for (const keys of lists) expect(shapes.receive(0, keys)).toBe(false);
  });
});

/** Reads `count` maps of a shape with one key, or with those of `KEYS`. */
function readMaps(codec: MsgPackCodec, id: number, count: number, keyCount = 1): void {
  const item = Buffer.concat([bytes("dc0000 d40100"), Buffer.alloc(keyCount, 1)]);
  item[2] = keyCount + 1;
  item[5] = id;
  const { error, content } = decodeMessage(codec, message(count, item));
  if (error !== undefined) throw error;
  expect(Object.keys((content as object[])[count - 1]!)).toHaveLength(keyCount);
}

/** Connections whose peer has had all compiled functions made for its own keys. */
function fillFunctions(): MsgPackCodec[] {
  const filled = Array.from({ length: 4 }, (_, at) =>
    codecWith(...Array.from({ length: 256 }, (_unused, number) => [`junk ${at} ${number}`])),
  );
  for (const codec of filled) for (let number = 0; number < 256; number++) readMaps(codec, number, 257);
  expect(shapeFunctions.usedCount).toBe(1024);
  return filled;
}

describe("shapes whose functions are compiled", () => {
  it("have been paid for: 256 maps of each are read before, and no function to write is made", () => {
    const codec = codecWith(KEYS, ["a"]);
    readMaps(codec, 0, 255, 64);
    readMaps(codec, 1, 255);
    readMaps(codec, 0, 1, 64);
    expect(shapeFunctions.usedCount).toBe(0);
    readMaps(codec, 0, 1, 64);
    expect(shapeFunctions.usedCount).toBe(1);
    readMaps(codec, 0, 5000, 64);
    expect(shapeFunctions.usedCount).toBe(1);
  });

  it("are written 256 times before, and no function to read is made", () => {
    const codec = codecWith();
    codec.shapes.maxSentCount = 256;
    const write = (count: number): void => {
      for (let index = 0; index < count; index++) encodeMessage(codec, 0, 7, { a: index });
    };
    write(8);
    codec.shapes.define({ tell: () => true });
    write(256);
    expect(shapeFunctions.usedCount).toBe(0);
    write(1);
    expect(shapeFunctions.usedCount).toBe(1);
    write(5000);
    expect(shapeFunctions.usedCount).toBe(1);
  });

  it("are bounded in the process: where all are in use, others go on with loops", () => {
    const filled = fillFunctions();
    const late = codecWith(["late"]);
    readMaps(late, 0, 2000);
    expect(shapeFunctions.count).toBe(1024);
    expect(shapeFunctions.takeReader(["late"])).toBeUndefined();
    // Once there is room it is found, at the next doubling.
    filled[0]!.shapes.close();
    expect(shapeFunctions.usedCount).toBe(768);
    readMaps(late, 0, 100);
    expect(shapeFunctions.usedCount).toBe(769);
  });

  it("stay with the connections that use them, whatever another peer has compiled", () => {
    const early = codecWith(["early"]);
    readMaps(early, 0, 257);
    const own = shapeFunctions.takeReader(["early"])!;
    const functions: unknown[] = [];
    for (let round = 0; round < 3; round++) {
      const junk = Array.from({ length: 5 }, (_, at) =>
        codecWith(...Array.from({ length: 256 }, (_unused, number) => [`junk ${round} ${at} ${number}`])),
      );
      for (const codec of junk) for (let number = 0; number < 256; number++) readMaps(codec, number, 257);
      expect(shapeFunctions.usedCount).toBe(1024);
      for (const codec of junk) codec.shapes.close();
      expect(shapeFunctions.usedCount).toBe(1);
      functions.push(early.shapes.reader(0, 1));
    }
    expect(functions).toStrictEqual([own.run, own.run, own.run]);
    shapeFunctions.giveBack(own);
  });

  it("are given back once, and not used any more by a connection that has ended", () => {
    const [one, other] = [codecWith(["a"]), codecWith(["a"])];
    for (const codec of [one, other]) {
      codec.shapes.maxSentCount = 256;
      for (let index = 0; index < 300; index++) encodeMessage(codec, 0, 7, { a: index });
      codec.shapes.define({ tell: () => true });
      for (let index = 0; index < 300; index++) encodeMessage(codec, 0, 7, { a: index });
      readMaps(codec, 0, 300);
    }
    const functions = (codec: MsgPackCodec): unknown[] => [codec.shapes.reader(0, 1), codec.shapes.sent(["a"])!.write];
    const compiled = functions(one);
    expect(functions(other)).toStrictEqual(compiled);
    for (let times = 0; times < 3; times++) one.shapes.close();
    expect(functions(other)).toStrictEqual(compiled);
    expect(shapeFunctions.usedCount).toBe(2);
    for (const [index, loop] of functions(one).entries()) expect(loop).not.toBe(compiled[index]);
    other.shapes.close();
    expect(shapeFunctions.usedCount).toBe(0);
  });

  it.each([0, 300])("are none for a connection that ends within a message, after %i maps", (before) => {
    let armed = false;
    class Bomb {}
    const bomb: SerializerFactory<Bomb> = () => [
      Bomb,
      () => null,
      () => {
        if (armed) codec.shapes.close();
        armed = false;
        return new Bomb();
      },
    ];
    const codec: MsgPackCodec = new MsgPackCodec([bomb]);
    codec.shapes.receive(0, ["a", "b"]);
    codec.shapes.receive(1, ["c"]);
    const item = bytes(`93 d40100 81 a8 ${Buffer.from("__type__").toString("hex")} 92 00 c0 92 d40101 02`);
    for (let count = 0; count < before; count++) decodeMessage(codec, message(1, item));
    expect(shapeFunctions.usedCount).toBe(before === 0 ? 0 : 2);
    armed = true;
    const { error, content } = decodeMessage(codec, message(2000, item));
    expect(error).toBeUndefined();
    for (const map of content as unknown[]) expect(map).toStrictEqual({ a: new Bomb(), b: { c: 2 } });
    expect(shapeFunctions.usedCount).toBe(0);
  });
});

describe("maps whose keys are data", () => {
  it("take no numbers where each comes once, and leave them to those that repeat", () => {
    const codec = codecWith();
    codec.shapes.maxSentCount = 256;
    const told: (readonly string[])[] = [];
    const teller = { tell: (_id: number, keys: readonly string[]) => told.push(keys) > 0 };
    for (let index = 0; index < 20_000; index++) {
      encodeMessage(codec, 0, 7, { [`user-${(index * 7919) % 65_536}`]: { name: "a", at: index } });
      codec.shapes.define(teller);
    }
    expect(told).toStrictEqual([["name", "at"]]);
  });

  it("leave numbers to others where each comes a few times", () => {
    const codec = codecWith();
    codec.shapes.maxSentCount = 256;
    const told: (readonly string[])[] = [];
    const teller = { tell: (_id: number, keys: readonly string[]) => told.push(keys) > 0 };
    const send = (content: object, count: number): void => {
      for (let times = 0; times < count; times++) {
        encodeMessage(codec, 0, 7, content);
        codec.shapes.define(teller);
      }
    };
    for (let index = 0; index < 3000; index++) send({ [`${(index * 7919) % 65_536} a`]: 1, [`${index} b`]: 2 }, 30);
    expect(told.length).toBeGreaterThan(32);
    expect(told.length).toBeLessThanOrEqual(64);
    const lists = ["one", "two", "three"].map((key) => ["name", key, `${key}s`]);
    for (const keys of lists) send(Object.fromEntries(keys.map((key) => [key, 1])), 200);
    expect(told.slice(-3)).toStrictEqual(lists);
  });
});
