import { ColloquyError } from "@colloquy/core";
import { Listeners } from "./listeners.ts";

/** Told of the end of a connection: with the error that ended it, or undefined. */
export type CloseListener = (error: ColloquyError | undefined) => void;

/** Who wants to know that one connection has ended: each is told once, in the order of asking. One that asks later is told then. */
export class CloseListeners {
  /** Made where they are asked for. */
  #closed: Promise<ColloquyError | undefined> | undefined;
  #listeners: Listeners<[ColloquyError | undefined]> | undefined;
  #told = false;
  /** What the listeners were told. */
  #end: ColloquyError | undefined;

  /** Resolves with what the listeners are told. */
  get closed(): Promise<ColloquyError | undefined> {
    return (this.#closed ??= new Promise((resolve) => this.add(resolve)));
  }

  /** Returns a function that takes it back. */
  add(listener: CloseListener): () => void {
    this.#listeners ??= new Listeners("onClose");
    if (this.#told) queueMicrotask(() => this.tell(this.#end));
    return this.#listeners.add(listener);
  }

  /** The connection has ended and its calls have settled. What a listener throws is a warning. */
  tell(error: ColloquyError | undefined): void {
    this.#told = true;
    this.#end = error;
    const listeners = this.#listeners;
    this.#listeners = undefined;
    listeners?.tell(error);
  }
}

/** What a connection has ended with whose peer hadn't said that it closes. */
export function withoutGoodbye(remoteAddress: string): ColloquyError {
  return new ColloquyError("CONNECTION_LOST", `${remoteAddress} has ended the connection without a goodbye`);
}
