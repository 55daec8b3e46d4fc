import { ColloquyError, describeType } from "@colloquy/core";
import { planLaunch } from "./launch-options.ts";
import type { LaunchOptions, LaunchPlan } from "./launch-options.ts";
import { Launching, newPlace } from "./launching.ts";
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
  const failed = new AbortController();
  let failure: { readonly error: unknown } | undefined;
  const starts = plans.map(async (plan) => {
    try {
      return await start(plan, failed.signal);
    } catch (error) {
      failure ??= { error };
      failed.abort();
      return undefined;
    }
  });
  const launched = (await Promise.all(starts)).filter((one) => one !== undefined);
  if (failure !== undefined) {
    await Promise.all(launched.map((one) => one.stop()));
    throw failure.error;
  }
  return launched.map((one) => one.tellAllReady());
}

async function start(plan: LaunchPlan, failed: AbortSignal): Promise<Launching> {
  const signal = plan.signal === undefined ? failed : AbortSignal.any([plan.signal, failed]);
  return new Launching({ ...plan, signal }, newPlace(plan)).ready();
}
