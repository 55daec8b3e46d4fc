import { ColloquyError } from "@colloquy/core";
import { guard } from "./guard.ts";

/** Told of the end of a connection: with the error that ended it, or undefined. */
export type CloseListener = (error: ColloquyError | undefined) => void;

/** Who wants to know that one connection has ended: each is told once, in the order of asking. One that asks later is told then. */
export class CloseListeners {
  /** Made where they are asked for. */
  #closed: Promise<ColloquyError | undefined> | undefined;
  #listeners: CloseListener[] | undefined;
  #told = false;
  /** What the listeners were told. */
  #end: ColloquyError | undefined;

  /** Resolves with what the listeners are told. */
  get closed(): Promise<ColloquyError | undefined> {
    return (this.#closed ??= new Promise((resolve) => this.add(resolve)));
  }

  add(listener: CloseListener): void {
    if (this.#listeners === undefined) this.#listeners = [listener];
    else if (!this.#listeners.includes(listener)) this.#listeners.push(listener);
    if (this.#told) queueMicrotask(() => this.tell(this.#end));
  }

  delete(listener: CloseListener): void {
    this.#listeners = this.#listeners?.filter((other) => other !== listener);
  }

  /** The connection has ended and its calls have settled. What a listener throws is a warning. */
  tell(error: ColloquyError | undefined): void {
    this.#told = true;
    this.#end = error;
    const listeners = this.#listeners ?? [];
    this.#listeners = undefined;
    for (const listener of listeners) guard("a listener of onClose", () => listener(error));
  }
}

/** What a connection has ended with whose peer hadn't said that it closes. */
export function withoutGoodbye(remoteAddress: string): ColloquyError {
  return new ColloquyError("CONNECTION_LOST", `${remoteAddress} has ended the connection without a goodbye`);
}
