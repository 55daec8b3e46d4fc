import { SlotTable } from "@colloquy/rpc";
import type { Caller } from "@colloquy/rpc";
import { WaitView } from "./wait-view.ts";
import type { Holders, WaitSource, WaitingEntry } from "./wait-view.ts";

/** The calls of this process that chains wait for. */
export interface ChainCalls {
  /** The connections that those have left on which a slot waits for. */
  connectionsOf(slot: string): Iterable<Caller>;
  /** The slot that has a digest, where there is such a call; null where that can't be said before a later turn. */
  slotOf(digest: string): string | undefined | null;
}

/** Who waits for whom among the handlers of one container. A handler is taken to wait for every call that it has made. */
export class WaitGraph {
  readonly #root: string;
  readonly #calls: ChainCalls;
  /** The mailboxes that slots wait for, by calls that wait: many calls of a slot for one mailbox are one. */
  readonly #waiting = new SlotTable<Holders>();
  #size = 0;

  /** `root` is the name under which this container is known to others. */
  constructor(root: string, calls: ChainCalls) {
    this.#root = root;
    this.#calls = calls;
  }

  /** Calls that wait. */
  get size(): number {
    return this.#size;
  }

  add(entry: WaitingEntry): void {
    this.#size++;
    this.#waiting.add(entry.chain, entry.holders);
  }

  /** Each entry once. */
  remove(entry: WaitingEntry): void {
    this.#size--;
    this.#waiting.remove(entry.chain, entry.holders);
  }

  /** The slot that has a digest, where something is known of it; null where that can't be said before a later turn. */
  find(digest: string): string | undefined | null {
    const waiting = this.#waiting.find(digest);
    if (typeof waiting === "string") return waiting;
    const calling = this.#calls.slotOf(digest);
    return calling === undefined ? waiting : calling;
  }

  /** What is stuck now among `starts` and behind them. */
  look(starts: Iterable<string>, isWanted: WaitSource["isWanted"], answerOf: WaitSource["answerOf"]): WaitView {
    const mailboxesOf = (slot: string): Iterable<Holders> => this.#waiting.of(slot);
    const peersOf = (slot: string): Iterable<Caller> => this.#peersOf(slot);
    return new WaitView(starts, { isWanted, answerOf, mailboxesOf, peersOf });
  }

  /** A peer that has no root of its own knows of nothing that waits. */
  *#peersOf(slot: string): Iterable<Caller> {
    for (const peer of this.#calls.connectionsOf(slot)) {
      if (peer.root !== undefined && peer.root !== this.#root) yield peer;
    }
  }
}
