import type { Codec, Transport, TransportReceiver } from "@colloquy/core";
import type { Attack } from "./attacks.ts";
import { nextTurn } from "./checks.ts";
import { FrameDecoder } from "./internals.ts";
import { check } from "./target.ts";

const turnsBetween = 3;
const mostPayloadBytes = 1_048_576;
/** Of failures that nobody has foreseen. No input has it. */
const unforeseen = Buffer.from("INTERNAL");

/** One end of a connection that sends what it is told, whatever comes, and ends. What comes has to be messages. */
export class HostilePeer implements TransportReceiver {
  #isClosed = false;
  /** Why what came isn't right. */
  #complaint: Error | undefined;
  readonly #transport: Transport;
  readonly #frames = new FrameDecoder(mostPayloadBytes, this);
  readonly #codec: Codec | undefined;
  readonly #message = { type: 0, id: 0, content: undefined as unknown, error: undefined };

  /** `codec`: what the other side answers in, where it is known. */
  constructor(transport: Transport, codec: Codec | undefined) {
    this.#transport = transport;
    this.#codec = codec;
    this.#frames.takeExtended(this);
    transport.open(this);
  }

  async carryOut({ chunks, endsInOrder }: Attack): Promise<void> {
    for (const chunk of chunks) {
      if (this.#isClosed) break;
      if (chunk.length > 0) this.#transport.write(Buffer.from(chunk));
      else await nextTurn();
    }
    for (let count = 0; count < turnsBetween; count++) await nextTurn();
    if (endsInOrder) this.#transport.end();
    else this.#transport.destroy();
    if (this.#complaint !== undefined) throw this.#complaint;
  }

  onChunk(chunk: Buffer): void {
    try {
      check(!chunk.includes(unforeseen), `an unforeseen failure: ${chunk.toString("latin1")}`);
      this.#frames.push(chunk);
    } catch (error) {
      this.#complaint ??= error as Error;
    }
  }

  onFrame(bytes: Buffer, start: number, end: number): void {
    void this.#codec?.decodeMessage(bytes, start, end, this.#message);
  }

  extendedFrames(): this {
    return this;
  }

  onExtended(): void {}

  onPiece(_handle: number, _index: number, length: number): Buffer {
    return Buffer.alloc(length);
  }

  onPieceBytes(): void {}

  onPieceRead(): void {}

  onDrain(): void {}

  onClose(): void {
    this.#isClosed = true;
  }
}
