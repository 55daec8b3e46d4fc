/** What is done to the frames of one direction: to the one with this number, counted from 0. */
export interface FrameEdit {
  readonly kind: "drop" | "double" | "swap";
  readonly index: number;
}

const headBytes = 4;
const lengthMask = 0x7fff_ffff;

/** Cuts a stream of bytes into its frames, extended ones too. What isn't complete yet is kept. */
export class FrameCutter {
  #rest: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): readonly Buffer[] {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const frames: Buffer[] = [];
    let at = 0;
    while (bytes.length - at >= headBytes) {
      // Bit 31 marks an extended frame.
      const end = at + headBytes + (bytes.readUInt32BE(at) & lengthMask);
      if (end > bytes.length) break;
      frames.push(bytes.subarray(at, end));
      at = end;
    }
    this.#rest = bytes.subarray(at);
    return frames;
  }
}

/** Drops, doubles or swaps one frame of a stream with the next; all others pass. */
export class FrameEditor {
  readonly #cutter = new FrameCutter();
  readonly #edit: FrameEdit;
  #count = 0;
  #held: Buffer | undefined;

  constructor(edit: FrameEdit) {
    this.#edit = edit;
  }

  push(chunk: Buffer): readonly Buffer[] {
    return this.#cutter.push(chunk).flatMap((frame) => this.#edited(frame));
  }

  #edited(frame: Buffer): readonly Buffer[] {
    const { kind, index } = this.#edit;
    if (this.#held !== undefined) {
      const held = this.#held;
      this.#held = undefined;
      return [frame, held];
    }
    if (this.#count++ !== index) return [frame];
    if (kind === "swap") this.#held = frame;
    return kind === "double" ? [frame, frame] : [];
  }
}
