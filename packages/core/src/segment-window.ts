const KIBIBYTE = 1024;
/** What is under way at least. */
const LEAST_WINDOW_BYTES = 2048 * KIBIBYTE;
/** The same while small messages leave, too: they wait behind it. */
const LEAST_SHARED_WINDOW_BYTES = 128 * KIBIBYTE;
const SHARED_MS = 50;
const LARGEST_WINDOW_BYTES = 64 * KIBIBYTE * KIBIBYTE;
/** While the rate still grows the window doubles with each round; then it stays a little above what the path holds. */
const GROWING_GAIN = 2;
const STEADY_GAIN = 1.25;
const GROWTH = 1.25;
const STEADY_ROUND_COUNT = 3;
/** The rate falls, and the round-trip time rises, when they were not seen for so long. */
const MEMORY_MS = 10_000;

interface SentMark {
  /** Bytes sent in all when it left, itself included. */
  readonly sentBytes: number;
  /** Bytes received in all at that time. */
  readonly receivedBytes: number;
  readonly timeMs: number;
  readonly isProbe: boolean;
}

/**
 * How many bytes of segments are under way on one connection. The system's buffers take megabytes, and small messages would wait
 * behind them; so no more is sent than the path holds: the rate at which the peer receives, times the shortest round trip
 * that was seen. The idea is that of BBR congestion control.
 */
export class SegmentWindow {
  readonly #now: () => number;
  readonly #marks: SentMark[] = [];
  #sentBytes = 0;
  #receivedBytes = 0;
  #rate = 0;
  #rateTime = 0;
  #roundTripMs = Infinity;
  #roundTripTime = 0;
  #roundEnd = 0;
  #roundRate = 0;
  #steadyRounds = 0;
  #sharedUntil = 0;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  get bytesUnderWay(): number {
    return this.#sentBytes - this.#receivedBytes;
  }

  /** Bytes that may be under way. */
  get size(): number {
    const gain = this.#steadyRounds < STEADY_ROUND_COUNT ? GROWING_GAIN : STEADY_GAIN;
    const held = this.#roundTripMs === Infinity ? 0 : this.#rate * this.#roundTripMs * gain;
    const least = this.isShared ? LEAST_SHARED_WINDOW_BYTES : LEAST_WINDOW_BYTES;
    return Math.min(Math.max(held, least), LARGEST_WINDOW_BYTES);
  }

  /** Small messages have left a moment ago. */
  get isShared(): boolean {
    return this.#now() < this.#sharedUntil;
  }

  get isOpen(): boolean {
    return this.bytesUnderWay < this.size;
  }

  /** Small messages leave beside the segments. */
  share(): void {
    this.#sharedUntil = this.#now() + SHARED_MS;
  }

  /** `isProbe`: the peer confirms these few bytes at once, which tells the round-trip time. */
  onSent(bytes: number, isProbe: boolean): void {
    this.#sentBytes += bytes;
    const [sentBytes, receivedBytes, timeMs] = [this.#sentBytes, this.#receivedBytes, this.#now()];
    this.#marks.push({ sentBytes, receivedBytes, timeMs, isProbe });
  }

  /** False: more than was sent. */
  onReceived(bytes: number): boolean {
    if (bytes > this.bytesUnderWay) return false;
    this.#receivedBytes += bytes;
    let last: SentMark | undefined;
    while (this.#marks.length > 0 && this.#marks[0]!.sentBytes <= this.#receivedBytes) last = this.#marks.shift();
    if (last === undefined) return true;
    const now = this.#now();
    const elapsed = Math.max(now - last.timeMs, 0.001);
    if (last.isProbe) this.#learnRoundTrip(elapsed, now);
    else this.#learnRate(last, elapsed, now);
    return true;
  }

  #learnRoundTrip(elapsed: number, now: number): void {
    if (elapsed > this.#roundTripMs && now - this.#roundTripTime <= MEMORY_MS) return;
    this.#roundTripMs = elapsed;
    this.#roundTripTime = now;
  }

  #learnRate({ sentBytes, receivedBytes }: SentMark, elapsed: number, now: number): void {
    const rate = (this.#receivedBytes - receivedBytes) / elapsed;
    if (rate >= this.#rate || now - this.#rateTime > MEMORY_MS) {
      this.#rate = rate;
      this.#rateTime = now;
    }
    if (sentBytes < this.#roundEnd) return;
    this.#roundEnd = this.#sentBytes;
    this.#steadyRounds = this.#rate > this.#roundRate * GROWTH ? 0 : this.#steadyRounds + 1;
    this.#roundRate = this.#rate;
  }
}
