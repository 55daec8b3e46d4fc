import { AsyncLocalStorage } from "node:async_hooks";
import type { Caller } from "./proxy.ts";
import { isThenable } from "./guard.ts";
import { SlotTable } from "./slot-digests.ts";

/** A handler that runs within a chain, and what it does meanwhile. */
interface Frame {
  readonly slots: readonly string[];
  /** What it has started and not waited for is none of the chain's. */
  ended: boolean;
}

/** The chains of calls in this process, and the connections that calls have left on which they wait for. */
class CallChains {
  readonly frames = new AsyncLocalStorage<Frame | undefined>();
  readonly connections = new SlotTable<Caller>();
}

const CHAINS: unique symbol = Symbol.for("colloquy.callChains") as never;
const PLACE = globalThis as { [CHAINS]?: CallChains };

/**
 * Runs `run` within the chain that holds `slots`: calls made by it, until what it returns has settled, tell so. `onEnd` is called once
 * then, before anybody else learns of it. A chain goes over all connections of the process, so what follows it hangs on the global
 * object; it is made when the first chain begins.
 */
export function runInChain(slots: readonly string[], run: () => unknown, onEnd?: () => void): unknown {
  const { frames } = (PLACE[CHAINS] ??= new CallChains());
  const frame: Frame = { slots, ended: false };
  const end = (): void => {
    frame.ended = true;
    onEnd?.();
  };
  let result: unknown;
  try {
    result = frames.run(frame, run);
    if (isThenable(result)) {
      // A `then` of the user's own runs once.
      const promise = result instanceof Promise ? result : Promise.resolve(result);
      promise.then(end, end);
      return promise;
    }
  } catch (error) {
    end();
    throw error;
  }
  end();
  return result;
}

/** The slots that the handler holds which runs here, and those that it was called by; undefined where that is none. */
export function currentChain(): readonly string[] | undefined {
  const frame = PLACE[CHAINS]?.frames.getStore();
  return frame === undefined || frame.ended ? undefined : frame.slots;
}

/** Whether a handler of a chain runs here, or has started what runs here. */
export function isWithinChain(): boolean {
  return PLACE[CHAINS]?.frames.getStore() !== undefined;
}

/** Runs `run` outside of the chain that it is called in. */
export function withoutChain<T>(run: () => T): T {
  return isWithinChain() ? PLACE[CHAINS]!.frames.run(undefined, run) : run();
}

/** Lets what is called later run in the chain of now. */
export function keepChain(): <T>(run: () => T) => T {
  const frame = PLACE[CHAINS]?.frames.getStore();
  return (run) => (frame === undefined ? withoutChain(run) : PLACE[CHAINS]!.frames.run(frame, run));
}

/** A chain waits for a call on `connection`, until the function is called that this returns. */
export function addChainCall(slots: readonly string[], connection: Caller): () => void {
  const chains = PLACE[CHAINS];
  chains?.connections.add(slots, connection);
  return () => chains?.connections.remove(slots, connection);
}

/** The connections with calls of this process under way that the chain waits for which holds a slot. */
export function chainConnectionsOf(slot: string): Iterable<Caller> {
  return PLACE[CHAINS]?.connections.of(slot) ?? [];
}

/** The slot that has a digest, where a call of this process is made within its chain; null where that can't be said before a later turn. */
export function chainSlotOf(digest: string): string | undefined | null {
  return PLACE[CHAINS]?.connections.find(digest);
}
