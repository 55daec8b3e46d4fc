import { ColloquyError, type PublicError, type Remote, release, withOptions } from "@colloquy/rpc";
import type { Root } from "./victims.ts";

const mostItems = 30;

/** Makes calls of each kind, with what comes back from them; resolves when all have settled. Rejects with what isn't documented. */
export async function useRemote(remote: Remote<Root>): Promise<void> {
  const ends = await Promise.allSettled(callsOf(remote));
  for (const end of ends) if (end.status === "rejected" && !isOurs(end.reason)) throw end.reason;
}

function isOurs(error: unknown): error is ColloquyError | PublicError {
  return error instanceof ColloquyError && error.code !== "INTERNAL";
}

function callsOf(remote: Remote<Root>): Promise<unknown>[] {
  const news = (): number => 1;
  const ended = AbortSignal.abort(new Error("enough"));
  return [
    Promise.resolve(remote.echo({ when: new Date(0), bytes: new Uint8Array(40_000) })).then(useValue),
    useItems(remote.numbers(3)),
    Promise.resolve(remote.callBack(news as never)),
    Promise.resolve(remote.give()).then(useValue),
    Promise.resolve(remote.giveService()).then(useValue),
    Promise.resolve(remote.math.add(1, 2)),
    Promise.resolve(remote.sum(items() as never)),
    Promise.resolve(withOptions(remote.hold, { signal: ended })()),
    Promise.resolve(withOptions(remote.hold, { timeout: 20 })()),
  ];
}

/** What was returned may be anything: a function, a stream, a service. */
async function useValue(value: unknown): Promise<void> {
  if (typeof value === "function") await (value as () => unknown)();
  else if (typeof value === "object" && value !== null && Symbol.asyncIterator in value)
    await useItems(value as AsyncIterable<unknown>);
  if (typeof value === "function" || (typeof value === "object" && value !== null)) tryRelease(value);
}

async function useItems(stream: AsyncIterable<unknown>): Promise<void> {
  let count = 0;
  for await (const _ of stream) if (++count > mostItems) break;
}

async function* items(): AsyncGenerator<number> {
  yield 1;
  yield 2;
}

function tryRelease(value: object): void {
  try {
    release(value);
  } catch (error) {
    // What is no reference isn't released.
    if (!isOurs(error)) throw error;
  }
}
