import { ColloquyError } from "./errors.ts";
import { timerMs } from "./limits.ts";
import type { Transport } from "./transport.ts";

export interface StallListener {
  /** The connection is of no use any more. */
  onBroken(error: ColloquyError): void;
}

/** Gives up a connection whose output doesn't move. A peer that reads slowly, but reads, is waited for. */
export class StallWatch {
  readonly #transport: Transport;
  readonly #stallMs: number;
  readonly #listener: StallListener;
  #timer: NodeJS.Timeout | undefined;
  #leftAtLastLook = 0;
  #stopped = false;

  constructor(transport: Transport, stallMs: number, listener: StallListener) {
    this.#transport = transport;
    this.#stallMs = stallMs;
    this.#listener = listener;
  }

  /** Output waits, `sentBytes` having been written in all; looks until none does. */
  watch(sentBytes: () => number): void {
    if (this.#timer !== undefined || this.#stopped) return;
    this.#leftAtLastLook = sentBytes() - this.#transport.queuedBytes;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#transport.queuedBytes === 0) return;
      if (sentBytes() - this.#transport.queuedBytes !== this.#leftAtLastLook) return this.watch(sentBytes);
      const reason = `${this.#transport.remoteAddress} has read nothing for ${this.#stallMs} ms (writeStallMs)`;
      this.#listener.onBroken(new ColloquyError("CONNECTION_LOST", reason));
    }, timerMs(this.#stallMs));
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }
}
