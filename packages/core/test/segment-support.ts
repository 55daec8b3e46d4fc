import { FrameDecoder } from "../src/frame-decoder.ts";

/** An extended frame: `kind`, then what follows. */
export function extended(kind: number, ...rest: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat([Buffer.from([kind]), ...rest]);
  const header = Buffer.alloc(4);
  header.writeUInt32BE(0x8000_0000 + content.length);
  return Buffer.concat([header, content]);
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function u64(value: number | bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

/** A message and the lengths of its segments: a number, or a pair with the raw length. */
export function announcement(
  handle: number,
  lengths: readonly (number | readonly [number | bigint, number | bigint])[],
  payload: Uint8Array | string = "",
): Buffer {
  const pairs = lengths.map((length) => (typeof length === "number" ? ([length, 0] as const) : length));
  const segments = pairs.flatMap(([length, rawLength]) => [u64(length), u64(rawLength)]);
  return extended(1, u32(handle), u32(lengths.length), ...segments, Buffer.from(payload as string));
}

export function piece(handle: number, index: number, bytes: Uint8Array): Buffer {
  return extended(2, u32(handle), u32(index), bytes);
}

export function withdrawal(handle: number): Buffer {
  return extended(3, u32(handle));
}

export function receipt(bytes: number): Buffer {
  return extended(4, u32(bytes));
}

export function release(handle: number): Buffer {
  return extended(5, u32(handle));
}

/** Bytes that tell their place and their seed. */
export function striped(length: number, seed = 0): Buffer {
  const bytes = Buffer.alloc(length);
  for (let index = 0; index < length; index++) bytes[index] = (index * 7 + (index >> 8) + seed) % 251;
  return bytes;
}

interface ResizableBuffer extends ArrayBuffer {
  resize(byteLength: number): void;
}

/** Part of ES2024: the engines have it. */
export function resizable(byteLength: number, maxByteLength: number): ResizableBuffer {
  const Resizable = ArrayBuffer as unknown as new (byteLength: number, options: object) => ResizableBuffer;
  return new Resizable(byteLength, { maxByteLength });
}

/** A frame as it was sent. `kind` 0 is an ordinary one. */
export type SentFrame =
  | { readonly kind: 0; readonly payload: Buffer }
  | {
      readonly kind: 1;
      readonly handle: number;
      readonly lengths: readonly (readonly [number, number])[];
      readonly payload: Buffer;
    }
  | { readonly kind: 2; readonly handle: number; readonly index: number; readonly bytes: Buffer }
  | { readonly kind: 3 | 4 | 5; readonly number: number };

/** Reads whole frames in the simplest way: an oracle. */
export function readFrames(data: Buffer): SentFrame[] {
  const frames: SentFrame[] = [];
  for (let at = 0; at + 4 <= data.length;) {
    const word = data.readUInt32BE(at);
    const length = word % 0x8000_0000;
    const content = data.subarray(at + 4, at + 4 + length);
    if (content.length < length) break;
    frames.push(word < 0x8000_0000 ? { kind: 0, payload: content } : readExtended(content));
    at += 4 + length;
  }
  return frames;
}

function readExtended(content: Buffer): SentFrame {
  const [kind, number] = [content[0]!, content.readUInt32BE(1)];
  if (kind === 2) return { kind, handle: number, index: content.readUInt32BE(5), bytes: content.subarray(9) };
  if (kind === 3 || kind === 4 || kind === 5) return { kind, number };
  if (kind !== 1) throw new Error(`kind ${kind}`);
  const count = content.readUInt32BE(5);
  const lengths = Array.from({ length: count }, (_, index) => {
    const at = 9 + index * 16;
    return [Number(content.readBigUInt64BE(at)), Number(content.readBigUInt64BE(at + 8))] as const;
  });
  return { kind, handle: number, lengths, payload: content.subarray(9 + count * 16) };
}

/** `data` cut at these places, each taken modulo its length. */
export function cut(data: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...places.map((place) => place % (data.length + 1)), data.length].sort((a, b) => a - b);
  return ends.map((end, index) => data.subarray(index === 0 ? 0 : ends[index - 1], end));
}

/** Takes all extended frames, each segment for itself, and tells what comes in words. */
export class FrameLog {
  readonly lines: string[] = [];
  readonly decoder: FrameDecoder;
  /** Sizes of the rooms that were asked for. */
  readonly rooms: number[] = [];
  #place: Buffer = Buffer.alloc(0);
  readonly #chunk: Buffer = Buffer.alloc(300_000);

  constructor(maxPayloadBytes = 1_000_000) {
    const { lines } = this;
    this.decoder = new FrameDecoder(maxPayloadBytes, {
      onFrame: (bytes, start, end) => void lines.push(`frame ${bytes.toString("hex", start, end)}`),
    });
    this.decoder.takeExtended({
      extendedFrames: () => ({
        onExtended: (kind, bytes, start, end) => void lines.push(`${kind} ${bytes.toString("hex", start, end)}`),
        onPiece: (_handle, _index, length) => (this.#place = Buffer.alloc(length)),
        onPieceBytes: () => {},
        onPieceRead: (handle, index) => void lines.push(`piece ${handle} ${index} ${this.#place.toString("hex")}`),
      }),
    });
  }

  /** What a transport does: reads up to `count` bytes into the room, or into memory that it uses again. */
  read(data: Buffer, count: number, wantsRoom = true): number {
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

/** The lines of a `FrameLog` for whole frames, by the oracle. */
export function expectedLines(data: Buffer): string[] {
  return readFrames(data).map((sent) => {
    switch (sent.kind) {
      case 0:
        return `frame ${sent.payload.toString("hex")}`;
      case 1:
        return `1 ${announcement(sent.handle, sent.lengths, sent.payload).toString("hex", 5)}`;
      case 2:
        return `piece ${sent.handle} ${sent.index} ${sent.bytes.toString("hex")}`;
      default:
        return `${sent.kind} ${u32(sent.number).toString("hex")}`;
    }
  });
}
