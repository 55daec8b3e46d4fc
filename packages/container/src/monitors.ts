import { ColloquyError, describeType, quoted, warn } from "@colloquy/core";
import { Connection, nodeOf } from "@colloquy/rpc";
import { parseAgentAddress } from "./address.ts";
import { Agent } from "./agent.ts";
import type { MonitorListener } from "./agent.ts";
import { AgentCaller } from "./agent-caller.ts";
import type { AgentTable } from "./agent-table.ts";
import { MonitoredConnection, Watch } from "./monitored-connection.ts";
import type { RemoteContainers } from "./remote-containers.ts";

/** Where a monitored agent is: at an address, or where a connection leads to. */
interface Target {
  readonly base: string | Connection;
  readonly id: string;
}

const AGENT_PATH = /^agents\/([^/]+)$/;

/** The monitors that a container and its agents have set up. */
export class Monitors {
  readonly #address: string;
  readonly #agents: AgentTable;
  readonly #remotes: RemoteContainers;
  readonly #connections = new WeakMap<Connection, MonitoredConnection>();
  readonly #watches = new Set<Watch>();
  #closed = false;

  constructor(address: string, agents: AgentTable, remotes: RemoteContainers) {
    this.#address = address;
    this.#agents = agents;
    this.#remotes = remotes;
  }

  get size(): number {
    return this.#watches.size;
  }

  monitor(target: unknown, listener: MonitorListener): () => void {
    const { base, id } = targetOf(target);
    if (typeof listener !== "function")
      throw new ColloquyError("INVALID_ARGUMENT", `monitor takes a listener, not ${describeType(listener)}`);
    if (this.#closed) throw new ColloquyError("UNAVAILABLE", `container ${this.#address} was shut down`);
    const watch = new Watch(listener);
    this.#watches.add(watch);
    watch.whenDone(() => this.#watches.delete(watch));
    if (base === this.#address) this.#watchHere(watch, id);
    else void this.#watchThere(watch, base, id);
    return () => watch.takeBack();
  }

  /** Takes all back. */
  close(): void {
    this.#closed = true;
    for (const watch of this.#watches) watch.takeBack();
  }

  #watchHere(watch: Watch, id: string): void {
    const agent = this.#agents.seatOf(id)?.agent;
    if (agent === undefined) watch.tell("unreachable");
    else watch.whenDone(Agent.lifeOf(agent).onEnd(({ reason }) => watch.tell(reason)));
  }

  async #watchThere(watch: Watch, base: string | Connection, id: string): Promise<void> {
    try {
      // Calls that are made after this one are to leave after it.
      const present = typeof base === "string" ? this.#remotes.present(base) : base;
      const connection = present ?? (await this.#remotes.get(base as string));
      if (!watch.done) await this.#on(connection).add(watch, id);
    } catch (error) {
      if (!watch.done && error instanceof ColloquyError && error.code === "RESOURCE_EXHAUSTED")
        warn(`monitoring agent ${quoted(id)} failed`, error);
      watch.tell("unreachable");
    }
  }

  #on(connection: Connection): MonitoredConnection {
    let monitored = this.#connections.get(connection);
    if (monitored === undefined) {
      monitored = new MonitoredConnection(connection);
      this.#connections.set(connection, monitored);
    }
    return monitored;
  }
}

/** @throws ColloquyError `INVALID_ARGUMENT` */
function targetOf(target: unknown): Target {
  if (typeof target === "string") return parseAgentAddress(target);
  if (typeof target === "object" && target !== null && Agent.isAgent(target)) return parseAgentAddress(target.address);
  const node = nodeOf(target);
  const [, id] = AGENT_PATH.exec(node?.path ?? "") ?? [];
  if (node !== undefined && node.reference === undefined && id !== undefined) {
    if (node.caller instanceof AgentCaller) return { base: node.caller.remoteAddress, id };
    if (node.caller instanceof Connection) return { base: node.caller, id };
  }
  const given = node === undefined ? describeType(target) : `the proxy of ${quoted(node.toString())}`;
  const reason = `monitor takes the proxy of an agent, as container.connect makes it, or the agent's address, not ${given}`;
  throw new ColloquyError("INVALID_ARGUMENT", reason);
}
