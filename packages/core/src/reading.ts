import type { Limits } from "./limits.ts";
import { timerMs } from "./limits.ts";
import { Overhead } from "./overhead.ts";
import { StallWatch } from "./stall-watch.ts";
import type { StallListener, Watched } from "./stall-watch.ts";
import type { Transport } from "./transport.ts";

/** What is read. */
export interface ReadSource {
  readonly receivedBytes: number;
  /** A message has begun to come. */
  readonly isAmidMessage: boolean;
  /** Handles what was kept at the end of a turn; it may keep some again. */
  goOn(): void;
}

/** So long one connection is handled in a turn of the event loop. */
const TURN_MS = 1;
/** What comes in smaller parts is handled before the next part of it comes. */
const TIMED_BYTES = 4096;
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
  #isDecoding = false;
  /** Runs while nothing is read so that the peer gets slower. */
  #slowTimer: NodeJS.Timeout | undefined;
  #overhead: Overhead | undefined;
  #stall: StallWatch | undefined;
  #stopped = false;
  /** Start of this turn, where much has come in it; 0: not much has. */
  #turnStart = 0;
  /** Its share of the turn is used up. */
  #isYielding = false;

  constructor(transport: Transport, limits: Limits, source: ReadSource, listener: StallListener) {
    this.#transport = transport;
    this.#limits = limits;
    this.#source = source;
    this.#listener = listener;
  }

  /** It is the peer's turn to send more of a message. */
  get waits(): boolean {
    return !this.#isPaused && this.#source.isAmidMessage;
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

  /** So many bytes have come. */
  begin(bytes: number): void {
    if (bytes < TIMED_BYTES || this.#turnStart > 0 || this.#transport.reproducible !== undefined) return;
    this.#turnStart = performance.now();
    setImmediate(() => this.#nextTurn());
  }

  /** Something of that is handled. True: others have their turn first, nothing more is handled or read in this one. */
  isTurnOver(): boolean {
    if (this.#turnStart === 0 || performance.now() - this.#turnStart < TURN_MS) return false;
    if (this.#stopped) return true;
    this.#isYielding = true;
    this.#transport.pause();
    return true;
  }

  #nextTurn(): void {
    this.#turnStart = 0;
    if (!this.#isYielding || this.#stopped) return;
    this.#isYielding = false;
    this.#source.goOn();
    this.#goOn();
  }

  /** The peer has sent something that runs no handler: a message, which counts as several where it is large. */
  countOverhead(bytes = 0): void {
    // A run that can be made again doesn't depend on time.
    if (this.#stopped || this.#transport.reproducible !== undefined) return;
    const milliseconds = (this.#overhead ??= new Overhead(this.#limits.maxOverheadPerSecond)).spend(
      1 + Math.floor(bytes / OVERHEAD_BYTES),
    );
    if (milliseconds === 0 || this.#slowTimer !== undefined) return;
    this.#transport.pause();
    this.#slowDown(milliseconds);
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

  get #isPaused(): boolean {
    return this.#isDecoding || this.#isYielding || this.#slowTimer !== undefined;
  }

  #goOn(): void {
    if (this.#stopped || this.#isPaused) return;
    this.#transport.resume();
    if (this.waits) this.watch();
  }
}
