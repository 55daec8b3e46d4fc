import * as fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { JsonCodec } from "../src/json-codec.ts";
import { DEFAULT_LIMITS } from "../src/limits.ts";
import type { Limits } from "../src/limits.ts";
import { MsgPackCodec } from "../src/msgpack-codec.ts";
import { shapeFunctions } from "../src/shape-functions.ts";
import { Shapes } from "../src/shapes.ts";
import type { SerializerFactory } from "../src/serializers.ts";
import { builtins, bytes, decodeMessage, encodeMessage, expectSame, hex, thrownBy } from "./support.ts";

class Point {
  readonly x: unknown;
  constructor(x: unknown) {
    this.x = x;
  }
}

/** One that carries a map, and whose reader refuses some. */
const point: SerializerFactory<Point> = () => [
  Point,
  ({ x }) => ({ x, of: "Point" }),
  ({ x }: { x: unknown }) => {
    if (x === "refused") throw new Error("no such point");
    return new Point(x);
  },
];

function newCodec(limits: Partial<Limits> = {}): MsgPackCodec {
  const codec = new MsgPackCodec([point]);
  codec.limits = { ...DEFAULT_LIMITS, ...limits };
  codec.setBuiltins(builtins((value) => (value === undefined ? { typeId: -1, data: null } : undefined)));
  return codec;
}

const links: Link[] = [];

afterEach(() => {
  for (const link of links.splice(0)) link.close();
});

/** Two codecs, and the definitions between them as on a connection. */
class Link {
  readonly from: MsgPackCodec;
  readonly to: MsgPackCodec;
  readonly told: [id: number, keys: readonly string[]][] = [];
  /** Whether a definition can be sent. */
  free = true;

  constructor(limits: Partial<Limits> = {}, maxCount = 256) {
    this.from = newCodec();
    this.to = newCodec(limits);
    this.from.shapes.maxSentCount = maxCount;
    links.push(this);
  }

  /** The bytes of a message; new shapes are told behind it. */
  encode(content: unknown): Buffer {
    const payload = encodeMessage(this.from, 0, 7, content);
    if (this.from.shapes.hasFresh) this.from.shapes.define(this);
    return payload;
  }

  tell(id: number, keys: readonly string[]): boolean {
    if (!this.free) return false;
    this.told.push([id, keys]);
    this.to.shapes.receive(id, [...keys]);
    return true;
  }

  /** What arrives. */
  carry(content: unknown): unknown {
    const { content: arrived, error } = decodeMessage(this.to, this.encode(content));
    if (error !== undefined) throw error;
    return arrived;
  }

  /** Sends maps with these keys until they have a number: how many each list took. */
  teach(...lists: string[][]): number[] {
    return lists.map((keys) => {
      const before = this.told.length;
      let count = 0;
      for (; count < 1100 && this.told.length === before; count++) this.encode(mapOf(keys, count));
      if (this.told.length === before) throw new Error(`no shape for ${keys.join()}`);
      return count;
    });
  }

  close(): void {
    for (const { shapes } of [this.from, this.to]) shapes.close();
  }
}

function mapOf(keys: readonly string[], value: unknown = 1): Record<string, unknown> {
  return Object.fromEntries(keys.map((key) => [key, value]));
}

function newShapes(): Shapes {
  const shapes = new Shapes();
  shapes.maxSentCount = 256;
  return shapes;
}

/** Lists of keys, none of which drives another out. */
function listsApart(count: number): string[][] {
  const shapes = newShapes();
  const lists: string[][] = [];
  for (let index = 0; lists.length < count; index++) {
    if (index === 10_000) throw new Error(`no more than ${lists.length} lists are apart`);
    const keys = [String.fromCharCode(0x4e00 + index), `key${index % 2}`];
    shapes.sent(keys);
    const shape = shapes.sent(keys);
    if (shape === undefined) continue;
    // With a number it keeps its place.
    shape.id = 0;
    lists.push(keys);
  }
  return lists;
}

/** Two lists of keys that drive each other out. */
function listsThatMeet(): [string[], string[]] {
  const first = ["aa", "x", "zz"];
  for (let index = 0; index < 10_000; index++) {
    const second = ["aa", String.fromCharCode(0x4e00 + index), "zz"];
    const shapes = newShapes();
    for (const keys of [first, second]) shapes.sent(keys);
    if (shapes.sent(first) === undefined) return [first, second];
  }
  throw new Error("no lists of keys meet");
}

/** How many maps cross as a number with values. */
function shaped(payload: Buffer): number {
  return payload.filter((byte, at) => byte === 0xd4 && payload[at + 1] === 1).length;
}

describe("shapes of maps", () => {
  it("are told after eight maps with the same keys in the same order, and cross as numbers from then on", () => {
    const link = new Link();
    for (let count = 0; count < 7; count++) link.encode({ x: 1, y: 2 });
    for (let count = 0; count < 7; count++) link.encode({ y: 1, x: 2 });
    expect(link.told).toStrictEqual([]);
    const plain = hex(link.encode({ x: 1.5, y: 2 }));
    expect(plain).toBe("93000782a178cb3ff8000000000000a17902");
    expect(link.told).toStrictEqual([[0, ["x", "y"]]]);
    expect(hex(link.encode({ x: 1.5, y: 2 }))).toBe("93000793d40100cb3ff800000000000002");
    link.encode({ y: 1, x: 2 });
    expect(link.told[1]).toStrictEqual([1, ["y", "x"]]);
    expect(hex(link.encode({ y: 1, x: { x: 2, y: [] } }))).toBe("93000793d401010193d401000290");
  });

  it("count maps within one message, and are told when it is complete", () => {
    const link = new Link();
    const list = Array.from({ length: 50 }, (_, index) => ({ index, name: "one" }));
    expect(hex(link.encode(list))).toBe(hex(encodeMessage(newCodec(), 0, 7, list)));
    expect(link.told).toStrictEqual([[0, ["index", "name"]]]);
    expect(link.encode(list).length).toBeLessThan(50 * 12);
    expectSame(link.carry(list), list);
  });

  it("are used in messages of a connection only", () => {
    const link = new Link();
    link.teach(["x", "y"]);
    expect(hex(link.from.encode({ x: 1, y: 2 }))).toBe("82a17801a17902");
    expect(thrownBy(() => newCodec().decode(bytes("93 d40100 01 02")))).toMatchObject({ code: "SERIALIZATION_ERROR" });
  });

  it.each([0, -1, Number.NaN])("are not told to a peer that takes %d", (count) => {
    const link = new Link({}, count);
    for (let sent = 0; sent < 50; sent++) expect(shaped(link.encode({ x: sent, y: 2 }))).toBe(0);
    expect(link.told).toStrictEqual([]);
  });

  it.each([
    [3, 3],
    [3.9, 3],
    [256, 256],
    [100_000, 256],
    [Infinity, 256],
  ])("are as many as the peer takes: %d makes %i", (count, expected) => {
    const link = new Link({}, count);
    const lists = listsApart(expected + 5);
    const wanted = lists.slice(0, expected);
    link.teach(...wanted);
    for (let round = 0; round < 1100; round++)
      for (const keys of lists.slice(expected)) link.encode(mapOf(keys, round));
    for (const keys of lists) expectSame(link.carry(mapOf(keys, 5)), mapOf(keys, 5));
    expect(link.told).toStrictEqual(wanted.map((keys, id) => [id, keys]));
  });

  it("take twice as many maps for every 32 that were told: keys that are data don't use up the numbers", () => {
    const counts = new Link().teach(...listsApart(256));
    expect([0, 31, 32, 63, 64, 191, 192, 224, 255].map((number) => counts[number])).toStrictEqual([
      8, 8, 16, 16, 32, 256, 512, 1024, 1024,
    ]);
  });

  it("reach the 256th number and stop there", () => {
    const link = new Link();
    const lists = listsApart(257);
    link.teach(...lists.slice(0, 256));
    expect(link.told).toHaveLength(256);
    for (const [id, keys] of link.told) {
      const payload = link.encode(mapOf(keys, id));
      expect(hex(payload)).toContain(`d401${id.toString(16).padStart(2, "0")}`);
      expectSame(decodeMessage(link.to, payload).content, mapOf(keys, id));
    }
    for (let count = 0; count < 50; count++) expect(shaped(link.encode(mapOf(lists[256]!)))).toBe(0);
  });

  it("carry what maps without shapes carry", () => {
    const key = fc.oneof(
      fc.constantFrom(
        "a",
        "b",
        "name",
        "ä",
        "",
        " ",
        "a b",
        "toString",
        "hasOwnProperty",
        "__proto",
        "-1",
        "1.5",
        "\u2028",
      ),
      fc.string({ maxLength: 6 }).filter((text) => text !== "__proto__" && text !== "__type__"),
    );
    const leaf = fc.oneof(
      fc.integer(),
      fc.double(),
      fc.string({ maxLength: 40 }),
      fc.boolean(),
      fc.constantFrom(null, undefined, new Point(null), new Point({ a: [1] })),
      fc.uint8Array({ maxLength: 5 }),
    );
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { depthSize: "small", withCrossShrink: true },
        leaf,
        fc.array(tie("tree"), { maxLength: 4 }),
        fc.dictionary(key, tie("tree"), { maxKeys: 6, noNullPrototype: true }),
      ),
    }));
    const map = fc.dictionary(key, tree, { minKeys: 1, maxKeys: 6, noNullPrototype: true });
    let [used, compiledCount] = [0, 0];
    fc.assert(
      fc.property(
        fc.array(map, { minLength: 1, maxLength: 4 }),
        fc.array(leaf, { minLength: 25, maxLength: 25 }),
        (maps, leaves) => {
          const link = new Link();
          // Loops, or functions: they are compiled after 256 maps.
          const [first] = maps;
          if (leaves[0] === null) for (let count = 0; count < 300; count++) link.carry({ ...first, b: count });
          for (const [index, value] of leaves.entries()) {
            // The same keys again and again, with other values.
            const content = [{ ...maps[index % maps.length], b: value }, maps[(index * 3) % maps.length]];
            const plain = newCodec();
            const wanted = plain.decode(plain.encode(content));
            expectSame(link.carry(content), wanted);
          }
          used += link.told.length;
          compiledCount += shapeFunctions.usedCount;
          link.close();
        },
      ),
      { numRuns: 300 },
    );
    expect(used).toBeGreaterThan(100);
    expect(compiledCount).toBeGreaterThan(10);
  });

  it("keep the order of keys, also of those that look like numbers", () => {
    const link = new Link();
    const keys = ["b", "-1", "a", "1.5", "01a", "constructors"];
    link.teach(keys);
    const payload = link.encode(mapOf(keys));
    expect(shaped(payload)).toBe(1);
    expect(Object.keys(decodeMessage(link.to, payload).content as object)).toStrictEqual(keys);
  });

  it("are for maps without a prototype, too, which arrive as all maps do", () => {
    const link = new Link();
    link.teach(["x", "y"]);
    const bare = Object.assign(Object.create(null) as object, { x: 1, y: 2 });
    const payload = link.encode(bare);
    expect(shaped(payload)).toBe(1);
    expectSame(decodeMessage(link.to, payload).content, { x: 1, y: 2 });
  });

  it.each([
    ["whole numbers", ["a", "7"]],
    ["large whole numbers", ["a", "12345678901"]],
    ["whole numbers with zeros in front", ["007", "a"]],
    ["then", ["then", "a"]],
    ["toJSON", ["a", "toJSON"]],
    ["constructor", ["constructor"]],
    ["too many keys", Array.from({ length: 65 }, (_, index) => `k${index}`)],
    ["too long keys", ["a", "k".repeat(512)]],
    ["no keys", []],
  ])("are not made of %s", (_what, keys) => {
    const link = new Link();
    for (let count = 0; count < 30; count++) {
      const map = mapOf(keys, count);
      expectSame(link.carry(map), map);
    }
    expect(link.told).toStrictEqual([]);
    expect(link.to.shapes.receive(0, keys)).toBe(false);
  });

  it.each([
    ["64 keys", Array.from({ length: 64 }, (_, index) => `k${index}`)],
    ["512 characters", ["a", "k".repeat(511)]],
    ["one empty key", [""]],
  ])("are made of %s", (_what, keys) => {
    const link = new Link();
    link.teach(keys);
    expect(shaped(link.encode(mapOf(keys)))).toBe(1);
    expectSame(link.carry(mapOf(keys, 5)), mapOf(keys, 5));
  });

  it("that can't be told now are told later, and not used until then", () => {
    const link = new Link();
    link.free = false;
    for (let count = 0; count < 40; count++) expect(shaped(link.encode({ x: count, y: 2 }))).toBe(0);
    link.free = true;
    let sent = 0;
    while (shaped(link.encode({ x: 1, y: 2 })) === 0 && sent < 100) sent++;
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThanOrEqual(10);
    expect(link.told).toStrictEqual([[0, ["x", "y"]]]);
  });

  const times = (count: number, keys: string[]): object[] => Array.from({ length: count }, () => mapOf(keys));

  it("don't waste numbers on lists of keys that drive each other out", () => {
    const link = new Link();
    const [first, second] = listsThatMeet();
    for (let count = 0; count < 50; count++)
      expectSame(link.carry([mapOf(first), mapOf(second)]), times(2, first).fill(mapOf(second), 1));
    expect(link.told).toStrictEqual([]);
    // The first is worth a number and loses its slot, in one message.
    const content = [...times(8, first), ...times(20, second)];
    for (let count = 0; count < 20; count++) expectSame(link.carry(content), content);
    expect(link.told).toStrictEqual([[0, second]]);
  });

  it("go to the list of keys that comes more often than the others that want its slot", () => {
    const link = new Link();
    const [often, rarely] = listsThatMeet();
    const content = [...times(2, often), mapOf(rarely)];
    for (let count = 0; count < 20; count++) expectSame(link.carry(content), content);
    expect(link.told).toStrictEqual([[0, often]]);
  });

  it("are told once, also where a list of keys was worth a number twice within a message", () => {
    const link = new Link();
    const [often, rarely] = listsThatMeet();
    link.encode([...times(8, often), ...times(3, rarely), ...times(20, often)]);
    expect(link.told).toStrictEqual([[0, often]]);
  });

  it("are looked for at no cost in memory: a list of keys that came once isn't kept", () => {
    const shapes = newShapes();
    expect(shapes.sent(["a", "b"])).toBeUndefined();
    const kept = shapes.sent(["a", "b"]);
    expect(kept).toMatchObject({ keys: ["a", "b"], id: -1 });
    expect(shapes.sent(["a", "b"])).toBe(kept);
  });

  it("wait for their numbers in bounded number, however many come up in one message", () => {
    const link = new Link({}, 3);
    let asked = 0;
    const teller = { tell: () => ++asked < 0 };
    const lists = listsApart(200);
    const content = Array.from({ length: 9 }, () => lists.map((keys) => mapOf(keys)));
    for (let count = 0; count < 10; count++) {
      encodeMessage(link.from, 0, 7, content);
      link.from.shapes.define(teller);
      expect(link.from.shapes.hasFresh).toBe(false);
    }
    expect(asked).toBeGreaterThan(0);
    expect(asked).toBeLessThanOrEqual(10 * 3);
    for (let count = 0; count < 20; count++) expectSame(link.carry(content), content);
    expect(link.told).toHaveLength(3);
  });

  it.each([
    ["many keys", Array.from({ length: 65 }, (_, index) => `k${index}`)],
    ["long keys", ["a", "k".repeat(512)]],
  ])("keep no lists of too %s for one", (_what, keys) => {
    const shapes = newShapes();
    for (let count = 0; count < 5; count++) expect(shapes.sent(keys)).toBeUndefined();
    expect(shapes.sent(["a"])).toBeUndefined();
    expect(shapes.sent(["a"])).toMatchObject({ keys: ["a"] });
  });

  it("are none in JSON", () => {
    expect(new JsonCodec().shapes).toBeUndefined();
  });
});

describe.each([
  ["by loops", 0],
  ["by compiled functions", 300],
])("failures in maps of a shape, read and written %s", (_how, useCount) => {
  const keys = ["name", "power"];
  const known = (limits: Partial<Limits> = {}): Link => {
    const link = new Link(limits);
    const lists = [keys, ["readings"], ["x", "of"]];
    link.teach(...lists);
    for (let count = 0; count < useCount; count++) for (const list of lists) link.carry(mapOf(list, count));
    expect(shapeFunctions.usedCount).toBe(useCount === 0 ? 0 : 6);
    return link;
  };

  it.each([
    ["a value without a form", { readings: [0, { name: "a", power: Symbol("x") }] }],
    ["one in the first place", { readings: [0, 1, 2, { name: new Map(), power: 2 }] }],
    ["one deep inside", { readings: [[{ name: "a", power: { name: [new Date(0)], power: 3 } }]] }],
    ["a lone surrogate", { readings: { name: "\ud800", power: 1 } }],
    ["one in a serializer's data", { readings: new Point(1n) }],
    ["a cycle", { readings: Object.assign([1] as unknown[], { 1: { name: 1, power: [] } }) }],
  ])("in encoding are told with the same place: %s", (what, content) => {
    const cyclic = content.readings as unknown[];
    if (what === "a cycle") cyclic.push(cyclic);
    const link = known();
    const plain = thrownBy(() => encodeMessage(newCodec(), 0, 7, content));
    const error = thrownBy(() => link.encode(content));
    expect(plain.place).not.toStrictEqual([]);
    expect([error.message, error.place]).toStrictEqual([plain.message, plain.place]);
  });

  it("name the place as a path", () => {
    const readings = [1, 2, 3].map(() => ({ name: "a", power: 1 as unknown }));
    const message = "no serializer for symbol, at readings[3].power";
    const content = { readings: [...readings, { name: "a", power: Symbol("x") }] };
    expect(thrownBy(() => known().encode(content)).message).toBe(message);
  });

  it.each([
    ["a type that is unknown", { readings: [{ name: 1, power: "TYPE" }] }],
    ["a deserializer that throws", { readings: [0, { name: new Point("refused"), power: 1 }] }],
    ["one deep inside", { readings: { name: { name: 1, power: [new Point("refused")] }, power: 1 } }],
  ])("in decoding are told with the same place: %s", (_what, content) => {
    // The text stands in for a value that no encoder makes: an extension.
    const corrupt = (payload: Buffer): Buffer => {
      const at = payload.indexOf("\u00a4TYPE", 0, "latin1");
      return at < 0 ? payload : Buffer.concat([payload.subarray(0, at), bytes("d4ff00"), payload.subarray(at + 5)]);
    };
    const link = known();
    const plain = decodeMessage(newCodec(), corrupt(encodeMessage(newCodec(), 0, 7, content))).error!;
    const { error } = decodeMessage(link.to, corrupt(link.encode(content)));
    expect(plain.place.length).toBeGreaterThan(1);
    expect([error!.message, error!.place]).toStrictEqual([plain.message, plain.place]);
  });

  it("leave the shapes as they are, on both sides", () => {
    const link = known();
    const good = { readings: [{ name: "a", power: 1 }] };
    for (let count = 0; count < 20; count++) {
      thrownBy(() =>
        link.encode({
          readings: [
            { name: "a", power: 1 },
            { name: "b", power: Symbol("x") },
          ],
        }),
      );
      expect(() => link.carry({ readings: [{ name: new Point("refused"), power: 1 }] })).toThrow("no such point");
      const payload = link.encode(good);
      expect(shaped(payload)).toBe(2);
      expectSame(decodeMessage(link.to, payload).content, good);
    }
  });

  it("count towards a number at most: what was never sent whole is told before it is used", () => {
    const link = new Link();
    for (let count = 0; count < 30; count++) thrownBy(() => link.encode([{ x: 1, y: 2 }, Symbol("x")]));
    expect(link.told).toStrictEqual([]);
    expectSame(link.carry({ x: 1, y: 2 }), { x: 1, y: 2 });
    expectSame(link.carry({ x: 1, y: 2 }), { x: 1, y: 2 });
    expect(link.told).toStrictEqual([[0, ["x", "y"]]]);
  });

  it("come up at the same depth", () => {
    const nested = (depth: number): unknown => {
      let value: unknown = 1;
      for (let level = 0; level < depth; level++) value = { name: value, power: 0 };
      return value;
    };
    const link = new Link();
    link.teach(keys);
    const { maxDepth } = DEFAULT_LIMITS;
    expectSame(link.carry(nested(maxDepth)), nested(maxDepth));
    expect(thrownBy(() => link.encode(nested(maxDepth + 1))).message).toContain("(maxDepth)");
    const payload = link.encode(nested(12));
    for (const [limit, fails] of [
      [12, false],
      [11, true],
    ] as const) {
      link.to.limits = { ...DEFAULT_LIMITS, maxDepth: limit };
      expect(decodeMessage(link.to, payload).error !== undefined).toBe(fails);
    }
  });
});

describe("definitions that arrive", () => {
  it.each([
    [-1, ["a"]],
    [256, ["a"]],
    [0.5, ["a"]],
    [Number.NaN, ["a"]],
    ["0", ["a"]],
    [null, ["a"]],
    [0, undefined],
    [0, "ab"],
    [0, { 0: "a", length: 1 }],
    [0, [1]],
    [0, ["a", null]],
    [0, [["a"]]],
    [0, ["a", "b", "a"]],
    [0, ["__proto__"]],
    [0, ["a", "__type__"]],
  ])("are refused where they are malformed: %j %j", (id, keys) => {
    const { to } = new Link();
    expect(to.shapes.receive(id, keys)).toBe(false);
    expect(decodeMessage(to, bytes("93 00 07 92 d40100 01"))).toMatchObject({
      error: { message: "no shape 0 of 1 keys was defined" },
    });
  });

  it("count once: the first one of a number stays", () => {
    const { to } = new Link();
    expect(to.shapes.receive(9, ["a", "b"])).toBe(true);
    expectSame(decodeMessage(to, bytes("93 00 07 93 d40109 01 02")).content, { a: 1, b: 2 });
    expect(to.shapes.receive(9, ["c"])).toBe(false);
    expectSame(decodeMessage(to, bytes("93 00 07 93 d40109 01 02")).content, { a: 1, b: 2 });
  });

  it.each([
    ["a number without a shape", "93 d40101 01 02", /no shape 1 of 2 keys/],
    ["too few values", "92 d40100 01", /no shape 0 of 1 keys/],
    ["too many values", "94 d40100 01 02 03", /no shape 0 of 3 keys/],
    ["no values", "91 d40100", /extension types/],
    ["a number in another place", "93 01 d40100 02", /extension types.*at \[1\]/],
    ["an extension of another type", "93 d40200 01 02", /extension types/],
    ["a longer extension", "93 c70101 00 01 02", /extension types/],
    ["an end behind the type", "92 d401", /bytes are left/],
    ["an end behind the number", "93 d40100", /declares|ends in the middle/],
    ["an end in a value", "93 d40100 01 cb00", /bytes are left.*at b/],
  ])("don't help a message with %s", (_what, content, reason) => {
    const { to } = new Link();
    to.shapes.receive(0, ["a", "b"]);
    const { error, id } = decodeMessage(to, Buffer.concat([bytes("93 00 07"), bytes(content)]));
    // The byte behind, which another frame starts with, isn't taken for a part of it.
    expect([id, error?.code]).toStrictEqual([7, "SERIALIZATION_ERROR"]);
    expect(error!.message).toMatch(reason);
    expectSame(decodeMessage(to, bytes("93 00 07 93 d40100 01 02")).content, { a: 1, b: 2 });
  });

  it("don't make a message of an array with a number in front", () => {
    const { to } = new Link();
    to.shapes.receive(0, ["a", "b"]);
    expect(thrownBy(() => decodeMessage(to, bytes("93 d40100 01 02")))).toMatchObject({ code: "PROTOCOL_ERROR" });
  });
});
