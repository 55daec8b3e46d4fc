import { ColloquyError, readable } from "@colloquy/core";
import { runChain } from "./interceptors.ts";
import type { IncomingCall, Interceptor } from "./interceptors.ts";
import { PassedOn, withExecuted } from "./passed-on.ts";

/**
 * Carries a call out through interceptors: `carryOut` throws what was refused or told already, and returns what else the method does.
 * Rejects with a `PassedOn` of what the caller is told, which says whether the method ran, whatever an interceptor throws. Failures of
 * the method, and faults of interceptors, go to `onFault`, which says what the caller gets of them; what interceptors refuse is the caller's own business.
 */
export async function runIncoming(
  interceptors: readonly Interceptor<IncomingCall>[],
  call: IncomingCall,
  carryOut: (call: IncomingCall) => unknown,
  onFault: (error: unknown) => unknown,
): Promise<unknown> {
  let ran = false;
  const told = new Set<unknown>();
  const last = async (changed: IncomingCall): Promise<unknown> => {
    let result: unknown;
    try {
      result = carryOut(changed);
    } catch (error) {
      if (!isRefusal(error)) ran = true;
      told.add(error);
      throw error;
    }
    ran = true;
    try {
      return await result;
    } catch (error) {
      const outcome = withExecuted(PassedOn.is(error) ? error : onFault(error), "yes");
      told.add(outcome);
      throw outcome;
    }
  };
  try {
    return await runChain(interceptors, call, last);
  } catch (error) {
    if (told.has(error)) throw new PassedOn("intercepted", { cause: error });
    const shown = readable(error);
    const isFault = !(shown instanceof ColloquyError) || shown.code === "INTERNAL";
    throw new PassedOn("intercepted", { cause: withExecuted(isFault ? onFault(error) : error, ran ? "yes" : "no") });
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof ColloquyError && error.executed === "no";
}
