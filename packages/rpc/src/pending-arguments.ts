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

/**
 * Arguments with the results themselves in place of those that were pending: what has one somewhere in it is copied, all else is what it was.
 * What stands in several places, or in itself, does so in the copy. Rejects with `DEPENDENCY_FAILED` where a call has failed.
 */
export async function settled(value: unknown): Promise<unknown> {
  const found = new Map<unknown, Part>();
  const pending = lookThrough(value, found);
  const copies = new Map<unknown, unknown>();
  const settle = async (result: unknown): Promise<unknown> => copies.set(result, await resultOf(result));
  await Promise.all(pending.map((result) => settle(result)));
  const copied = withAnyOf(pending, found).filter((part) => !copies.has(part));
  for (const part of copied) copies.set(part, emptyLike(part as object));
  const copyOf = (part: unknown): unknown => (copies.has(part) ? copies.get(part) : part);
  for (const part of copied) fill(copies.get(part) as object, found.get(part)!.content.map(copyOf));
  return copyOf(value);
}

/** Something among arguments that has others in it, or is pending. */
interface Part {
  /** Keys and values in turn, but for arrays and Sets. */
  readonly content: readonly unknown[];
  /** What has it in it. */
  readonly holders: unknown[];
}

/** Enters what is in a value, and returns what of it is pending. */
function lookThrough(value: unknown, found: Map<unknown, Part>): unknown[] {
  const pending: unknown[] = [];
  const enter = (part: unknown, holder: unknown): void => {
    if ((typeof part !== "object" && typeof part !== "function") || part === null) return;
    const known = found.get(part);
    if (known !== undefined) return void known.holders.push(holder);
    const isResult = isPending(part);
    const content = isResult ? [] : contentOf(part);
    if (isResult) pending.push(part);
    if (content !== undefined) found.set(part, { content, holders: [holder] });
  };
  enter(value, undefined);
  // Those that are entered meanwhile come, too.
  for (const [holder, { content }] of found) for (const part of content) enter(part, holder);
  return pending;
}

function contentOf(value: unknown): unknown[] | undefined {
  if (Array.isArray(value) || value instanceof Set) return [...(value as Iterable<unknown>)];
  if (value instanceof Map) return [...(value as ReadonlyMap<unknown, unknown>)].flat();
  return isPlain(value) ? Object.entries(value).flat() : undefined;
}

/** These, and what has one of them in it. */
function withAnyOf(parts: readonly unknown[], found: ReadonlyMap<unknown, Part>): unknown[] {
  const reached = new Set(parts);
  for (const part of reached) for (const holder of found.get(part)?.holders ?? []) reached.add(holder);
  reached.delete(undefined);
  return [...reached];
}

function emptyLike(value: object): object {
  if (Array.isArray(value)) return [];
  if (value instanceof Map) return new Map();
  return value instanceof Set ? new Set() : {};
}

function fill(copy: object, content: readonly unknown[]): void {
  if (Array.isArray(copy)) for (const part of content) copy.push(part);
  else if (copy instanceof Set) for (const part of content) copy.add(part);
  else {
    for (let index = 0; index < content.length; index += 2) {
      const [key, value] = content.slice(index, index + 2);
      if (copy instanceof Map) copy.set(key, value);
      else Object.defineProperty(copy, key as string, { value, configurable: true, enumerable: true, writable: true });
    }
  }
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
