import { getEventListeners } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { Service, connect, expose, pipeline, service, withOptions } from "../src/index.ts";
import type { CallContext, ColloquyError, Interceptor, NextCall, OutgoingCall } from "../src/index.ts";
import { failureOf, greeted, pair, turns, unhandledDuring, until, wireServer } from "./support.ts";

class Desk extends Service {
  readonly log: unknown[] = [];
  @expose add(a: number, b: number): number {
    this.log.push(["add", a, b]);
    return a + b;
  }
  @expose({ context: true }) async hang({ signal, deadline }: CallContext): Promise<void> {
    this.log.push(deadline === undefined ? "hang" : Math.round(deadline - performance.now()));
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    this.log.push((signal.reason as ColloquyError).code);
    // Its answer may be there before the caller has seen that the time is over.
    throw signal.reason as ColloquyError;
  }
  @expose async *count(): AsyncGenerator<number> {
    for (let n = 0; ; n++) {
      yield n;
      await sleep(1);
    }
  }
}

type Outgoing = Interceptor<OutgoingCall>;

const never = (): Promise<never> => new Promise(() => {});

/** A connection whose calls go through `outgoing`. */
const through = (desk: Desk, ...outgoing: Outgoing[]) => pair(desk, { interceptors: { outgoing } });

/** What a call ends with whose time is over, or whose signal aborts, after 30 ms. */
async function ended(kind: "timeout" | "signal", call: (options: object) => Promise<unknown>): Promise<ColloquyError> {
  const stop = new AbortController();
  const calling = failureOf(call(kind === "timeout" ? { timeout: 30 } : { signal: stop.signal }));
  if (kind === "signal") setTimeout(() => stop.abort("enough"), 30);
  const error = await calling;
  expect(error.code).toBe(kind === "timeout" ? "DEADLINE_EXCEEDED" : "CANCELLED");
  if (kind === "signal") expect(error.cause).toBe("enough");
  expect(getEventListeners(stop.signal, "abort")).toEqual([]);
  return error;
}

function timerCount(): number {
  return process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
}

const KINDS = ["timeout", "signal"] as const;

describe.each(KINDS)("the %s of a call with outgoing interceptors", (kind) => {
  test("ends it while one waits before the request has left, which isn't sent any more", async () => {
    const desk = new Desk();
    let nexts: unknown;
    const late: Outgoing = async (_call, next) => {
      await sleep(60);
      nexts = await failureOf(next());
      return next();
    };
    await using link = await through(desk, late);
    const error = await ended(kind, (options) => withOptions(link.remote.add, options)(1, 2));
    expect(error).toMatchObject({ executed: "no" });
    expect(error.message).toContain("/add");
    await until(() => nexts !== undefined);
    expect(nexts).toMatchObject({ code: error.code, executed: "no" });
    await turns(5);
    expect(desk.log).toEqual([]);
  });

  test("ends it while one never settles, before the request and after its answer", async () => {
    const desk = new Desk();
    await using before = await through(desk, never);
    expect((await ended(kind, (options) => withOptions(before.remote.add, options)(1, 2))).executed).toBe("no");
    await using after = await through(desk, async (_call, next) => {
      await next();
      return never();
    });
    expect((await ended(kind, (options) => withOptions(after.remote.add, options)(1, 2))).executed).toBe("unknown");
    // One that surely didn't run leaves nothing open.
    await using refused = await through(desk, async (_call, next) => {
      await next({ args: [Symbol("none")] }).catch(() => {});
      return never();
    });
    expect((await ended(kind, (options) => withOptions(refused.remote.add, options)(1, 2))).executed).toBe("no");
    expect(desk.log).toEqual([["add", 1, 2]]);
  });

  test("ends it with what is under way, at the other side, too, whatever interceptors hand on or make of it", async () => {
    const changes = [
      {},
      { timeout: undefined, signal: undefined },
      { timeout: 60_000, signal: new AbortController().signal },
    ];
    for (const change of changes) {
      const desk = new Desk();
      let seen: ColloquyError | undefined;
      const outgoing: Outgoing = async (_call, next) => {
        seen = await failureOf(next(change));
        return "another answer";
      };
      await using link = await through(desk, outgoing);
      const error = await ended(kind, (options) => withOptions(link.remote.hang, options)());
      expect(error.executed).toBe("unknown");
      expect(seen).toMatchObject({ code: error.code, executed: "unknown" });
      await until(() => desk.log.length === 2);
      expect(desk.log[1]).toMatch(/CANCELLED|DEADLINE_EXCEEDED/);
      expect(link.client.stats()).toMatchObject({ pending: 0, waiting: 0 });
    }
  });

  test("is for all attempts of one that makes the call again and again", async () => {
    const desk = new Desk();
    let attempts = 0;
    const again: Outgoing = async (_call, next) => {
      for (;;) {
        attempts++;
        await next({ timeout: 8 }).catch(() => sleep(1));
      }
    };
    await using link = await through(desk, again);
    await ended(kind, (options) => withOptions(link.remote.hang, options)());
    expect(attempts).toBeGreaterThan(1);
    await turns(5);
    const { length } = desk.log.filter((entry) => typeof entry === "number");
    await sleep(30);
    expect(desk.log.filter((entry) => typeof entry === "number")).toHaveLength(length);
  });
});

describe("a call with limits and interceptors", () => {
  test("tells the other side what is left of its time", async () => {
    const desk = new Desk();
    const late: Outgoing = async (_call, next) => {
      await sleep(100);
      return next();
    };
    await using link = await through(desk, late, (_call, next) => next());
    const stop = new AbortController();
    const call = failureOf(withOptions(link.remote.hang, { timeout: 10_000, signal: stop.signal })());
    await until(() => desk.log.length > 0);
    expect(desk.log[0]).toBeLessThanOrEqual(9950);
    expect(desk.log[0]).toBeGreaterThan(5000);
    stop.abort();
    await call;
  });

  test("of a context ends with that", async () => {
    const desk = new Desk();
    await using to = await through(desk, never);
    class Relay extends Service {
      error: unknown;
      @expose({ context: true }) async pass(context: CallContext): Promise<void> {
        this.error = await failureOf(withOptions(to.remote.add, { context })(1, 2));
      }
    }
    const relay = new Relay();
    await using link = await pair(relay);
    // The outer one may see that its time is over, or that the inner one has: both are due at the same moment.
    await withOptions(link.remote.pass, { timeout: 20 })().catch(() => undefined);
    await until(() => relay.error !== undefined);
    expect(relay.error).toMatchObject({ executed: "no", code: expect.stringMatching(/CANCELLED|DEADLINE_EXCEEDED/) });
    expect(desk.log).toEqual([]);
  });

  test("that was cancelled before it is made reaches no interceptor", async () => {
    let count = 0;
    await using link = await through(new Desk(), (_call, next) => {
      count++;
      return next();
    });
    const call = withOptions(link.remote.add, { signal: AbortSignal.abort("before") })(1, 2);
    expect(await failureOf(call)).toMatchObject({ code: "CANCELLED", executed: "no", cause: "before" });
    expect(count).toBe(0);
  });

  test("whose interceptor answers first goes on within its time", async () => {
    const desk = new Desk();
    let refreshed: Promise<unknown> | undefined;
    const refresh: Outgoing = (_call, next) => {
      refreshed = failureOf(next());
      return "cached";
    };
    const late: Outgoing = async (_call, next) => {
      await turns(3);
      return next();
    };
    await using link = await through(desk, refresh, late);
    expect(await withOptions(link.remote.hang, { timeout: 50 })()).toBe("cached");
    expect(await refreshed).toMatchObject({ code: "DEADLINE_EXCEEDED" });
    await until(() => link.client.stats().pending === 0);
  });

  test("leaves no listener and no timer behind, however it ends", async () => {
    const desk = new Desk();
    const stop = new AbortController();
    const shared = new AbortController();
    const outgoing: Outgoing = async (call, next) => {
      if (call.args[0] === 0) return 0;
      if (call.args[0] === 1) throw new Error("mine");
      await turns(1);
      return next({ signal: shared.signal });
    };
    await using link = await through(desk, outgoing);
    const options = { timeout: 60_000, signal: stop.signal };
    const before = timerCount();
    for (let first = 0; first < 4; first++)
      await withOptions(link.remote.add, options)(first, first === 3 ? (Symbol("none") as never) : 1).catch(() => {});
    expect(getEventListeners(stop.signal, "abort")).toEqual([]);
    expect(getEventListeners(shared.signal, "abort")).toEqual([]);
    const stream = withOptions(link.remote.count, options)();
    for await (const n of stream) if (n === 2) break;
    expect(getEventListeners(stop.signal, "abort")).toEqual([]);
    expect(getEventListeners(shared.signal, "abort")).toEqual([]);
    await until(() => timerCount() <= before, "the end of the timers");
  });

  test.each(["the caller's", "the one that was handed on"])("and a stream ends with it by %s signal", async (whose) => {
    const own = new AbortController();
    const handedOn = new AbortController();
    await using link = await through(new Desk(), (_call, next) => next({ signal: handedOn.signal }));
    const reading = (async () => {
      for await (const n of withOptions(link.remote.count, { signal: own.signal })())
        if (n === 2) (whose === "the caller's" ? own : handedOn).abort("enough");
    })();
    expect(await failureOf(reading)).toMatchObject({ code: "CANCELLED", cause: "enough" });
    expect(getEventListeners(own.signal, "abort").length + getEventListeners(handedOn.signal, "abort").length).toBe(0);
  });

  test("that fails late is no unhandled rejection", async () => {
    let fail!: (error: Error) => void;
    const outgoing: Outgoing = () => new Promise((_resolve, reject) => (fail = reject));
    await using link = await through(new Desk(), outgoing);
    const unhandled = await unhandledDuring(async () => {
      await failureOf(withOptions(link.remote.add, { timeout: 5 })(1, 2));
      fail(new Error("late"));
    });
    expect(unhandled).toEqual([]);
  });

  test("says no where its request waited for room and never left", async () => {
    await using server = await wireServer();
    const { connection: plain, wire } = await greeted<any>(server);
    plain.destroy();
    const connecting = connect<any>(server.address, {
      limits: { maxQueuedBytes: 65_536 },
      interceptors: { outgoing: (_call: OutgoingCall, next: NextCall<OutgoingCall>) => next() },
    });
    const peer = await server.accepted();
    await peer.next();
    peer.send([1, 0, { protocol: 1 }]);
    const connection = await connecting;
    peer.pause();
    const filling = Array.from({ length: 200 }, () => failureOf(connection.remote.f("x".repeat(10_000))));
    const error = await failureOf(withOptions(connection.remote.f, { timeout: 20 })(1));
    expect(error).toMatchObject({ code: "DEADLINE_EXCEEDED", executed: "no" });
    connection.destroy();
    await Promise.all(filling);
    expect(wire.isClosed).toBe(true);
  });
});

describe("a call that waits for a result among its arguments", () => {
  test("has its time and its signal meanwhile, and isn't sent after", async () => {
    const desk = new Desk();
    await using link = await pair(desk);
    let answer!: (value: number) => void;
    const late = new Promise<number>((resolve) => (answer = resolve));
    await using source = await pair(service({ late: expose(() => late) }));
    const result = (source.remote as unknown as { late(): Promise<number> }).late();
    for (const kind of KINDS) {
      const error = await ended(kind, (options) => withOptions(link.remote.add, options)(pipeline(result), 1));
      expect(error.executed).toBe("no");
    }
    answer(1);
    expect(await result).toBe(1);
    await turns(5);
    expect(desk.log).toEqual([]);
    expect(await withOptions(link.remote.add, { timeout: 5000 })(pipeline(result), 2)).toBe(3);
  });
});
