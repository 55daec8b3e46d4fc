import { sleepFor, type Setting } from "./party.ts";

/** In it, what is on its way arrives. */
export const REST_MS = 300;
const REST_STEP_MS = 50;

/** Resolves when the workload has ended, and all of it has arrived. */
export async function restOf({ ledger, time }: Pick<Setting, "ledger" | "time">): Promise<void> {
  // A stream that nobody awaits may be read between two moments of rest, and its release be under way at the second.
  for (await ledger.atRest(); ledger.restMs < REST_MS; await ledger.atRest()) await sleepFor(time, REST_STEP_MS);
}
