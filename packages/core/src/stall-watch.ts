import { ColloquyError } from "./errors.ts";
import { timerMs } from "./limits.ts";

/** What may have to wait for the peer. */
export interface Watched {
  readonly waits: boolean;
  /** Changes when something of it moves. */
  readonly moved: number;
}

export interface StallListener {
  readonly remoteAddress: string;
  /** The connection is of no use any more. */
  onBroken(error: ColloquyError): void;
}

/** Turns in which the event loop reads and writes what it can, before a connection is given up. */
const LAST_TURNS = 2;

/** Gives up a connection on which something that waits for the peer doesn't move. A peer that is slow, but moves it, is waited for. */
export class StallWatch {
  readonly #watched: Watched[] = [];
  readonly #stallMs: number;
  readonly #listener: StallListener;
  /** What the peer has done, for the error: `"has read nothing for 1000 ms (writeStallMs)"`. */
  readonly #what: string;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(stallMs: number, listener: StallListener, what: string) {
    this.#stallMs = stallMs;
    this.#listener = listener;
    this.#what = what;
  }

  /** `watched` waits: looks until it doesn't any more. */
  watch(watched: Watched): void {
    if (!this.#watched.includes(watched)) this.#watched.push(watched);
    if (this.#timer === undefined && !this.#stopped) this.#look();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #look(): void {
    const waiting = this.#watched.filter(({ waits }) => waits).map((one) => ({ one, moved: one.moved }));
    if (waiting.length === 0) return;
    const isStalled = (): boolean => waiting.some(({ one, moved }) => one.waits && one.moved === moved);
    this.#timer = setTimeout(() => this.#lookAgain(isStalled, LAST_TURNS), timerMs(this.#stallMs));
  }

  /** An event loop that was busy runs late timers before it reads and writes what it could have in time. */
  #lookAgain(isStalled: () => boolean, turns: number): void {
    if (this.#stopped) return;
    if (isStalled()) {
      if (turns > 0) return void setImmediate(() => this.#lookAgain(isStalled, turns - 1));
      const reason = `${this.#listener.remoteAddress} ${this.#what}`;
      return this.#listener.onBroken(new ColloquyError("CONNECTION_LOST", reason));
    }
    this.#timer = undefined;
    this.#look();
  }
}
