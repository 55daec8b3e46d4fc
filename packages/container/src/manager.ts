import { ColloquyError, describeType, isMap, quoted, warn, ownName } from "@colloquy/core";
import { Agent } from "./agent.ts";
import { ExternalClock } from "./external-clock.ts";
import type { SpawnOptions } from "./spawn-options.ts";

/** Makes an agent of the arguments that a caller has given. */
// oxlint-disable-next-line typescript/no-explicit-any -- each factory knows what its callers give
export type AgentFactory = (args: any) => Agent | Promise<Agent>;

export interface ManagerOptions {
  /** What can be spawned, by name, and nothing else. */
  readonly factories: Readonly<Record<string, AgentFactory>>;
  /** Ends the process. Default: shuts the container down. */
  readonly stop?: (() => void) | undefined;
}

/** How much there is in a container, now. */
export interface ManagerLoad {
  /** Agents that live or are starting, this one too. */
  readonly agentCount: number;
  /** Calls from others that wait for their answers. */
  readonly runningCount: number;
}

/** As many names fit into a message. */
const MAX_SHOWN_NAMES = 30;

/**
 * The agent 0 of a process that spawns agents for others, as `Manager` of aiomas: only those that its process has registered. Whoever
 * can connect can call it: what a factory does with its arguments is what strangers can do.
 *
 * ```ts
 * await container.spawn(new Manager({ factories: { House: (args: HouseArgs) => new House(args) } }));
 * const [house, address] = await manager.spawn("House", { rooms: 3 });
 * ```
 */
export class Manager extends Agent {
  /** For the type checker: `stop` is called from elsewhere, too. */
  declare readonly localMembers?: "toString";
  static readonly exposed: readonly string[] = ["spawn", "setTime", "load", "stop"];
  /** A map: a name from elsewhere reaches no prototype. */
  readonly #factories: ReadonlyMap<string, AgentFactory>;
  readonly #stop: (() => void) | undefined;
  #startingCount = 0;

  /** @throws ColloquyError `INVALID_ARGUMENT` */
  constructor({ factories, stop }: ManagerOptions) {
    super();
    this.#factories = factoriesOf(factories);
    this.#stop = stop;
  }

  /**
   * Makes an agent with the factory of this name and spawns it; resolves with its proxy and its address.
   *
   * Rejects with `NOT_FOUND`, which lists the names that there are, and with what the factory or `onStart` throws.
   */
  async spawn(name: string, args?: unknown, options?: SpawnOptions): Promise<[agent: Agent, address: string]> {
    const factory = this.#factories.get(name);
    if (factory === undefined) throw this.#unknown(name);
    this.#startingCount++;
    try {
      const agent = await this.container.spawn(() => factory(args), options ?? {});
      return [agent, agent.address];
    } finally {
      this.#startingCount--;
    }
  }

  /** Sets the container's clock, an `ExternalClock`, to `t` seconds. Rejects with `INVALID_ARGUMENT`. */
  async setTime(t: number): Promise<void> {
    const { clock, address } = this.container;
    if (!(clock instanceof ExternalClock)) {
      const reason = `the clock of ${address} is a ${ownName(clock.constructor)}; setTime takes an ExternalClock`;
      throw new ColloquyError("INVALID_ARGUMENT", reason);
    }
    clock.setTime(t);
  }

  load(): ManagerLoad {
    const { agents, connections } = this.container;
    const runningCount = connections.reduce((sum, connection) => sum + connection.stats().running, 0);
    return { agentCount: agents.length + this.#startingCount, runningCount };
  }

  /** Ends the process in order, once this call is answered. */
  override async stop(): Promise<void> {
    setImmediate(() => this.#end());
  }

  #end(): void {
    if (this.#stop !== undefined) return this.#stop();
    this.container.shutdown().catch((error: unknown) => warn("shutting down failed", error));
  }

  #unknown(name: unknown): ColloquyError {
    const names = [...this.#factories.keys()];
    const more = names.length > MAX_SHOWN_NAMES ? `, and ${names.length - MAX_SHOWN_NAMES} more` : "";
    const known = names.slice(0, MAX_SHOWN_NAMES).map((one) => quoted(one));
    const shown = typeof name === "string" ? quoted(name) : describeType(name);
    return new ColloquyError("NOT_FOUND", `no agents ${shown} are spawned here; there are ${known.join(", ")}${more}`);
  }
}

function factoriesOf(factories: unknown): Map<string, AgentFactory> {
  if (!isMap(factories) || Object.keys(factories).length === 0)
    throw new ColloquyError("INVALID_ARGUMENT", "factories takes an object of functions that make agents, by name");
  for (const [name, factory] of Object.entries(factories)) {
    if (typeof factory !== "function") {
      const reason = `factories.${name} is ${describeType(factory)}; it takes a function that makes an agent`;
      throw new ColloquyError("INVALID_ARGUMENT", reason);
    }
  }
  return new Map(Object.entries(factories) as [string, AgentFactory][]);
}
