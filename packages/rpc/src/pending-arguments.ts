import { ColloquyError } from "@colloquy/core";
import { Answer } from "./answer.ts";
import { ignore } from "./guard.ts";
import { objectsIn } from "./objects-in.ts";
import { dependencyFailed } from "./passed-on.ts";
import { childAt, nodeOf } from "./proxy.ts";

/** True where a result that isn't here yet is among the arguments themselves; those in them show when they are encoded. */
export function hasPending(args: readonly unknown[]): boolean {
  for (const arg of args) {
    // Most are neither.
    const mayBe = typeof arg === "object" || typeof arg === "function";
    if (mayBe && isPending(arg)) return true;
  }
  return false;
}

function isPending(value: unknown): boolean {
  return value instanceof Answer || nodeOf(value)?.caller.result !== undefined;
}

/** The promises of calls in arguments that aren't encoded, or not now: what they are arguments of is what tells of a failure. */
export function takePromises(args: readonly unknown[]): void {
  for (const answer of objectsIn(args, isAnswer)) answer.catch(ignore);
}

function isAnswer(value: object): value is Answer<unknown> {
  return value instanceof Answer;
}

/** The other side has not kept a result that is among the arguments of a call, or could not be told of it: the call has not run. */
function isNotKept(error: unknown): boolean {
  if (!(error instanceof ColloquyError) || error.executed !== "no") return false;
  const { cause } = error;
  return error.code === "RESULT_NOT_KEPT" || (cause instanceof ColloquyError && cause.code === "RESULT_NOT_KEPT");
}

/**
 * The answer of a call, which is made `again` where the other side has not kept a result among its arguments. Its caller gets what `told`
 * makes of other failures.
 */
export function unlessNotKept(
  sent: Answer<unknown>,
  again: () => Promise<unknown>,
  told: (error: unknown) => unknown = (error) => error,
): Answer<unknown> {
  const answer = new Answer<unknown>((resolve, reject) => {
    sent.then(resolve, (error: unknown) => {
      if (isNotKept(error)) resolve(again());
      else reject(told(error));
    });
  });
  answer.call = sent.call;
  return answer;
}

/** A copy of arguments with the results themselves in it. Rejects with `DEPENDENCY_FAILED` where a call has failed. */
export async function settled(value: unknown): Promise<unknown> {
  if (isPending(value)) return resultOf(value);
  if (Array.isArray(value)) return Promise.all(value.map((item) => settled(item)));
  if (value instanceof Map) {
    const entries = [...(value as ReadonlyMap<unknown, unknown>)];
    return new Map(await Promise.all(entries.map(async ([key, item]) => [key, await settled(item)] as const)));
  }
  if (value instanceof Set)
    return new Set(await Promise.all([...(value as ReadonlySet<unknown>)].map((item) => settled(item))));
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  const entries = Object.entries(value);
  return Object.fromEntries(await Promise.all(entries.map(async ([key, item]) => [key, await settled(item)] as const)));
}

async function resultOf(value: unknown): Promise<unknown> {
  const node = nodeOf(value);
  try {
    if (node === undefined) return await value;
    const result = await node.caller.result!.settled;
    const target = nodeOf(result);
    return node.path === "" || target === undefined ? result : childAt(target, node.path);
  } catch (cause) {
    throw dependencyFailed(cause, node?.caller.remoteAddress);
  }
}
