import { ColloquyError } from "./errors.ts";
import { timerMs } from "./limits.ts";

/** Output that may have to wait for the peer. */
export interface WatchedOutput {
  readonly waits: boolean;
  /** Changes when something of it moves. */
  readonly moved: number;
}

export interface StallListener {
  readonly remoteAddress: string;
  /** The connection is of no use any more. */
  onBroken(error: ColloquyError): void;
}

/** Gives up a connection whose output doesn't move. A peer that reads slowly, but reads, is waited for. */
export class StallWatch {
  readonly #outputs: WatchedOutput[] = [];
  readonly #stallMs: number;
  readonly #listener: StallListener;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(stallMs: number, listener: StallListener) {
    this.#stallMs = stallMs;
    this.#listener = listener;
  }

  /** `output` waits: looks until it doesn't any more. */
  watch(output: WatchedOutput): void {
    if (!this.#outputs.includes(output)) this.#outputs.push(output);
    if (this.#timer === undefined && !this.#stopped) this.#look();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  #look(): void {
    const waiting = this.#outputs.filter(({ waits }) => waits).map((output) => ({ output, moved: output.moved }));
    if (waiting.length === 0) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const isStalled = waiting.some(({ output, moved }) => output.waits && output.moved === moved);
      if (!isStalled) return this.#look();
      const reason = `${this.#listener.remoteAddress} has read nothing for ${this.#stallMs} ms (writeStallMs)`;
      this.#listener.onBroken(new ColloquyError("CONNECTION_LOST", reason, { limit: "writeStallMs" }));
    }, timerMs(this.#stallMs));
  }
}
