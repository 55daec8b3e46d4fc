import type { Limits } from "./limits.ts";
import { timerMs } from "./limits.ts";
import { Overhead } from "./overhead.ts";
import { StallWatch } from "./stall-watch.ts";
import type { StallListener, Watched } from "./stall-watch.ts";
import type { Transport } from "./transport.ts";

/** What is read. */
export interface ReadSource {
  readonly receivedBytes: number;
  /** Those of them that wait until there is time for them. */
  readonly unhandledBytes: number;
  /** A message has begun to come. */
  readonly isAmidMessage: boolean;
  /** Handles what was kept at the end of a turn, as far as there is time again. */
  goOn(): void;
}

/** Told that the peer is read more slowly from now on: once for each pause. */
export interface SlowedListener {
  onSlowed(): void;
}

/** So long one connection is handled in a turn of the event loop. */
const TURN_MS = 1;
/** Less than that of small calls is handled in a tenth of it, as are as many messages that take no more than that each. */
const TIMED_BYTES = 4096;
const QUICK_COUNT = 16;
const QUICK_MS = 0.0125;
/** Messages between two looks at the clock, as long as those before were quick. */
const MOST_AT_ONCE = 4;
/** Between two turns of a connection that has much to handle: others have theirs, and its next bytes are on their way. */
const LONGEST_GAP_MS = 50;
/** Of a message that couldn't be decoded: it has cost the more time the larger it is. */
const OVERHEAD_BYTES = 1024;

/**
 * When one connection is read: not while a message is decoded in a promise, for a short time in each turn of the event loop, so that
 * others have theirs, and more slowly where the peer sends much that runs no handler. Gives up a peer that leaves a message half
 * sent.
 */
export class Reading implements Watched {
  readonly #transport: Transport;
  readonly #limits: Limits;
  readonly #source: ReadSource;
  readonly #listener: StallListener;
  whenSlowed: SlowedListener | undefined;
  /** Hello isn't done. */
  isEarly = false;
  #isDecoding = false;
  /** Runs while nothing is read so that the peer gets slower. */
  #slowTimer: NodeJS.Timeout | undefined;
  #overhead: Overhead | undefined;
  #stall: StallWatch | undefined;
  #stopped = false;
  /** Since when it is handled in this turn; 0: nothing has come that is worth a look at the clock. */
  #turnStart = 0;
  #readAt = 0;
  #askedAt = 0;
  #countAtOnce = 1;
  /** Of what has come since then. */
  #quickCount = 0;
  /** The end of the turn is awaited. */
  #isScheduled = false;
  /** Its share of the turn is used up. */
  #isYielding = false;
  /** When its share of a turn was used up first and last, of times with no longer pause between them. */
  #behindSince = 0;
  #behindAt = 0;

  constructor(transport: Transport, limits: Limits, source: ReadSource, listener: StallListener) {
    this.#transport = transport;
    this.#limits = limits;
    this.#source = source;
    this.#listener = listener;
  }

  /** It is the peer's turn to send more of a message. */
  get waits(): boolean {
    return !this.isPaused && this.#source.isAmidMessage;
  }

  get moved(): number {
    return this.#source.receivedBytes;
  }

  /** A message is being decoded in a promise. */
  pause(): void {
    this.#isDecoding = true;
    this.#transport.pause();
  }

  /** It is decoded. */
  resume(): void {
    this.#isDecoding = false;
    this.#goOn();
  }

  /** What is done in a turn may depend on time: not so in a run that can be made again. */
  get isTimed(): boolean {
    return this.#transport.reproducible === undefined;
  }

  get receivedBytes(): number {
    return this.#source.receivedBytes;
  }

  get unhandledBytes(): number {
    return this.#source.unhandledBytes;
  }

  /** Its share of the turn is used up. */
  get isYielding(): boolean {
    return this.#isYielding;
  }

  /** For so long there has been more to handle than there was time for. */
  get behindMs(): number {
    const now = performance.now();
    return now - this.#behindAt > LONGEST_GAP_MS ? 0 : now - this.#behindSince;
  }

  /** Nothing is read: what the peer has sent may have come long ago. */
  get isPaused(): boolean {
    return this.#isDecoding || this.#isYielding || this.#slowTimer !== undefined;
  }

  /** So many bytes are going to be handled. */
  begin(bytes: number): void {
    if (!this.isTimed) return;
    this.#readAt = performance.now();
    this.#askedAt = this.#readAt;
    this.#countAtOnce = 1;
    this.#quickCount = 0;
    if (bytes >= TIMED_BYTES) this.#beginTurn();
  }

  /**
   * How many messages are handled before this is asked again; the first one of a read is, unasked. 0: others have their turn first,
   * and nothing more is read in this one.
   */
  mayTake(): number {
    if (this.#isYielding || this.#stopped) return 0;
    if (!this.isTimed) return MOST_AT_ONCE;
    const now = performance.now();
    const isQuick = now - this.#askedAt <= this.#countAtOnce * QUICK_MS;
    this.#askedAt = now;
    this.#quickCount += this.#countAtOnce;
    this.#countAtOnce = isQuick ? Math.min(2 * this.#countAtOnce, MOST_AT_ONCE) : 1;
    if (this.#turnStart === 0) {
      // Within a process a few keep their order among connections, however long they take.
      if ((isQuick || this.#transport.isOwn === true) && this.#quickCount < QUICK_COUNT) return this.#countAtOnce;
      this.#beginTurn();
    }
    if (now - this.#turnStart < TURN_MS) return this.#countAtOnce;
    this.#isYielding = true;
    if (now - this.#behindAt > LONGEST_GAP_MS) this.#behindSince = this.#turnStart;
    this.#behindAt = now;
    this.#transport.pause();
    return 0;
  }

  /** What has come in this read counts. */
  #beginTurn(): void {
    if (this.#turnStart === 0) this.#turnStart = this.#readAt;
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#endTurn());
  }

  #endTurn(): void {
    this.#isScheduled = false;
    this.#turnStart = 0;
    if (!this.#isYielding || this.#stopped) return;
    this.#isYielding = false;
    this.begin(TIMED_BYTES);
    this.#source.goOn();
    // What others take from here on isn't its own time.
    if (!this.#isYielding) this.#turnStart = 0;
    this.#goOn();
  }

  /** The peer has sent something that runs no handler: a message, which counts as several where it is large. */
  countOverhead(bytes = 0): void {
    if (this.#stopped || !this.isTimed) return;
    const milliseconds = (this.#overhead ??= new Overhead(this.#limits.maxOverheadPerSecond)).spend(
      1 + Math.floor(bytes / OVERHEAD_BYTES),
    );
    if (milliseconds === 0 || this.#slowTimer !== undefined) return;
    this.#transport.pause();
    this.#slowDown(milliseconds);
    this.whenSlowed?.onSlowed();
  }

  /** A message has come in part. */
  watch(): void {
    if (this.#stopped) return;
    this.#stall ??= new StallWatch("messageTimeoutMs", this.#limits.messageTimeoutMs, this.#listener);
    this.#stall.watch(this);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#slowTimer);
    this.#stall?.stop();
  }

  /** What has been read already is handled meanwhile, and may make it longer. */
  #slowDown(milliseconds: number): void {
    this.#slowTimer = setTimeout(() => {
      const owedMs = this.#overhead!.owedMs();
      if (owedMs > 0) return this.#slowDown(owedMs);
      this.#slowTimer = undefined;
      this.#goOn();
    }, timerMs(milliseconds));
  }

  #goOn(): void {
    if (this.#stopped || this.isPaused) return;
    this.#transport.resume();
    if (this.waits) this.watch();
  }
}
