// The program of a child process: the container with the agents, or the one that calls them.
import { Agent, Container } from "@colloquy/container";
import { MsgPackCodec, expose, type Remote } from "@colloquy/rpc";
import { answerQuestions } from "../subprocess.ts";

class Adder extends Agent {
  readonly #number: number;

  constructor(number: number) {
    super();
    this.#number = number;
  }

  @expose add(n: number): number {
    return this.#number + n;
  }
}

/** What the parent asks: `spawn` and `end` the one with the agents, `cpu` both, the others the caller. */
export type AgentsQuestion =
  | { readonly kind: "spawn"; readonly count: number }
  | { readonly kind: "connect"; readonly address: string; readonly count: number }
  | { readonly kind: "call"; readonly targets: "one" | "random"; readonly calls: number; readonly inFlight: number }
  | { readonly kind: "cpu" }
  | { readonly kind: "end" };

/** What it takes to have the agents. */
export interface Spawned {
  readonly address: string;
  readonly seconds: number;
  /** Of the heap, for each agent. */
  readonly bytes: number;
}

const connectingCount = 256;
/** Numbers drawn beforehand, so that drawing isn't measured. */
const drawnCount = 2 ** 20;

let container: Container | undefined;
let proxies: readonly Remote<Adder>[] = [];
let drawn = new Uint32Array();

answerQuestions(async (question: AgentsQuestion) => {
  switch (question.kind) {
    case "spawn":
      return spawn(question.count);
    case "connect":
      return connect(question.address, question.count);
    case "call":
      return call(question.targets, question.calls, question.inFlight);
    case "cpu":
      return cpuMs();
    case "end":
      return end();
  }
});

function usedHeap(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

async function spawn(count: number): Promise<Spawned> {
  container = await Container.create("tcp://127.0.0.1:0", { codec: MsgPackCodec });
  const before = usedHeap();
  const start = performance.now();
  for (let number = 0; number < count; number++) await container.spawn(new Adder(number));
  const seconds = (performance.now() - start) / 1000;
  return { address: container.address, seconds, bytes: (usedHeap() - before) / count };
}

async function connect(address: string, count: number): Promise<void> {
  const here = await Container.create("tcp://127.0.0.1:0", { codec: MsgPackCodec });
  const made: Remote<Adder>[] = [];
  while (made.length < count) {
    const length = Math.min(connectingCount, count - made.length);
    const ids = Array.from({ length }, (_, index) => made.length + index);
    const connected = await Promise.all(ids.map((id) => here.connect<Adder>(`${address}/${id}`)));
    // The first use of a method on a proxy makes it.
    await Promise.all(connected.map((proxy) => proxy.add(0)));
    made.push(...connected);
  }
  proxies = made;
  drawn = Uint32Array.from({ length: drawnCount }, () => Math.floor(Math.random() * count));
}

/** Makes so many calls; resolves with the seconds that they took. */
async function call(targets: "one" | "random", calls: number, inFlight: number): Promise<number> {
  let left = calls;
  const loop = async (): Promise<void> => {
    while (left-- > 0) {
      const number = targets === "one" ? proxies.length - 1 : drawn[left % drawnCount]!;
      if ((await proxies[number]!.add(1)) !== number + 1)
        throw new Error(`agent ${number} has answered something else`);
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: inFlight }, loop));
  return (performance.now() - start) / 1000;
}

/** CPU that all threads of this process have used. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Resolves with the milliseconds that all agents' ends have taken. */
async function end(): Promise<number> {
  const start = performance.now();
  await container?.shutdown({ graceMs: 1000 });
  return performance.now() - start;
}
