import { setImmediate as turn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import {
  JsonCodec,
  PublicError,
  Service,
  connect,
  expose,
  serve,
  withOptions,
  type Connection,
  type SerializerFactory,
} from "@colloquy/rpc";
import { formatQuantity } from "@colloquy/bench/markdown-table";
import { Ledger } from "../ledger.ts";
import { shown, type Outcome, type Size } from "./row.ts";
import { until } from "./stage.ts";

const atOnce = 50;
const collectionMs = 10_000;
/** What can't be decoded has brought functions that only a collection releases. */
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
const rejected: readonly unknown[] = [null, undefined, 0, "", false, Symbol("thrown"), () => {}];

/** Throws also what is no error, as methods may. */
function raise(what: unknown): never {
  throw what;
}

/** A value whose serializer throws while it is written, while it is read, or not. */
class Bomb {
  readonly goesOffIn: string;
  constructor(goesOffIn: string) {
    this.goesOffIn = goesOffIn;
  }
}

class Unreadable extends Error {
  override get message(): string {
    throw new Error("a message that can't be read");
  }
}

const bombs: SerializerFactory<Bomb> = () => [
  Bomb,
  ({ goesOffIn }) => {
    if (goesOffIn === "writing") raise(null);
    return goesOffIn;
  },
  (goesOffIn: string) => {
    if (goesOffIn === "reading") raise(undefined);
    return new Bomb(goesOffIn);
  },
];

/** Fails in each way that a method may. */
class Minefield extends Service {
  @expose take(_before: unknown, bomb: Bomb, _behind?: unknown): string {
    return bomb.goesOffIn;
  }

  @expose give(goesOffIn: string): readonly unknown[] {
    return [() => {}, new Bomb(goesOffIn), () => {}];
  }

  @expose fail(kind: number): never {
    if (kind < rejected.length) raise(rejected[kind]);
    throw kind === rejected.length ? new Unreadable() : new PublicError("no");
  }

  @expose async failLater(kind: number): Promise<never> {
    await turn();
    return this.fail(kind);
  }

  @expose async *failWithin(goesOffIn: string): AsyncGenerator<unknown, void, undefined> {
    yield 1;
    if (goesOffIn === "throwing") raise(null);
    yield new Bomb(goesOffIn);
  }

  @expose async never(): Promise<never> {
    return new Promise(() => {});
  }
}

type Mines = Connection<Minefield>["remote"];

/** Calls that have to fail, or not, each once. */
const failing: readonly ((mines: Mines, n: number) => Promise<unknown>)[] = [
  async ({ take }) =>
    take(
      () => {},
      new Bomb("writing"),
      () => {},
    ),
  async ({ take }) =>
    take(
      () => {},
      new Bomb("reading"),
      () => {},
    ),
  async ({ give }) => give("writing"),
  async ({ give }) => give("reading"),
  async ({ fail }, n) => fail(n % (rejected.length + 2)),
  async ({ failLater }, n) => failLater(n % (rejected.length + 2)),
  async ({ failWithin }) => all(failWithin("throwing")),
  async ({ failWithin }) => all(failWithin("writing")),
  async ({ failWithin }) => all(failWithin("reading")),
];

async function all(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _item of stream);
}

async function failed(call: Promise<unknown>): Promise<boolean> {
  try {
    await call;
    return false;
  } catch {
    return true;
  }
}

/** Serializers and methods that throw at every step, also what is no error, and methods that never settle. */
export async function bombsEverywhere(size: Size): Promise<Outcome> {
  const count = size === "full" ? 20_000 : 500;
  // JSON has no shapes: each message that comes is an answer.
  const options = { codec: JsonCodec, extraSerializers: [bombs] };
  const server = await serve("tcp://127.0.0.1:0", new Minefield(), options);
  const connection = await connect<Minefield>(server.address, options);
  const { remote } = connection;
  const ledger = new Ledger([]);
  const right = (isRight: boolean): boolean => isRight;
  for (let n = 0; n < count; n += atOnce) {
    const calls = Array.from({ length: atOnce }, (_, index) => {
      const call = failing[(n + index) % failing.length]!;
      return ledger.watch(`failing call ${(n + index) % failing.length}`, () => failed(call(remote, n + index)), right);
    });
    await Promise.all(calls);
  }
  await ledger.watch(
    "a good call",
    () => remote.take(null, new Bomb("nothing")),
    (text) => text === "nothing",
  );
  await neverSettling(connection, ledger);
  const leaks = await leaksOf(connection, [...server.connections][0]!);
  await connection.close({ graceMs: 0 });
  await server.close({ graceMs: 0 });
  const figure = `${formatQuantity(ledger.calls)} calls, ${formatQuantity(ledger.settled)} settled, ${ledger.wrongCount} wrong, ${leaks.length} leaks`;
  return shown(figure, ledger.open === 0, [...ledger.wrong, ...leaks]);
}

/** The caller gives up; the callee's side has them until the connection ends. */
async function neverSettling({ remote }: Connection<Minefield>, ledger: Ledger): Promise<void> {
  const hopeless = (): Promise<boolean> => failed(withOptions(remote.never, { timeout: 50 })());
  const calls = Array.from({ length: atOnce }, () => ledger.watch("a call without an answer", hopeless, Boolean));
  await Promise.all(calls);
}

/** What the tables still have, once garbage is collected, in words. */
async function leaksOf(client: Connection<Minefield>, server: Connection): Promise<readonly string[]> {
  const held = (connection: Connection<never> | Connection<Minefield> | Connection): number => {
    const { pending, waiting, queuedBytes, exportedReferences } = connection.stats();
    return pending + waiting + queuedBytes + exportedReferences;
  };
  await until(() => {
    collect();
    return held(client) + held(server) === 0;
  }, collectionMs);
  const { running } = server.stats();
  return [
    ...(held(client) === 0 ? [] : [`the caller's tables: ${JSON.stringify(client.stats())}`]),
    ...(held(server) === 0 ? [] : [`the callee's tables: ${JSON.stringify(server.stats())}`]),
    ...(running === atOnce ? [] : [`${running} calls run, and ${atOnce} never settle`]),
  ];
}
