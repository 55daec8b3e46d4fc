import type { Socket } from "node:net";
import { jsonCodec, type LoopCodec } from "./loop-codec.ts";
import { LoopConnection, type Handlers } from "./loop-connection.ts";
import { loopPeer } from "./loop-peer.ts";
import type { Peer } from "../peer.ts";

const headerSize = 4;
const earlyLength = 1024;

/** All messages of a turn leave in one write; frames are parsed chunk by chunk without joining chunks. */
class BatchedConnection extends LoopConnection {
  #batch: Buffer[] = [];
  protected batchSize = 0;
  readonly #header = Buffer.alloc(headerSize);
  #headerFilled = 0;
  #body: Buffer | undefined;
  #bodyFilled = 0;
  protected readonly flush = (): void => {
    const batch = this.#batch;
    if (batch.length === 0) return;
    const joined = Buffer.allocUnsafe(this.batchSize);
    this.#batch = [];
    this.batchSize = 0;
    let at = 0;
    for (const body of batch) {
      at = joined.writeUInt32BE(body.length, at);
      joined.set(body, at);
      at += body.length;
    }
    this.socket.write(joined);
  };

  constructor(socket: Socket, handlers: Handlers, codec: LoopCodec) {
    super(socket, handlers, codec);
    socket.setNoDelay(true);
  }

  protected override send(body: Buffer): void {
    if (this.#batch.push(body) === 1) process.nextTick(this.flush);
    this.batchSize += headerSize + body.length;
  }

  protected override receive(chunk: Buffer): void {
    let at = this.#headerFilled > 0 || this.#body !== undefined ? this.#resume(chunk, 0) : 0;
    while (at + headerSize <= chunk.length) {
      const start = at + headerSize;
      const end = start + chunk.readUInt32BE(at);
      if (end > chunk.length) break;
      this.accept(chunk, start, end);
      at = end;
    }
    if (at < chunk.length) this.#resume(chunk, at);
  }

  /** Fills the frame that an earlier chunk began, or begins one; returns where the next frame starts. */
  #resume(chunk: Buffer, from: number): number {
    let at = from;
    if (this.#body === undefined) {
      const copied = chunk.copy(this.#header, this.#headerFilled, at);
      this.#headerFilled += copied;
      at += copied;
      if (this.#headerFilled < headerSize) return at;
      this.#body = Buffer.allocUnsafe(this.#header.readUInt32BE(0));
      this.#bodyFilled = 0;
      this.#headerFilled = 0;
    }
    const body = this.#body;
    const copied = chunk.copy(body, this.#bodyFilled, at);
    this.#bodyFilled += copied;
    if (this.#bodyFilled === body.length) {
      this.#body = undefined;
      this.accept(body, 0, body.length);
    }
    return at + copied;
  }
}

/** Writes a batch at once when it has passed 1 KiB, so that the other side works on it while this one goes on. */
class EarlyConnection extends BatchedConnection {
  protected override send(body: Buffer): void {
    super.send(body);
    if (this.batchSize > earlyLength) this.flush();
  }
}

/** The yardstick: what an expert writes in an afternoon. */
export const batchedLoop: Peer = loopPeer("batched-loop", BatchedConnection);

/** The same with JSON. */
export const batchedJson: Peer = loopPeer("batched-json", BatchedConnection, jsonCodec);

/** The same with a batch that doesn't wait for the end of the turn once it is worth a write. */
export const batchedEarly: Peer = loopPeer("batched-early", EarlyConnection);
