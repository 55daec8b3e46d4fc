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

type StallLimit = "writeStallMs" | "messageTimeoutMs";

/** What the peer has done. */
const DEEDS: Readonly<Record<StallLimit, string>> = {
  writeStallMs: "has read nothing",
  messageTimeoutMs: "has sent nothing more of a message",
};

/** Turns in which the event loop reads and writes what it can, before a connection is given up. */
const LAST_TURNS = 2;

/** Gives up a connection on which something that waits for the peer doesn't move. A peer that is slow, but moves it, is waited for. */
export class StallWatch {
  readonly #watched: Watched[] = [];
  readonly #limit: StallLimit;
  readonly #stallMs: number;
  readonly #listener: StallListener;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(limit: StallLimit, stallMs: number, listener: StallListener) {
    this.#limit = limit;
    this.#stallMs = stallMs;
    this.#listener = listener;
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
      const done = `${this.#listener.remoteAddress} ${DEEDS[this.#limit]}`;
      const reason = `${done} for ${this.#stallMs} ms (${this.#limit})`;
      return this.#listener.onBroken(new ColloquyError("CONNECTION_LOST", reason, { limit: this.#limit }));
    }
    this.#timer = undefined;
    this.#look();
  }
}
