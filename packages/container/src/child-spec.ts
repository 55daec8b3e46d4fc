import { ColloquyError, OPTION, checkOptions, describeType, oneOf, quoted } from "@colloquy/core";
import type { OptionKind, OptionKinds } from "@colloquy/core";
import type { Ending, RestartType } from "./endings.ts";

/** One life of a child: an agent, a process, a supervisor. */
export interface SupervisedChild {
  /** Resolves when it has ended, by whatever. */
  readonly ended: Promise<Ending>;
  /** Ends it, and resolves when it has ended. It has to end in its own time: nobody ends it by force. */
  stop(): Promise<unknown>;
}

/** What a child can ask of its supervisor. */
export interface ChildHome {
  /** Aborts when the supervisor is to end: it waits for a start that is under way, which may give up then. */
  readonly signal: AbortSignal;
  terminate(id: string): Promise<void>;
}

/** A child of a supervisor: how it is started, as often as that is needed. */
export interface ChildSpec<C extends SupervisedChild = SupervisedChild> {
  /** Tells it from the other children of its supervisor. */
  readonly id: string;
  /** Starts one life; resolves when it is up. What it rejects with is a failed start, which counts as a failure in a restart. */
  start(home: ChildHome): Promise<C>;
  /** Default: `"permanent"`. */
  readonly restart?: RestartType | undefined;
  /** Called when the child has ended and isn't about to be started again: what it keeps between two lives can go. */
  release?(): void;
}

const RESTART_TYPES: readonly RestartType[] = ["permanent", "transient", "temporary"];

/** What `restart` takes. */
export const RESTART: OptionKind = oneOf(...RESTART_TYPES);

const CHILD: OptionKinds = Object.freeze({
  id: OPTION.text,
  start: OPTION.function,
  restart: RESTART,
  release: OPTION.function,
});

/** @throws ColloquyError `INVALID_ARGUMENT` for what is no list of children with ids of their own. */
export function checkChildren(children: unknown): asserts children is readonly ChildSpec[] {
  if (!Array.isArray(children)) {
    throw new ColloquyError("INVALID_ARGUMENT", `supervise takes an array of children, not ${describeType(children)}`);
  }
  const ids = new Set<string>();
  for (const spec of children as readonly Partial<ChildSpec>[]) {
    // An agent, given by mistake, has an id only once it is spawned.
    if (typeof spec?.start !== "function" || typeof spec.id !== "string") {
      const reason = `a child of supervise is ${describeType(spec)}; it takes { id, start, restart }, as container.child makes them`;
      throw new ColloquyError("INVALID_ARGUMENT", reason);
    }
    const owner = `the child ${quoted(spec.id)}`;
    if (Object.getPrototypeOf(spec) === Object.prototype) checkOptions(owner, spec, CHILD);
    else checkOptions(owner, { restart: spec.restart }, CHILD);
    if (ids.has(spec.id)) throw new ColloquyError("INVALID_ARGUMENT", `there are two children ${quoted(spec.id)}`);
    ids.add(spec.id);
  }
}

const END_REASONS: readonly unknown[] = ["normal", "shutdown", "error"];

/** The end of a child; a failure where `ended` has resolved with none. */
export function endingOf(id: string, ending: unknown): Ending {
  try {
    if (END_REASONS.includes((ending as Ending).reason)) return ending as Ending;
  } catch {
    // It has no reason, or throws where it is looked at.
  }
  const text = `ended of the child ${quoted(id)} has resolved with ${describeType(ending)}; it takes { reason }`;
  return { reason: "error", error: new ColloquyError("INVALID_ARGUMENT", text) };
}

/** @throws ColloquyError `INVALID_ARGUMENT` for what `start` of a child has resolved with and that is no child. */
export function checkChild(id: string, child: unknown): asserts child is SupervisedChild {
  const { ended, stop } = (child ?? {}) as Partial<Record<keyof SupervisedChild, unknown>>;
  if (typeof stop === "function" && typeof (ended as Promise<unknown> | undefined)?.then === "function") return;
  const reason = `start of the child ${quoted(id)} has resolved with ${describeType(child)}; it takes { ended, stop }`;
  throw new ColloquyError("INVALID_ARGUMENT", reason);
}
