import { Backoff, digestOf } from "@colloquy/rpc";
import type { Caller } from "@colloquy/rpc";
import { Inquiries, Inquiry } from "./inquiries.ts";
import { WaitGraph } from "./wait-graph.ts";
import type { ChainCalls } from "./wait-graph.ts";
import { MAX_QUESTION_DEPTH, QuestionPlaces, placeCountOf, questionOf } from "./wait-questions.ts";
import type { WaitView, WaitingEntry } from "./wait-view.ts";

/** In a cycle over two containers both may see it. One waits for so many answers more, in which time the other's call fails. */
const PATIENT_ROUND_COUNT = 2;

/** What deadlocks of a container are looked for with. */
export interface DeadlockSetup {
  /** The name under which this container is known to others. */
  readonly root: string;
  /** Makes names that nobody can guess. */
  readonly newName: () => string;
  readonly random: () => number;
  readonly calls: ChainCalls;
  readonly limits: { readonly maxHopCount: number; readonly maxRunningCount: number; readonly maxPendingCount: number };
}

/** Finds the calls among those that wait for mailboxes of one container that wait for themselves, over other containers too. */
export class Deadlocks {
  readonly #setup: DeadlockSetup;
  readonly #graph: WaitGraph;
  readonly #inquiries: Inquiries;
  /** For questions of other containers. */
  readonly #places: QuestionPlaces;
  /** For questions to other containers. */
  readonly #ownPlaces: QuestionPlaces;
  /** End the rests of entries that are asked about later. */
  readonly #wakes = new Map<WaitingEntry, () => void>();

  constructor(setup: DeadlockSetup) {
    const placeCount = placeCountOf(setup.limits);
    this.#setup = setup;
    this.#graph = new WaitGraph(setup.root, setup.calls);
    this.#ownPlaces = new QuestionPlaces(placeCount);
    this.#inquiries = new Inquiries(this.#graph, this.#ownPlaces);
    this.#places = new QuestionPlaces(placeCount);
  }

  /** Calls that wait. */
  get waitingCount(): number {
    return this.#graph.size;
  }

  add(entry: WaitingEntry): void {
    this.#graph.add(entry);
  }

  /** Each entry once. */
  remove(entry: WaitingEntry): void {
    this.#graph.remove(entry);
    this.#wakes.get(entry)?.();
  }

  /** Whether an entry waits for itself: true, false, or a promise where that is for other containers to say. */
  isDeadlocked(entry: WaitingEntry): boolean | Promise<boolean> {
    if (entry.chain.length === 0) return false;
    const wanted = new Set(entry.chain);
    const view = this.#graph.look(
      entry.holders,
      (slot) => wanted.has(slot),
      () => undefined,
    );
    return view.verdictOfAll(entry.holders) ?? this.#search(entry, view.open.keys());
  }

  /**
   * Answers another container, which asks on `connection`: for each slot true or false, or null where that can't be said now.
   *
   * @throws ColloquyError `INVALID_ARGUMENT`
   */
  answer(args: readonly unknown[], connection: object): (boolean | null)[] | Promise<(boolean | null)[]> {
    const question = questionOf(args, this.#setup.limits.maxHopCount);
    const slots = question.digests.map((digest) => this.#graph.find(digest));
    const known = slots.filter((slot) => typeof slot === "string");
    const told = (view: WaitView | undefined): (boolean | null)[] => slots.map((slot) => toldOf(slot, view));
    // Nothing that they do waits here, or is known to.
    if (known.length === 0) return told(undefined);
    const inquiry = this.#inquiries.of(question);
    const view = inquiry.look(known);
    const isOpen = known.some((slot) => view.verdictOf(slot) === undefined);
    const leave = isOpen ? this.#places.take(connection) : undefined;
    return leave === undefined ? told(view) : inquiry.settle(known).then(told).finally(leave);
  }

  /**
   * Where others have no time for questions now, or have left some without an answer, they are asked again later. `peers` are those that
   * may know more: nothing is done while there is no room for a question to any of them.
   */
  async #search(entry: WaitingEntry, peers: Iterable<Caller>): Promise<boolean> {
    const { chain, holders } = entry;
    // The call whose own slot is named later fails first: in any cycle there is one.
    const own = chain.at(-1)!;
    const isPatient = [...holders].some((holder) => own < holder);
    const backoff = new Backoff({}, this.#setup.random);
    let patience = isPatient ? PATIENT_ROUND_COUNT : 0;
    let open = [...peers];
    let wanted: readonly string[] | undefined;
    while (entry.isWaiting) {
      if (!this.#hasRoom(open)) await this.#rest(entry, (wake) => this.#ownPlaces.lineUp(open, wake));
      if (!entry.isWaiting) return false;
      wanted ??= chain.map(digestOf);
      const view = await this.#ask(wanted, holders);
      const verdict = view.verdictOfAll(holders);
      if (verdict === false) return false;
      if (verdict === undefined) await this.#pause(entry, backoff.next());
      else if (patience-- === 0) return entry.isWaiting;
      open = [...view.open.keys()];
    }
    return false;
  }

  #hasRoom(peers: readonly Caller[]): boolean {
    return peers.length === 0 || peers.some((peer) => this.#ownPlaces.hasRoom(peer));
  }

  /** Each time is a search of its own: what an earlier one has come to may have changed. */
  async #ask(wanted: readonly string[], holders: ReadonlySet<string>): Promise<WaitView> {
    const inquest = { wanted, depth: MAX_QUESTION_DEPTH, search: this.#setup.newName() };
    return new Inquiry(this.#graph, this.#ownPlaces, inquest).settle(holders);
  }

  async #pause(entry: WaitingEntry, milliseconds: number): Promise<void> {
    await this.#rest(entry, (wake) => {
      const timer = setTimeout(wake, milliseconds).unref();
      return () => clearTimeout(timer);
    });
  }

  /** Until `wake` is called, or the entry waits no more. `begin` returns what gives up waking. */
  async #rest(entry: WaitingEntry, begin: (wake: () => void) => () => void): Promise<void> {
    if (!entry.isWaiting) return;
    await new Promise<void>((resolve) => {
      const giveUp = begin(resolve);
      this.#wakes.set(entry, () => {
        giveUp();
        resolve();
      });
    });
    this.#wakes.delete(entry);
  }
}

/** What another container is told of a slot that it has asked for: null where nobody knows yet. */
function toldOf(slot: string | undefined | null, view: WaitView | undefined): boolean | null {
  if (typeof slot !== "string") return slot === null ? null : false;
  return view?.verdictOf(slot) ?? null;
}
