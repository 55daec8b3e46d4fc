import { setTimeout as sleep } from "node:timers/promises";
import { MsgPackCodec, connect, notify, pipeline, release, withOptions, type Remote } from "@colloquy/rpc";
import type { Random } from "@colloquy/core";
import { Bumper, type Callee, type Entry } from "./services.ts";

/** What an operation works with. */
export interface Site {
  readonly remote: Remote<Callee>;
  readonly address: string;
  readonly random: Random;
}

/** Makes a call, or several, and says whether what came of them is right. */
export type Operation = (site: Site, n: number) => Promise<boolean>;

const mostItems = 300;
const mostElements = 50_000;

function below(random: Random, bound: number): number {
  return Math.floor(random() * bound);
}

async function echo({ remote }: Site, n: number): Promise<boolean> {
  const entry: Entry = { id: n, name: `entry ${n % 100}`, values: [n, n / 2, -n] };
  const { id, name, values } = await remote.echo(entry);
  return id === n && name === entry.name && values[1] === n / 2;
}

async function readAll({ remote, random }: Site): Promise<boolean> {
  const count = below(random, mostItems);
  let next = 0;
  for await (const item of remote.items(count)) if (item !== next++) return false;
  return next === count;
}

async function leave({ remote, random }: Site): Promise<boolean> {
  const end = below(random, mostItems);
  let next = 0;
  for await (const item of remote.items(1_000_000)) {
    if (item !== next++) return false;
    if (item >= end) return true;
  }
  return false;
}

async function useThing({ remote }: Site, n: number): Promise<boolean> {
  const thing = await remote.thing(n);
  return (await thing.number()) === n;
}

async function useAndRelease({ remote }: Site, n: number): Promise<boolean> {
  const thing = await remote.thing(n);
  const number = await thing.number();
  release(thing);
  return number === n;
}

async function sendArray({ remote, random }: Site, n: number): Promise<boolean> {
  const length = below(random, mostElements);
  return (await remote.sum(new Float64Array(length).fill(n))) === length * n;
}

async function sendAndGetArray({ remote, random }: Site, n: number): Promise<boolean> {
  const length = 1 + below(random, mostElements);
  const doubled = await remote.doubled(new Float64Array(length).fill(n));
  return doubled.length === length && doubled[length - 1] === 2 * n;
}

/** Whether it fails with this code, and not with a result. */
async function failsWith(code: string, call: Promise<unknown>): Promise<boolean> {
  try {
    await call;
    return false;
  } catch (error) {
    if ((error as { code?: unknown }).code === code) return true;
    throw error;
  }
}

async function cancel({ remote, random }: Site): Promise<boolean> {
  const abort = new AbortController();
  const call = withOptions(remote.wait, { signal: abort.signal })(60_000);
  void sleep(below(random, 20)).then(() => abort.abort());
  return failsWith("CANCELLED", call);
}

async function connectAndClose({ address }: Site, n: number): Promise<boolean> {
  await using connection = await connect<Callee>(address, { codec: MsgPackCodec, service: new Bumper() });
  return (await connection.remote.bumped(n)) === n + 1;
}

async function abandon({ address }: Site, n: number): Promise<boolean> {
  const connection = await connect<Callee>(address, { codec: MsgPackCodec });
  const calls = [connection.remote.wait(60_000), connection.remote.add(n, 1)].map(async (call) => call.catch(() => {}));
  connection.destroy();
  await Promise.all(calls);
  return true;
}

/** The operations, with how often each is drawn. */
const weighted: readonly (readonly [weight: number, operation: Operation])[] = [
  [10, async ({ remote }, n) => (await remote.add(n, 4)) === n + 4],
  [10, echo],
  [5, async ({ remote }, n) => (await remote.bumped(n)) === n + 1],
  [5, async ({ remote }, n) => (await remote.apply((given) => given * 2, n, true)) === 2 * n],
  [5, async ({ remote }, n) => (await remote.apply((given) => given * 3, n, false)) === 3 * n],
  [3, readAll],
  [3, leave],
  [5, useThing],
  [5, useAndRelease],
  [4, async ({ remote }, n) => (await pipeline(remote.thing(n)).number()) === n],
  [1, sendArray],
  [1, sendAndGetArray],
  [4, cancel],
  [3, async ({ remote }) => failsWith("DEADLINE_EXCEEDED", withOptions(remote.wait, { timeout: 10 })(60_000))],
  [3, async ({ remote }, n) => failsWith("REMOTE_ERROR", remote.refuse(n))],
  [
    3,
    async ({ remote }, n) =>
      (await withOptions(remote.add, { retries: 3, idempotent: true, timeout: 30_000 })(n, 1)) === n + 1,
  ],
  [
    3,
    async ({ remote }, n) => {
      notify(remote.hear)(n);
      return true;
    },
  ],
  [1, connectAndClose],
  [1, abandon],
];

const drawn = weighted.flatMap(([weight, operation]) => Array.from({ length: weight }, () => operation));

export function drawOperation(random: Random): Operation {
  return drawn[below(random, drawn.length)]!;
}
