import { MsgPackCodec, Service, connect, expose, serve } from "@colloquy/rpc";
import { formatQuantity } from "@colloquy/bench/markdown-table";
import { shown, type Outcome, type Size } from "./row.ts";

const held = 300;
/** So many that the table of calls has come round, as it has many times before a real end. */
const beforeWrap = 5000;
const atOnce = 200;

interface PendingTable {
  nextId: number;
}

type PeekId = (this: PendingTable) => number;

class Waiter extends Service {
  readonly #open: (() => void)[] = [];

  @expose echo(n: number): number {
    return n;
  }

  @expose async later(n: number): Promise<number> {
    await new Promise<void>((resolve) => this.#open.push(resolve));
    return n;
  }

  @expose async soon(n: number): Promise<number> {
    return new Promise((resolve) => setTimeout(() => resolve(n), Math.random() * 3));
  }

  @expose answerAll(): void {
    for (const resolve of this.#open.splice(0)) resolve();
  }
}

interface Counter {
  setForward(): void;
  next(): number;
  undo(): void;
}

/**
 * Counting to 2^32 takes hours, so that the counter itself is set forward: to a little below the end, while calls with the first
 * numbers still wait. The file is no part of the package's entry.
 */
async function counterOfCalls(): Promise<Counter> {
  const file = new URL("../../../packages/core/dist/pending.js", import.meta.url);
  const { PendingCalls } = (await import(file.href)) as { PendingCalls: { prototype: { peekId: PeekId } } };
  const { prototype } = PendingCalls;
  const { peekId } = prototype;
  let table: PendingTable | undefined;
  prototype.peekId = function (this: PendingTable) {
    // The side that connects says hello, before the other one has any call.
    // oxlint-disable-next-line typescript/no-this-alias -- it is what is sought
    table ??= this;
    return peekId.call(this);
  };
  return {
    setForward: () => (table!.nextId = 2 ** 32 - beforeWrap),
    next: () => table!.nextId,
    undo: () => (prototype.peekId = peekId),
  };
}

/** Calls over the end of the numbers, while some that have the first ones still wait. */
export async function wrappedIds(size: Size): Promise<Outcome> {
  const count = size === "full" ? 100_000 : 7000;
  const counter = await counterOfCalls();
  await using server = await serve("tcp://127.0.0.1:0", new Waiter(), { codec: MsgPackCodec });
  await using connection = await connect<Waiter>(server.address, { codec: MsgPackCodec });
  const { remote } = connection;
  let wrong = 0;
  const pair = async (call: Promise<number>, n: number): Promise<void> => void (wrong += Number((await call) !== n));
  try {
    const waiting = Array.from({ length: held }, (_, n) => pair(remote.later(n), n));
    await remote.echo(0);
    counter.setForward();
    for (let n = 0; n < count; n += atOnce) {
      const some = Array.from({ length: atOnce }, (_, index) => n + index);
      await Promise.all(some.map((one) => pair(one % 3 === 0 ? remote.soon(one) : remote.echo(one), one)));
    }
    await remote.answerAll();
    await Promise.all(waiting);
  } finally {
    counter.undo();
  }
  const hasWrapped = counter.next() > held && counter.next() < 2 ** 31;
  const figure = `${formatQuantity(count)} calls over the end, ${held} older ones, ${wrong} wrong pairings`;
  return shown(figure, hasWrapped && wrong === 0, hasWrapped ? [] : ["the numbers have not wrapped"]);
}
