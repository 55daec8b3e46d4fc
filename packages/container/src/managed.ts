import { Container } from "./container.ts";
import type { ContainerOptions } from "./container-setup.ts";
import type { LaunchContext } from "./launched.ts";
import { Manager } from "./manager.ts";
import type { ManagerOptions } from "./manager.ts";

/** Options of the container, and what its manager spawns. */
export interface ManagedOptions extends ContainerOptions {
  readonly factories: ManagerOptions["factories"];
}

/**
 * Makes the default export of an entry whose container has a `Manager` as its agent 0:
 *
 * ```ts
 * export default managed({ factories: { House: (args: HouseArgs) => new House(args) } });
 * ```
 */
export function managed({ factories, ...options }: ManagedOptions): (context: LaunchContext) => Promise<Container> {
  return async ({ address, allReady, stop }) => {
    const manager = new Manager({ factories, stop });
    const container = await Container.create(address, { readyWhen: allReady, ...options });
    await container.spawn(manager, { id: "0" });
    return container;
  };
}
