import { ColloquyError, PeerNumbers, describeType } from "@colloquy/core";
import { expose, nodeOf, release } from "@colloquy/rpc";
import type { CallContext, CallerConnection } from "@colloquy/rpc";
import { Agent } from "./agent.ts";
import type { AgentTable } from "./agent-table.ts";
import type { EndReason } from "./endings.ts";

/** What another container is told by: one function of it for all that it watches over one connection. */
export type TellEnds = (reason: EndReason, numbers: readonly number[]) => unknown;

const NUMBERS_AT_ONCE = 1000;
const RETRY_MS = 100;

/** Who watches agents of this container from others, over the connections that they have. */
export class Watchers {
  readonly #agents: AgentTable;
  readonly #maxCount: number;
  readonly #watching = new Map<CallerConnection, WatchingConnection>();

  /** `maxCount`: agents that one connection may watch at a time. */
  constructor(agents: AgentTable, maxCount: number) {
    this.#agents = agents;
    this.#maxCount = maxCount;
  }

  /** Agents that are watched, over all connections. */
  get size(): number {
    return [...this.#watching.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /**
   * The methods of a container's root. `monitor` answers whether there is such an agent; if so, `tell` is called once when it has ended,
   * with the number that the caller has given it, unless that was among those of a `demonitor`.
   */
  readonly methods: {
    readonly monitor: (id: unknown, number: unknown, tell: unknown, context: CallContext) => boolean;
    readonly demonitor: (numbers: unknown, context: CallContext) => void;
  } = {
    monitor: expose((id, number, tell, context) => this.#monitor(id, number, tell, context), { context: true }),
    demonitor: expose((numbers, context) => this.#demonitor(numbers, context), { context: true }),
  };

  /** Tells all that the agents are going. */
  shutDown(): void {
    for (const watching of this.#watching.values()) watching.endAll("shutdown");
  }

  #monitor(id: unknown, number: unknown, tell: unknown, { connection }: CallContext): boolean {
    if (typeof id !== "string" || !Number.isSafeInteger(number) || nodeOf(tell)?.isFunction !== true) {
      const given = [id, number, tell].map(describeType).join(", ");
      throw new ColloquyError("INVALID_ARGUMENT", `monitor takes an id, a number and a function, not ${given}`);
    }
    const agent = this.#agents.seatOf(id)?.agent;
    if (agent === undefined) return false;
    let watching = this.#watching.get(connection);
    if (watching === undefined) {
      watching = new WatchingConnection(connection, () => this.#watching.delete(connection));
      this.#watching.set(connection, watching);
    }
    if (watching.size >= this.#maxCount) {
      const reason = `this connection monitors ${this.#maxCount} agents already (maxReferenceCount)`;
      throw new ColloquyError("RESOURCE_EXHAUSTED", reason, { limit: "maxReferenceCount" });
    }
    watching.add(number as number, agent, tell as TellEnds);
    return true;
  }

  #demonitor(numbers: unknown, { connection }: CallContext): void {
    if (!Array.isArray(numbers))
      throw new ColloquyError("INVALID_ARGUMENT", `demonitor takes an array of numbers, not ${describeType(numbers)}`);
    this.#watching.get(connection)?.remove(numbers);
  }
}

interface Watch {
  readonly number: number;
  /** Ends it. */
  takeBack(): void;
}

/** What one connection watches. It is over when that is nothing any more, or the connection has ended. */
class WatchingConnection {
  readonly #watches = new PeerNumbers<Watch>();
  readonly #ended = new Map<EndReason, number[]>();
  readonly #leave: () => void;
  readonly #ignoreClose: () => void;
  #tell: TellEnds | undefined;
  #isTelling = false;
  #closed = false;

  constructor(connection: CallerConnection, leave: () => void) {
    this.#leave = leave;
    this.#ignoreClose = connection.onClose(() => this.#close());
  }

  /** Those that are watched, and those whose end is yet to be told: the other side may take its time to answer. */
  get size(): number {
    return this.#watches.size + [...this.#ended.values()].reduce((sum, { length }) => sum + length, 0);
  }

  add(number: number, agent: Agent, tell: TellEnds): void {
    if (this.#watches.has(number))
      throw new ColloquyError("INVALID_ARGUMENT", `number ${number} is that of another monitor`);
    this.#tell = tell;
    const takeBack = Agent.lifeOf(agent).onEnd(({ reason }) => this.#onEnd(number, reason));
    this.#watches.set(number, { number, takeBack });
  }

  remove(numbers: readonly unknown[]): void {
    for (const number of numbers) {
      if (typeof number !== "number") continue;
      this.#watches.get(number)?.takeBack();
      this.#watches.delete(number);
    }
    this.#closeIfDone();
  }

  endAll(reason: EndReason): void {
    const numbers = Array.from(this.#watches.values(), ({ number }) => number);
    this.#takeBackAll();
    this.#ended.set(reason, [...(this.#ended.get(reason) ?? []), ...numbers]);
    // All at once: between two calls the connection would be at rest, and closes then.
    const calls: Promise<unknown>[] = [];
    for (const [why, untold] of this.#ended) {
      for (let at = 0; at < untold.length; at += NUMBERS_AT_ONCE)
        calls.push(this.#isRefused(why, untold.slice(at, at + NUMBERS_AT_ONCE)));
    }
    this.#ended.clear();
    void Promise.all(calls).then(() => this.#closeIfDone());
  }

  #onEnd(number: number, reason: EndReason): void {
    this.#watches.delete(number);
    const numbers = this.#ended.get(reason);
    if (numbers === undefined) this.#ended.set(reason, [number]);
    else numbers.push(number);
    void this.#tellEnded();
  }

  /** One call at a time: many agents may end at once, and the other side takes only so many. */
  async #tellEnded(): Promise<void> {
    if (this.#isTelling) return;
    this.#isTelling = true;
    for (let next = this.#next(); next !== undefined && !this.#closed; next = this.#next()) {
      const [reason, numbers] = next;
      const told = numbers.slice(0, NUMBERS_AT_ONCE);
      if (await this.#isRefused(reason, told)) await new Promise((resolve) => setTimeout(resolve, RETRY_MS).unref());
      else numbers.splice(0, told.length);
    }
    this.#isTelling = false;
    this.#closeIfDone();
  }

  #next(): [EndReason, number[]] | undefined {
    for (const entry of this.#ended) {
      if (entry[1].length > 0) return entry;
      this.#ended.delete(entry[0]);
    }
    return undefined;
  }

  /** True where the other side has too much to do. Told once is enough: it counts the first time only. */
  async #isRefused(reason: EndReason, numbers: readonly number[]): Promise<boolean> {
    try {
      await this.#tell!(reason, numbers);
      return false;
    } catch (error) {
      return error instanceof ColloquyError && error.code === "RESOURCE_EXHAUSTED";
    }
  }

  #closeIfDone(): void {
    if (this.size === 0 && !this.#isTelling) this.#close();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#takeBackAll();
    this.#ignoreClose();
    this.#leave();
    release(this.#tell);
  }

  #takeBackAll(): void {
    for (const { takeBack } of this.#watches.values()) takeBack();
    this.#watches.clear();
  }
}
