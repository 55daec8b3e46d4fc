import { DEFAULT_LIMITS } from "@colloquy/core";
import { storedInputs } from "./corpus.ts";
import { FrameDecoder, IncomingSegments } from "./internals.ts";
import { check, orRefused, type Target } from "./target.ts";
import { plainWords } from "./words.ts";
import { frameOf } from "./wire.ts";

const limits = { ...DEFAULT_LIMITS, maxMessageBytes: 512, maxSegmentBytes: 4096 };
const headBytes = 2;

/** Notes what comes out of one decoder: frames, messages with their segments, and how it has ended. */
class Reading {
  readonly #decoder = new FrameDecoder(limits.maxMessageBytes, this);
  readonly #segments = new IncomingSegments(limits, this, this);
  #events = "";
  #refused = false;

  /** The stream as one chunk, or cut. */
  static of(stream: Buffer, isExtended: boolean, cuts: (rest: number) => number): string {
    const reading = new Reading();
    if (isExtended) reading.#decoder.takeExtended(reading);
    for (let at = 0; at < stream.length && !reading.#refused;)
      at += reading.#take(stream, at, cuts(stream.length - at));
    return reading.#events + (reading.#refused ? "refused" : "");
  }

  /** As a socket does: into the room that the decoder has, where it has some. */
  #take(stream: Buffer, at: number, wanted: number): number {
    const room = this.#decoder.room();
    const count = Math.min(wanted, room?.length ?? wanted, stream.length - at);
    this.#refused = true;
    orRefused(() => {
      if (room === undefined) this.#decoder.push(stream.subarray(at, at + count));
      else {
        stream.copy(room, 0, at, at + count);
        this.#decoder.fill(count);
      }
      this.#refused = false;
    });
    check(this.#decoder.pendingBytes <= at + count, "more bytes wait than have come");
    check(
      this.#segments.countedBytes <= limits.maxSegmentBytes + limits.maxMessageBytes + 512 * 1024,
      "more is counted than may be",
    );
    return count;
  }

  extendedFrames(): InstanceType<typeof IncomingSegments> {
    return this.#segments;
  }

  onFrame(bytes: Buffer, start: number, end: number): void {
    this.#events += `${bytes.toString("latin1", start, end)}|`;
  }

  onSegmented(message: Parameters<InstanceType<typeof IncomingSegments>["release"]>[0]): void {
    const bytes = message.segments.map((segment) => segment.bytes.toString("latin1"));
    this.#events += `${message.payload.toString("latin1")}+${bytes.join("+")}|`;
    this.#segments.release(message);
  }

  readonly hasRoom = true;

  // What leaves depends on the chunks, as it may.
  sendReceipt(): void {}
  sendRelease(): void {}

  onReceipt(bytes: number): void {
    this.#events += `receipt ${bytes}|`;
  }

  onRelease(handle: number): void {
    this.#events += `release ${handle}|`;
  }
}

/**
 * Streams of frames: the first two bytes of an input say whether extended frames are taken, and how the rest is cut. However it is, the
 * same has to come out.
 */
export class FrameTarget implements Target {
  readonly maxBytes = 1024;
  readonly atOnce = 1;
  readonly words = [
    ...[
      "00000000",
      "00000001",
      "80000005",
      "80000009",
      "80000019",
      "7fffffff",
      "ffffffff",
      "00000200",
      "00000201",
      "0100000000",
      "0200000000",
      "0300000000",
      "0400000010",
      "0500000000",
    ].map((hex) => Buffer.from(hex, "hex")),
    ...plainWords.slice(0, 4),
  ];
  readonly seeds: readonly Buffer[] = [
    ...streams().flatMap((stream) => [0, 1, 3].map((mode) => withHead(mode, stream))),
    ...storedInputs("frames"),
  ];

  run(input: Buffer): void {
    if (input.length < headBytes) return;
    const isExtended = (input[0]! & 1) === 1;
    const stream = input.subarray(headBytes);
    const whole = Reading.of(stream, isExtended, (rest) => rest);
    let state = input[1]! | 1;
    const most = (input[0]! & 2) === 0 ? 40 : 4;
    const cut = Reading.of(stream, isExtended, () => {
      state = (state * 75) % 65_537;
      return 1 + (state % most);
    });
    // One that is refused at once may have handed out less before it.
    check(whole === cut, `${JSON.stringify(whole)} in one chunk, ${JSON.stringify(cut)} in several`);
  }
}

function withHead(mode: number, stream: Buffer): Buffer {
  return Buffer.concat([Buffer.from([mode, 7]), stream]);
}

function extended(hex: string): Buffer {
  return frameOf(Buffer.from(hex.replaceAll(" ", ""), "hex"), true);
}

function streams(): Buffer[] {
  const ordinary = [frameOf(Buffer.from("[0,0,1]")), frameOf(Buffer.alloc(0)), frameOf(Buffer.from("b".repeat(300)))];
  const announced = extended("01 00000000 00000001 0000000000000006 0000000000000000 930001c0");
  const two = extended("01 00000007 00000002 0000000000000003 0000000000000000 0000000000000000 0000000000000000 c0");
  const pieces = [extended("02 00000000 00000000 616263"), extended("02 00000000 00000000 646566")];
  return [
    Buffer.concat(ordinary),
    Buffer.concat([announced, ...pieces]),
    Buffer.concat([announced, pieces[0]!, ordinary[0]!, extended("03 00000000")]),
    Buffer.concat([two, extended("02 00000007 00000000 616263"), extended("05 00000001"), extended("04 00000010")]),
  ];
}
