import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ByteWriter, writeByte } from "../src/byte-writer.ts";
import { JsonCodec } from "../src/json-codec.ts";
import { MsgPackCodec } from "../src/msgpack-codec.ts";
import { thrownBy } from "./support.ts";

const SLAB_BYTES = 65_536;

/** What was taken, and what it was then. */
class Taken {
  readonly #batches: [now: Buffer, then: Buffer][] = [];

  add(batch: Buffer): void {
    this.#batches.push([batch, Buffer.from(batch)]);
  }

  get changed(): number {
    return this.#batches.filter(([now, then]) => !now.equals(then)).length;
  }
}

const stripes = Buffer.alloc(1_100_000);
for (let index = 0; index < stripes.length; index++) stripes[index] = (index * 13 + (index >> 8)) % 256;

function pattern(size: number, seed: number): Buffer {
  return stripes.subarray(seed * 100, seed * 100 + size);
}

/** One batch of `size` bytes, in pieces. */
function batchOf(writer: ByteWriter, size: number, seed = 0, piece = 100): Buffer {
  const data = pattern(size, seed);
  for (let at = 0; at < size; at += piece) writer.append(data.subarray(at, at + piece));
  return writer.take();
}

describe("ByteWriter", () => {
  it("takes single bytes, beyond the end of its memory too", () => {
    const writer = new ByteWriter();
    for (let byte = 0; byte < 70_000; byte++) writeByte(writer, byte & 0xff);
    const batch = writer.take();
    expect(batch.length).toBe(70_000);
    expect(batch.every((byte, index) => byte === (index & 0xff))).toBe(true);
  });

  it("holds no memory without a batch", () => {
    const writer = new ByteWriter();
    expect(writer.bytes.length).toBe(0);
    writer.append(pattern(10, 0));
    expect(writer.bytes.length).toBeGreaterThan(0);
    writer.take();
    expect([writer.bytes.length, writer.batchBytes]).toStrictEqual([0, 0]);
    writer.append(pattern(10, 0));
    writer.rewind(0);
    expect([writer.bytes.length, writer.batchBytes]).toStrictEqual([0, 0]);
    expect(writer.take()).toHaveLength(0);
  });

  it("never writes memory again that was taken, whatever several writers do in turn", () => {
    const size = fc.oneof(fc.nat(40), fc.nat(3000), fc.integer({ min: 30_000, max: 80_000 }));
    const step = fc.tuple(fc.nat(4), fc.constantFrom("append", "append", "append", "mark", "rewind", "take"), size);
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 80 }), (steps) => {
        const writers = Array.from({ length: 5 }, () => new ByteWriter());
        const wanted = writers.map(() => Buffer.alloc(0));
        const marks = writers.map(() => 0);
        const taken = new Taken();
        for (const [index, [who, what, count]] of steps.entries()) {
          const writer = writers[who]!;
          if (what === "append") {
            writer.append(pattern(count, index));
            wanted[who] = Buffer.concat([wanted[who]!, pattern(count, index)]);
          } else if (what === "mark") marks[who] = writer.mark();
          else if (what === "rewind") {
            writer.rewind(marks[who]!);
            wanted[who] = wanted[who]!.subarray(0, marks[who]);
          } else {
            const batch = writer.take();
            expect(batch.equals(wanted[who]!)).toBe(true);
            taken.add(batch);
            wanted[who] = Buffer.alloc(0);
            marks[who] = 0;
          }
          expect(writer.batchBytes).toBe(wanted[who]!.length);
        }
        for (const [who, writer] of writers.entries()) expect(writer.take().equals(wanted[who]!)).toBe(true);
        expect(taken.changed).toBe(0);
      }),
      { numRuns: 100 },
    );
  });

  it("keeps the batches of many writers apart that write at the same time", () => {
    const writers = Array.from({ length: 50 }, () => new ByteWriter());
    const data = writers.map((_, index) => pattern(6000, index));
    for (let at = 0; at < 6000; at += 250)
      for (const [index, writer] of writers.entries()) writer.append(data[index]!.subarray(at, at + 250));
    const batches = writers.map((writer) => writer.take());
    expect(batches.every((batch, index) => batch.equals(data[index]!))).toBe(true);
  });

  it("takes less memory for each of many writers", () => {
    const writers = Array.from({ length: 50 }, () => new ByteWriter());
    for (const writer of writers) writer.append(pattern(10, 0));
    const sizes = writers.map((writer) => writer.bytes.length);
    expect(sizes.filter((size) => size === SLAB_BYTES).length).toBeLessThan(10);
    expect(Math.min(...sizes)).toBeLessThanOrEqual(4096);
    for (const writer of writers) writer.take();
    const alone = new ByteWriter();
    alone.append(pattern(10, 0));
    expect(alone.bytes.length).toBe(SLAB_BYTES);
    alone.take();
  });

  it.each([1000, 65_536, 65_537, 200_000, 1_000_000])("lets a batch grow to %i bytes, marks included", (size) => {
    const writer = new ByteWriter();
    const data = pattern(size, 1);
    writer.append(data.subarray(0, 500));
    const mark = writer.mark();
    for (let at = 500; at < size; at += 777) writer.append(data.subarray(at, at + 777));
    expect(mark).toBe(500);
    expect(writer.bytes[writer.at(mark)]).toBe(data[500]);
    expect(writer.take().equals(data)).toBe(true);
  });

  it("puts batch behind batch into the same memory", () => {
    const writer = new ByteWriter();
    const first = batchOf(writer, 100);
    const other = new ByteWriter();
    const second = batchOf(other, 100);
    expect(second.buffer).toBe(first.buffer);
    expect(second.byteOffset).toBe(first.byteOffset + 100);
  });

  it("gives memory back that nobody took, when it is rewound and when the batch moves", () => {
    const writer = new ByteWriter();
    writer.append(pattern(100, 0));
    const { bytes: before, position } = writer;
    writer.rewind(0);
    const other = new ByteWriter();
    other.append(pattern(10, 1));
    expect(other.bytes).toBe(before);
    expect(other.position).toBe(position - 90);
    other.append(pattern(SLAB_BYTES, 1));
    expect(other.bytes).not.toBe(before);
    writer.append(pattern(10, 2));
    expect(writer.bytes).toBe(before);
    expect(writer.position).toBe(position - 90);
    expect([other.take().length, writer.take().length]).toStrictEqual([SLAB_BYTES + 10, 10]);
  });

  it("refuses a batch over the limit and keeps what is there", () => {
    const writer = new ByteWriter();
    writer.maxBatchBytes = 100_000;
    writer.append(pattern(60_000, 0));
    expect(thrownBy(() => writer.append(pattern(60_000, 1)))).toMatchObject({ code: "RESOURCE_EXHAUSTED" });
    expect(writer.take().equals(pattern(60_000, 0))).toBe(true);
  });

  it("finds memory for batches of 3,000 bytes without a slab for each, also after many writers at a time", () => {
    const writers = Array.from({ length: 8 }, () => new ByteWriter());
    for (let round = 0; round < 3; round++) {
      for (const writer of writers) writer.append(pattern(3000, 0));
      for (const writer of writers) writer.take();
    }
    const memory = new Set<ArrayBufferLike>();
    const writer = new ByteWriter();
    for (let count = 0; count < 2000; count++) memory.add(batchOf(writer, 3000).buffer);
    // 21 fit into one.
    expect(memory.size).toBeLessThan(2000 / 10);
  });
});

describe("a codec that fails", () => {
  /** What a new writer gets after `action`. */
  function memoryAfter(action: () => void): number {
    for (let count = 0; count < 20; count++) action();
    const writer = new ByteWriter();
    // The slabs that are there are used up first.
    for (let count = 0; count < 20; count++) batchOf(writer, SLAB_BYTES - 2000);
    writer.append(pattern(10, 0));
    const size = writer.bytes.length;
    writer.take();
    return size;
  }

  it("gives the memory back that it wrote to", () => {
    const codec = new MsgPackCodec();
    expect(memoryAfter(() => thrownBy(() => codec.encode(["x", new Map()])))).toBe(SLAB_BYTES);
  });

  it("gives the memory back that it wrote to, in JSON too", () => {
    const codec = new JsonCodec();
    expect(memoryAfter(() => thrownBy(() => codec.encode(["x", new Map()])))).toBe(SLAB_BYTES);
  });

  it("copies what was written after a mark, of any length, and goes on", () => {
    const writer = new ByteWriter();
    for (const length of [0, 1, 63, 64, 65, 5000, 100_000]) {
      const before = Buffer.from([1, 2, 3]);
      writer.append(before);
      const mark = writer.mark();
      const written = Buffer.from(Array.from({ length }, (_, index) => index & 0xff));
      writer.append(written);
      const copy = writer.copyFrom(mark);
      expect(copy.equals(written)).toBe(true);
      writer.rewind(mark);
      writer.append(Buffer.alloc(length, 0xee));
      expect(copy.equals(written)).toBe(true);
      expect(Buffer.from(writer.take()).subarray(0, 3).equals(before)).toBe(true);
    }
  });
});
