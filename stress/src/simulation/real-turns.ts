const { nextTick } = process;
const { setImmediate: immediate } = globalThis;

/**
 * Resolves when all microtasks have run that there are, and those that they cause: ticks come behind them. It has to be called from a
 * microtask, and nobody else may use ticks of the process meanwhile.
 */
export function realTick(): Promise<void> {
  return new Promise((resolve) => nextTick(resolve));
}

/** Resolves in a later turn of the process's own event loop, whatever stands in its place. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => immediate(resolve));
}
