import { Queue } from "./queue.ts";

const KIBIBYTE = 1024;
/** What may wait on the way beyond what the path itself holds, so that it never runs dry. */
const WAITING_BYTES = 16384 * KIBIBYTE;
/** The same while small messages leave, too: they wait behind it. */
const SHARED_WAITING_BYTES = 16 * KIBIBYTE;
const SHARED_MS = 100;
/** Then a path of so short a round trip counts as one that holds nothing: what it takes is the time of the processes. */
const QUICK_MS = 0.1;
const LARGEST_BYTES = 65_536 * KIBIBYTE;
/** Round trips up to this many times the shortest one show that nothing waits. */
const UNDISTURBED = 1.25;
const GROWTH = 1.5;
/** The shortest round trip is forgotten after so long, since paths change; it is measured again where next to nothing waits. */
const MEMORY_MS = 10_000;
const MEASURING_BYTES = 128 * KIBIBYTE;

interface SentMark {
  /** Bytes sent in all when it left, itself included. */
  readonly sentBytes: number;
  readonly timeMs: number;
}

/**
 * How many bytes of segments are under way on one connection. The system's buffers take megabytes, and small messages would wait
 * behind them; so little more is sent than the path holds. That is seen from the round trips: where they take longer than
 * the shortest one, the difference is time spent waiting. FAST TCP is the model.
 */
export class SegmentWindow {
  readonly #now: () => number;
  #marks = new Queue<SentMark>();
  #sentBytes = 0;
  #receivedBytes = 0;
  #size = WAITING_BYTES;
  #shortestMs = Infinity;
  #shortestTime = 0;
  /** Bytes sent in all when the size that was set last is full: what is sent before finds less before it than it makes wait. */
  #fullAtBytes = 0;
  #sharedUntil = 0;
  /** What waits on the way until then. */
  #sharedBytes = SHARED_WAITING_BYTES;
  /** The size to go on with when the shortest round trip has been measured again; 0 where it isn't being measured. */
  #sizeAfter = 0;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** In all. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  get bytesUnderWay(): number {
    return this.#sentBytes - this.#receivedBytes;
  }

  /** Small messages have left a moment ago. */
  get isShared(): boolean {
    this.#look();
    return this.#sharedUntil > 0;
  }

  /** Bytes that may be under way. */
  get size(): number {
    return this.#size;
  }

  get isOpen(): boolean {
    this.#look();
    return this.bytesUnderWay < this.#size;
  }

  /** Small messages leave beside the segments, of which `leastBytes` at least must be under way. */
  share(leastBytes: number): void {
    this.#sharedBytes = Math.max(leastBytes, SHARED_WAITING_BYTES);
    if (!this.isShared) this.#restart(this.#sharedBytes);
    this.#sharedUntil = this.#now() + SHARED_MS;
  }

  onSent(bytes: number): void {
    this.#sentBytes += bytes;
    this.#marks.push({ sentBytes: this.#sentBytes, timeMs: this.#now() });
  }

  /** False: more than was sent. */
  onReceived(bytes: number): boolean {
    if (bytes > this.bytesUnderWay) return false;
    const isFull = this.bytesUnderWay * 2 > this.#size;
    this.#receivedBytes += bytes;
    let last: SentMark | undefined;
    for (let mark = this.#marks.peek(); mark !== undefined; mark = this.#marks.peek()) {
      if (mark.sentBytes > this.#receivedBytes) break;
      last = this.#marks.shift();
    }
    if (last !== undefined) this.#learn(last, isFull);
    return true;
  }

  /** Whether small messages still leave. */
  #look(): void {
    if (this.#sharedUntil === 0 || this.#now() < this.#sharedUntil) return;
    this.#sharedUntil = 0;
    this.#restart(Math.max(this.#size, WAITING_BYTES));
  }

  #learn({ sentBytes, timeMs }: SentMark, isFull: boolean): void {
    const now = this.#now();
    const elapsed = now - timeMs;
    if (elapsed <= this.#shortestMs) {
      this.#shortestMs = elapsed;
      this.#shortestTime = now;
      if (this.#sizeAfter > 0) return this.#measured();
    } else if (now - this.#shortestTime > MEMORY_MS) {
      const size = this.#size;
      this.#restart(Math.min(size, MEASURING_BYTES));
      this.#sizeAfter = size;
      return;
    }
    if (sentBytes < this.#fullAtBytes || !isFull) return;
    const waiting = this.isShared ? this.#sharedBytes : WAITING_BYTES;
    const pathMs = this.isShared ? Math.max(0, this.#shortestMs - QUICK_MS) : this.#shortestMs;
    const isUndisturbed = pathMs > 0 && elapsed <= this.#shortestMs * UNDISTURBED;
    const size = isUndisturbed ? this.#size * GROWTH : (this.#size * pathMs) / elapsed + waiting;
    this.#resize(Math.min(Math.max(size, waiting), LARGEST_BYTES));
  }

  #measured(): void {
    this.#resize(this.#sizeAfter);
    this.#sizeAfter = 0;
  }

  /** Round trips with pieces of another size, or behind another window, tell nothing. */
  #restart(size: number): void {
    this.#resize(size);
    this.#sizeAfter = 0;
    this.#shortestMs = Infinity;
    this.#marks = new Queue();
  }

  #resize(size: number): void {
    this.#size = size;
    this.#fullAtBytes = Math.max(this.#sentBytes + 1, this.#receivedBytes + size);
  }
}
