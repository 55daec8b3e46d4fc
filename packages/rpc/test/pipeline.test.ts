import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { ColloquyError, MsgPackCodec, StructuredCloneCodec } from "@colloquy/core";
import { RemoteNode, Service, connect, expose, notify, pipeline, withOptions } from "../src/index.ts";
import { settled } from "../src/pending-arguments.ts";
import type { CallContext, ConnectOptions, Connection, Remote } from "../src/index.ts";
import { Stranger, failureOf, greeted, pair, turns, unhandledDuring, until, WirePeer, wireServer } from "./support.ts";

/** A call on a path as it is. Proxies take none of these. */
function callAt(connection: Connection, path: string): Promise<unknown> {
  return connection.call(new RemoteNode(connection, path, undefined, false), [], undefined);
}

class Step extends Service {
  readonly number: number;
  readonly log: string[];

  constructor(number: number, log: string[]) {
    super();
    this.number = number;
    this.log = log;
  }

  @expose next() {
    this.log.push(`next of ${this.number}`);
    return new Step(this.number + 1, this.log);
  }

  @expose async later() {
    this.log.push(`later of ${this.number}`);
    await sleep(2);
    return new Step(this.number + 1, this.log);
  }

  @expose value() {
    this.log.push(`value of ${this.number}`);
    return this.number;
  }

  @expose async slowValue() {
    await sleep(2);
    return this.number;
  }

  @expose add(a: number, b: number) {
    return a + b;
  }

  @expose describe(given: { readonly inner: readonly unknown[]; readonly map: ReadonlyMap<string, unknown> }) {
    return [given.inner, given.map.get("k")];
  }

  @expose adder() {
    return (a: number) => a + this.number;
  }

  @expose sum(steps: readonly Step[]) {
    return steps.reduce((sum, { number }) => sum + number, 0);
  }

  @expose async total(numbers: AsyncIterable<number>) {
    let total = 0;
    for await (const number of numbers) total += number;
    return total;
  }

  @expose fail(): Step {
    throw new RangeError("no further");
  }

  @expose async failLater(): Promise<Step> {
    await sleep(2);
    throw new RangeError("no further");
  }

  @expose async *items() {
    yield this.number;
  }
}

function chained(start: Remote<Step>, count: number, method: "next" | "later"): Remote<Step> {
  let step = start;
  for (let index = 0; index < count; index++) step = pipeline(step[method]());
  return step;
}

describe("pipeline", () => {
  test.each([["next"], ["later"]] as const)("calls on results of results before they are there: %s", async (method) => {
    const log: string[] = [];
    await using link = await pair(new Step(0, log));
    const before = link.client.stats().receivedMessages;
    const last = chained(link.remote, 10, method).value();
    expect(link.client.stats().receivedMessages).toBe(before);
    expect(link.client.stats().pending).toBe(11);
    expect(await last).toBe(10);
    expect(log).toStrictEqual([...Array.from({ length: 10 }, (_, index) => `${method} of ${index}`), "value of 10"]);
  });

  test.each([[MsgPackCodec], [StructuredCloneCodec]])("works in %o", async (codec) => {
    await using link = await pair(new Step(0, []), { codec, serve: { codec } });
    expect(await chained(link.remote, 3, "next").value()).toBe(3);
    expect(await link.remote.add(pipeline(link.remote.slowValue()), 2)).toBe(2);
  });

  test("sends all before anything has come back", async () => {
    await using server = await wireServer();
    const { connection, wire } = await greeted<Step>(server);
    const last = chained(connection.remote, 2, "next").value();
    expect(await wire.next()).toStrictEqual([0, 1, ["next", [], {}]]);
    expect(await wire.next()).toStrictEqual([0, 2, ["$/result/1/next", [], {}]]);
    expect(await wire.next()).toStrictEqual([0, 3, ["$/result/2/value", [], {}]]);
    wire.send([1, 3, 7]);
    expect(await last).toBe(7);
    connection.destroy();
  });

  test("takes results as arguments, also plain values, at any depth", async () => {
    await using link = await pair(new Step(5, []));
    const { remote } = link;
    expect(await remote.add(pipeline(remote.slowValue()), 2)).toBe(7);
    expect(await remote.add(pipeline(remote.value()), pipeline(remote.add(1, 1)))).toBe(7);
    const given = { inner: [pipeline(remote.slowValue())], map: new Map([["k", pipeline(remote.slowValue())]]) };
    expect(await remote.describe(given)).toStrictEqual([[5], 5]);
    expect(await remote.sum([pipeline(remote.later()), pipeline(remote.next())])).toBe(12);
  });

  test("takes results of calls that wait for results themselves", async () => {
    await using link = await pair(new Step(5, []));
    const { remote } = link;
    const sum = remote.add(pipeline(remote.slowValue()), 1);
    const both = remote.add(pipeline(sum), pipeline(remote.add(pipeline(sum), 1)));
    expect(await both).toBe(13);
    const failing = pipeline(remote.failLater()).value();
    expect(await failureOf(remote.add(pipeline(remote.add(pipeline(failing), 1)), 1))).toMatchObject({
      code: "DEPENDENCY_FAILED",
      executed: "no",
    });
    await failing.catch(() => {});
  });

  test("takes plain results as arguments from the first time on, also where the other side hasn't kept them", async () => {
    await using link = await pair(new Step(5, []));
    const { remote } = link;
    expect(await remote.add(pipeline(remote.value()), 1)).toBe(6);
    const old = remote.value();
    await Promise.all(Array.from({ length: 1500 }, () => remote.value()));
    expect(await remote.add(pipeline(old), 1)).toBe(6);
    await using fresh = await pair(new Step(7, []));
    const given = { inner: [pipeline(fresh.remote.value())], map: new Map([["k", pipeline(fresh.remote.value())]]) };
    expect(await fresh.remote.describe(given)).toStrictEqual([[7], 7]);
  });

  test("takes results as arguments of notifications", async () => {
    const log: string[] = [];
    class Desk extends Service {
      @expose async word() {
        await sleep(2);
        return "word";
      }
      @expose note(word: string) {
        log.push(word);
      }
    }
    await using link = await pair(new Desk());
    const word = link.remote.word();
    notify(link.remote.note)(pipeline(word));
    await word;
    await until(() => log.length === 1);
    expect(log).toStrictEqual(["word"]);
  });

  test("calls a function that is the result", async () => {
    await using link = await pair(new Step(5, []));
    expect(await pipeline(link.remote.adder())(3)).toBe(8);
  });

  test("reads a stream of a result", async () => {
    await using link = await pair(new Step(5, []));
    const items: number[] = [];
    for await (const item of pipeline(link.remote.next()).items()) items.push(item);
    expect(items).toStrictEqual([6]);
    const next = link.remote.next();
    const step = pipeline(next);
    await next;
    for await (const item of step.items()) items.push(item);
    expect(items).toStrictEqual([6, 6]);
  });

  test("is the result once it is awaited", async () => {
    await using link = await pair(new Step(5, []));
    expect(await pipeline(link.remote.slowValue())).toBe(5);
    const step = await pipeline(link.remote.later());
    expect(await step.value()).toBe(6);
    const passedOn = async () => pipeline(link.remote.value());
    expect((await passedOn()) + 1).toBe(6);
    expect(await failureOf(pipeline(link.remote.failLater()))).toMatchObject({ code: "REMOTE_ERROR" });
    // A member of the result is no result.
    expect((pipeline(link.remote.next()).next as { then?: unknown }).then).toBe(undefined);
  });

  test("is among the items of a stream that a generator gives", async () => {
    await using link = await pair(new Step(5, []));
    const numbers = async function* () {
      yield pipeline(link.remote.slowValue());
    };
    expect(await link.remote.total(numbers())).toBe(5);
  });

  test.each([["fail"], ["failLater"]] as const)("fails what hangs on a step that fails: %s", async (method) => {
    await using link = await pair(new Step(0, []));
    const failing = link.remote[method]();
    const second = pipeline(failing).next();
    const third = pipeline(second).value();
    const fourth = link.remote.add(pipeline(pipeline(failing).value()), 1);
    const failures = await Promise.all([failing, second, third, fourth].map((call) => failureOf(call)));
    const first = { code: "REMOTE_ERROR", message: "no further" };
    const next = { code: "DEPENDENCY_FAILED", executed: "no", cause: first };
    const last = { code: "DEPENDENCY_FAILED", executed: "no", cause: next };
    expect(failures).toMatchObject([first, next, last, { executed: "no" }]);
    expect(await link.remote.value()).toBe(0);
  });

  test("names the call that has failed", async () => {
    await using link = await pair(new Step(0, []));
    const { remote } = link;
    const address = link.client.remoteAddress;
    const named = `${address}/failLater(), which this call hangs on, has failed: no further`;
    const messageOf = async (call: Promise<unknown>): Promise<string> => (await failureOf(call)).message;
    expect(await messageOf(pipeline(remote.failLater()).value())).toBe(named);
    const failed = remote.failLater();
    const late = pipeline(failed);
    await failed.catch(() => {});
    expect(await messageOf(late.value())).toBe(named);
    // On the other side it has a number only.
    expect(await messageOf(remote.add(remote.failLater() as never, 1))).toBe(
      "the call that this one hangs on has failed: no further",
    );
    expect(await messageOf(pipeline(pipeline(remote.failLater()).next()).value())).toMatch(
      /^next\(\), which this call hangs on, has failed: .*no further$/,
    );
    // Where it is one among the arguments, that on which the call is made isn't blamed.
    expect(await messageOf(pipeline(remote.later()).add(remote.failLater() as never, 1))).not.toContain("later()");
  });

  test("goes on where the result leads once it is there", async () => {
    const log: string[] = [];
    await using link = await pair(new Step(0, log));
    const promise = link.remote.next();
    const step = pipeline(promise);
    const early = step.value();
    await promise;
    await turns(3);
    expect(await step.value()).toBe(1);
    expect(await early).toBe(1);
    expect(await link.remote.add(pipeline(link.remote.value()), 1)).toBe(1);
    expect(log).toStrictEqual(["next of 0", "value of 1", "value of 1", "value of 0"]);
  });

  test("waits for a result that the other side hasn't kept", async () => {
    await using link = await pair(new Step(5, []));
    const old = link.remote.next();
    const rest = Array.from({ length: 2000 }, () => link.remote.next());
    expect(await pipeline(old).value()).toBe(6);
    expect(await pipeline(pipeline(old).next()).value()).toBe(7);
    await Promise.all(rest);
  });

  test("takes any promise of a proxy, and waits for it", async () => {
    await using link = await pair(new Step(5, []));
    const promise = (async () => link.remote.next())();
    expect(await pipeline(promise).value()).toBe(6);
  });

  test("refuses what is no promise, and calls on what is no service", async () => {
    await using link = await pair(new Step(5, []));
    expect(() => pipeline(5 as never)).toThrow("pipeline takes the promise of a call, not number");
    expect(() => pipeline(link.remote as never)).toThrow("this is a proxy already, call its methods");
    const value = pipeline(link.remote.slowValue()) as unknown as { foo(): Promise<unknown> };
    expect(await failureOf(value.foo())).toMatchObject({ code: "INVALID_ARGUMENT", executed: "no" });
  });

  test("waits for a result of one peer that is an argument of a call to another", async () => {
    await using first = await pair(new Step(5, []));
    await using second = await pair(new Step(6, []));
    expect(await second.remote.add(pipeline(first.remote.slowValue()), 1)).toBe(6);
    const failing = pipeline(first.remote.failLater()).value();
    expect(await failureOf(second.remote.add(pipeline(failing), 1))).toMatchObject({ code: "DEPENDENCY_FAILED" });
  });

  test("ends at once with its own time and signal, where it waits for the result here", async () => {
    class Slow extends Service {
      @expose async open(): Promise<Step> {
        return new Promise(() => {});
      }
    }
    await using link = await pair(new Slow(), { dialect: "aiomas", serve: { dialect: "aiomas" } });
    const step = pipeline(link.remote.open());
    const controller = new AbortController();
    const cancelled = failureOf(withOptions(step.value, { signal: controller.signal })());
    controller.abort(new Error("enough"));
    expect(await cancelled).toMatchObject({ code: "CANCELLED", executed: "no", cause: { message: "enough" } });
    const late = failureOf(withOptions(step.value, { timeout: 5 })());
    expect(await late).toMatchObject({ code: "DEADLINE_EXCEEDED", executed: "no" });
    expect(link.client.stats().pending).toBe(1);
  });

  test("works over a connection to a plain peer, step by step", async () => {
    await using server = await wireServer();
    const connecting = connect<Step>(server.address, { dialect: "aiomas" });
    const wire: WirePeer = await server.accepted();
    await using connection = await connecting;
    const last = pipeline(connection.remote.next()).value();
    expect(await wire.next()).toStrictEqual([0, 0, ["next", [], {}]]);
    wire.send([1, 0, { __type__: [0, "sub"] }]);
    expect(await wire.next()).toStrictEqual([0, 1, ["sub/value", [], {}]]);
    wire.send([1, 1, 9]);
    expect(await last).toBe(9);
    connection.destroy();
  });
});

describe("A notification on a result", () => {
  class Board extends Service {
    readonly notes: unknown[] = [];
    @expose async open() {
      await turns(2);
      return this;
    }
    @expose async refuse(): Promise<Board> {
      await turns(2);
      throw new RangeError("no board");
    }
    @expose number() {
      return 5;
    }
    @expose({ context: true }) note(text: string, context: CallContext) {
      this.notes.push([text, context.metadata]);
    }
  }

  test("is sent when that is there, with its options", async () => {
    const board = new Board();
    await using link = await pair(board);
    const { note } = pipeline(link.remote.open());
    notify(note)("plain");
    notify(withOptions(note, { metadata: { by: "ada" } }))("tagged");
    await until(() => board.notes.length === 2);
    expect(board.notes).toEqual([
      ["plain", {}],
      ["tagged", { by: "ada" }],
    ]);
  });

  test("that never comes is counted and published, and is no unhandled rejection", async () => {
    await using link = await pair(new Board());
    const published: unknown[] = [];
    const onPublished = (message: unknown): void => void published.push(message);
    subscribe("colloquy:failed-notification", onPublished);
    const { remote } = link;
    const unhandled = await unhandledDuring(async () => {
      notify(pipeline(remote.refuse()).note)("lost");
      notify((pipeline(remote.number()) as unknown as Remote<Board>).note)("lost");
      const refused = remote.refuse();
      await refused.catch(() => {});
      notify(pipeline(refused).note)("lost");
      notify(pipeline(remote.open()).note)(new Stranger() as never);
      notify(pipeline(Promise.reject<Remote<Board>>(new Error("of nobody"))).note)("lost");
      await until(() => published.length === 5);
    });
    unsubscribe("colloquy:failed-notification", onPublished);
    expect(unhandled).toStrictEqual([]);
    expect(link.client.stats().failedNotifications).toBe(4);
    const own = published.filter((message) => (message as { connection: unknown }).connection === link.client);
    expect(own).toMatchObject([
      { path: "note", error: { code: "INVALID_ARGUMENT" } },
      { path: "note", error: { code: "DEPENDENCY_FAILED" } },
      { path: "note", error: { code: "DEPENDENCY_FAILED" } },
      { path: "note", error: { code: "SERIALIZATION_ERROR" } },
    ]);
  });
});

describe("A call that has run", () => {
  class Fussy extends Service {
    count = 0;
    @expose word() {
      return "word";
    }
    @expose note(_word: string) {}
    @expose fail(_word: string) {
      this.count++;
      throw new ColloquyError("RESULT_NOT_KEPT", "of the method itself");
    }
  }

  test("isn't made again because of what it says, with results among its arguments or after a notification with some", async () => {
    const fussy = new Fussy();
    await using link = await pair(fussy);
    const { remote } = link;
    const failure = { code: "RESULT_NOT_KEPT", executed: "yes" };
    expect(await failureOf(remote.fail(pipeline(remote.word())))).toMatchObject(failure);
    expect(fussy.count).toBe(1);
    notify(remote.note)(pipeline(remote.word()));
    expect(await failureOf(remote.fail("plain"))).toMatchObject(failure);
    expect(fussy.count).toBe(2);
  });

  test("is what its connection has made of it: results among the arguments of a notification before it don't count", async () => {
    await using server = await wireServer();
    const { connection, wire } = await greeted<Fussy>(server);
    const word = connection.remote.word();
    notify(connection.remote.note)(pipeline(word));
    const failing = connection.remote.fail("plain");
    expect(await wire.next()).toStrictEqual([0, 1, ["word", [], {}]]);
    expect(await wire.next()).toMatchObject([3, 0, ["note", [{ __type__: [-16, [1, ""]] }], {}]]);
    expect(await wire.next()).toStrictEqual([0, 2, ["fail", ["plain"], {}]]);
    wire.send([2, 2, { name: "E", message: "m", code: "RESULT_NOT_KEPT", executed: "no" }]);
    expect(await failureOf(failing)).toMatchObject({ code: "RESULT_NOT_KEPT" });
    expect(await wire.rest()).toStrictEqual([]);
    wire.send([1, 1, "word"]);
    await word;
    connection.destroy();
  });
});

describe("Arguments beside a result that isn't kept", () => {
  class Looker extends Service {
    @expose five() {
      return 5;
    }
    @expose inItself(given: unknown[], five: number) {
      return [given[1] === given, (given[2] as Map<unknown, unknown>).get("k") === given, five];
    }
    @expose twice(given: unknown[], five: unknown) {
      return [given[0] === given[1], five];
    }
    @expose innermost(given: unknown[], five: number) {
      let value: unknown = given;
      while (Array.isArray(value)) value = value[0];
      return [value, five];
    }
    @expose resultIn(given: { list: unknown[]; map: Map<unknown, unknown>; set: Set<unknown>; same: unknown }) {
      const { list, map, set, same } = given;
      return [list, map.get("k"), [...set], same === list, map.get("up") === given];
    }
  }

  async function looked() {
    return pair(new Looker(), { codec: StructuredCloneCodec, serve: { codec: StructuredCloneCodec } });
  }

  test("stand where they stood, in several places and in themselves", async () => {
    await using link = await looked();
    const { remote } = link;
    const cycle: unknown[] = [1];
    cycle.push(cycle, new Map([["k", cycle]]));
    expect(await remote.inItself(cycle, remote.five())).toEqual([true, true, 5]);
    const shared = [1];
    expect(await remote.twice([shared, shared], remote.five())).toEqual([true, 5]);
  });

  test("are looked through once each", async () => {
    await using link = await looked();
    const { remote } = link;
    let nested: unknown[] = ["in it"];
    for (let level = 0; level < 25; level++) nested = [nested, nested];
    expect(await remote.innermost(nested, remote.five())).toEqual(["in it", 5]);
  });

  test("are copied where the result is in them, as often as it is, and are else what they were", async () => {
    await using link = await looked();
    const { remote } = link;
    const five = pipeline(remote.five());
    const list = [1, five];
    const given = { list, map: new Map<unknown, unknown>([["k", five]]), set: new Set([five, 2]), same: list };
    given.map.set("up", given);
    expect(await remote.resultIn(given as never)).toEqual([[1, 5], 5, [5, 2], true, true]);
    expect(list[1]).toBe(five);
    const other = { deep: [{ plain: true }] };
    const copy = (await settled([other, [remote.five()]])) as unknown[];
    expect(copy[0]).toBe(other);
    expect(copy[1]).toEqual([5]);
  });
});

describe("A request that waits for results", () => {
  class Slow extends Service {
    readonly started: string[] = [];
    @expose async word() {
      await sleep(60);
      return "word";
    }
    @expose({ context: true }) use(word: string, context: CallContext) {
      this.started.push(`${word} ${context.signal.aborted}`);
    }
    @expose nested() {
      return { inner: this.word() };
    }
  }

  test.each([
    ["a signal", () => ({ signal: AbortSignal.timeout(20) })],
    ["a time limit", () => ({ timeout: 20 })],
  ])("never starts once it is given up by %s", async (_what, options) => {
    const slow = new Slow();
    await using link = await pair(slow);
    const word = link.remote.word();
    const using = withOptions(link.remote.use, options())(pipeline(word));
    expect((await failureOf(using)).code).toMatch(/^(CANCELLED|DEADLINE_EXCEEDED)$/);
    await word;
    await turns(5);
    expect(slow.started).toStrictEqual([]);
    await until(() => link.peer.stats().running === 0);
  });

  test("never starts once its connection has ended", async () => {
    const slow = new Slow();
    await using link = await pair(slow);
    const failing = failureOf(link.remote.use(pipeline(link.remote.word())));
    await turns(5);
    link.client.destroy();
    expect(await failing).toMatchObject({ code: "CONNECTION_LOST" });
    await sleep(80);
    expect(slow.started).toStrictEqual([]);
  });

  test("is a request: results and their promises are no part of answers", async () => {
    await using link = await pair(new Slow());
    expect(await failureOf(link.remote.nested())).toMatchObject({ code: "SERIALIZATION_ERROR" });
    class Caller extends Service {
      back: Remote<Slow> | undefined;
      @expose ask() {
        const words = [this.back!.word(), this.back!.word()] as const;
        for (const word of words) word.catch(() => {});
        return { inner: words[0], piped: pipeline(words[1]) };
      }
    }
    const caller = new Caller();
    await using other = await pair<Caller, Slow>(caller, { service: new Slow() });
    caller.back = other.back;
    expect(await failureOf(other.remote.ask())).toMatchObject({ code: "SERIALIZATION_ERROR" });
  });
});

describe("Arguments beside results", () => {
  class Taker extends Service {
    @expose async word() {
      await sleep(1);
      return "word";
    }
    @expose take(value: unknown, word: string) {
      return [value, word];
    }
  }

  test("may be cyclic, and shared", async () => {
    await using link = await pair(new Taker(), { codec: StructuredCloneCodec, serve: { codec: StructuredCloneCodec } });
    let shared: unknown[] = [];
    for (let level = 0; level < 27; level++) shared = [shared, shared];
    const cyclic: { self?: unknown } = {};
    cyclic.self = cyclic;
    const [value] = (await link.remote.take([shared, cyclic], pipeline(link.remote.word()))) as [
      [unknown, typeof cyclic],
    ];
    expect(value[1].self).toBe(value[1]);
  });

  test("are looked at in one turn", async () => {
    await using link = await pair(new Taker(), { codec: MsgPackCodec, serve: { codec: MsgPackCodec } });
    const many = Array.from({ length: 300_000 }, () => 0);
    const [value, word] = await link.remote.take(many, pipeline(link.remote.word()));
    expect([(value as number[]).length, word]).toStrictEqual([300_000, "word"]);
  });

  test("leave nothing of large results behind", async () => {
    const { RecentResults } = await import("../src/recent-results.ts");
    const results = new RecentResults();
    for (const [id, value] of [new Float64Array(9), new Map(), new Date(), [], {}, 5, "x"].entries())
      results.settle(id, value);
    expect(results.size).toBe(0);
    for (const [id, value] of [new Taker(), () => 1].entries()) results.settle(id, value);
    expect(results.size).toBe(2);
  });
});

describe("A peer that addresses results", () => {
  test("in an answer breaks that answer, and nothing else", async () => {
    await using server = await wireServer();
    const step = new Step(5, []);
    const connecting = connect<Step>(server.address, { service: step });
    const wire = await server.accepted();
    await wire.next();
    wire.send([1, 0, { protocol: 1 }]);
    const connection = await connecting;
    const reference = { __type__: [-16, [7, ""]] };
    for (const [type, content] of [
      [1, { inner: [reference] }],
      [2, { name: "E", message: "m", code: "REMOTE_ERROR", data: { reference } }],
    ] as const) {
      const failing = failureOf(connection.remote.value());
      const [, id] = await wire.next();
      wire.send([type, id, content]);
      expect(await failing).toMatchObject({
        code: "SERIALIZATION_ERROR",
        message: "the answer can't be decoded: the result of a request, which is for arguments only",
        executed: type === 1 ? "yes" : "unknown",
      });
      // One that waits for results is answered after those behind it.
      wire.send([0, 20, ["value", [], {}]], [0, 21, ["value", [], {}]]);
      expect(await wire.next()).toStrictEqual([1, 20, 5]);
      expect(await wire.next()).toStrictEqual([1, 21, 5]);
    }
    connection.destroy();
  });

  test.each([
    ["that can't be read otherwise", ["value", [{ __type__: [-16, [7, ""]] }, { __type__: [99, 0] }], {}]],
    ["of the protocol's own", ["$/stats", [{ __type__: [-16, [7, ""]] }], {}]],
    ["that is malformed", ["value", { no: { __type__: [-16, [7, ""]] } }, {}]],
  ])("in a request %s changes nothing for the next one", async (_what, content) => {
    await using link = await pair(new Step(5, []));
    await using wire = await WirePeer.connect(link.server.address);
    await wire.hello();
    await wire.ask(content);
    // One that waits for results is answered after those behind it.
    wire.send([0, 20, ["value", [], {}]], [0, 21, ["value", [], {}]]);
    expect(await wire.next()).toStrictEqual([1, 20, 5]);
    expect(await wire.next()).toStrictEqual([1, 21, 5]);
  });

  test("that were never asked for fails, and nothing else does", async () => {
    await using link = await pair(new Step(5, []));
    expect(await failureOf(callAt(link.client, "$/result/77/value"))).toMatchObject({ code: "RESULT_NOT_KEPT" });
    expect(await failureOf(callAt(link.client, "$/result/x/value"))).toMatchObject({ code: "NOT_FOUND" });
    expect(await link.remote.value()).toBe(5);
  });

  test("of its own request fails", async () => {
    await using server = await pair(new Step(5, []));
    const next = server.client.stats().sentMessages;
    const failure = await failureOf(callAt(server.client, `$/result/${next}/value`));
    expect(failure.executed).toBe("no");
    expect(await server.remote.value()).toBe(5);
  });
});

describe("The promise of a call in the arguments of one that fails at once", () => {
  class Slow extends Service {
    @expose async slow() {
      await new Promise(() => {});
      return 1;
    }

    @expose sum(..._numbers: unknown[]) {
      return 0;
    }

    @expose fails(): Record<string, (value: unknown) => number> {
      throw new Error("boom");
    }
  }

  type Sum = Remote<Slow>["sum"];
  const gone = AbortSignal.abort();

  test.each<[string, string, (sum: Sum) => Sum]>([
    ["because too many are under way", "RESOURCE_EXHAUSTED", (sum) => sum],
    ["because it was cancelled before", "CANCELLED", (sum) => withOptions(sum, { signal: gone })],
  ])("is no unhandled rejection, %s", async (_why, code, as) => {
    const unhandled = await unhandledDuring(async () => {
      const link = await pair(new Slow(), { limits: { maxPendingCount: 2 } });
      const { remote } = link;
      const failing = as(remote.sum)(remote.slow(), { deep: [remote.slow()] });
      expect(await failureOf(failing)).toMatchObject({ code });
      await link[Symbol.asyncDispose]();
    });
    expect(unhandled).toStrictEqual([]);
  });

  test.each<[string, (remote: Remote<Slow>) => unknown, Pick<ConnectOptions, "interceptors">?]>([
    ["by keyword", ({ sum, slow }) => withOptions(sum, { signal: gone, kwargs: { a: slow(), b: [slow()] } })()],
    ["beside what can't be encoded", ({ sum, slow }) => sum(Symbol("x"), new Map([["k", slow()]]))],
    [
      "by keyword beside what can't be encoded",
      ({ sum, slow }) => withOptions(sum, { kwargs: { x: Symbol("x"), a: slow() } })(),
    ],
    ["in a notification that can't be encoded", async ({ sum, slow }) => notify(sum)(Symbol("x"), [slow()])],
    ["in a notification on a result that fails", ({ fails, slow }) => notify(pipeline(fails()).x!)(slow())],
    ["in a call on a result that fails", ({ fails }) => pipeline(fails()).x!(fails())],
    [
      "where an interceptor throws",
      ({ sum, slow }) => sum(slow()),
      {
        interceptors: { outgoing: [(call, next) => (call.path === "sum" ? Promise.reject(new Error("no")) : next())] },
      },
    ],
    [
      "of a notification where an interceptor throws",
      ({ sum, slow }) => notify(sum)(slow()),
      {
        interceptors: { outgoing: [(call, next) => (call.path === "sum" ? Promise.reject(new Error("no")) : next())] },
      },
    ],
    [
      "behind an interceptor",
      ({ sum, slow }) => withOptions(sum, { signal: gone })(slow()),
      { interceptors: { outgoing: [(_call, next) => next()] } },
    ],
    [
      "behind an interceptor that takes its time, and fails meanwhile",
      ({ sum, fails }) => sum(fails()),
      {
        interceptors: {
          outgoing: [
            async (call, next) => {
              if (call.path === "sum") await sleep(20);
              return next();
            },
          ],
        },
      },
    ],
  ])("is none %s", async (_what, act, options = {}) => {
    const unhandled = await unhandledDuring(async () => {
      const link = await pair(new Slow(), options);
      const acted = act(link.remote) as Promise<unknown> | undefined;
      await Promise.allSettled([acted]);
      await turns(3);
      await link[Symbol.asyncDispose]();
    });
    expect(unhandled).toStrictEqual([]);
  });

  test("is none in a notification that waits", async () => {
    const unhandled = await unhandledDuring(async () => {
      const link = await pair(new Slow(), { limits: { maxQueuedBytes: 1000 } });
      const { sum, slow } = link.remote;
      const waiting = slow();
      for (let count = 0; count < 20; count++) notify(sum)("x".repeat(40_000));
      notify(sum)(waiting);
      link.client.destroy();
      await link[Symbol.asyncDispose]();
    });
    expect(unhandled).toStrictEqual([]);
  });

  test("is looked for without an end of its own, and without what getters would make", async () => {
    await using link = await pair(new Slow());
    let made = 0;
    const endless = (): object => ({
      get next() {
        made++;
        return endless();
      },
    });
    const sum = withOptions(link.remote.sum, { signal: gone });
    expect(await failureOf(sum(endless()))).toMatchObject({ code: "CANCELLED" });
    const all: object = new Proxy(
      {},
      {
        ownKeys: () => ["a", "b"],
        getOwnPropertyDescriptor: () => ({ value: all, configurable: true, enumerable: true, writable: true }),
      },
    );
    expect(await failureOf(sum(all, [all]))).toMatchObject({ code: "CANCELLED" });
    const start = performance.now();
    const sparse: unknown[] = [];
    sparse.length = 2 ** 31;
    expect(await failureOf(sum(sparse))).toMatchObject({ code: "CANCELLED" });
    expect(performance.now() - start).toBeLessThan(1000);
    expect(made).toBe(0);
  });

  test("is none either on a connection that has ended, nor in a notification", async () => {
    const unhandled = await unhandledDuring(async () => {
      const link = await pair(new Slow(), { limits: { maxPendingCount: 2 } });
      const { remote } = link;
      await link[Symbol.asyncDispose]();
      expect(await failureOf(remote.sum(remote.slow()))).toMatchObject({ code: "CONNECTION_LOST" });
      notify(remote.sum)(remote.slow(), [remote.slow()]);
    });
    expect(unhandled).toStrictEqual([]);
  });

  test.each([["wait"], ["fail"]] as const)("is none where there is no connection and calls %s", async (whileAway) => {
    const unhandled = await unhandledDuring(async () => {
      const link = await pair(new Slow());
      const client = await connect<Slow>(link.server.address, { reconnect: { whileAway } });
      await link[Symbol.asyncDispose]();
      const { sum, slow } = client.remote;
      const failing = failureOf(withOptions(sum, { timeout: 30 })(slow(), [slow()]));
      notify(sum)(slow());
      await failing;
      await client.close({ graceMs: 0 });
    });
    expect(unhandled).toStrictEqual([]);
  });
});
