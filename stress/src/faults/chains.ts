import { setTimeout as sleep } from "node:timers/promises";
import { Agent, Container } from "@colloquy/container";
import { formatQuantity } from "@colloquy/bench/markdown-table";
import {
  MsgPackCodec,
  Service,
  connect,
  expose,
  serve,
  withOptions,
  type CallContext,
  type Remote,
} from "@colloquy/rpc";
import { shown, type Outcome } from "./row.ts";

const mostHops = 32;
const ringSize = 10;
const limitMs = 1000;
const endless = 1_000_000;

/** What each side of a chain calls; a class whose methods take its own proxy has a type without an end. */
interface Bounces {
  bounce(depth: number): Promise<number>;
  bounceOn(depth: number): Promise<number>;
}

/** Calls the other side, which calls back, as deep as it is told. */
class Bouncer extends Service {
  other: Remote<Bounces> | undefined;

  @expose async bounce(depth: number): Promise<number> {
    return depth === 0 ? 0 : 1 + (await this.other!.bounce(depth - 1));
  }

  @expose({ context: true }) async bounceOn(depth: number, context: CallContext): Promise<number> {
    return depth === 0 ? 0 : 1 + (await withOptions(this.other!.bounceOn, { context })(depth - 1));
  }
}

interface Passes {
  pass(left: number): Promise<number>;
}

/** One of a ring of agents; each asks the next. */
class RingAgent extends Agent {
  next: Remote<Passes> | undefined;

  @expose({ context: true }) async pass(left: number, context: CallContext): Promise<number> {
    return left === 0 ? 0 : 1 + (await withOptions(this.next!.pass, { context })(left - 1));
  }
}

class SerialAgent extends RingAgent {
  static readonly mailbox = "serial";
}

/** What a call has come to, and after which time. */
interface End {
  readonly name: string;
  readonly text: string;
  readonly milliseconds: number;
}

async function timed(name: string, call: () => Promise<unknown>): Promise<End> {
  const start = performance.now();
  const text = await Promise.race([
    call().then(String, (error: { readonly code?: string }) => String(error.code)),
    sleep(10 * limitMs, "nothing", { ref: false }),
  ]);
  return { name, text, milliseconds: performance.now() - start };
}

async function bounces(): Promise<readonly End[]> {
  const [near, far] = [new Bouncer(), new Bouncer()];
  await using server = await serve(
    "tcp://127.0.0.1:0",
    (connection) => {
      far.other = connection.remote as Remote<Bounces>;
      return far;
    },
    { codec: MsgPackCodec },
  );
  await using connection = await connect<Bounces>(server.address, { codec: MsgPackCodec, service: near });
  near.other = connection.remote;
  return [
    await timed("depth", async () => connection.remote.bounce(mostHops)),
    await timed("depth with contexts", async () => connection.remote.bounceOn(mostHops)),
    await timed("too deep", async () => connection.remote.bounceOn(10 * mostHops)),
  ];
}

async function ring(kind: typeof RingAgent, name: string): Promise<readonly End[]> {
  const containers = await Promise.all(Array.from({ length: ringSize }, () => Container.create("tcp://127.0.0.1:0")));
  try {
    const agents = await Promise.all(containers.map((container) => container.spawn(new kind())));
    for (const [index, agent] of agents.entries()) {
      const { address } = agents[(index + 1) % ringSize]!;
      agent.next = await containers[index]!.connect<Passes>(address);
    }
    const first = await containers.at(-1)!.connect<Passes>(agents[0]!.address);
    return [
      await timed(`${name}, once around`, async () => first.pass(ringSize)),
      await timed(`${name}, without an end`, async () => first.pass(endless)),
    ];
  } finally {
    await Promise.all(containers.map((container) => container.shutdown({ graceMs: 0 })));
  }
}

/** Each has its result, or fails in time; nothing waits for itself for ever. */
const wanted: Readonly<Record<string, readonly string[]>> = {
  depth: [String(mostHops)],
  "depth with contexts": [String(mostHops)],
  "too deep": ["RESOURCE_EXHAUSTED"],
  "a ring, once around": [String(ringSize)],
  "a ring, without an end": ["RESOURCE_EXHAUSTED"],
  "a ring with mailboxes, once around": [String(ringSize)],
  "a ring with mailboxes, without an end": ["RESOURCE_EXHAUSTED"],
};

/** Calls that are made for one another: back and forth, and around a ring of agents in containers of their own. */
export async function callChains(): Promise<Outcome> {
  const ends = [
    ...(await bounces()),
    ...(await ring(RingAgent, "a ring")),
    ...(await ring(SerialAgent, "a ring with mailboxes")),
  ];
  const wrong = ends
    .filter(({ name, text }) => !wanted[name]!.includes(text))
    .map(({ name, text }) => `${name}: ended with ${text}`);
  const most = Math.max(...ends.map(({ milliseconds }) => milliseconds));
  return shown(`${ends.length} chains, the slowest ${formatQuantity(Math.round(most))} ms`, most <= limitMs, wrong);
}
