/** Told of the reason of a signal. Must not throw. */
export type AbortListener = (reason: unknown) => void;

interface Shared {
  readonly listeners: Set<AbortListener>;
  readonly onAbort: () => void;
}

/**
 * One event listener for all calls that share a signal: a signal for the life of a program, or the context of a call that makes many,
 * has any number of calls, and Node warns of a leak where it sees more than ten.
 */
const sharedBySignal = new WeakMap<AbortSignal, Shared>();

/** The listener is called once, when the signal aborts; not for one that has. */
export function addAbortListener(signal: AbortSignal, listener: AbortListener): void {
  if (signal.aborted) return;
  const known = sharedBySignal.get(signal);
  if (known !== undefined) return void known.listeners.add(listener);
  const listeners = new Set([listener]);
  const onAbort = (): void => {
    for (const told of listeners) told(signal.reason);
    sharedBySignal.delete(signal);
  };
  sharedBySignal.set(signal, { listeners, onAbort });
  signal.addEventListener("abort", onAbort, { once: true });
}

/** The listener isn't called any more. */
export function removeAbortListener(signal: AbortSignal, listener: AbortListener): void {
  const shared = sharedBySignal.get(signal);
  if (shared === undefined || !shared.listeners.delete(listener) || shared.listeners.size > 0) return;
  sharedBySignal.delete(signal);
  signal.removeEventListener("abort", shared.onAbort);
}
