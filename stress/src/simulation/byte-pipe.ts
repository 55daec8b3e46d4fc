import type { TransportReceiver } from "@colloquy/core";
import type { LinkWeather } from "./weather.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** What the two ends of one direction are told. */
export interface PipeEnds {
  /** Undefined as long as it isn't open, or once it is closed. */
  readonly receiver: TransportReceiver | undefined;
  /** Everything has left that was written. */
  onAllLeft(): void;
  /** The sender has ended, and all before it is read. */
  onLast(): void;
  /** So many bytes have come that the connection is to be cut here. */
  onCut(): void;
}

interface Chunk {
  /** Undefined at the end of the stream. */
  bytes: Buffer | undefined;
  readonly arrivesAtMs: number;
}

interface LeavingPiece {
  readonly position: number;
  onLeft(): void;
}

/** One direction of a simulated connection: bytes in order, late, in other portions than they were written, and with room for some. */
export class BytePipe {
  /** The connection is cut once so many bytes have come. */
  cutAtBytes: number = Infinity;
  sentBytes = 0;
  deliveredBytes = 0;
  readonly #time: VirtualTime;
  readonly #weather: LinkWeather;
  readonly #ends: PipeEnds;
  #chunks: Chunk[] = [];
  #pieces: LeavingPiece[] = [];
  #latestMs = 0;
  #stalledUntilMs = 0;
  /** When the next delivery is due that counts; Infinity: there is none. */
  #scheduledMs = Infinity;
  #isPaused = false;
  #isFull = false;
  #isClosed = false;

  constructor(time: VirtualTime, weather: LinkWeather, ends: PipeEnds) {
    this.#time = time;
    this.#weather = weather;
    this.#ends = ends;
  }

  /** What the system of the sender has no room for. */
  get queuedBytes(): number {
    return Math.max(0, this.sentBytes - this.deliveredBytes - this.#weather.capacityBytes);
  }

  write(bytes: Uint8Array): void {
    this.sentBytes += bytes.length;
    if (this.#isClosed || bytes.length === 0) return;
    this.#push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
    if (this.queuedBytes > 0) this.#isFull = true;
  }

  writePiece(head: Uint8Array, piece: Uint8Array, onLeft: () => void): void {
    this.write(head);
    this.write(Buffer.from(piece));
    if (this.#isClosed) return;
    this.#isFull = true;
    this.#pieces.push({ position: this.sentBytes, onLeft });
    this.#time.deliver(() => this.#tellLeft(), this.#time.now);
  }

  /** Behind all that was written. */
  end(): void {
    if (!this.#isClosed) this.#push(undefined);
  }

  /** Nothing comes any more, what is under way neither. What is written from now on stays with its sender. */
  close(): void {
    this.#isClosed = true;
    this.#chunks = [];
    this.#pieces = [];
  }

  /** What has left the sender comes yet, and nothing behind it. */
  dropQueued(): void {
    let excess = this.queuedBytes;
    if (this.#chunks.at(-1)?.bytes === undefined) this.#chunks.pop();
    while (excess > 0 && this.#chunks.length > 0) {
      const last = this.#chunks.at(-1)!;
      const { length } = last.bytes!;
      if (length > excess) last.bytes = last.bytes!.subarray(0, length - excess);
      else this.#chunks.pop();
      this.sentBytes -= Math.min(length, excess);
      excess -= Math.min(length, excess);
    }
    this.#pieces = [];
    this.#isFull = false;
  }

  stall(untilMs: number): void {
    this.#stalledUntilMs = Math.max(this.#stalledUntilMs, untilMs);
    if (untilMs !== Infinity) this.schedule();
  }

  /** No stall from now on. */
  heal(): void {
    this.#stalledUntilMs = 0;
    this.schedule();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.schedule();
  }

  /** Has the next bytes delivered when they are there. */
  schedule(): void {
    const next = this.#chunks[0];
    if (next === undefined || this.#isPaused || this.#ends.receiver === undefined) return;
    const atMs = Math.max(next.arrivesAtMs, this.#stalledUntilMs);
    if (atMs >= this.#scheduledMs) return;
    this.#scheduledMs = atMs;
    this.#time.deliver(() => {
      if (this.#scheduledMs === atMs) this.#deliver();
    }, atMs);
  }

  #push(bytes: Buffer | undefined): void {
    this.#latestMs = Math.max(this.#latestMs, this.#time.now + this.#weather.latencyMs());
    this.#chunks.push({ bytes, arrivesAtMs: this.#latestMs });
    this.schedule();
  }

  #deliver(): void {
    this.#scheduledMs = Infinity;
    const { receiver } = this.#ends;
    const next = this.#chunks[0];
    const isLate = next !== undefined && Math.max(next.arrivesAtMs, this.#stalledUntilMs) > this.#time.now;
    if (this.#isClosed || this.#isPaused || receiver === undefined || next === undefined || isLate)
      return this.schedule();
    if (next.bytes === undefined) {
      this.#chunks.shift();
      return this.#ends.onLast();
    }
    const bytes = this.#take(next.bytes);
    this.deliveredBytes += bytes.length;
    this.#hand(bytes, receiver);
    this.#tellLeft();
    if (this.deliveredBytes >= this.cutAtBytes) this.#ends.onCut();
    else this.schedule();
  }

  /** The bytes that come with this read: a part of what was written, all of it, or more with it. */
  #take(first: Buffer): Buffer {
    const most = Math.min(this.#weather.portionOf(first.length), this.cutAtBytes - this.deliveredBytes);
    if (most < first.length) {
      this.#chunks[0]!.bytes = first.subarray(most);
      return first.subarray(0, most);
    }
    this.#chunks.shift();
    const second = this.#chunks[0];
    const isNear = second?.bytes !== undefined && second.arrivesAtMs <= this.#time.now;
    if (!isNear || this.cutAtBytes !== Infinity || !this.#weather.joins()) return first;
    this.#chunks.shift();
    return Buffer.concat([first, second.bytes!]);
  }

  /** As sockets do: straight into the memory of a large message, where the receiver has it. */
  #hand(bytes: Buffer, receiver: TransportReceiver): void {
    for (let from = 0; from < bytes.length && this.#ends.receiver === receiver;) {
      const room = this.#weather.fillsRooms ? receiver.room?.() : undefined;
      if (room === undefined) return receiver.onChunk(bytes.subarray(from));
      const count = bytes.copy(room, 0, from);
      from += count;
      receiver.onFilled!(count);
    }
  }

  #tellLeft(): void {
    const left = this.deliveredBytes + this.#weather.capacityBytes;
    while (this.#pieces.length > 0 && this.#pieces[0]!.position <= left) this.#pieces.shift()!.onLeft();
    if (this.#isClosed || this.queuedBytes > 0) return;
    if (!this.#isFull) return;
    this.#isFull = false;
    this.#ends.onAllLeft();
  }
}
