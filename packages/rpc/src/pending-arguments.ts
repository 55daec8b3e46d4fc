import { ColloquyError } from "@colloquy/core";
import { Answer } from "./answer.ts";
import { ignore } from "./guard.ts";
import { dependencyFailed } from "./passed-on.ts";
import { childAt, nodeOf } from "./proxy.ts";
import type { CallOptions } from "./proxy.ts";

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

/** So many values are looked at for promises: arguments may be large. */
const MOST_LOOKED_AT = 1000;

/**
 * Takes the promises of calls among the arguments of a call that isn't encoded, or not now: it tells of their failure, and where it fails
 * itself nobody else waits for them.
 */
export function takePromises(args: readonly unknown[], options: CallOptions | undefined): void {
  const found: unknown[] = [args, options?.kwargs];
  let left = MOST_LOOKED_AT;
  for (const value of found) {
    if (value instanceof Answer) value.catch(ignore);
    else {
      for (const part of partsOf(value)) {
        if (left-- === 0) return;
        if (typeof part === "object" && part !== null) found.push(part);
      }
    }
  }
}

/** What stands in a value, without what its getters would make. */
function* partsOf(value: unknown): Generator<unknown, void, undefined> {
  try {
    if (Array.isArray(value) || value instanceof Set) yield* value as Iterable<unknown>;
    else if (value instanceof Map) for (const entry of value) yield* entry as Iterable<unknown>;
    else if (isPlain(value)) for (const name in value) yield Object.getOwnPropertyDescriptor(value, name)?.value;
  } catch {
    // A proxy of the caller's that throws.
  }
}

function isPlain(value: unknown): value is object {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
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
    return new Map(
      await Promise.all(entries.map(async ([key, item]) => [await settled(key), await settled(item)] as const)),
    );
  }
  if (value instanceof Set)
    return new Set(await Promise.all([...(value as ReadonlySet<unknown>)].map((item) => settled(item))));
  if (!isPlain(value)) return value;
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
