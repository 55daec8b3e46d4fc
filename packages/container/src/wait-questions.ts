import { ColloquyError, refusal } from "@colloquy/core";
import { RemoteNode, isSlot, withoutChain } from "@colloquy/rpc";
import type { Caller } from "@colloquy/rpc";
import type { Verdict } from "./wait-view.ts";

/** Where containers ask each other. */
const WAITS_PATH = "mailboxes/waits";
/** Questions that one may lead to, one within another. */
export const MAX_QUESTION_DEPTH = 8;
/** Slots that one question asks for. */
export const MAX_ASKED_COUNT = 1024;
/** For each question that may follow from one: what hangs on another has no more time than that. */
const ANSWER_MS = 1000;
/** As many as one search may need. */
const MIN_PLACE_COUNT = MAX_QUESTION_DEPTH;
const MAX_PLACE_COUNT = 32;
const MAX_TOTAL_PLACE_COUNT = 1024;
/** What others want to do on a connection comes first. */
const SHARE_OF_PLACES = 1 / 8;
/** With these the answer may come later. */
const LATER: ReadonlySet<string> = new Set(["RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"]);

/** What is the same in all questions that follow from one, but for the depth. */
export interface Inquest {
  /** Digests of the slots that are looked for. */
  readonly wanted: readonly string[];
  /** Questions that this one may lead to yet. */
  readonly depth: number;
  /** A name that nobody guesses: what is known of one search counts for no other. */
  readonly search: string;
}

/** Whether slots wait for wanted ones, all by their digests. */
export interface Question extends Inquest {
  readonly digests: readonly string[];
}

/**
 * A question of another container.
 *
 * @throws ColloquyError `INVALID_ARGUMENT`
 */
export function questionOf([digests, wanted, depth, search]: readonly unknown[], maxWantedCount: number): Question {
  if (!areSlots(digests, MAX_ASKED_COUNT) || !areSlots(wanted, maxWantedCount))
    throw refusal("INVALID_ARGUMENT", `${WAITS_PATH} takes up to ${MAX_ASKED_COUNT} digests, and ${maxWantedCount}`);
  if (!isSlot(search) || typeof depth !== "number")
    throw refusal("INVALID_ARGUMENT", `${WAITS_PATH} takes a number and the name of a search behind its digests`);
  return { digests, wanted, depth: depth > 0 ? Math.min(Math.trunc(depth), MAX_QUESTION_DEPTH) : 0, search };
}

function areSlots(value: unknown, maxCount: number): value is string[] {
  return Array.isArray(value) && value.length <= maxCount && value.every(isSlot);
}

/** What limits leave for questions on one connection, each way. */
export function placeCountOf(limits: { readonly maxRunningCount: number; readonly maxPendingCount: number }): number {
  const share = Math.floor(Math.min(limits.maxRunningCount, limits.maxPendingCount) * SHARE_OF_PLACES);
  return Math.max(MIN_PLACE_COUNT, Math.min(MAX_PLACE_COUNT, share));
}

/** Questions that are under way, on each connection and in all. */
export class QuestionPlaces {
  readonly #maxCount: number;
  readonly #counts = new WeakMap<object, number>();
  /** By connections: what waits for a place, in the order in which it has come. None is empty. */
  readonly #lines = new Map<object, Set<() => void>>();
  #isCalling = false;
  #total = 0;

  constructor(maxCount: number) {
    this.#maxCount = maxCount;
  }

  /** Returns what gives the place back; undefined where there is none. */
  take(connection: object): (() => void) | undefined {
    if (!this.hasRoom(connection)) return undefined;
    this.#add(connection, 1);
    return () => {
      this.#add(connection, -1);
      this.#call();
    };
  }

  hasRoom(connection: object): boolean {
    return (this.#counts.get(connection) ?? 0) < this.#maxCount && this.#total < MAX_TOTAL_PLACE_COUNT;
  }

  /** `onRoom` is called once there is room on one of some connections, when its turn has come. Returns what gives that up. */
  lineUp(connections: readonly object[], onRoom: () => void): () => void {
    const called = (): void => {
      leave();
      onRoom();
    };
    const leave = (): void => {
      for (const connection of connections) {
        const line = this.#lines.get(connection);
        if (line?.delete(called) === true && line.size === 0) this.#lines.delete(connection);
      }
    };
    for (const connection of connections) {
      const line = this.#lines.get(connection);
      if (line === undefined) this.#lines.set(connection, new Set([called]));
      else line.add(called);
    }
    return leave;
  }

  /** The next one has its turn, and another one later, as long as there is room: who is called need not take it. */
  #call(): void {
    for (const [connection, line] of this.#lines) {
      if (!this.hasRoom(connection)) continue;
      // The next turn is that of another line.
      this.#lines.delete(connection);
      this.#lines.set(connection, line);
      const [first] = line;
      first!();
      return this.#callLater();
    }
  }

  #callLater(): void {
    if (this.#isCalling || this.#lines.size === 0) return;
    this.#isCalling = true;
    setImmediate(() => {
      this.#isCalling = false;
      this.#call();
    });
  }

  #add(connection: object, count: number): void {
    this.#total += count;
    this.#counts.set(connection, (this.#counts.get(connection) ?? 0) + count);
  }
}

/**
 * Asks another container. A peer that is none, or that is lost, knows of nothing that waits. It may be anybody, so it gets no slots.
 * Where it lies, calls fail that wait for one that it could leave without an answer as well.
 */
export async function ask(peer: Caller, { digests, wanted, depth, search }: Question): Promise<readonly Verdict[]> {
  const node = new RemoteNode(peer, WAITS_PATH, undefined, false);
  const args = [digests, wanted, depth, search];
  try {
    const told = await withoutChain(() => peer.call(node, args, { timeout: ANSWER_MS * (depth + 1) }));
    return digests.map((_, index) => (Array.isArray(told) ? verdictOf(told[index]) : false));
  } catch (error) {
    const isLater = error instanceof ColloquyError && LATER.has(error.code);
    return digests.map(() => (isLater ? undefined : false));
  }
}

function verdictOf(told: unknown): Verdict {
  return told === null ? undefined : told === true;
}
