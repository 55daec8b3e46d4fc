import { digestOf } from "@colloquy/rpc";
import type { Caller } from "@colloquy/rpc";
import type { WaitGraph } from "./wait-graph.ts";
import { MAX_ASKED_COUNT, ask } from "./wait-questions.ts";
import type { Inquest, QuestionPlaces } from "./wait-questions.ts";
import type { Verdict, WaitView } from "./wait-view.ts";

const MAX_RECENT_COUNT = 256;

/** What one peer was asked. */
interface Talk {
  /** By slots: undefined where there is none. */
  readonly answers: Map<string, Verdict>;
  /** Resolves when the answer is there. One at a time, so that a search by itself always finds room. */
  underWay: Promise<void> | undefined;
}

/** What one search has brought to light at one depth: each slot is asked for once on each connection, whoever wants to know. */
export class Inquiry {
  readonly #graph: WaitGraph;
  readonly #places: QuestionPlaces;
  readonly #inquest: Inquest;
  readonly #wanted: ReadonlySet<string>;
  readonly #talks = new WeakMap<Caller, Talk>();

  constructor(graph: WaitGraph, places: QuestionPlaces, inquest: Inquest) {
    this.#graph = graph;
    this.#places = places;
    this.#inquest = inquest;
    this.#wanted = new Set(inquest.wanted);
  }

  /** What is known now. */
  look(starts: Iterable<string>): WaitView {
    const isLast = this.#inquest.depth === 0;
    return this.#graph.look(
      starts,
      (slot) => this.#wanted.has(digestOf(slot)),
      (peer, slot) => (isLast ? false : this.#talks.get(peer)?.answers.get(slot)),
    );
  }

  /** What is known when others have been asked, as far as it takes. */
  async settle(starts: Iterable<string>): Promise<WaitView> {
    for (;;) {
      const view = this.look(starts);
      const isOpen = Array.from(starts, (slot) => view.verdictOf(slot)).includes(undefined);
      const underWay = isOpen ? this.#ask(view.open) : [];
      if (underWay.length === 0) return view;
      await Promise.race(underWay);
    }
  }

  /** Returns what is under way. */
  #ask(open: ReadonlyMap<Caller, readonly string[]>): Promise<void>[] {
    const underWay: Promise<void>[] = [];
    for (const [peer, slots] of open) {
      const talk = this.#talks.get(peer) ?? { answers: new Map<string, Verdict>(), underWay: undefined };
      this.#talks.set(peer, talk);
      const fresh = slots.filter((slot) => !talk.answers.has(slot));
      if (fresh.length === 0) continue;
      talk.underWay ??= this.#send(peer, talk, fresh);
      if (talk.underWay !== undefined) underWay.push(talk.underWay);
    }
    return underWay;
  }

  /** Undefined where there is no room: these slots stay without an answer. */
  #send(peer: Caller, talk: Talk, fresh: readonly string[]): Promise<void> | undefined {
    const leave = this.#places.take(peer);
    if (leave === undefined) {
      for (const slot of fresh) talk.answers.set(slot, undefined);
      return undefined;
    }
    const { depth } = this.#inquest;
    const slots = fresh.slice(0, MAX_ASKED_COUNT);
    return ask(peer, { ...this.#inquest, digests: slots.map(digestOf), depth: depth - 1 }).then((verdicts) => {
      leave();
      talk.underWay = undefined;
      for (const [index, slot] of slots.entries()) talk.answers.set(slot, verdicts[index]);
    });
  }
}

/** The latest inquiries, so that those who ask the same within one search come to the same. */
export class Inquiries {
  readonly #graph: WaitGraph;
  readonly #places: QuestionPlaces;
  readonly #recent = new Map<string, Inquiry>();

  constructor(graph: WaitGraph, places: QuestionPlaces) {
    this.#graph = graph;
    this.#places = places;
  }

  of(inquest: Inquest): Inquiry {
    const { search, depth, wanted } = inquest;
    const key = digestOf(JSON.stringify([search, depth, wanted]));
    const known = this.#recent.get(key);
    if (known !== undefined) return known;
    for (const oldest of this.#recent.keys()) {
      if (this.#recent.size < MAX_RECENT_COUNT) break;
      this.#recent.delete(oldest);
    }
    const inquiry = new Inquiry(this.#graph, this.#places, inquest);
    this.#recent.set(key, inquiry);
    return inquiry;
  }
}
