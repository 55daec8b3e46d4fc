import { setTimeout as sleep } from "node:timers/promises";
import { formatQuantity } from "@colloquy/bench/markdown-table";
import { MsgPackCodec, Service, connect, expose, pipeline, type Remote } from "@colloquy/rpc";
import { Ledger } from "../ledger.ts";
import { shown, type Outcome, type Size } from "./row.ts";
import { Stage, until } from "./stage.ts";
import { Thing } from "../thing.ts";

const things = 20;

class Maker extends Service {
  #next = 0;
  /** What clients have handed out, all their lives. */
  readonly functions: ((n: number) => Promise<number>)[] = [];

  @expose thing(): Thing {
    return new Thing(this.#next++);
  }

  @expose keep(fn: (n: number) => Promise<number>): number {
    return this.functions.push(fn);
  }
}

/**
 * After each reconnect the numbers of references begin again, so that an old number stands for something else. Old references are
 * called before it, in the turn of it, and after it, on both sides.
 */
export async function oldReferences(size: Size): Promise<Outcome> {
  const rounds = size === "full" ? 200 : 5;
  const maker = new Maker();
  const ledger = new Ledger(["REFERENCE_RELEASED", "CONNECTION_LOST", "UNAVAILABLE"]);
  await using stage = await Stage.open(maker);
  const reconnect = { minMs: 5, maxMs: 20 };
  const connection = await connect<Maker>(stage.proxy.address, { codec: MsgPackCodec, reconnect });
  const old: { readonly thing: Remote<Thing>; readonly number: number }[] = [];
  const callOld = (): Promise<unknown>[] =>
    old.map(({ thing, number }) =>
      ledger.watch(
        "an old thing",
        () => thing.number(),
        (found) => found === number,
      ),
    );
  connection.onReconnect(() => void Promise.all(callOld()));
  for (let round = 0; round < rounds; round++) {
    const fresh = await Promise.all(Array.from({ length: things }, () => handed(connection.remote, round, ledger)));
    old.splice(0, old.length, ...fresh.filter((one) => one !== undefined));
    const under = callOld();
    const before = connection.stats().reconnects;
    for (const link of stage.proxy.links) link.cut(round % 2 === 0 ? "RST" : "FIN");
    under.push(...callOld());
    if (!(await until(() => connection.stats().reconnects > before))) ledger.note("there is no connection again");
    // New ones take the old numbers.
    await Promise.all(Array.from({ length: things }, () => handed(connection.remote, round + rounds, ledger)));
    await Promise.all([...under, ...callOld(), ...callFunctions(maker, ledger)]);
  }
  if (!(await ledger.settledWithin(5000))) ledger.note(`${ledger.open} calls have not settled`);
  connection.destroy();
  await sleep(0);
  const figure = `${rounds} reconnects, ${formatQuantity(ledger.calls)} calls, ${formatQuantity(ledger.failures.get("REFERENCE_RELEASED") ?? 0)} refused, ${ledger.wrongCount} wrong`;
  return shown(figure, ledger.failures.size > 0, ledger.wrong);
}

async function handed(
  remote: Remote<Maker>,
  round: number,
  ledger: Ledger,
): Promise<{ thing: Remote<Thing>; number: number } | undefined> {
  let made: { thing: Remote<Thing>; number: number } | undefined;
  await ledger.watch(
    "a new thing",
    async () => {
      const thing = await remote.thing();
      made = { thing, number: await thing.number() };
      await remote.keep(async (n) => n * 1000 + round);
      return pipeline(remote.thing()).number();
    },
    () => true,
  );
  return made;
}

/** Each answers with its round, which must be that in which it was handed out: those of connections that are lost can't. */
function callFunctions(maker: Maker, ledger: Ledger): Promise<unknown>[] {
  const half = Math.floor(maker.functions.length / 2);
  const [lost, living] = [maker.functions.splice(0, half), maker.functions.splice(0)];
  return [...lost, ...living].map((fn, index) =>
    ledger.watch(
      "an old function",
      () => fn(index),
      (found) => Math.floor(found / 1000) === index,
    ),
  );
}
