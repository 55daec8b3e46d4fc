import { beforeEach, describe, expect, it } from "vitest";
import { NOTIFICATION, REQUEST, RESULT } from "../src/message.ts";
import type { SegmentPacker } from "../src/segments.ts";
import { resizable, striped } from "./segment-support.ts";
import { Sender } from "./sending-support.ts";
import { bytes, hex, thrownBy } from "./support.ts";

const PIECE = 2_097_152;
const SMALL_PIECE = 16_384;
const WINDOW = 16 * 1_048_576;
const TAKEN_AWAY =
  "INVALID_ARGUMENT a binary value was detached or has shrunk before it was sent; flushed() tells when it has been";

let sender: Sender;
beforeEach(() => (sender = new Sender()));

/** Whether a promise is settled after all that is due in this turn. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  void promise.then(() => (settled = true));
  await new Promise((resolve) => setImmediate(resolve));
  return settled;
}

describe("OutgoingSegments", () => {
  it("announces a message and sends its segments, byte for byte", () => {
    sender.send(REQUEST, 3, [Buffer.from("abc"), Buffer.from("xy")]);
    expect(hex(sender.transport.taken())).toBe(
      hex(
        // Kind, handle, count, length and raw length of each, "payload 3"; kind, handle, index, bytes.
        bytes(`80000032 01 00000000 00000002 0000000000000003 0000000000000000 0000000000000002 0000000000000000
                 7061796c6f61642033
               8000000c 02 00000000 00000000 616263
               8000000b 02 00000000 00000001 7879`),
      ),
    );
    expect(sender.segments.size).toBe(1);
    sender.transport.leave();
    expect(sender.told).toStrictEqual(["sent"]);
    expect(sender.segments.size).toBe(0);
  });

  it("sends the caller's own memory in pieces", () => {
    const mine = striped(2 * PIECE + 5);
    sender.send(REQUEST, 0, [mine]);
    const pieces = sender.sentFrames().flatMap((frame) => (frame.kind === 2 ? [frame.bytes] : []));
    expect(pieces.map(({ length }) => length)).toStrictEqual([PIECE, PIECE, 5]);
    expect(Buffer.concat(pieces).equals(mine)).toBe(true);
  });

  it("writes what was there before first, and a piece only while the transport has nothing", () => {
    sender.transport.keeps = true;
    sender.small("before");
    sender.send(REQUEST, 0, [striped(10)]);
    expect(sender.sent()).toStrictEqual(["before", "announced 0 (payload 0) 10"]);
    sender.segments.pump();
    expect(sender.sent()).toStrictEqual([]);
    sender.transport.leave();
    sender.segments.pump();
    expect(sender.sent()).toStrictEqual(["piece 0 0 10"]);
  });

  it("sends one piece of each message by turns, and those of a message in order", () => {
    sender.transport.keeps = true;
    sender.send(REQUEST, 0, [striped(PIECE + 1), striped(3)]);
    sender.send(REQUEST, 1, [striped(PIECE + 2)]);
    const sent: string[][] = [];
    for (let count = 0; count < 7; count++) {
      sent.push(sender.sent());
      sender.transport.leave();
    }
    expect(sent).toStrictEqual([
      ["announced 0 (payload 0) 2097153 3", "announced 1 (payload 1) 2097154"],
      ["piece 0 0 2097152"],
      ["piece 1 0 2097152"],
      ["piece 0 0 1"],
      ["piece 1 0 2"],
      ["piece 0 1 3"],
      [],
    ]);
  });

  it("sends smaller pieces while small messages leave, until none has left for a while", () => {
    sender.transport.keeps = true;
    sender.send(REQUEST, 0, [striped(4 * PIECE)]);
    sender.transport.leave();
    expect(sender.sent()).toStrictEqual(["announced 0 (payload 0) 8388608", "piece 0 0 2097152"]);
    sender.small("small");
    sender.frames.flush();
    // The window of such times is smaller than what is under way.
    sender.segments.onReceipt(PIECE);
    sender.transport.leave();
    expect(sender.sent()).toStrictEqual(["small", `piece 0 0 ${SMALL_PIECE}`]);
    sender.now += 200;
    sender.transport.leave();
    expect(sender.sent()).toStrictEqual(["piece 0 0 2097152"]);
  });

  it("sends a segment without bytes, and a message of such alone", () => {
    const none = new Uint8Array();
    sender.send(REQUEST, 0, [none, striped(2), none]);
    sender.send(REQUEST, 1, [none]);
    expect(sender.sent()).toStrictEqual(["announced 0 (payload 0) 0 2 0", "piece 0 1 2", "announced 1 (payload 1) 0"]);
    sender.transport.leave();
    expect(sender.told).toStrictEqual(["sent", "sent"]);
    sender.segments.onRelease(1);
  });

  it("counts answers until they have left, one for each, even where a peer uses an id twice", () => {
    sender.transport.keeps = true;
    sender.send(RESULT, 5, [striped(10)]);
    sender.send(RESULT, 5, [striped(10)]);
    sender.send(REQUEST, 5, [striped(10)]);
    sender.send(NOTIFICATION, 0, [striped(10)]);
    expect(sender.segments.answerCount).toBe(2);
    for (let count = 0; count < 8; count++) {
      sender.transport.leave();
      sender.segments.pump();
    }
    expect(sender.segments.answerCount).toBe(0);
    expect(sender.segments.size).toBe(0);
    expect(sender.segments.sentMessages).toBe(4);
  });

  it("says when the memory is the caller's again", async () => {
    expect(await isSettled(sender.segments.flushed())).toBe(true);
    sender.transport.keeps = true;
    sender.send(REQUEST, 0, [striped(PIECE + 1)]);
    const flushed = sender.segments.flushed();
    sender.transport.leave();
    sender.segments.pump();
    expect(await isSettled(flushed)).toBe(false);
    sender.transport.leave();
    expect(await isSettled(flushed)).toBe(false);
    sender.transport.leave();
    expect(await isSettled(flushed)).toBe(true);
  });
});

describe("a message that is taken back", () => {
  it("before it is announced leaves no trace", () => {
    sender.maxSegmentBytes = 100;
    sender.send(REQUEST, 0, [striped(100)]);
    sender.send(REQUEST, 1, [striped(100)]);
    sender.send(REQUEST, 2, [striped(100)]);
    expect(sender.segments.withdraw(REQUEST, 1)).toBe(true);
    sender.transport.leave();
    sender.segments.onRelease(0);
    expect(sender.sent()).toStrictEqual([
      "announced 0 (payload 0) 100",
      "piece 0 0 100",
      "announced 1 (payload 2) 100",
      "piece 1 0 100",
    ]);
    expect(sender.takenBack).toStrictEqual([1]);
    expect(sender.segments.withdraw(REQUEST, 1)).toBe(false);
  });

  it("as the first of those that wait lets the next go", () => {
    sender.maxSegmentBytes = 2000;
    sender.send(REQUEST, 0, [striped(100)]);
    sender.send(REQUEST, 1, [striped(1900)]);
    sender.send(REQUEST, 2, [striped(100)]);
    expect(sender.sent()).toStrictEqual(["announced 0 (payload 0) 100", "piece 0 0 100"]);
    sender.segments.withdraw(REQUEST, 1);
    expect(sender.sent()).toStrictEqual(["announced 1 (payload 2) 100", "piece 1 0 100"]);
  });

  it("after that is withdrawn, and none of its pieces follow", () => {
    sender.transport.keeps = true;
    sender.send(REQUEST, 0, [striped(2 * PIECE)]);
    sender.transport.leave();
    expect(sender.sent()).toStrictEqual(["announced 0 (payload 0) 4194304", "piece 0 0 2097152"]);
    expect(sender.segments.withdraw(REQUEST, 0)).toBe(true);
    expect(sender.sent()).toStrictEqual(["withdrawal 0"]);
    sender.transport.leave();
    sender.segments.pump();
    expect(sender.sent()).toStrictEqual([]);
    expect(sender.segments.size).toBe(0);
    expect(sender.takenBack).toStrictEqual([0]);
  });

  it("with a piece under way holds its memory until that has left", async () => {
    sender.transport.keeps = true;
    sender.send(REQUEST, 0, [striped(2 * PIECE)]);
    sender.transport.leave();
    sender.segments.withdraw(REQUEST, 0);
    const flushed = sender.segments.flushed();
    expect(await isSettled(flushed)).toBe(false);
    expect(sender.segments.size).toBe(1);
    sender.transport.leave();
    expect(await isSettled(flushed)).toBe(true);
  });

  it("isn't, once all of it is with the transport", () => {
    sender.send(REQUEST, 0, [striped(10)]);
    expect(sender.segments.withdraw(REQUEST, 0)).toBe(false);
    sender.transport.leave();
    expect(sender.segments.withdraw(REQUEST, 0)).toBe(false);
    expect(sender.sent()).toStrictEqual(["announced 0 (payload 0) 10", "piece 0 0 10"]);
    expect(sender.takenBack).toStrictEqual([]);
  });

  it("is told by its type: a request and an answer may have one id", () => {
    sender.transport.keeps = true;
    sender.send(REQUEST, 7, [striped(10)]);
    sender.send(RESULT, 7, [striped(10)]);
    expect(sender.segments.withdraw(RESULT, 7)).toBe(true);
    expect(sender.segments.withdraw(RESULT, 7)).toBe(false);
    expect(sender.segments.answerCount).toBe(0);
    sender.transport.leave();
    sender.segments.pump();
    sender.transport.leave();
    sender.segments.pump();
    expect(sender.sent()).toStrictEqual([
      "announced 0 (payload 7) 10",
      "announced 1 (payload 7) 10",
      "withdrawal 1",
      "piece 0 0 10",
    ]);
  });

  it("while another is being encoded is withdrawn behind that, which stays whole", () => {
    sender.send(REQUEST, 0, [striped(WINDOW + 1)]);
    sender.transport.leave();
    sender.sent();
    const mark = sender.frames.begin();
    sender.frames.writer.append(Buffer.from("half "));
    sender.segments.withdraw(REQUEST, 0);
    sender.segments.sendReceipt(5);
    sender.segments.pump();
    sender.frames.flush();
    sender.frames.writer.append(Buffer.from("a message"));
    sender.frames.commit(mark);
    expect(sender.sent()).toStrictEqual(["half a message", "withdrawal 0", "receipt 5"]);
  });

  it("by what is written before its first piece gets none", () => {
    sender.onBatch = () => {
      sender.onBatch = () => {};
      sender.segments.withdraw(REQUEST, 0);
      sender.frames.flush();
    };
    sender.send(REQUEST, 0, [striped(10)]);
    sender.segments.pump();
    expect(sender.sent()).toStrictEqual(["announced 0 (payload 0) 10", "withdrawal 0"]);
  });
});

describe("memory that is taken away before it has left", () => {
  it("fails that message alone: the peer is told to forget it", () => {
    sender.transport.keeps = true;
    const mine = new Uint8Array(2 * PIECE);
    sender.send(REQUEST, 0, [mine]);
    sender.send(REQUEST, 1, [striped(10)]);
    sender.transport.leave();
    sender.segments.pump();
    structuredClone(mine.buffer, { transfer: [mine.buffer] });
    for (let count = 0; count < 4; count++) {
      sender.transport.leave();
      sender.segments.pump();
    }
    expect(sender.sent()).toStrictEqual([
      "announced 0 (payload 0) 4194304",
      "announced 1 (payload 1) 10",
      "piece 0 0 2097152",
      "piece 1 0 10",
      "withdrawal 0",
    ]);
    expect(sender.told).toStrictEqual(["sent", "sent", `withdrawn 0 0: ${TAKEN_AWAY}`]);
    expect(sender.takenBack).toStrictEqual([0]);
    expect(sender.segments.size).toBe(0);
  });

  it("by a buffer that shrinks is noticed, too", () => {
    sender.transport.keeps = true;
    const buffer = resizable(100, 200);
    sender.send(NOTIFICATION, 0, [new Uint8Array(buffer, 50, 50)]);
    buffer.resize(99);
    sender.transport.leave();
    sender.segments.pump();
    expect(sender.told.at(-1)).toBe(`withdrawn 3 0: ${TAKEN_AWAY}`);
    expect(sender.sent()).toStrictEqual(["announced 0 (payload 0) 50", "withdrawal 0"]);
  });

  it("while it waits for room at the peer fails when its turn comes, and holds nobody up", () => {
    sender.maxSegmentBytes = 100;
    sender.send(REQUEST, 0, [striped(100)]);
    const mine = new Uint8Array(100);
    sender.send(REQUEST, 1, [mine]);
    sender.send(REQUEST, 2, [striped(100)]);
    structuredClone(mine.buffer, { transfer: [mine.buffer] });
    sender.transport.leave();
    sender.segments.onRelease(0);
    expect(sender.sent().slice(2)).toStrictEqual([
      "announced 1 (payload 1) 100",
      "withdrawal 1",
      "announced 2 (payload 2) 100",
      "piece 2 0 100",
    ]);
  });
});

describe("what the peer takes at a time", () => {
  it("is held: messages beyond wait in order, and go as others are released", () => {
    sender.maxSegmentBytes = 2 * (100 + 9 + 512);
    for (const id of [0, 1, 2, 3]) sender.send(REQUEST, id, [striped(100)]);
    expect(sender.sent()).toStrictEqual([
      "announced 0 (payload 0) 100",
      "piece 0 0 100",
      "announced 1 (payload 1) 100",
      "piece 1 0 100",
    ]);
    sender.transport.leave();
    expect(sender.segments.waits).toBe(true);
    sender.segments.onRelease(1);
    expect(sender.sent()).toStrictEqual(["announced 2 (payload 2) 100", "piece 2 0 100"]);
    sender.segments.onRelease(0);
    expect(sender.sent()).toStrictEqual(["announced 3 (payload 3) 100", "piece 3 0 100"]);
    expect(sender.segments.waits).toBe(false);
  });

  it("lets none pass one that has to wait", () => {
    sender.maxSegmentBytes = 2000;
    sender.send(REQUEST, 0, [striped(1000)]);
    sender.send(REQUEST, 1, [striped(2000)]);
    sender.send(REQUEST, 2, [striped(10)]);
    expect(sender.sent()).toHaveLength(2);
    sender.segments.onRelease(0);
    expect(sender.sent()).toStrictEqual(["announced 1 (payload 1) 2000", "piece 1 0 2000"]);
    sender.segments.onRelease(1);
    expect(sender.sent()).toStrictEqual(["announced 2 (payload 2) 10", "piece 2 0 10"]);
  });

  it("refuses a message that never fits, by the limit's name", () => {
    sender.maxSegmentBytes = 100;
    expect(thrownBy(() => sender.send(REQUEST, 0, [striped(60), striped(41)]))).toMatchObject({
      code: "RESOURCE_EXHAUSTED",
      message: "binary values of 101 bytes in one message; the limit is 100 (maxSegmentBytes)",
    });
    sender.send(REQUEST, 0, [striped(60), striped(40)]);
    expect(sender.segments.size).toBe(1);
  });

  it("refuses a release of what wasn't sent, or was before", () => {
    sender.transport.keeps = true;
    sender.send(REQUEST, 0, [striped(PIECE + 1)]);
    const message = "release of message 0, which was not sent";
    expect(thrownBy(() => sender.segments.onRelease(0))).toMatchObject({ code: "PROTOCOL_ERROR", message });
    expect(thrownBy(() => sender.segments.onRelease(1))).toMatchObject({ code: "PROTOCOL_ERROR" });
    sender.transport.keeps = false;
    sender.transport.leave();
    sender.segments.pump();
    sender.segments.onRelease(0);
    expect(thrownBy(() => sender.segments.onRelease(0))).toMatchObject({ code: "PROTOCOL_ERROR", message });
  });
});

describe("receipts", () => {
  it("open the window again that pieces without one have filled", () => {
    const count = 20;
    sender.send(REQUEST, 0, [striped(count * PIECE)]);
    expect(sender.sent()).toHaveLength(1 + WINDOW / PIECE);
    expect(sender.segments.waits).toBe(true);
    let [pieces, confirmed] = [WINDOW / PIECE, 0];
    for (; confirmed < count; confirmed++) {
      sender.transport.leave();
      sender.now += 10;
      sender.segments.onReceipt(PIECE);
      pieces += sender.sent().length;
      expect(pieces).toBeGreaterThan(confirmed);
    }
    expect(pieces).toBe(count);
    expect(sender.segments.waits).toBe(false);
  });

  it("for more than was sent are refused", () => {
    const message = "receipt of 1 bytes that were not sent";
    expect(thrownBy(() => sender.segments.onReceipt(1))).toMatchObject({ code: "PROTOCOL_ERROR", message });
    sender.send(REQUEST, 0, [striped(10)]);
    sender.segments.onReceipt(0);
    sender.segments.onReceipt(10);
    expect(thrownBy(() => sender.segments.onReceipt(1)).message).toBe(message);
  });

  it("and releases move what is watched for stalls; receipts of nothing don't", () => {
    const moved: number[] = [];
    const look = (): void => void moved.push(sender.segments.moved);
    look();
    sender.send(REQUEST, 0, [striped(10)]);
    look();
    sender.segments.onReceipt(0);
    expect(sender.segments.moved).toBe(moved.at(-1));
    const before = sender.frames.moved;
    sender.segments.onReceipt(10);
    // A piece that is queued still moves, too.
    expect(sender.frames.moved).toBe(before + 10);
    look();
    sender.segments.onRelease(0);
    look();
    expect(new Set(moved).size).toBe(4);
  });

  it("and releases of this side have no room behind megabytes of other output", () => {
    expect(sender.segments.hasRoom).toBe(true);
    sender.transport.keeps = true;
    sender.small("x".repeat(2 * PIECE - 4));
    expect(sender.segments.hasRoom).toBe(true);
    sender.small("");
    expect(sender.segments.hasRoom).toBe(false);
    sender.segments.sendReceipt(258);
    sender.segments.sendRelease(3);
    sender.frames.flush();
    expect(hex(sender.transport.taken().subarray(-18))).toBe("800000050400000102800000050500000003");
  });
});

describe("the end", () => {
  it("tells which requests can't be complete at the peer, and lets go of all", async () => {
    sender.transport.keeps = true;
    sender.maxSegmentBytes = 10_000;
    sender.send(REQUEST, 0, [striped(100)]);
    sender.send(REQUEST, 1, [striped(100)]);
    sender.send(RESULT, 2, [striped(100)]);
    sender.send(NOTIFICATION, 0, [striped(100)]);
    sender.send(REQUEST, 3, [striped(10_000)]);
    sender.transport.leave();
    sender.segments.pump();
    const flushed = sender.segments.flushed();
    expect(sender.segments.close()).toStrictEqual([1, 3]);
    expect(await isSettled(flushed)).toBe(true);
    expect(sender.segments.size).toBe(0);
    sender.sent();
    sender.transport.leave();
    sender.segments.pump();
    sender.segments.sendReceipt(1);
    expect(sender.sent()).toStrictEqual([]);
  });
});

describe("a packer", () => {
  const half: Pick<SegmentPacker, "packSegment"> = {
    packSegment: async ({ bytes }) => (bytes.length % 2 === 0 ? bytes.subarray(bytes.length / 2) : undefined),
  };
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  it("makes segments smaller, each for itself, and both lengths are told", async () => {
    sender.send(REQUEST, 0, [striped(10), striped(11)], half);
    expect(sender.sent()).toStrictEqual([]);
    await turn();
    expect(sender.sent()).toStrictEqual(["announced 0 (payload 0) 5/10 11", "piece 0 0 5", "piece 0 1 11"]);
  });

  it("may make nothing of a segment", async () => {
    sender.send(REQUEST, 0, [striped(10)], { packSegment: async () => new Uint8Array() });
    await turn();
    expect(sender.sent()).toStrictEqual(["announced 0 (payload 0) 0/10"]);
    expect(sender.told).toStrictEqual(["sent"]);
  });

  it("isn't used where the peer has no room for both", async () => {
    sender.maxSegmentBytes = 14;
    sender.send(REQUEST, 0, [striped(10)], half);
    await turn();
    expect(sender.sent()).toStrictEqual(["announced 0 (payload 0) 10", "piece 0 0 10"]);
  });

  it("that fails, fails the message", async () => {
    sender.send(REQUEST, 0, [striped(10)], {
      packSegment: async () => {
        throw new RangeError("too odd");
      },
    });
    await turn();
    expect(sender.told).toStrictEqual([
      "sent",
      "withdrawn 0 0: SERIALIZATION_ERROR a binary value can't be packed: too odd",
    ]);
    expect(sender.sent()).toStrictEqual([]);
    expect(sender.takenBack).toStrictEqual([0]);
  });

  it("stops where the message is taken back meanwhile, or the memory is taken away", async () => {
    let count = 0;
    const slow: Pick<SegmentPacker, "packSegment"> = {
      packSegment: async () => {
        count++;
        await turn();
        return undefined;
      },
    };
    sender.send(REQUEST, 0, [striped(10), striped(10)], slow);
    expect(sender.segments.withdraw(REQUEST, 0)).toBe(true);
    await turn();
    await turn();
    expect(count).toBe(1);
    const mine = new Uint8Array(10);
    sender.send(REQUEST, 1, [mine, striped(10)], half);
    structuredClone(mine.buffer, { transfer: [mine.buffer] });
    await turn();
    expect(sender.told.at(-1)).toBe(`withdrawn 0 1: ${TAKEN_AWAY}`);
    expect(sender.sent()).toStrictEqual([]);
  });
});
