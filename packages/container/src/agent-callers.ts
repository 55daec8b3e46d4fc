import { whenCollected } from "@colloquy/rpc";
import { AgentCaller } from "./agent-caller.ts";
import type { RemoteContainers } from "./remote-containers.ts";

/**
 * The callers of one container: one for each address, so that proxies of one agent are the same. They are there as long as somebody has a
 * proxy or waits for an answer: a container meets many others in its life.
 */
export class AgentCallers {
  readonly #containers: RemoteContainers;
  readonly #callers = new Map<string, WeakRef<AgentCaller>>();

  constructor(containers: RemoteContainers) {
    this.#containers = containers;
  }

  of(base: string): AgentCaller {
    const known = this.#callers.get(base)?.deref();
    if (known !== undefined) return known;
    const caller = new AgentCaller(base, this.#containers);
    this.#callers.set(base, new WeakRef(caller));
    const onCollected = (): void => {
      if (this.#callers.get(base)?.deref() === undefined) this.#callers.delete(base);
    };
    whenCollected(caller, { onCollected }, this);
    return caller;
  }
}
