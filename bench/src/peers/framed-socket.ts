import type { Socket } from "node:net";

/** How frames leave: each in a write of its own, or all of a turn in one gathering write. */
export type Writing = "each" | "corked";

const headerSize = 4;

/** Frames behind a big-endian u32 length, for systems that want messages and leave the transport to their users. */
export class FramedSocket {
  readonly #socket: Socket;
  readonly #onFrame: (body: Buffer) => void;
  readonly #isCorking: boolean;
  #isCorked = false;
  readonly #header = Buffer.alloc(headerSize);
  #headerFilled = 0;
  #body: Buffer | undefined;
  #bodyFilled = 0;
  readonly #uncork = (): void => {
    this.#isCorked = false;
    this.#socket.uncork();
  };

  constructor(socket: Socket, writing: Writing, onFrame: (body: Buffer) => void) {
    this.#socket = socket;
    this.#isCorking = writing === "corked";
    this.#onFrame = onFrame;
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
  }

  /** Writes one frame, unless the connection is gone. */
  send(body: Buffer): void {
    if (this.#socket.destroyed) return;
    if (this.#isCorking && !this.#isCorked) {
      this.#isCorked = true;
      this.#socket.cork();
      process.nextTick(this.#uncork);
    }
    const frame = Buffer.allocUnsafe(headerSize + body.length);
    frame.set(body, frame.writeUInt32BE(body.length, 0));
    this.#socket.write(frame);
  }

  #receive(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      const isBetweenFrames = this.#body === undefined && this.#headerFilled === 0;
      const end = isBetweenFrames ? wholeFrameEnd(chunk, at) : undefined;
      if (end === undefined) {
        at = this.#fill(chunk, at);
      } else {
        this.#onFrame(chunk.subarray(at + headerSize, end));
        at = end;
      }
    }
  }

  /** Goes on with the frame that spans chunks, or begins one; returns how far it came. */
  #fill(chunk: Buffer, from: number): number {
    if (this.#body === undefined) {
      const copied = chunk.copy(this.#header, this.#headerFilled, from);
      this.#headerFilled += copied;
      if (this.#headerFilled === headerSize) this.#begin(this.#header.readUInt32BE(0));
      return from + copied;
    }
    const copied = chunk.copy(this.#body, this.#bodyFilled, from);
    this.#bodyFilled += copied;
    if (this.#bodyFilled === this.#body.length) this.#finish(this.#body);
    return from + copied;
  }

  #begin(length: number): void {
    this.#headerFilled = 0;
    this.#bodyFilled = 0;
    this.#body = Buffer.allocUnsafe(length);
    if (length === 0) this.#finish(this.#body);
  }

  #finish(body: Buffer): void {
    this.#body = undefined;
    this.#onFrame(body);
  }
}

/** Where the frame that begins at `at` ends; undefined when the chunk ends before. */
function wholeFrameEnd(chunk: Buffer, at: number): number | undefined {
  const start = at + headerSize;
  if (start > chunk.length) return undefined;
  const end = start + chunk.readUInt32BE(at);
  return end > chunk.length ? undefined : end;
}
