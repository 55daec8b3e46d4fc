import * as fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { FrameBody } from "../src/frame-body.ts";
import { striped } from "./segment-support.ts";

const LEAST_ROOM = 32_768;

function begun(length: number): FrameBody {
  const body = new FrameBody();
  body.begin(length);
  return body;
}

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
