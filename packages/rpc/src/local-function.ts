import { placeContext } from "./arguments.ts";
import { callChecked } from "./checked-call.ts";
import type { CallContext } from "./context.ts";
import { ignore } from "./guard.ts";
import type { Exposed } from "./members.ts";
import { PassedOn } from "./passed-on.ts";

/**
 * An exposed method of this side as a value: it is called as a request calls it, with its context and between its schemas, and answers
 * later. Nobody has to await it, as with a function of the other side.
 */
export function localFunction(
  exposed: Exposed,
  owner: object,
  path: string,
  contextOf: () => CallContext,
): (...args: unknown[]) => Promise<unknown> {
  const call = (args: unknown[]): unknown => {
    const given = exposed.contextPlace < 0 ? args : placeContext(exposed, args, contextOf());
    return Reflect.apply(exposed.call, owner, given);
  };
  return (...args) => {
    const result = exposed.isChecked ? checked(exposed, path, args, call) : later(call, args);
    result.catch(ignore);
    return result;
  };
}

async function later(call: (args: unknown[]) => unknown, args: unknown[]): Promise<unknown> {
  return call(args);
}

async function checked(
  exposed: Exposed,
  path: string,
  args: unknown[],
  call: (args: unknown[]) => unknown,
): Promise<unknown> {
  try {
    return await callChecked(exposed.options, path, args, call, (error) => error);
  } catch (error) {
    throw error instanceof PassedOn ? error.cause : error;
  }
}
