/** Told when something has been collected. */
export interface Collected {
  onCollected(): void;
}

/**
 * One for the process, which is never collected itself. Where V8 collects a registry whose callbacks are due, no other one of the process is called
 * again (Node 20.20.2): a registry for each connection could be that one.
 */
const registry = new FinalizationRegistry<Collected>((collected) => collected.onCollected());

/** Tells `collected` once when `target` has been collected, unless `forgetCollected` is called with `owner` before. */
export function whenCollected(target: object, collected: Collected, owner: object): void {
  registry.register(target, collected, owner);
}

/** Nothing of `owner`'s is told any more. */
export function forgetCollected(owner: object): void {
  registry.unregister(owner);
}

/** In the place of a `WeakRef`, for what is held. A function of its own: closures of one function hold what any of them does. */
export function held<T extends object>(target: T): Pick<WeakRef<T>, "deref"> {
  return { deref: () => target };
}
