import { ColloquyError, describeType, forCallersOf } from "@colloquy/core";
import { planLaunch } from "./launch-options.ts";
import type { LaunchOptions, LaunchPlan } from "./launch-options.ts";
import { Launching, allOrNone, newPlace } from "./launching.ts";
import type { LaunchedContainer } from "./launching.ts";

/**
 * Launches several at once; resolves when all are ready, in the order of the options. Only then does `context.allReady` of each
 * resolve: `Container.create(address, { readyWhen: allReady })` lets agents begin when they can reach all others.
 *
 * All or none: where one fails the others are ended, and this rejects with what that one has failed with.
 */
export async function launchAll(options: readonly LaunchOptions[]): Promise<LaunchedContainer[]> {
  if (!Array.isArray(options))
    throw new ColloquyError("INVALID_ARGUMENT", `launchAll takes an array of options, not ${describeType(options)}`);
  const plans = options.map(planLaunch);
  try {
    const launched = await allOrNone(plans.map((plan) => async (failed) => start(plan, failed)));
    return launched.map((one) => one.tellAllReady());
  } catch (error) {
    throw forCallersOf(launchAll, error);
  }
}

async function start(plan: LaunchPlan, failed: AbortSignal): Promise<Launching> {
  const signal = plan.signal === undefined ? failed : AbortSignal.any([plan.signal, failed]);
  return new Launching({ ...plan, signal }, newPlace(plan)).ready();
}
