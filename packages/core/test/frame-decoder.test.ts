import * as fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { FrameDecoder } from "../src/frame-decoder.ts";
import { bytes, frame, hex, thrownBy } from "./support.ts";

/** What a decoder hands out for these chunks. */
function decoded(chunks: readonly Uint8Array[], maxPayloadBytes = 0x7fff_ffff): string[] {
  const found: string[] = [];
  const decoder = new FrameDecoder(maxPayloadBytes, {
    onFrame: (data, start, end) => void found.push(hex(data.subarray(start, end))),
  });
  for (const chunk of chunks) decoder.push(Buffer.from(chunk));
  return found;
}

/** The oracle: all bytes at once, read in the simplest way. */
function naive(all: Uint8Array): string[] {
  const found: string[] = [];
  const data = Buffer.from(all);
  for (let at = 0; at + 4 <= data.length; at += 4 + data.readUInt32BE(at)) {
    if (at + 4 + data.readUInt32BE(at) <= data.length)
      found.push(hex(data.subarray(at + 4, at + 4 + data.readUInt32BE(at))));
  }
  return found;
}

function cut(data: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...places.map((place) => place % (data.length + 1)), data.length].sort((a, b) => a - b);
  return ends.map((end, index) => data.subarray(index === 0 ? 0 : ends[index - 1], end));
}

describe("FrameDecoder", () => {
  it.each([
    ["00000003 616263", ["616263"]],
    ["00000000", [""]],
    ["00000001 61 00000000 00000002 6263", ["61", "", "6263"]],
    ["00000003 6162", []],
    ["000000", []],
    ["", []],
  ])("cuts %s into %j, in one chunk and byte by byte", (given, expected) => {
    const data = bytes(given);
    expect(decoded([data])).toStrictEqual(expected);
    expect(decoded([...data].map((byte) => Buffer.from([byte])))).toStrictEqual(expected);
  });

  it("agrees with the oracle at random cuts", () => {
    const sizes = fc.array(fc.oneof(fc.nat(5), fc.nat(300), fc.integer({ min: 500, max: 9000 })), { maxLength: 12 });
    fc.assert(
      fc.property(sizes, fc.array(fc.nat(), { maxLength: 60 }), fc.nat(20), (lengths, places, missing) => {
        const whole = Buffer.concat(lengths.map((length, index) => frame(Buffer.alloc(length, index + 1))));
        const data = whole.subarray(0, Math.max(0, whole.length - missing));
        const expected = naive(data);
        expect(decoded(cut(data, places))).toStrictEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  it.each([1, 2, 3, 5, 511, 512, 513, 4096, 5000])("puts a large frame together from chunks of %i bytes", (size) => {
    const payload = Buffer.from(Array.from({ length: 20_000 }, (_, index) => index % 251));
    const data = Buffer.concat([frame(payload), frame("next")]);
    const chunks = Array.from({ length: Math.ceil(data.length / size) }, (_, index) =>
      data.subarray(index * size, (index + 1) * size),
    );
    expect(decoded(chunks)).toStrictEqual([hex(payload), hex(Buffer.from("next"))]);
  });

  it("keeps nothing of chunks that their owner writes over", () => {
    const found: string[] = [];
    const decoder = new FrameDecoder(100, {
      onFrame: (data, start, end) => void found.push(hex(data.subarray(start, end))),
    });
    const chunk = Buffer.alloc(1);
    for (const byte of bytes("00000003 616263")) {
      chunk[0] = byte;
      decoder.push(chunk);
    }
    expect(found).toStrictEqual(["616263"]);
  });

  it("takes frames up to the limit and rejects one byte over it as soon as the header is there", () => {
    for (const [length, limit] of [
      [9, 10],
      [10, 10],
      [10, 20],
    ] as const) {
      expect(decoded([frame(Buffer.alloc(length))], limit)).toHaveLength(1);
    }
    for (const chunks of [
      [bytes("0000000b")],
      [bytes("0000"), bytes("000b")],
      [bytes("00000001 61 0000000b")],
      [bytes("00000001 61 00"), bytes("00000b")],
    ]) {
      expect(thrownBy(() => decoded(chunks, 10))).toMatchObject({
        code: "PROTOCOL_ERROR",
        message: "frame of 11 bytes; the limit is 10 (maxMessageBytes)",
      });
    }
  });

  it.each([
    ["32323020", 'the text "220 "'],
    ["48545450", 'the text "HTTP"'],
    ["0d0a0d0a", String.raw`the text "\r\n\r\n"`],
    ["15030300", "those of TLS"],
  ])("says of %s in the place of the first header that it is %s", (header, found) => {
    const length = bytes(header).readUInt32BE();
    const reason = `frame of ${length} bytes; the limit is 10 (maxMessageBytes)`;
    expect(thrownBy(() => decoded([bytes(header)], 10)).message).toBe(
      `the peer doesn't speak this protocol, its first bytes are ${found} (${reason})`,
    );
    expect(thrownBy(() => decoded([bytes(`00000001 61 ${header}`)], 10)).message).toBe(reason);
  });

  it("uses a new limit from the next header on", () => {
    const found: number[] = [];
    const decoder = new FrameDecoder(2, { onFrame: (_data, start, end) => void found.push(end - start) });
    decoder.push(frame("ab"));
    decoder.maxPayloadBytes = 3;
    decoder.push(frame("abc"));
    expect(found).toStrictEqual([2, 3]);
    decoder.maxPayloadBytes = 1;
    expect(thrownBy(() => decoder.push(frame("ab")))).toMatchObject({ code: "PROTOCOL_ERROR" });
  });

  it.each(["80000000", "80000001", "ffffffff"])("rejects the length %s, whose highest bit is set", (header) => {
    expect(thrownBy(() => decoded([bytes(header)]))).toMatchObject({ code: "PROTOCOL_ERROR", executed: "unknown" });
  });

  it("stops in the middle of a chunk when it is told to", () => {
    const found: number[] = [];
    const decoder: FrameDecoder = new FrameDecoder(10, {
      onFrame: (_data, start, end) => {
        found.push(end - start);
        decoder.stop();
      },
    });
    decoder.push(Buffer.concat([frame("a"), frame("bc"), bytes("0000")]));
    decoder.push(frame("d"));
    expect(found).toStrictEqual([1]);
    expect(decoder.pendingBytes).toBe(0);
  });

  it("tells how much of an unfinished frame has come", () => {
    const decoder = new FrameDecoder(1_000_000, { onFrame: () => {} });
    const chunks: [string, number][] = [
      ["00", 1],
      ["00 0f", 3],
      ["ff 01", 5],
    ];
    for (const [chunk, pending] of chunks) {
      decoder.push(bytes(chunk));
      expect(decoder.pendingBytes).toBe(pending);
    }
    decoder.push(Buffer.alloc(1000));
    expect(decoder.pendingBytes).toBe(1005);
    decoder.push(Buffer.alloc(0xfff - 1001));
    expect(decoder.pendingBytes).toBe(0);
  });

  it("copies a large frame in small chunks about twice, however many there are", () => {
    const copied = (size: number): number => {
      let count = 0;
      const { copy } = Buffer.prototype;
      const spy = vi.spyOn(Buffer.prototype, "copy").mockImplementation(function mock(this: Buffer, ...given) {
        const copied = Reflect.apply<Buffer, typeof given, number>(copy, this, given);
        count += copied;
        return copied;
      });
      const decoder = new FrameDecoder(size, { onFrame: () => {} });
      const header = Buffer.alloc(4);
      header.writeUInt32BE(size);
      decoder.push(header);
      const chunk = Buffer.alloc(1);
      for (let index = 0; index < size; index++) decoder.push(chunk);
      spy.mockRestore();
      return count;
    };
    const once = copied(50_000);
    expect(once).toBeGreaterThanOrEqual(50_000);
    expect(once).toBeLessThan(2.5 * 50_000);
    expect(copied(100_000)).toBeLessThan(2.5 * once);
  });
});

const KIBIBYTE = 1024;
/** Least that has come, and least that is missing, where there is room. */
const LEAST_ROOM = 32 * KIBIBYTE;

/** What a transport does with a decoder: it reads into the room, where there is some, or into memory that it uses again. */
class Reader {
  readonly found: Buffer[] = [];
  readonly decoder: FrameDecoder;
  /** Sizes of the rooms that were filled. */
  readonly rooms: number[] = [];
  readonly #chunk = Buffer.alloc(300 * KIBIBYTE);

  constructor(maxPayloadBytes = 0x7fff_ffff) {
    const onFrame = (data: Buffer, start: number, end: number): void => {
      this.found.push(Buffer.from(data.subarray(start, end)));
    };
    this.decoder = new FrameDecoder(maxPayloadBytes, { onFrame });
  }

  /** Reads up to `count` bytes; returns how many were taken. */
  read(data: Buffer, count: number, wantsRoom: boolean): number {
    const room = wantsRoom ? this.decoder.room() : undefined;
    if (room === undefined) {
      const size = data.copy(this.#chunk, 0, 0, count);
      this.decoder.push(this.#chunk.subarray(0, size));
      this.#chunk.fill(0xee, 0, size);
      return size;
    }
    this.rooms.push(room.length);
    const size = data.copy(room, 0, 0, count);
    this.decoder.fill(size);
    return size;
  }
}

describe("FrameDecoder whose listener has only so much time", () => {
  it("keeps what is behind a frame for later, in order, whatever comes meanwhile", () => {
    const sizes = fc.array(fc.oneof(fc.nat(5), fc.nat(300), fc.integer({ min: 500, max: 9000 })), { maxLength: 12 });
    fc.assert(
      fc.property(
        sizes,
        fc.array(fc.nat(), { maxLength: 20 }),
        fc.infiniteStream(fc.boolean()),
        (lengths, places, ends) => {
          const data = Buffer.concat(lengths.map((length, index) => frame(Buffer.alloc(length, index + 1))));
          const found: string[] = [];
          const decoder: FrameDecoder = new FrameDecoder(0x7fff_ffff, {
            onFrame: (bytes, start, end) => {
              expect(decoder.isHeld).toBe(false);
              found.push(hex(bytes.subarray(start, end)));
            },
            mayTake: () => (ends.next().value === true ? 0 : 1),
          });
          let pushed = 0;
          for (const chunk of cut(data, places)) {
            const copy = Buffer.from(chunk);
            decoder.push(copy);
            copy.fill(0xee);
            pushed += chunk.length;
            expect(decoder.heldBytes).toBeLessThanOrEqual(pushed);
            if (ends.next().value === true) decoder.goOn();
            if (decoder.isHeld) expect(decoder.room()).toBeUndefined();
          }
          for (let turn = 0; decoder.isHeld; turn++) {
            expect(turn).toBeLessThan(10_000);
            decoder.goOn();
          }
          expect(found).toStrictEqual(naive(data));
          expect([decoder.pendingBytes, decoder.heldBytes]).toStrictEqual([0, 0]);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("asks behind as many frames as it was told, or 2,048 bytes of them, before a large chunk, and behind one that came in parts", () => {
    const sizes: number[] = [];
    const asked: number[] = [];
    const decoder = new FrameDecoder(5000, {
      onFrame: (_bytes, start, end) => void sizes.push(end - start),
      mayTake: () => {
        asked.push(sizes.length);
        return 16;
      },
    });
    decoder.push(Buffer.concat(Array.from({ length: 40 }, () => frame("a"))));
    expect(asked.splice(0)).toStrictEqual([1, 17, 33]);
    sizes.length = 0;
    decoder.push(Buffer.concat([frame(Buffer.alloc(2043)), frame("a"), frame(Buffer.alloc(2044)), frame("b")]));
    expect(asked.splice(0)).toStrictEqual([0, 2, 3]);
    sizes.length = 0;
    decoder.push(frame("abc").subarray(0, 6));
    decoder.push(frame("abc").subarray(6));
    expect([asked, sizes]).toStrictEqual([[1], [3]]);
  });

  it("drops what it has kept when it is stopped", () => {
    const found: number[] = [];
    let looks = 0;
    const decoder = new FrameDecoder(3000, {
      onFrame: (_bytes, start, end) => void found.push(end - start),
      mayTake: () => ++looks % 2,
    });
    decoder.push(Buffer.concat([2050, 2051, 2052].map((length) => frame(Buffer.alloc(length)))));
    decoder.goOn();
    expect([found, decoder.heldBytes]).toStrictEqual([[2050, 2051], 2056]);
    decoder.stop();
    decoder.goOn();
    expect([found, decoder.isHeld]).toStrictEqual([[2050, 2051], false]);
  });
});

/** A frame whose bytes tell their place and their frame. */
function striped(length: number, index: number): Buffer {
  return frame(Buffer.from(Uint8Array.from({ length }, (_, place) => (place * 7 + (place >> 8) + index) % 251)));
}

describe("FrameDecoder with room for a transport", () => {
  it("agrees with the oracle where reads into its room and chunks come in any order", () => {
    const sizes = fc.array(fc.oneof(fc.nat(5), fc.nat(9000), fc.integer({ min: 60_000, max: 250_000 })), {
      minLength: 1,
      maxLength: 5,
    });
    const reads = fc.array(
      fc.tuple(
        fc.oneof(
          fc.integer({ min: 1, max: 8 }),
          fc.integer({ min: 1, max: 5000 }),
          fc.integer({ min: 1, max: 70_000 }),
        ),
        fc.boolean(),
      ),
      { minLength: 1, maxLength: 40 },
    );
    let rooms = 0;
    fc.assert(
      fc.property(sizes, reads, (lengths, steps) => {
        const frames = lengths.map((length, index) => striped(length, index));
        const data = Buffer.concat(frames);
        const reader = new Reader();
        // Small steps would take for ever at the end: all of them are as large as a socket's there.
        for (let at = 0, step = 0; at < data.length; step++) {
          const [count, wantsRoom] = steps[step] ?? [65_536, step % 2 === 0];
          at += reader.read(data.subarray(at), count, wantsRoom);
        }
        rooms += reader.rooms.length;
        expect(reader.found.length).toBe(frames.length);
        expect(reader.found.every((payload, index) => payload.equals(frames[index]!.subarray(4)))).toBe(true);
        expect(reader.decoder.pendingBytes).toBe(0);
      }),
      { numRuns: 400 },
    );
    expect(rooms).toBeGreaterThan(200);
  });

  it.each([
    ["so little has come", 10 * LEAST_ROOM, LEAST_ROOM - 1, false],
    ["enough has come", 10 * LEAST_ROOM, LEAST_ROOM, true],
    ["enough is missing", 2 * LEAST_ROOM, LEAST_ROOM, true],
    ["so little is missing", 2 * LEAST_ROOM, LEAST_ROOM + 1, false],
    ["the frame is small", 1000, 500, false],
  ])("has room or not where %s", (_what, length, came, expected) => {
    const decoder = new FrameDecoder(0x7fff_ffff, { onFrame: () => {} });
    expect(decoder.room()).toBeUndefined();
    decoder.push(striped(length, 0).subarray(0, 4 + came));
    expect(decoder.room() !== undefined).toBe(expected);
  });

  it("has no room beyond the frame, whatever has come of it", () => {
    for (const length of [2 * LEAST_ROOM, 100_000, 250_000, 1_000_001]) {
      const data = striped(length, 0);
      for (let came = LEAST_ROOM; length - came >= LEAST_ROOM; came += 9973) {
        const decoder = new FrameDecoder(0x7fff_ffff, { onFrame: () => {} });
        decoder.push(data.subarray(0, 4 + came));
        const room = decoder.room()!;
        expect(room.length).toBeGreaterThanOrEqual(LEAST_ROOM);
        expect(room.length).toBeLessThanOrEqual(length - came);
      }
    }
  });

  it("hands the frame out when the last of it was filled, and has no room for the next", () => {
    const reader = new Reader();
    const data = striped(200_000, 3);
    reader.decoder.push(data.subarray(0, 100_000));
    for (let at = 100_000; at < data.length;) {
      expect(reader.found).toHaveLength(0);
      at += reader.read(data.subarray(at), 30_000, true);
    }
    expect(reader.found).toHaveLength(1);
    expect(reader.found[0]!.equals(data.subarray(4))).toBe(true);
    expect(reader.decoder.room()).toBeUndefined();
    reader.decoder.push(frame("next"));
    expect(reader.found[1]!.toString()).toBe("next");
  });

  it("takes memory in proportion to what has come, not to the declared length", () => {
    const sizes: number[] = [];
    const allocate = Buffer.allocUnsafeSlow;
    let came = 0;
    vi.spyOn(Buffer, "allocUnsafeSlow").mockImplementation((size) => {
      sizes.push(size);
      // Four times what is needed, and that is what has come and the least room.
      expect(size).toBeLessThanOrEqual(Math.max(512, 8 * came));
      return allocate(size);
    });
    const decoder = new FrameDecoder(0x7fff_ffff, { onFrame: () => {} });
    decoder.push(bytes("7fffffff"));
    const chunk = Buffer.alloc(5000);
    while (came < 3_000_000) {
      const room = decoder.room();
      const count = room === undefined ? chunk.length : Math.min(room.length, 65_536);
      came += count;
      if (room === undefined) decoder.push(chunk);
      else decoder.fill(count);
    }
    expect(sizes.length).toBeGreaterThan(3);
    expect(sizes.length).toBeLessThan(12);
  });

  it("forgets the frame when it is stopped between room and fill", () => {
    const reader = new Reader();
    const data = striped(70_000, 0);
    reader.decoder.push(data.subarray(0, 4 + LEAST_ROOM));
    const room = reader.decoder.room()!;
    reader.decoder.stop();
    expect(reader.decoder.pendingBytes).toBe(0);
    expect(reader.decoder.room()).toBeUndefined();
    reader.decoder.fill(room.length);
    reader.decoder.push(frame("next"));
    expect(reader.found).toStrictEqual([]);
    expect(reader.decoder.pendingBytes).toBe(0);
  });
});
