import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesBeside, fits, segmentBytes } from "../src/extended-frames.ts";
import { FrameDecoder } from "../src/frame-decoder.ts";
import {
  FrameLog,
  announcement,
  cut,
  expectedLines,
  extended,
  piece,
  receipt,
  release,
  striped,
  u32,
  withdrawal,
} from "./segment-support.ts";
import { bytes, frame, hex, thrownBy } from "./support.ts";

const LEAST_IN_PLACE = 32_768;

/** One of each kind, with small frames in between. */
const SESSION = `
  00000002 6162
  8000002c 01 00000007 00000002 0000000000000003 0000000000000000 0000000000000002 0000000000000005 6869 6a
  8000000b 02 00000007 00000000 7879
  00000001 63
  8000000b 02 00000007 00000001 3132
  8000000a 02 00000007 00000000 7a
  80000005 03 00000008
  80000005 04 00000005
  80000005 05 00000007
  00000000`;

const LINES = [
  "frame 6162",
  "1 0000000700000002000000000000000300000000000000000000000000000002000000000000000568696a",
  "piece 7 0 7879",
  "frame 63",
  "piece 7 1 3132",
  "piece 7 0 7a",
  "3 00000008",
  "4 00000005",
  "5 00000007",
  "frame ",
];

describe("extended frames", () => {
  it("come in order with small ones, whole and byte by byte", () => {
    const data = bytes(SESSION);
    const whole = new FrameLog();
    whole.decoder.push(data);
    expect(whole.lines).toStrictEqual(LINES);
    const drip = new FrameLog();
    for (const byte of data) drip.decoder.push(Buffer.from([byte]));
    expect(drip.lines).toStrictEqual(LINES);
    expect(drip.decoder.pendingBytes).toBe(0);
  });

  it("are read wherever the stream is cut in two", () => {
    const data = bytes(SESSION);
    for (let place = 0; place <= data.length; place++) {
      const log = new FrameLog();
      log.decoder.push(data.subarray(0, place));
      log.decoder.push(data.subarray(place));
      expect(log.lines, `cut at ${place}`).toStrictEqual(LINES);
    }
  });

  it("tell how much of an unfinished one has come", () => {
    const data = bytes(SESSION);
    const starts = [0];
    while (starts.at(-1)! < data.length)
      starts.push(starts.at(-1)! + 4 + (data.readUInt32BE(starts.at(-1)) % 0x8000_0000));
    const log = new FrameLog();
    for (let count = 1; count <= data.length; count++) {
      log.decoder.push(data.subarray(count - 1, count));
      expect(log.decoder.pendingBytes, `after ${count} bytes`).toBe(
        count - starts.findLast((start) => start <= count)!,
      );
    }
  });

  const kinds = fc.oneof(
    fc.nat(300).map((length) => frame(striped(length, length))),
    fc
      .tuple(fc.nat(9), fc.array(fc.nat(9), { minLength: 1, maxLength: 5 }), fc.string())
      .map((given) => announcement(...given)),
    fc
      .tuple(fc.nat(9), fc.nat(9), fc.integer({ min: 1, max: 300 }))
      .map(([a, b, size]) => piece(a, b, striped(size, a))),
    fc.integer({ min: LEAST_IN_PLACE - 2, max: 90_000 }).map((size) => piece(1, 0, striped(size, 3))),
    fc.nat().map(withdrawal),
    fc.nat().map(receipt),
    fc.nat().map(release),
  );

  it("agree with the oracle at random cuts", () => {
    fc.assert(
      fc.property(fc.array(kinds, { maxLength: 12 }), fc.array(fc.nat(), { maxLength: 40 }), (frames, places) => {
        const data = Buffer.concat(frames);
        const log = new FrameLog();
        for (const chunk of cut(data, places)) log.decoder.push(chunk);
        expect(log.lines).toStrictEqual(expectedLines(data));
        expect(log.decoder.pendingBytes).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  it("agree with the oracle where reads into their room and chunks come in any order", () => {
    const size = fc.oneof(fc.integer({ min: 1, max: 15 }), fc.integer({ min: 1, max: 70_000 }));
    const reads = fc.array(fc.tuple(size, fc.boolean()), { minLength: 1, maxLength: 60 });
    let rooms = 0;
    fc.assert(
      fc.property(fc.array(kinds, { maxLength: 8 }), reads, (frames, steps) => {
        const data = Buffer.concat(frames);
        const log = new FrameLog();
        for (let at = 0, step = 0; at < data.length; step++) {
          const [count, wantsRoom] = steps[step] ?? [65_536, true];
          at += log.read(data.subarray(at), count, wantsRoom);
        }
        rooms += log.rooms.length;
        expect(log.lines).toStrictEqual(expectedLines(data));
      }),
      { numRuns: 600 },
    );
    expect(rooms).toBeGreaterThan(200);
  });

  it("have their large pieces read in place, one after another, and the header between them by itself", () => {
    const data = Buffer.concat([0, 1, 2].map((seed) => piece(1, 0, striped(100_000, seed))));
    const log = new FrameLog();
    for (let at = 0; at < data.length;) at += log.read(data.subarray(at), 65_536);
    expect(log.lines).toStrictEqual(expectedLines(data));
    // The first begins in memory that all share.
    const taken = 65_536 - 13;
    expect(log.rooms).toStrictEqual([100_000 - taken, 13, 100_000, 34_464, 13, 100_000, 34_464]);
  });

  it("have no room where that isn't worth a read of its own", () => {
    const log = new FrameLog();
    const small = piece(1, 0, striped(LEAST_IN_PLACE - 1));
    log.decoder.push(small.subarray(0, 100));
    expect(log.decoder.room()).toBeUndefined();
    log.decoder.push(small.subarray(100));
    expect(log.decoder.room()).toBeUndefined();
    const large = piece(1, 0, striped(LEAST_IN_PLACE));
    for (const length of [1, 4, 5, 12]) {
      log.decoder.push(large.subarray(0, length));
      // Nobody knows yet how large it is, or the header comes byte by byte.
      expect(log.decoder.room()?.length).toBe(length < 5 ? undefined : 13 - length);
      log.decoder.push(large.subarray(length));
      expect(log.decoder.room()).toHaveLength(13);
      log.decoder.push(frame("small"));
      expect(log.decoder.room()).toBeUndefined();
      log.decoder.push(large);
      log.decoder.push(receipt(5));
      expect(log.decoder.room()).toHaveLength(13);
      log.decoder.push(small);
    }
  });

  it("are read from the room of a header that is no header of a piece", () => {
    const log = new FrameLog();
    const data = Buffer.concat([piece(1, 0, striped(LEAST_IN_PLACE)), frame("a"), frame(""), frame("bcdefghijklmnop")]);
    for (let at = 0; at < data.length;) at += log.read(data.subarray(at), 65_536);
    expect(log.lines.slice(1)).toStrictEqual(expectedLines(data).slice(1));
    const again = new FrameLog();
    again.decoder.push(data.subarray(0, 13 + LEAST_IN_PLACE));
    const rest = data.subarray(13 + LEAST_IN_PLACE);
    for (let at = 0; at < rest.length;) at += again.read(rest.subarray(at), 1);
    expect(again.lines).toStrictEqual(log.lines);
  });
});

describe("extended frames that are refused", () => {
  it.each([
    ["80000000", "extended frame of 0 bytes; the shortest has 5"],
    ["80000004 03000000", "extended frame of 4 bytes; the shortest has 5"],
    ["80000005 00", "extended frame of the unknown kind 0"],
    ["80000005 06", "extended frame of the unknown kind 6"],
    ["ffffffff ff", "extended frame of the unknown kind 255"],
    ["80000009 02", "piece of a segment without bytes"],
    ["80000006 03", "extended frame of kind 3 with 6 bytes; it has 5"],
    ["80000009 04", "extended frame of kind 4 with 9 bytes; it has 5"],
    ["ffffffff 05", "extended frame of kind 5 with 2147483647 bytes; it has 5"],
    ["80004072 01", "message with segments of 16498 bytes; its payload has at most 100 (maxMessageBytes)"],
  ])("%s: %s, as soon as that is there", (given, message) => {
    const data = bytes(given);
    const log = new FrameLog(100);
    expect(thrownBy(() => log.decoder.push(data))).toMatchObject({ code: "PROTOCOL_ERROR", message });
    const drip = new FrameLog(100);
    const last = given.startsWith("80000004") || data.length === 4 ? 3 : 4;
    for (let index = 0; index < last; index++) drip.decoder.push(data.subarray(index, index + 1));
    expect(thrownBy(() => drip.decoder.push(data.subarray(last, last + 1)))).toMatchObject({ message });
  });

  it("before this side has said that it takes any", () => {
    const decoder = new FrameDecoder(1000, { onFrame: () => {} });
    expect(thrownBy(() => decoder.push(bytes("80000005")))).toMatchObject({
      code: "PROTOCOL_ERROR",
      message: "extended frame from a peer that was not told to send any",
    });
  });

  it("after a stop, in the middle of a chunk and of a piece", () => {
    const lines: string[] = [];
    const decoder = new FrameDecoder(1000, { onFrame: () => void lines.push("frame") });
    decoder.takeExtended({
      extendedFrames: () => ({
        onExtended: () => {
          lines.push("extended");
          decoder.stop();
        },
        onPiece: (_handle, _index, length) => Buffer.alloc(length),
        onPieceBytes: () => void lines.push("bytes"),
        onPieceRead: () => void lines.push("piece"),
      }),
    });
    decoder.push(piece(0, 0, striped(10)).subarray(0, 15));
    expect(decoder.pendingBytes).toBe(15);
    decoder.push(Buffer.concat([piece(0, 0, striped(10)).subarray(15), receipt(1), receipt(2), frame("x")]));
    expect(lines).toStrictEqual(["bytes", "bytes", "piece", "extended"]);
    expect(decoder.pendingBytes).toBe(0);
    expect(decoder.room()).toBeUndefined();
    decoder.fill(1);
    decoder.push(receipt(3));
    expect(lines).toHaveLength(4);
  });
});

describe("a piece", () => {
  it("tells of its bytes as they come, and keeps nothing of the chunks", () => {
    const found: string[] = [];
    let place = Buffer.alloc(0);
    const decoder = new FrameDecoder(1000, { onFrame: () => {} });
    decoder.takeExtended({
      extendedFrames: () => ({
        onExtended: () => {},
        onPiece: (handle, index, length) => {
          found.push(`${handle} ${index} ${length}`);
          return (place = Buffer.alloc(length));
        },
        onPieceBytes: (count) => void found.push(`+${count}`),
        onPieceRead: () => void found.push(hex(place)),
      }),
    });
    const chunk = Buffer.alloc(7);
    const data = piece(0xffff_ffff, 3, bytes("010203040506"));
    for (let at = 0; at < data.length; at += 7) {
      const size = data.copy(chunk, 0, at, at + 7);
      decoder.push(chunk.subarray(0, size));
      chunk.fill(0xee);
    }
    expect(found).toStrictEqual(["4294967295 3 6", "+1", "+5", "010203040506"]);
  });
});

describe("what counts towards maxSegmentBytes", () => {
  it("are the lengths of segments, both where they are packed", () => {
    expect(segmentBytes([])).toBe(0);
    expect(
      segmentBytes([
        { length: 10, rawLength: 0 },
        { length: 3, rawLength: 20 },
      ]),
    ).toBe(33);
  });

  it("are payload and 512 a segment as well, for a message that isn't alone", () => {
    expect(bytesBeside(7, 2)).toBe(7 + 1024);
    expect(fits(0, 100, 5000, 100)).toBe(true);
    expect(fits(0, 101, 0, 100)).toBe(false);
    expect(fits(1, 50, 49, 100)).toBe(true);
    expect(fits(1, 50, 50, 100)).toBe(false);
  });
});

it("u32 of the tests is big-endian", () => {
  expect(hex(extended(9, u32(258)))).toBe("800000050900000102");
});
