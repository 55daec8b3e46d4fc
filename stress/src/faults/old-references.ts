import { setTimeout as sleep } from "node:timers/promises";
import { formatQuantity } from "@colloquy/bench/markdown-table";
import {
  MsgPackCodec,
  Service,
  connect,
  expose,
  pipeline,
  type ErrorCode,
  type ReconnectingConnection,
  type Remote,
} from "@colloquy/rpc";
import { Ledger } from "../ledger.ts";
import { shown, type Outcome, type Size } from "./row.ts";
import { Stage, until } from "./stage.ts";
import { Thing } from "../thing.ts";

const things = 20;

/** What a client has handed out, and the number that it answers with: no other one has it. */
interface Kept {
  readonly number: number;
  readonly fn: () => Promise<number>;
}

class Maker extends Service {
  #next = 0;
  readonly kept: Kept[] = [];

  @expose thing(): Thing {
    return new Thing(this.#next++);
  }

  @expose keep(number: number, fn: () => Promise<number>): number {
    return this.kept.push({ number, fn });
  }
}

interface Old {
  readonly thing: Remote<Thing>;
  readonly number: number;
}

/** One client, and what it and its server hold of one another. */
class Scene {
  readonly ledger = new Ledger(["REFERENCE_RELEASED", "CONNECTION_LOST", "UNAVAILABLE"]);
  readonly #maker: Maker;
  readonly #connection: ReconnectingConnection<Maker>;
  #old: readonly Old[] = [];
  #functionCount = 0;
  /** Calls that have failed as they have to. */
  refused = 0;

  constructor(maker: Maker, connection: ReconnectingConnection<Maker>) {
    this.#maker = maker;
    this.#connection = connection;
  }

  /** References in both directions, on the connection that there is: nothing may fail. */
  async hand(): Promise<Old[]> {
    const strict = new Ledger([]);
    const { remote } = this.#connection;
    const made: Old[] = [];
    const handOne = async (): Promise<void> => {
      const thing = await remote.thing();
      made.push({ thing, number: await thing.number() });
      const number = ++this.#functionCount;
      await remote.keep(number, async () => number);
      await pipeline(remote.thing()).number();
    };
    const isRight = (): boolean => true;
    await Promise.all(Array.from({ length: things }, () => strict.watch("a new reference", handOne, isRight)));
    this.ledger.add(strict, "handing out");
    return made;
  }

  /** Whatever becomes of them, none may answer with the number of another one. */
  callOld(): Promise<unknown>[] {
    return this.#old.map(({ thing, number }) =>
      this.ledger.watch(
        "an old thing",
        () => thing.number(),
        (found) => found === number,
      ),
    );
  }

  callLostThings(): Promise<unknown>[] {
    return this.#old.map(({ thing }) => this.#isLost("a lost thing", "REFERENCE_RELEASED", () => thing.number()));
  }

  async round(cut: () => void): Promise<void> {
    this.#old = await this.hand();
    const under = this.callOld();
    const before = this.#connection.stats().reconnects;
    cut();
    under.push(...this.callOld());
    if (!(await until(() => this.#connection.stats().reconnects > before)))
      this.ledger.note("there is no connection again");
    const lost = this.#maker.kept.splice(0);
    // New ones take the old numbers.
    const fresh = await this.hand();
    const living = this.#maker.kept.splice(0);
    const lostFunctions = lost.map(({ fn }) => this.#isLost("a lost function", "CONNECTION_LOST", fn));
    await Promise.all([...under, ...this.callLostThings(), ...lostFunctions]);
    await this.#answerRight(living, fresh);
  }

  /** What belongs to the connection that there is answers with its own number. */
  async #answerRight(living: readonly Kept[], fresh: readonly Old[]): Promise<void> {
    const strict = new Ledger([]);
    const functions = living.map(({ number, fn }) => strict.watch("a function", fn, (found) => found === number));
    const objects = fresh.map(({ number, thing }) =>
      strict.watch(
        "a thing",
        () => thing.number(),
        (found) => found === number,
      ),
    );
    await Promise.all([...functions, ...objects]);
    this.ledger.add(strict, "of the new connection");
  }

  /** A call on what has ended with its connection fails with this code, and hasn't been carried out. */
  async #isLost(what: string, code: ErrorCode, call: () => Promise<number>): Promise<void> {
    const error = await this.ledger.watch(what, call, () => false);
    if (error === undefined) return;
    if (error.code === code && error.executed === "no") this.refused++;
    else this.ledger.note(`${what} failed with ${error.code}, executed: ${error.executed}`);
  }
}

/**
 * After each reconnect the numbers of references begin again, so that an old number stands for something else. Old references are
 * called before it, in the turn of it, and after it, on both sides.
 */
export async function oldReferences(size: Size): Promise<Outcome> {
  const rounds = size === "full" ? 200 : 5;
  const maker = new Maker();
  await using stage = await Stage.open(maker);
  const reconnect = { minMs: 5, maxMs: 20 };
  const connection = await connect<Maker>(stage.proxy.address, { codec: MsgPackCodec, reconnect });
  const scene = new Scene(maker, connection);
  const { ledger } = scene;
  connection.onReconnect(() => void Promise.all(scene.callLostThings()));
  for (let round = 0; round < rounds; round++)
    await scene.round(() => {
      for (const link of stage.proxy.links) link.cut(round % 2 === 0 ? "RST" : "FIN");
    });
  if (!(await ledger.settledWithin(5000))) ledger.note(`${ledger.open} calls have not settled`);
  connection.destroy();
  await sleep(0);
  // Things in the turn of each reconnect and after it, functions after it.
  const due = 3 * things * rounds;
  if (scene.refused < due) ledger.note(`${scene.refused} old references were refused, not ${due}`);
  const figure = `${rounds} reconnects, ${formatQuantity(ledger.calls)} calls, ${formatQuantity(scene.refused)} refused, ${ledger.wrongCount} wrong`;
  return shown(figure, true, ledger.wrong);
}
