import { ColloquyError, OPTION, checkOptions, quoted } from "@colloquy/core";
import type { OptionKinds } from "@colloquy/core";
import { RESTART } from "./child-spec.ts";
import type { ChildHome, ChildSpec, SupervisedChild } from "./child-spec.ts";
import type { Ending, RestartType } from "./endings.ts";
import { planLaunch } from "./launch-options.ts";
import type { LaunchOptions, LaunchPlan } from "./launch-options.ts";
import { Launching, newPlace } from "./launching.ts";
import type { LaunchPlace, LaunchedContainer } from "./launching.ts";
import type { LaunchExit } from "./runner.ts";

export interface ProcessChildOptions extends LaunchOptions {
  /** Tells it from the other children of its supervisor. Default: its name. */
  readonly id?: string | undefined;
  /** Default: `"permanent"`. */
  readonly restart?: RestartType | undefined;
}

const OPTIONS: OptionKinds = Object.freeze({ id: OPTION.text, restart: RESTART });

/** One life of a launched container under a supervisor. */
export interface SupervisedProcess extends SupervisedChild {
  readonly launched: LaunchedContainer;
}

/**
 * A launched container as the child of a supervisor: `supervise([processChild({ entry })])`. An exit code of 0 is a normal end,
 * anything else a failure. Each life has the same address, so that proxies of its agents work again after a restart; the entry has to
 * listen where `context.address` says.
 *
 * @throws ColloquyError `INVALID_ARGUMENT`, as `launch` rejects.
 */
export function processChild(options: ProcessChildOptions): ProcessChild {
  const { id, restart, ...launchOptions } = options;
  checkOptions("processChild", { id, restart }, OPTIONS);
  const plan = planLaunch(launchOptions);
  return new ProcessChild(plan, id ?? plan.name, restart);
}

/** @see processChild */
export class ProcessChild implements ChildSpec<SupervisedProcess> {
  readonly id: string;
  readonly restart: RestartType | undefined;
  readonly #plan: LaunchPlan;
  #place: LaunchPlace;
  /** That of the first life. */
  #address: string | undefined;
  #launched: LaunchedContainer | undefined;
  /** A first life that was launched before the supervisor asks for it. */
  #ahead: Launching | undefined;

  /** @internal */
  constructor(plan: LaunchPlan, id: string, restart: RestartType | undefined) {
    this.id = id;
    this.restart = restart;
    this.#plan = plan;
    this.#place = newPlace(plan);
  }

  /** Stands before its lines. */
  get name(): string {
    return this.#plan.name;
  }

  /** Where it listens; before its first start, where it is to listen. */
  get address(): string {
    return this.#address ?? (typeof this.#place === "string" ? this.#place : this.#place.address);
  }

  /** The life that there is now; undefined before the first and between two. */
  get launched(): LaunchedContainer | undefined {
    return this.#launched;
  }

  /** @internal Launches the first life, to be taken by the first `start`: so several are launched at once. */
  async launchAhead(failed: AbortSignal): Promise<Launching> {
    const { signal } = this.#plan;
    const plan = { ...this.#plan, signal: signal === undefined ? failed : AbortSignal.any([signal, failed]) };
    this.#ahead = await new Launching(plan, this.#place).ready();
    return this.#ahead;
  }

  /** Is given up, as `CANCELLED`, when the supervisor is to end: it needn't wait for one that never gets ready. */
  async start(home?: Pick<ChildHome, "signal">): Promise<SupervisedProcess> {
    // Its own signal is for the first start: a time limit for it mustn't end a restart much later.
    const signals = [home?.signal, this.#address === undefined ? this.#plan.signal : undefined];
    const signal = AbortSignal.any(signals.filter((one) => one !== undefined));
    const launched = this.#ahead ?? (await new Launching({ ...this.#plan, signal }, this.#place).ready());
    this.#ahead = undefined;
    await this.#checkAddress(launched);
    this.#launched = launched.tellAllReady();
    const ended = launched.exited.then((exit) => {
      if (this.#launched === launched) this.#launched = undefined;
      return endingOf(this.#plan, exit);
    });
    return { launched, ended, stop: () => launched.stop() };
  }

  /** Its callers would look for it in vain. */
  async #checkAddress(launched: Launching): Promise<void> {
    const { address } = launched;
    this.#address ??= address;
    // The port that the system has chosen is asked for from now on.
    if (typeof this.#place === "string") this.#place = this.#address;
    if (address === this.#address) return;
    await launched.stop();
    const where = `${quoted(this.#plan.name)} listens on ${address} now and not on ${this.#address}`;
    throw new ColloquyError("UNAVAILABLE", `${where}: a supervised entry has to listen on context.address`);
  }
}

function endingOf({ name, mode }: LaunchPlan, { code, signal }: LaunchExit): Ending {
  if (code === 0) return { reason: "normal" };
  const how = signal ?? `exit code ${String(code)}`;
  return { reason: "error", error: new ColloquyError("UNAVAILABLE", `the ${mode} ${quoted(name)} ended with ${how}`) };
}
