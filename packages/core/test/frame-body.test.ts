import * as fc from "fast-check";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { FrameBody } from "../src/frame-body.ts";
import { keepSpare, takeSpare } from "../src/spare-memory.ts";
import { striped } from "./segment-support.ts";

const LEAST_ROOM = 32_768;

function begun(length: number): FrameBody {
  const body = new FrameBody();
  body.begin(length);
  return body;
}

/** Leaves no memory to be used again. */
function takeAllSpare(): Buffer[] {
  const taken: Buffer[] = [];
  for (let one = takeSpare(LEAST_ROOM, Infinity, 1); one !== undefined; one = takeSpare(LEAST_ROOM, Infinity, 1))
    taken.push(one);
  return taken;
}

beforeEach(() => void takeAllSpare());

describe("FrameBody", () => {
  it("is put together from chunks, takes no more than it misses, and tells where the rest starts", () => {
    const body = begun(5);
    expect([body.isOpen, body.isComplete, body.filledBytes]).toStrictEqual([true, false, 0]);
    expect(body.append(Buffer.from("xab"), 1)).toBe(3);
    expect([body.isComplete, body.filledBytes]).toStrictEqual([false, 2]);
    expect(body.append(Buffer.from(""), 0)).toBe(0);
    expect(body.append(Buffer.from("cdefgh"), 0)).toBe(3);
    expect(body.isComplete).toBe(true);
    expect(body.take().toString()).toBe("abcde");
    expect([body.isOpen, body.filledBytes]).toStrictEqual([false, 0]);
  });

  it("without bytes is complete at once", () => {
    const body = begun(0);
    expect([body.isOpen, body.isComplete]).toStrictEqual([true, true]);
    expect(body.take()).toHaveLength(0);
  });

  it("keeps nothing of the chunks, and what was taken stays as it is", () => {
    const body = begun(3);
    const chunk = Buffer.from("abc");
    body.append(chunk, 0);
    chunk.fill(0);
    const first = body.take();
    body.begin(3);
    body.append(Buffer.from("xyz"), 0);
    expect([first.toString(), body.take().toString()]).toStrictEqual(["abc", "xyz"]);
  });

  it("begins anew after it was dropped", () => {
    const body = begun(3);
    body.append(Buffer.from("a"), 0);
    body.drop();
    expect([body.isOpen, body.filledBytes, body.room()]).toStrictEqual([false, 0, undefined]);
    body.begin(2);
    body.append(Buffer.from("bc"), 0);
    expect(body.take().toString()).toBe("bc");
  });

  it.each([
    [2 * LEAST_ROOM, LEAST_ROOM, LEAST_ROOM],
    [2 * LEAST_ROOM - 1, LEAST_ROOM, undefined],
    [2 * LEAST_ROOM, LEAST_ROOM - 1, undefined],
    [1_000_000, LEAST_ROOM, 3 * LEAST_ROOM],
    [1_000_000, 200_000, 600_000],
  ])("of %i bytes, %i of them there, has room for %j", (length, came, expected) => {
    const body = begun(length);
    body.append(Buffer.alloc(came), 0);
    expect(body.room()?.length).toBe(expected);
  });

  it("takes memory by what has come", () => {
    const sizes: number[] = [];
    const allocate = Buffer.allocUnsafeSlow;
    vi.spyOn(Buffer, "allocUnsafeSlow").mockImplementation((size) => {
      sizes.push(size);
      return allocate(size);
    });
    const body = begun(0x7fff_ffff);
    for (let came = 0; came < 1_000_000; came += 1000) body.append(Buffer.alloc(1000), 0);
    expect(sizes).toStrictEqual([4000, 20_000, 84_000, 340_000, 1_364_000]);
    vi.restoreAllMocks();
    const small = begun(600);
    vi.spyOn(Buffer, "allocUnsafeSlow").mockImplementation((size) => {
      sizes.push(size);
      return allocate(size);
    });
    small.append(Buffer.alloc(1), 0);
    small.append(Buffer.alloc(599), 0);
    expect(sizes.slice(5)).toStrictEqual([512, 600]);
  });

  it("agrees with what was sent, by chunks and by room in any order", () => {
    const steps = fc.array(fc.tuple(fc.integer({ min: 1, max: 60_000 }), fc.boolean()), {
      minLength: 1,
      maxLength: 60,
    });
    let rooms = 0;
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 400_000 }), steps, (length, reads) => {
        const data = striped(length);
        const body = begun(length);
        for (let at = 0, step = 0; at < length; step++) {
          const [count, wantsRoom] = reads[step % reads.length]!;
          const room = wantsRoom ? body.room() : undefined;
          if (room === undefined) at += body.append(data.subarray(at, at + count), 0);
          else {
            const taken = data.copy(room, 0, at, at + count);
            body.fill(taken);
            at += taken;
            rooms++;
          }
        }
        expect(body.isComplete).toBe(true);
        expect(body.take().equals(data)).toBe(true);
      }),
      { numRuns: 200 },
    );
    expect(rooms).toBeGreaterThan(100);
  });
});

describe("The memory of a payload", () => {
  /** The memory in which a payload of these bytes was lent. */
  function lent(content: Buffer): ArrayBufferLike {
    const body = begun(content.length);
    body.append(content, 0);
    let memory: ArrayBufferLike | undefined;
    body.lend((bytes, length) => {
      expect(bytes.subarray(0, length).equals(content)).toBe(true);
      memory = bytes.buffer;
    });
    return memory!;
  }

  it("is that of one before, once it was handed out, where that is large enough", () => {
    const first = lent(striped(100_000));
    expect(lent(striped(50_000))).toBe(first);
    expect(lent(striped(100_000))).toBe(first);
    expect(lent(striped(100_001))).not.toBe(first);
    expect(lent(striped(100_000))).toBe(first);
  });

  it("is nobody else's while it is used, nor after it was taken for good, or dropped", () => {
    const body = begun(100_000);
    body.append(striped(100_000), 0);
    const own = new Set<ArrayBufferLike>();
    body.lend((bytes) => {
      own.add(bytes.buffer);
      expect(own.has(lent(striped(90_000)))).toBe(false);
    });
    takeAllSpare();
    const taken = begun(100_000);
    taken.append(striped(100_000), 0);
    own.add(taken.take().buffer);
    const dropped = begun(100_000);
    dropped.append(striped(50_000), 0);
    const room = dropped.room()!;
    dropped.drop();
    own.add(room.buffer);
    expect(own.has(lent(striped(100_000)))).toBe(false);
  });

  it("goes to the engine where handling it has failed: somebody may still use it", () => {
    const body = begun(100_000);
    body.append(striped(100_000), 0);
    const failing = (): never => {
      throw new Error("no");
    };
    expect(() => body.lend(failing)).toThrow("no");
    expect(takeAllSpare()).toStrictEqual([]);
  });

  it("is kept from 32 KiB to 4 MiB each, and 4 MiB in all: the latest", () => {
    const sizes = [LEAST_ROOM - 1, LEAST_ROOM, 4_194_305, 4_194_304].map((size) => Buffer.allocUnsafe(size));
    /** Which of them are kept, of those that were given. */
    const kept = (given: readonly Buffer[]): number[] => {
      for (const one of given) keepSpare(one);
      const found = takeAllSpare();
      return given.map((one, index) => (found.includes(one) ? index : -1)).filter((index) => index >= 0);
    };
    expect(kept(sizes.slice(0, 3))).toStrictEqual([1]);
    expect(kept(sizes)).toStrictEqual([3]);
    expect(kept([1, 2, 3].map(() => Buffer.allocUnsafe(2_097_152)))).toStrictEqual([1, 2]);
  });

  it("is the smallest that has room for all, else the largest that has room for what has come", () => {
    const [small, middle, large] = [40_000, 60_000, 80_000].map((size) => Buffer.alloc(size)) as [
      Buffer,
      Buffer,
      Buffer,
    ];
    const all = [middle, large, small];
    const taken = (least: number, most: number, wanted: number): Buffer | undefined => {
      takeAllSpare();
      for (const one of all) keepSpare(one);
      return takeSpare(least, most, wanted);
    };
    expect(taken(35_000, Infinity, 35_000)).toBe(small);
    expect(taken(35_000, Infinity, 50_000)).toBe(middle);
    expect(taken(35_000, Infinity, 60_001)).toBe(large);
    expect(taken(35_000, Infinity, 1_000_000)).toBe(large);
    expect(taken(35_000, 79_999, 1_000_000)).toBe(middle);
    expect(taken(80_001, Infinity, 1_000_000)).toBe(undefined);
    expect(taken(LEAST_ROOM - 1, Infinity, 50_000)).toBe(undefined);
  });

  it("stays in proportion to what has come", () => {
    keepSpare(Buffer.allocUnsafe(4_194_304));
    const body = begun(1_000_000);
    body.append(Buffer.alloc(33_000), 0);
    expect(body.room()!.buffer.byteLength).toBe(132_000);
    for (const size of [532_001, 500_000, 300_000]) keepSpare(Buffer.allocUnsafe(size));
    body.append(Buffer.alloc(100_000), 0);
    expect(body.room()!.buffer.byteLength).toBe(500_000);
  });
});
