import { Container } from "@colloquy/container";
import { MsgPackCodec } from "@colloquy/core";
import { connect, type Connection, type Remote } from "@colloquy/rpc";
import { makeArgument, sizeOf } from "./argument.ts";
import type { Point } from "./points.ts";
import { methodName, type Adder, type Taker } from "./server-side.ts";

/** One of the calls that a point chooses from, and what it returns. */
interface Target {
  readonly call: () => Promise<unknown>;
  readonly expected: number;
}

const choiceCount = 8192;

/** The calls of a point, repeated until it stops. */
export class Load {
  readonly #targets: readonly Target[];
  readonly #choices: Uint32Array;
  #goal: { readonly completed: number; readonly reached: () => void } | undefined;
  #next = 0;
  #completed = 0;
  #isStopped = false;
  #loops: Promise<unknown> = Promise.resolve();
  #failure: unknown;

  private constructor(targets: readonly Target[]) {
    this.#targets = targets;
    this.#choices = Uint32Array.from({ length: choiceCount }, randomBelow(targets.length));
  }

  /** Connects, checks every target once and starts to call. */
  static async start(point: Point, addresses: readonly string[]): Promise<Load> {
    const targets = await targetsOf(point, addresses);
    for (const target of targets) requireRight(target, await target.call());
    const load = new Load(targets);
    load.#loops = Promise.all(Array.from({ length: point.inFlight }, () => load.#loop())).catch((error: unknown) => {
      load.#failure = error;
      load.#isStopped = true;
    });
    return load;
  }

  /** Calls that have come back right. */
  get completed(): number {
    if (this.#failure !== undefined) throw this.#failure as Error;
    return this.#completed;
  }

  /** Resolves when so many calls have come back. */
  async until(completed: number): Promise<void> {
    const goal = new Promise<void>((reached) => {
      this.#goal = { completed, reached };
    });
    await Promise.race([goal, this.#loops]);
    if (this.#failure !== undefined) throw this.#failure as Error;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#loops;
    if (this.#failure !== undefined) throw this.#failure as Error;
  }

  async #loop(): Promise<void> {
    while (!this.#isStopped) {
      const choice = this.#choices[this.#next++ & (choiceCount - 1)] ?? 0;
      const target = this.#targets[choice]!;
      requireRight(target, await target.call());
      this.#completed++;
      if (this.#goal !== undefined && this.#completed >= this.#goal.completed) this.#goal.reached();
    }
  }
}

function requireRight(target: Target, result: unknown): void {
  if (result !== target.expected) throw new Error(`wrong result: ${JSON.stringify(result)}`);
}

async function targetsOf(point: Point, addresses: readonly string[]): Promise<readonly Target[]> {
  if (point.offer.kind === "agents") return agentTargets(addresses);
  const connections: Connection<Taker>[] = [];
  for (let count = 0; count < point.connectionCount; count++) {
    connections.push(await connect<Taker>(addresses[0]!, { codec: MsgPackCodec }));
  }
  const { remote } = connections[0]!;
  if (point.argument !== undefined) return [argumentTarget(remote, makeArgument(point.argument))];
  if (point.connectionCount > 1) {
    return connections.slice(0, point.targetCount).map((connection) => methodTarget(connection.remote, 0));
  }
  return Array.from({ length: point.targetCount }, (_, index) => methodTarget(remote, index));
}

function argumentTarget(remote: Remote<Taker>, argument: unknown): Target {
  return { call: () => remote.take(argument), expected: sizeOf(argument) };
}

function methodTarget(remote: Remote<Taker>, index: number): Target {
  const methods = remote as unknown as Record<string, (a: number, b: number) => Promise<number>>;
  // As a program would that has the name in its source: looking it up in the proxy each time is another cost.
  const method = methods[methodName(index)]!;
  return { call: () => method(3, 4), expected: 7 };
}

async function agentTargets(addresses: readonly string[]): Promise<readonly Target[]> {
  const container = await Container.create("tcp://127.0.0.1:0", { codec: MsgPackCodec });
  const targets: Target[] = [];
  for (const address of addresses) {
    const agent = await container.connect<Adder>(address);
    targets.push({ call: () => agent.add(3, 4), expected: 7 });
  }
  return targets;
}

/** Fixed pseudo-random numbers, so that every round makes the same choices. */
function randomBelow(limit: number): () => number {
  let state = 0x2545_f491;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}
