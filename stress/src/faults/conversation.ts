import { setTimeout as sleep } from "node:timers/promises";
import {
  MsgPackCodec,
  PublicError,
  Service,
  connect,
  expose,
  release,
  withOptions,
  type CallContext,
  type Remote,
} from "@colloquy/rpc";
import type { Ledger } from "../ledger.ts";

const arrayLength = 5000;
const itemCount = 5;
const callTimeoutMs = 300;
const helloMs = 1000;

class Thing extends Service {
  readonly #talker: Talker;
  constructor(talker: Talker) {
    super();
    this.#talker = talker;
  }
  @expose number(what: string): number {
    this.#talker.ran.add(what);
    return what.length;
  }
}

/** One of each kind of call. Notes which ran. */
export class Talker extends Service {
  readonly ran: Set<string> = new Set();

  @expose echo(what: string): string {
    this.ran.add(what);
    return what;
  }

  @expose async ask(what: string, answer: (n: number) => number | Promise<number>): Promise<number> {
    this.ran.add(what);
    return answer(20);
  }

  @expose async *count(): AsyncGenerator<number, void, undefined> {
    for (let n = 0; n < itemCount; n++) yield n;
  }

  @expose thing(what: string): Thing {
    this.ran.add(what);
    return new Thing(this);
  }

  @expose sum(what: string, array: Float64Array): number {
    this.ran.add(what);
    return array.reduce((total, one) => total + one, 0);
  }

  @expose refuse(what: string): never {
    this.ran.add(what);
    throw new PublicError("as it has to be");
  }

  @expose({ context: true }) async wait(what: string, { signal }: CallContext): Promise<void> {
    this.ran.add(what);
    await sleep(callTimeoutMs * 10, undefined, { signal, ref: false }).catch(() => {});
  }
}

/** What the steps of a conversation are called on the way. */
const names = ["echo", "ask", "sum", "refuse", "wait"] as const;

/**
 * The same calls each time, most of them at once, over a connection of their own. Each goes to the ledger, and what is said
 * not to have run must not have run. `timeout` is for networks that lose parts of messages.
 */
export async function converse(address: string, talker: Talker, ledger: Ledger, timeout?: number): Promise<void> {
  talker.ran.clear();
  const lossy = { pingIntervalMs: timeout, pingTimeoutMs: timeout, helloTimeoutMs: helloMs };
  const limits = timeout === undefined ? {} : lossy;
  const failed: [name: string, executed: string][] = [];
  let connected: Awaited<ReturnType<typeof connect<Talker>>> | undefined;
  const watch = async <T>(name: string, call: () => Promise<T>, isRight: (value: T) => boolean): Promise<void> => {
    const error = await ledger.watch(name, call, isRight);
    if (error !== undefined) failed.push([name, error.executed]);
  };
  await watch(
    "connect",
    async () => (connected = await connect<Talker>(address, { codec: MsgPackCodec, limits })),
    () => true,
  );
  if (connected !== undefined) {
    await talk(connected.remote, watch, timeout);
    await connected.close({ graceMs: callTimeoutMs });
  }
  for (const [name, executed] of failed)
    if (executed === "no" && talker.ran.has(name)) ledger.note(`${name} ran, and its error says that it didn't`);
}

type Watch = <T>(name: string, call: () => Promise<T>, isRight: (value: T) => boolean) => Promise<void>;

async function talk(remote: Remote<Talker>, watch: Watch, timeout: number | undefined): Promise<void> {
  const [echo, ask, sum, refuse, wait] = names;
  const abort = new AbortController();
  const limited = timeout === undefined ? {} : { timeout };
  // An answer that never comes is one item of a stream to its reader: no time limit counts for those.
  const timed = timeout === undefined ? {} : { signal: AbortSignal.timeout(timeout) };
  const waiting = watch(
    wait,
    async () => withOptions(remote.wait, { signal: abort.signal })(wait).catch(cancelled),
    () => true,
  );
  const calls = [
    watch(
      echo,
      () => withOptions(remote.echo, limited)(echo),
      (text) => text === echo,
    ),
    watch(
      ask,
      () => withOptions(remote.ask, limited)(ask, (n) => n + 1),
      (n) => n === 21,
    ),
    watch("count", async () => counted(withOptions(remote.count, timed)()), isCounted),
    numberOf(remote, watch, limited),
    watch(
      sum,
      () => withOptions(remote.sum, limited)(sum, new Float64Array(arrayLength).fill(0.5)),
      (n) => n === arrayLength / 2,
    ),
    watch(
      refuse,
      () => withOptions(remote.refuse, limited)(refuse).catch(refused),
      (text) => text === "as it has to be",
    ),
  ];
  abort.abort();
  await Promise.all([...calls, waiting]);
}

async function numberOf(remote: Remote<Talker>, watch: Watch, limited: { readonly timeout?: number }): Promise<void> {
  let thing: Awaited<ReturnType<typeof remote.thing>> | undefined;
  const get = async (): Promise<unknown> => (thing = await withOptions(remote.thing, limited)("thing"));
  await watch("thing", get, () => true);
  if (thing === undefined) return;
  const { number } = thing;
  await watch(
    "number",
    () => withOptions(number, limited)("number"),
    (n) => n === "number".length,
  );
  release(thing);
}

async function counted(stream: AsyncIterable<number>): Promise<readonly number[]> {
  const items: number[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

function isCounted(items: readonly number[]): boolean {
  return items.length === itemCount && items.every((item, index) => item === index);
}

/** What was given up here is no failure. */
function cancelled(error: { readonly code?: unknown }): void {
  if (error.code !== "CANCELLED") throw error as Error;
}

function refused(error: { readonly code?: unknown; readonly message?: string }): string {
  if (error.code !== "REMOTE_ERROR") throw error as Error;
  return error.message ?? "";
}
