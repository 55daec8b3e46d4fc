import * as fc from "fast-check";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { FrameDecoder } from "../src/frame-decoder.ts";
import { IncomingSegments } from "../src/incoming-segments.ts";
import type { SegmentReceipts, SegmentedMessage } from "../src/incoming-segments.ts";
import { DEFAULT_LIMITS } from "../src/limits.ts";
import type { Limits } from "../src/limits.ts";
import { announcement, cut, piece, receipt, release, striped, withdrawal } from "./segment-support.ts";
import { bytes, hex, thrownBy } from "./support.ts";

/** What comes is cut into frames; complete messages and receipts are told in words. */
class Receiver implements SegmentReceipts {
  hasRoom = true;
  /** Messages are decoded as they are complete. */
  decodes = true;
  overheadCount = 0;
  isEarly = false;
  readonly lines: string[] = [];
  readonly messages: SegmentedMessage[] = [];
  readonly segments: IncomingSegments;
  readonly decoder: FrameDecoder;

  constructor(limits: Partial<Limits> = {}) {
    const all = { ...DEFAULT_LIMITS, ...limits };
    this.segments = new IncomingSegments(
      all,
      {
        onSegmented: (message) => {
          this.messages.push(message);
          this.lines.push(`message ${message.handle} ${message.payload.toString()}`);
          if (this.decodes) this.segments.release(message);
        },
      },
      this,
      this,
    );
    this.decoder = new FrameDecoder(all.maxMessageBytes, { onFrame: () => {} });
    this.decoder.takeExtended({ extendedFrames: () => this.segments });
  }

  push(...frames: readonly Uint8Array[]): void {
    this.decoder.push(Buffer.concat(frames));
  }

  /** The lines since the last time. */
  taken(): string[] {
    return this.lines.splice(0);
  }

  sendReceipt(count: number): void {
    this.lines.push(`receipt ${count}`);
  }
  sendRelease(handle: number): void {
    this.lines.push(`release ${handle}`);
  }
  countOverhead(): void {
    this.overheadCount++;
  }
  onReceipt(count: number): void {
    this.lines.push(`got receipt ${count}`);
  }
  onRelease(handle: number): void {
    this.lines.push(`got release ${handle}`);
  }
}

let receiver: Receiver;
beforeEach(() => (receiver = new Receiver()));

describe("IncomingSegments", () => {
  it("hands out a message when the last of its segments is complete, and confirms it", () => {
    receiver.push(
      bytes(
        "8000002e 01 00000005 00000002 0000000000000003 0000000000000000 0000000000000002 0000000000000000 68656c6c6f",
      ),
      bytes("8000000b 02 00000005 00000000 6162"),
      bytes("8000000b 02 00000005 00000001 7879"),
    );
    expect(receiver.taken()).toStrictEqual([]);
    receiver.push(bytes("8000000a 02 00000005 00000000 63"));
    expect(receiver.taken()).toStrictEqual(["receipt 5", "message 5 hello", "release 5"]);
    const { segments } = receiver.messages[0]!;
    expect(segments.map((segment) => segment.bytes.toString())).toStrictEqual(["abc", "xy"]);
    // A typed array can be a view of each.
    for (const segment of segments) {
      expect([segment.bytes.byteOffset, segment.bytes.buffer.byteLength]).toStrictEqual([0, segment.bytes.length]);
    }
    expect(receiver.segments.countedBytes).toBe(0);
  });

  it("hands out messages in the order in which they are complete", () => {
    receiver.push(announcement(1, [2], "first"), announcement(2, [1], "second"), piece(1, 0, bytes("00")));
    receiver.push(piece(2, 0, bytes("00")), piece(1, 0, bytes("00")));
    expect(receiver.messages.map(({ payload }) => payload.toString())).toStrictEqual(["second", "first"]);
  });

  it("hands out at once what has no bytes, and waits for none of a segment without any", () => {
    receiver.push(announcement(1, [0, 0], "none"));
    expect(receiver.taken()).toStrictEqual(["message 1 none", "release 1"]);
    receiver.push(announcement(1, [0, 1, 0], "one"), piece(1, 1, bytes("07")));
    expect(receiver.messages[1]!.segments.map((segment) => hex(segment.bytes))).toStrictEqual(["", "07", ""]);
  });

  it("tells the raw length of packed segments", () => {
    receiver.push(announcement(1, [[2, 10], 1], ""), piece(1, 0, bytes("0102")), piece(1, 1, bytes("03")));
    expect(receiver.messages[0]!.segments.map(({ rawLength }) => rawLength)).toStrictEqual([10, 0]);
  });

  it("takes memory for a segment when its first byte comes, up to a mebibyte in full, and none before", () => {
    const allocate = vi.spyOn(Buffer, "allocUnsafeSlow");
    const sizes = (): number[] => allocate.mock.calls.splice(0).map(([size]) => size);
    receiver.push(announcement(1, [300_000, 200_000], "payload"));
    expect(sizes().filter((size) => size > 100)).toStrictEqual([]);
    const first = piece(1, 1, striped(10));
    receiver.push(first.subarray(0, 12));
    expect(sizes().filter((size) => size > 100)).toStrictEqual([]);
    receiver.push(first.subarray(12));
    expect(sizes()).toStrictEqual([200_000]);
    receiver.push(piece(1, 1, striped(1000)), piece(1, 0, striped(10)), piece(1, 0, striped(10)));
    expect(sizes()).toStrictEqual([300_000]);
  });

  it("takes at most 16 times what has come, or 65,536 bytes, and copies what is there", () => {
    const allocate = vi.spyOn(Buffer, "allocUnsafeSlow");
    const length = 20_000_000;
    const whole = striped(length);
    receiver.push(announcement(1, [length], "payload"));
    allocate.mockClear();
    let taken = 0;
    for (const end of [1, 1000, 70_000, 80_000, 600_000, 1_500_000, 3_400_000, length]) {
      receiver.push(piece(1, 0, whole.subarray(taken, end)));
      taken = end;
      const most = Math.max(...allocate.mock.calls.map(([size]) => size));
      expect(most).toBeLessThanOrEqual(Math.min(Math.max(16 * end, 16 * 65_536), length));
    }
    expect(allocate.mock.calls.map(([size]) => size)).toStrictEqual([78_125, 1_250_000, length]);
    expect(receiver.messages[0]!.segments[0]!.bytes.equals(whole)).toBe(true);
  });

  it("counts what is taken back as what runs no handler", () => {
    receiver.push(announcement(1, [100]), piece(1, 0, striped(100)));
    expect(receiver.overheadCount).toBe(0);
    for (let round = 1; round <= 3; round++) {
      receiver.push(announcement(2, [100]), piece(2, 0, striped(1)), withdrawal(2));
      expect(receiver.overheadCount).toBe(round);
    }
  });

  it("agrees with what was sent, however messages mix and the stream is cut", () => {
    const message = fc.tuple(
      fc.array(fc.nat(400), { minLength: 1, maxLength: 4 }),
      fc.array(fc.tuple(fc.nat(3), fc.integer({ min: 1, max: 300 })), { maxLength: 8 }),
      fc.boolean(),
    );
    fc.assert(
      fc.property(
        fc.array(message, { minLength: 1, maxLength: 5 }),
        fc.array(fc.nat(4), { maxLength: 80 }),
        fc.array(fc.nat(), { maxLength: 40 }),
        (messages, turns, places) => {
          const to = new Receiver();
          const { frames, expected } = sentBy(messages, turns);
          for (const chunk of cut(Buffer.concat(frames), places)) to.push(chunk);
          const found = to.messages.map(({ payload, segments }) => [
            payload.toString(),
            ...segments.map((segment) => hex(segment.bytes)),
          ]);
          expect(new Set(found.map((parts) => parts.join()))).toStrictEqual(
            new Set(expected.map((parts) => parts.join())),
          );
          expect(found.length).toBe(expected.length);
          expect(to.segments.countedBytes).toBe(0);
        },
      ),
      { numRuns: 300 },
    );
  });
});

/** Messages with their segments cut into pieces, by turns; those that are withdrawn lose their last piece. */
function sentBy(
  messages: readonly (readonly [number[], [number, number][], boolean])[],
  turns: readonly number[],
): { frames: Buffer[]; expected: string[][] } {
  const frames: Buffer[] = [];
  const expected: string[][] = [];
  const queues = messages.map(([lengths, pieces, isWithdrawn], handle) => {
    const contents = lengths.map((length, index) => striped(length, handle * 10 + index));
    const left = contents.map((content) => content);
    const queue: Buffer[] = [announcement(handle, lengths, `message ${handle}`)];
    const cutOff = (index: number, size: number): void => {
      const rest = left[index];
      if (rest === undefined || rest.length === 0) return;
      queue.push(piece(handle, index, rest.subarray(0, size)));
      left[index] = rest.subarray(size);
    };
    for (const [index, size] of pieces) cutOff(index, size);
    left.forEach((rest, index) => cutOff(index, rest.length));
    if (isWithdrawn && queue.length > 1) queue.splice(-1, 1, withdrawal(handle));
    else expected.push([`message ${handle}`, ...contents.map((content) => hex(content))]);
    return queue;
  });
  for (const turn of turns) frames.push(...queues[turn % queues.length]!.splice(0, 1));
  for (const queue of queues) frames.push(...queue);
  return { frames, expected };
}

describe("receipts", () => {
  it("go out once a piece is complete and 16 KiB have come since the last one", () => {
    receiver.push(announcement(1, [1_000_000]));
    receiver.push(piece(1, 0, striped(16_383)));
    expect(receiver.taken()).toStrictEqual([]);
    receiver.push(piece(1, 0, striped(1)), piece(1, 0, striped(16_384)), piece(1, 0, striped(100_000)));
    expect(receiver.taken()).toStrictEqual(["receipt 16384", "receipt 16384", "receipt 100000"]);
  });

  it("go out within a large piece, too, so that its sender sees it move", () => {
    receiver.push(announcement(1, [1_000_000]));
    const large = piece(1, 0, striped(1_000_000));
    for (let at = 0; at < large.length; at += 131_072) receiver.push(large.subarray(at, at + 131_072));
    const counts = receiver.taken().flatMap((line) => (line.startsWith("receipt ") ? [Number(line.slice(8))] : []));
    expect(counts).toStrictEqual([393_216 - 13, 262_144, 262_144, 82_509]);
    expect(counts.reduce((sum, count) => sum + count)).toBe(1_000_000);
  });

  it("count what has come of a message that is withdrawn", () => {
    receiver.push(announcement(1, [100]), piece(1, 0, striped(30)), withdrawal(1));
    expect(receiver.taken()).toStrictEqual(["receipt 30"]);
    expect(receiver.segments.countedBytes).toBe(0);
    // Its handle can be used again.
    receiver.push(announcement(1, [1], "again"), piece(1, 0, striped(1)));
    expect(receiver.taken()).toStrictEqual(["receipt 1", "message 1 again", "release 1"]);
  });

  it("and releases wait while the output is full, as one, and what isn't released counts", () => {
    receiver.hasRoom = false;
    for (let handle = 0; handle < 3; handle++) receiver.push(announcement(handle, [10]), piece(handle, 0, striped(10)));
    expect(receiver.taken()).toStrictEqual(["message 0 ", "message 1 ", "message 2 "]);
    expect(receiver.segments.countedBytes).toBe(3 * (10 + 512));
    receiver.segments.confirm();
    expect(receiver.taken()).toStrictEqual([]);
    receiver.hasRoom = true;
    receiver.segments.confirm();
    expect(receiver.taken()).toStrictEqual(["receipt 30", "release 0", "release 1", "release 2"]);
    expect(receiver.segments.countedBytes).toBe(0);
    receiver.segments.confirm();
    expect(receiver.taken()).toStrictEqual([]);
  });

  it("of the other direction are handed on", () => {
    receiver.push(receipt(0xffff_ffff), release(7), receipt(0));
    expect(receiver.taken()).toStrictEqual(["got receipt 4294967295", "got release 7", "got receipt 0"]);
  });
});

describe("what is announced", () => {
  it("may take all of maxSegmentBytes where it is alone, and waits for a release where it isn't", () => {
    const small = new Receiver({ maxSegmentBytes: 1000 });
    small.decodes = false;
    small.push(announcement(1, [600, 400], "a payload"));
    expect(small.segments.countedBytes).toBe(1000 + 9 + 1024);
    expect(thrownBy(() => small.push(announcement(2, [0])))).toMatchObject({
      code: "PROTOCOL_ERROR",
      message: "segments of 0 bytes and 512 with them, beside 2033; the limit is 1000 (maxSegmentBytes)",
    });
  });

  it("counts with payload and 512 a segment beside others, up to the byte", () => {
    const limit = 2 * (100 + 3 + 512);
    const exact = new Receiver({ maxSegmentBytes: limit });
    exact.push(announcement(1, [100], "abc"), announcement(2, [100], "abc"));
    expect(exact.segments.countedBytes).toBe(limit);
    const over = new Receiver({ maxSegmentBytes: limit });
    over.push(announcement(1, [100], "abc"));
    expect(thrownBy(() => over.push(announcement(2, [100], "abcd"))).message).toContain("maxSegmentBytes");
  });

  it("counts packed segments with both lengths", () => {
    expect(thrownBy(() => new Receiver({ maxSegmentBytes: 1000 }).push(announcement(1, [[1, 1000]])))).toMatchObject({
      message: "segments of 1001 bytes; the limit is 1000 (maxSegmentBytes)",
    });
    new Receiver({ maxSegmentBytes: 1000 }).push(announcement(1, [[1, 999]]));
  });

  it("counts until it is released, not until it is complete", () => {
    receiver.decodes = false;
    receiver.push(announcement(1, [10]), piece(1, 0, striped(10)));
    expect(receiver.segments.countedBytes).toBe(522);
    receiver.segments.release(receiver.messages[0]!);
    expect(receiver.segments.countedBytes).toBe(0);
  });
});

describe("what is refused", () => {
  const kept = announcement(1, [10, 5], "kept");

  it.each<[string, string, readonly Uint8Array[]]>([
    [
      "no segment",
      "a message with segments has 1 to 1024 of them, each announced",
      [bytes("80000009 01 00000002 00000000")],
    ],
    ["no count", "a message with segments has 1 to 1024 of them, each announced", [bytes("80000005 01 00000002")]],
    [
      "half a count",
      "a message with segments has 1 to 1024 of them, each announced",
      [bytes("80000007 01 00000002 0000")],
    ],
    [
      "fewer lengths than segments",
      "a message with segments has 1 to 1024 of them, each announced",
      [bytes("80000018 01 00000002 00000001 0000000000000001 00000000000000")],
    ],
    ["2^32-1 segments", "a message with segments has 1 to 1024 of them", [bytes("80000009 01 00000002 ffffffff")]],
    [
      "1,025 segments",
      "has 1 to 1024 of them",
      [
        announcement(
          2,
          Array.from({ length: 1025 }, () => 1),
        ),
      ],
    ],
    [
      "a length beyond what numbers can tell",
      "segments of 18446744073709552000 bytes",
      [announcement(2, [[0xffff_ffff_ffff_ffffn, 0]])],
    ],
    ["a raw length beyond the limit", "segments of 9007199254740992 bytes", [announcement(2, [[1, 2n ** 53n]])]],
    [
      "a payload over the limit",
      "payload of 101 bytes; the limit is 100 (maxMessageBytes)",
      [announcement(2, [1], "x".repeat(101))],
    ],
    ["a handle that is in use", "handle 1 is in use", [announcement(1, [1])]],
    [
      "a piece for an unknown handle",
      "piece of segment 0 of message 9, which wasn't announced",
      [piece(9, 0, striped(1))],
    ],
    [
      "a piece of an unknown segment",
      "piece of segment 2 of message 1, which wasn't announced",
      [piece(1, 2, striped(1))],
    ],
    ["a piece of segment 2^32-1", "piece of segment 4294967295 of message 1", [piece(1, 0xffff_ffff, striped(1))]],
    ["a piece beyond the end", "piece beyond the 5 bytes of segment 1 of message 1", [piece(1, 1, striped(6))]],
    [
      "a piece of a segment that is complete",
      "piece beyond the 5 bytes of segment 1 of message 1",
      [piece(1, 1, striped(5)), piece(1, 1, striped(1))],
    ],
    ["a piece of a message that was withdrawn", "which wasn't announced", [withdrawal(1), piece(1, 0, striped(1))]],
    ["a withdrawal of nothing", "withdrawal of 9, which isn't on its way", [withdrawal(9)]],
    ["a second withdrawal", "withdrawal of 1, which isn't on its way", [withdrawal(1), withdrawal(1)]],
    [
      "a withdrawal of a complete message",
      "withdrawal of 1, which isn't on its way",
      [piece(1, 0, striped(10)), piece(1, 1, striped(5)), withdrawal(1)],
    ],
  ])("%s: %s", (_what, message, frames) => {
    for (const decodes of [true, false]) {
      const to = new Receiver({ maxMessageBytes: 100 });
      to.decodes = decodes;
      to.push(kept);
      const error = thrownBy(() => to.push(...frames));
      expect(error).toMatchObject({ code: "PROTOCOL_ERROR" });
      expect(error.message).toContain(message);
    }
  });

  it("a handle of a message that is complete and not released", () => {
    receiver.decodes = false;
    receiver.push(announcement(1, [1]), piece(1, 0, striped(1)));
    expect(thrownBy(() => receiver.push(announcement(1, [1]))).message).toBe("handle 1 is in use");
    receiver.segments.release(receiver.messages[0]!);
    receiver.push(announcement(1, [1]));
  });

  it("lengths that are no safe integers, also where nothing is limited", () => {
    const open = new Receiver({ maxSegmentBytes: Infinity });
    expect(thrownBy(() => open.push(announcement(1, [[2n ** 53n, 0]]))).message).toContain("maxSegmentBytes");
    open.push(announcement(1, [[2n ** 53n - 1n, 0]]));
    // More and more is asked for, until the memory isn't there: that is told as what it is.
    vi.spyOn(Buffer, "allocUnsafeSlow").mockImplementation((size) => {
      throw new RangeError(`${size} bytes`);
    });
    expect(thrownBy(() => open.push(piece(1, 0, striped(1))))).toMatchObject({
      code: "RESOURCE_EXHAUSTED",
      message: expect.stringMatching(/^no memory for a segment of \d+ bytes$/),
    });
    vi.restoreAllMocks();
  });

  it("more than 262,144 bytes before the answer to hello, announcements among them", () => {
    receiver.isEarly = true;
    const most = 262_144;
    const first = announcement(1, [400_000_000], "payload");
    const beside = first.length - 4 - 1 - 4;
    receiver.push(first, piece(1, 0, striped(most - beside)));
    expect(thrownBy(() => receiver.push(piece(1, 0, striped(1))))).toMatchObject({
      code: "PROTOCOL_ERROR",
      message: "messages with segments of more than 262144 bytes before the answer to hello",
    });
    const others = new Receiver();
    others.isEarly = true;
    const announced = announcement(1, [1], striped(most - 24));
    expect(thrownBy(() => others.push(announced, announcement(2, [1])))).toMatchObject({ code: "PROTOCOL_ERROR" });
    const late = new Receiver();
    late.push(first, piece(1, 0, striped(most)), piece(1, 0, striped(most)));
  });

  it("after its end nothing is told", () => {
    receiver.push(announcement(1, [1]));
    receiver.segments.clear();
    expect(receiver.segments.countedBytes).toBe(0);
    receiver.segments.onPieceRead(1, 0);
    receiver.segments.confirm();
    expect(receiver.taken()).toStrictEqual([]);
  });
});
