import { OPTION, checkOptions, oneOf } from "@colloquy/core";
import type { OptionKinds } from "@colloquy/core";
import { checkChildren } from "./child-spec.ts";
import type { ChildSpec } from "./child-spec.ts";
import { Clock } from "./clock.ts";
import { RESTART_OPTIONS, RestartPolicy } from "./restart-policy.ts";
import type { RestartOptions } from "./restart-policy.ts";
import { Supervisor } from "./supervisor.ts";
import type { RestartListener, Strategy } from "./supervisor.ts";
import { SystemClock } from "./system-clock.ts";

export interface SuperviseOptions extends RestartOptions {
  /** Default: `"one-for-one"`. */
  readonly strategy?: Strategy | undefined;
  /** The clock of `periodMs` and of `backoff`. Default: a `SystemClock`; a wait before a restart keeps the process alive, and nothing else does. */
  readonly clock?: Clock | undefined;
  /** Told of each end that is followed by a restart, before it. */
  readonly onRestart?: RestartListener | undefined;
  /** What the waits of `backoff` are drawn with, from 0 up to 1. Default: `Math.random`. */
  readonly random?: (() => number) | undefined;
}

const STRATEGIES: readonly Strategy[] = ["one-for-one", "one-for-all", "rest-for-one"];
const OPTIONS: OptionKinds = Object.freeze({
  strategy: oneOf(...STRATEGIES),
  clock: { takes: "a Clock", accepts: (value) => value instanceof Clock },
  onRestart: OPTION.function,
  random: OPTION.function,
  ...RESTART_OPTIONS,
});

/**
 * Starts children in order, and restarts them when they fail: words, defaults and behaviour are those of Erlang/OTP's `supervisor`.
 *
 * ```ts
 * const supervisor = await supervise([container.child(() => new Store()), container.child(() => new Shop())], {
 *   strategy: "rest-for-one",
 * });
 * ```
 *
 * Resolves when all have started. Rejects with what a start rejects with, after those before it have been stopped in reverse order, and
 * with `INVALID_ARGUMENT`.
 */
export async function supervise(children: readonly ChildSpec[], options: SuperviseOptions = {}): Promise<Supervisor> {
  checkChildren(children);
  checkOptions("supervise", options, OPTIONS);
  const { strategy = "one-for-one", clock = new SystemClock(), onRestart, random = Math.random } = options;
  const policy = new RestartPolicy(options, random);
  return Supervisor.start(children, { strategy, policy, clock, onRestart });
}
