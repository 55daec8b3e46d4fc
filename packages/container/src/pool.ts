import { ColloquyError, quoted, warn } from "@colloquy/core";
import type { Remote } from "@colloquy/rpc";
import type { Agent } from "./agent.ts";
import type { SupervisedChild } from "./child-spec.ts";
import type { Container } from "./container.ts";
import type { Ending } from "./endings.ts";
import type { LaunchedContainer } from "./launching.ts";
import type { Manager } from "./manager.ts";
import type { SpawnOptions } from "./spawn-options.ts";

/** Where an agent is spawned: in turn, or where the fewest agents live and, with the same number, the fewest calls run. */
export type Placement = "round-robin" | "least-loaded";

/** An agent in a pool. */
export interface PoolSpawned<A extends object> {
  readonly address: string;
  /** By its address: it works again where the connection was lost. */
  readonly proxy: Remote<A>;
}

/** A process or thread of a pool. */
export interface PoolMember {
  readonly name: string;
  /** Of its container. */
  readonly address: string;
  /** Undefined while there is none: it has ended, or is being restarted. */
  readonly launched: LaunchedContainer | undefined;
}

export interface PoolSetup {
  readonly members: readonly PoolMember[];
  readonly placement: Placement;
  readonly container: Container;
  /** Of the supervisor of its members, where they have one. */
  readonly ended: Promise<Ending> | undefined;
  /** Ends all members, and the container where it is the pool's own. */
  readonly stop: () => Promise<void>;
}

/** Containers with a `Manager` in processes or threads, and agents spread over them. `launchPool` makes one. */
export class Pool implements SupervisedChild, AsyncDisposable {
  readonly members: readonly PoolMember[];
  /**
   * Resolves when it was stopped. With an `error` its supervisor has given up, as there were more restarts than it allows: a warning of
   * the process tells that, too, and all members have ended.
   */
  readonly ended: Promise<Ending>;
  readonly #setup: PoolSetup;
  readonly #managers = new Map<PoolMember, Promise<Remote<Manager>>>();
  #turn = 0;
  #nextId = 1;
  /** Places are given one after another, so that each sees the ones before. */
  #placing: Promise<unknown> = Promise.resolve();
  #stopping: Promise<void> | undefined;
  #resolveEnded!: (ending: Ending) => void;

  /** @internal */
  constructor(setup: PoolSetup) {
    this.#setup = setup;
    this.members = setup.members;
    this.ended = new Promise((resolve) => (this.#resolveEnded = resolve));
    void setup.ended?.then((ending) => {
      if (ending.error !== undefined) warn("the supervisor of a pool gave up", ending.error);
      this.#resolveEnded(ending);
    });
  }

  get size(): number {
    return this.members.length;
  }

  /** Through which the agents are called. */
  get container(): Container {
    return this.#setup.container;
  }

  /**
   * Spawns an agent with the factory of this name, in one of the members. Its id, where none is given, is one that no other agent of the
   * pool has had: a member that was restarted doesn't give an old address to another agent.
   *
   * Rejects as `Manager.spawn` does, and with `UNAVAILABLE` where no member can be reached.
   */
  async spawn<A extends Agent>(name: string, args?: unknown, options: SpawnOptions = {}): Promise<PoolSpawned<A>> {
    const id = options.id ?? `p${this.#nextId++}`;
    const tried = new Set<PoolMember>();
    for (;;) {
      try {
        const spawned = await this.#place(tried, (manager) => manager.spawn(name, args, { ...options, id }));
        const [, address] = await spawned.promise;
        return { address, proxy: await this.container.connect<A>(address) };
      } catch (error) {
        // A member that has just ended: the others may do.
        if (!isUnreached(error) || this.#living(tried).length === 0) throw error;
      }
    }
  }

  /** Ends all members, and the pool's own container. Once; later calls await the same. */
  async stop(): Promise<void> {
    this.#stopping ??= this.#setup.stop().finally(() => this.#resolveEnded({ reason: "shutdown" }));
    await this.#stopping;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** Calls `send` with the manager of the next member, in the turn in which that is chosen. */
  async #place<T>(
    tried: Set<PoolMember>,
    send: (manager: Remote<Manager>) => Promise<T>,
  ): Promise<{ readonly promise: Promise<T> }> {
    const placed = this.#placing.then(async () => {
      const member = await this.#choose(tried);
      tried.add(member);
      const manager = await this.#managerOf(member);
      return { promise: send(manager) };
    });
    this.#placing = placed.catch(() => undefined);
    return placed;
  }

  async #choose(tried: ReadonlySet<PoolMember>): Promise<PoolMember> {
    if (this.#stopping !== undefined) throw new ColloquyError("UNAVAILABLE", "the pool was stopped");
    const living = this.#living(tried);
    const chosen = this.#setup.placement === "round-robin" ? this.#next(living) : await this.#least(living);
    if (chosen !== undefined) return chosen;
    const names = this.members.map((member) => quoted(member.name)).join(", ");
    throw new ColloquyError("UNAVAILABLE", `no member of the pool is there: ${names}`);
  }

  #living(tried: ReadonlySet<PoolMember>): PoolMember[] {
    return this.members.filter((member) => member.launched !== undefined && !tried.has(member));
  }

  #next(living: readonly PoolMember[]): PoolMember | undefined {
    for (let step = 0; step < this.size; step++) {
      const member = this.members[this.#turn++ % this.size]!;
      if (living.includes(member)) return member;
    }
    return undefined;
  }

  /** A spawn that was sent before is counted: calls of one connection start in order. */
  async #least(living: readonly PoolMember[]): Promise<PoolMember | undefined> {
    const loads = await Promise.all(
      living.map(async (member) => {
        try {
          const manager = await this.#managerOf(member);
          return { member, ...(await manager.load()) };
        } catch (error) {
          if (isUnreached(error)) return undefined;
          throw error;
        }
      }),
    );
    const order = loads
      .filter((load) => load !== undefined)
      .sort((a, b) => a.agentCount - b.agentCount || a.runningCount - b.runningCount);
    return order[0]?.member;
  }

  async #managerOf(member: PoolMember): Promise<Remote<Manager>> {
    let manager = this.#managers.get(member);
    if (manager === undefined) {
      manager = this.container.connect<Manager>(`${member.address}/0`);
      this.#managers.set(member, manager);
      // Only what was found is kept.
      manager.catch(() => this.#managers.delete(member));
    }
    return manager;
  }
}

/** True where nobody was there, and nothing was carried out. */
function isUnreached(error: unknown): boolean {
  return (
    error instanceof ColloquyError &&
    error.executed === "no" &&
    (error.code === "UNAVAILABLE" || error.code === "CONNECTION_LOST")
  );
}
