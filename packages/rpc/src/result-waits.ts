import { addAbortListener, removeAbortListener } from "./abort-listeners.ts";
import { isThenable } from "./guard.ts";

type Outcome = { readonly value: unknown } | { readonly error: unknown };
type Listener = (promise: PromiseLike<unknown>, outcome: Outcome) => void;

/** One reaction for all that wait for a promise: those of one that never settles can't be taken back. */
const listenersOf = new WeakMap<PromiseLike<unknown>, Set<Listener>>();

/**
 * What results lead to, some of which are promises. Rejects where one of them does, and with the reason of the signal once that aborts: a
 * promise that never settles holds nothing of those who have stopped to wait for it.
 */
export async function settledWithin(results: readonly unknown[], signal: AbortSignal): Promise<unknown[]> {
  const promises = new Set(results.filter((result) => isThenable(result)));
  if (promises.size === 0) return [...results];
  signal.throwIfAborted();
  const values = new Map<unknown, unknown>();
  await new Promise<void>((resolve, reject) => {
    const leave = (): void => {
      removeAbortListener(signal, onAbort);
      for (const promise of promises) listenersOf.get(promise)?.delete(listener);
    };
    const onAbort = (reason: unknown): void => {
      leave();
      reject(reason);
    };
    const listener: Listener = (promise, outcome) => {
      if ("error" in outcome) return onAbort(outcome.error);
      values.set(promise, outcome.value);
      if (values.size < promises.size) return;
      leave();
      resolve();
    };
    addAbortListener(signal, onAbort);
    for (const promise of promises) listen(promise, listener);
  });
  return results.map((result) => (values.has(result) ? values.get(result) : result));
}

function listen(promise: PromiseLike<unknown>, listener: Listener): void {
  const known = listenersOf.get(promise);
  if (known !== undefined) return void known.add(listener);
  const listeners = new Set([listener]);
  listenersOf.set(promise, listeners);
  const tell = (outcome: Outcome): void => {
    listenersOf.delete(promise);
    for (const told of listeners) told(promise, outcome);
  };
  promise.then(
    (value) => tell({ value }),
    (error: unknown) => tell({ error }),
  );
}
