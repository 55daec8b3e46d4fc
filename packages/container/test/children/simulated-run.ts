/** 100 agents that call each other over a network with delays and losses; as a program, it prints what has come of it. */
import { createHash } from "node:crypto";
import { Agent, simulate } from "@colloquy/container";
import type { Delivery, SimulatedWorld } from "@colloquy/container";
import { LocalNetwork } from "@colloquy/core";
import type { Transport } from "@colloquy/core";
import { notify, withOptions } from "@colloquy/rpc";
import type { Remote } from "@colloquy/rpc";

class Gossip extends Agent {
  static exposed: readonly string[] = ["hear", "ask", "count"];
  readonly heard: string[] = [];
  readonly #world: SimulatedWorld;

  constructor(world: SimulatedWorld) {
    super();
    this.#world = world;
  }

  hear(rumour: { readonly text: string; readonly hops: number }): void {
    this.heard.push(`${rumour.text}/${rumour.hops}@${this.#world.clock.time()}`);
  }

  async ask(question: string, answer: (text: string) => void, signal: AbortSignal): Promise<string> {
    answer(`${question}?`);
    await this.#world.clock.sleep(this.#world.random(), undefined, { signal });
    return `${question}!`;
  }

  async *count(to: number): AsyncGenerator<number> {
    for (let n = 0; n < to; n++) {
      await this.#world.clock.sleep(0.1);
      yield n;
    }
  }

  /** Calls others at times of its own, for a while. */
  talk(others: readonly Remote<Gossip>[]): void {
    const { clock, random } = this.#world;
    this.task(async (signal) => {
      for (let round = 0; round < 3; round++) {
        await clock.sleep(0.1 + random(), undefined, { signal });
        const other = others[Math.floor(random() * others.length)]!;
        notify(other.hear)({ text: `${this.id} says ${round}`, hops: round });
        const ask = withOptions(other.ask, { signal: clock.timeoutSignal(1 + random()) });
        const said = (text: string): void => void this.heard.push(text);
        await ask(`${this.id} asks`, said, signal).then(
          (answer) => this.heard.push(answer),
          (error: Error) => this.heard.push(`${error.message} at ${clock.time()}`),
        );
      }
      if (this.id === "3") for await (const n of await others[0]!.count(5)) this.heard.push(`item ${n}`);
    });
  }
}

/** What a run has come to: equal for equal runs. */
export interface RunSummary {
  readonly trace: readonly Delivery[];
  readonly heard: string;
  /** Of all bytes that were written, in order, with the connection that they were written on. */
  readonly bytes: string;
  readonly byteCount: number;
}

export async function simulatedRun(seed: number): Promise<RunSummary> {
  const tap = new Tap();
  try {
    const model = {
      delay: (_from: string, _to: string, random: () => number): number => 0.01 + random() * 0.2,
      loss: 0.05,
    };
    let summary: Omit<RunSummary, "trace"> | undefined;
    const { trace } = await simulate({ seed, model, until: 20 }, async (world) => {
      const containers = await Promise.all(Array.from({ length: 10 }, (_, n) => world.container(`c${n}`)));
      const agents: Gossip[] = [];
      for (const container of containers) {
        for (let n = 0; n < 10; n++) agents.push(await container.spawn(new Gossip(world)));
      }
      const signal = world.clock.timeoutSignal(2);
      const rounds = containers.map(async (container) => {
        const chosen = agents.filter(() => world.random() < 0.15);
        // Finding out whether there is such an agent is a call, which may be lost.
        const found = chosen.map((agent) =>
          container.connect<Gossip>(agent.address, { signal }).catch(() => undefined),
        );
        const others = (await Promise.all(found)).filter((other) => other !== undefined);
        for (const agent of container.agents as readonly Gossip[]) agent.talk(others);
      });
      await Promise.all(rounds);
      // How containers shut down is a matter of the machine's time.
      world.clock.callAt(19.9, () => (summary = summaryOf(agents, tap)));
    });
    return { trace, ...summary! };
  } finally {
    tap.close();
  }
}

function summaryOf(agents: readonly Gossip[], tap: Tap): Omit<RunSummary, "trace"> {
  const heard = createHash("sha256").update(JSON.stringify(agents.map((agent) => agent.heard)));
  return { heard: heard.digest("hex"), bytes: tap.hash.copy().digest("hex"), byteCount: tap.byteCount };
}

/** Hears all that is written in local networks. */
class Tap {
  readonly hash = createHash("sha256");
  byteCount = 0;
  readonly #listen = LocalNetwork.prototype.listen;
  readonly #connect = LocalNetwork.prototype.connect;
  #connections = 0;

  constructor() {
    const [listen, connect] = [this.#listen, this.#connect];
    const heard = (transport: Transport): Transport => this.#heard(transport);
    LocalNetwork.prototype.listen = function (name, onTransport) {
      return listen.call(this, name, (transport) => onTransport(heard(transport)));
    };
    LocalNetwork.prototype.connect = function (name, from) {
      const transport = connect.call(this, name, from);
      return transport && heard(transport);
    };
  }

  close(): void {
    LocalNetwork.prototype.listen = this.#listen;
    LocalNetwork.prototype.connect = this.#connect;
  }

  #heard(transport: Transport): Transport {
    const number = this.#connections++;
    const write = transport.write.bind(transport);
    transport.write = (bytes) => {
      this.byteCount += bytes.length;
      this.hash.update(`${number}:${bytes.length}:`).update(bytes);
      return write(bytes);
    };
    return transport;
  }
}

if (process.argv[2] !== undefined && process.argv[1]?.endsWith("simulated-run.ts") === true) {
  const summary = await simulatedRun(Number(process.argv[2]));
  const trace = createHash("sha256").update(JSON.stringify(summary.trace)).digest("hex");
  process.stdout.write(`${JSON.stringify({ ...summary, trace })}\n`);
}
