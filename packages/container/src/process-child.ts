import { ColloquyError, quoted } from "@colloquy/core";
import { planLaunch } from "./launch-options.ts";
import type { LaunchOptions, LaunchPlan } from "./launch-options.ts";
import { Launching, newPlace } from "./launching.ts";
import type { LaunchPlace, LaunchedContainer } from "./launching.ts";
import type { LaunchExit } from "./runner.ts";
import type { ChildSpec, Ending, SupervisedChild } from "./supervision.ts";

export interface ProcessChildOptions extends LaunchOptions {
  /** Tells it from the other children of its supervisor. Default: its name. */
  readonly id?: string | undefined;
  /** Default: `"permanent"`. */
  readonly restart?: ChildSpec["restart"];
}

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
  const plan = planLaunch(launchOptions);
  return new ProcessChild(plan, id ?? plan.name, restart);
}

/** @see processChild */
export class ProcessChild implements ChildSpec<SupervisedProcess> {
  readonly id: string;
  readonly restart: ChildSpec["restart"];
  readonly #plan: LaunchPlan;
  #place: LaunchPlace;
  /** That of the first life. */
  #address: string | undefined;
  #launched: LaunchedContainer | undefined;

  /** @internal */
  constructor(plan: LaunchPlan, id: string, restart: ChildSpec["restart"]) {
    this.id = id;
    this.restart = restart;
    this.#plan = plan;
    this.#place = newPlace(plan);
  }

  /** Where it listens; before its first start, where it is to listen. */
  get address(): string {
    return this.#address ?? (typeof this.#place === "string" ? this.#place : this.#place.address);
  }

  /** The life that there is now; undefined before the first and between two. */
  get launched(): LaunchedContainer | undefined {
    return this.#launched;
  }

  async start(): Promise<SupervisedProcess> {
    const launched = await new Launching(this.#plan, this.#place).ready();
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
