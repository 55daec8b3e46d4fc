import { getEventListeners, once } from "node:events";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { describe, expect, test } from "vitest";
import { ColloquyError, Service, connect, expose, release, serve, withOptions } from "../src/index.ts";
import type { CallContext, Remote } from "../src/index.ts";
import {
  Child,
  WirePeer,
  failureOf,
  greeted,
  newAddress,
  pair,
  turns,
  unhandledDuring,
  until,
  wireServer,
} from "./support.ts";

class Kitchen extends Service {
  readonly signals: AbortSignal[] = [];
  readonly cooked: string[] = [];
  readonly subscribers: ((text: string) => Promise<unknown>)[] = [];

  @expose({ context: true }) async cook(dish: string, { signal }: CallContext): Promise<string> {
    this.signals.push(signal);
    if (!signal.aborted) await once(signal, "abort");
    this.cooked.push(dish);
    // An answer might be there before the caller has seen that its time is over.
    if (dish === "stew") await new Promise(() => {});
    return dish;
  }
  @expose now(dish: string): string {
    return dish;
  }
  @expose burn(dish: string): Promise<string> {
    this.cooked.push(dish);
    return new Promise(() => {});
  }
  @expose subscribe(fn: (text: string) => Promise<unknown>): void {
    this.subscribers.push(fn);
  }
}

describe("a call with a timeout", () => {
  test("D13 fails with DEADLINE_EXCEEDED, and the callee's signal aborts", async () => {
    const kitchen = new Kitchen();
    await using link = await pair(kitchen);
    const start = performance.now();
    const error = await failureOf(withOptions(link.remote.cook, { timeout: 30 })("stew"));
    expect(error).toMatchObject({ code: "DEADLINE_EXCEEDED", executed: "unknown" });
    expect(error.message).toContain("/cook within 30 ms");
    expect(performance.now() - start).toBeGreaterThanOrEqual(29);
    await until(() => kitchen.cooked.length === 1);
    expect(kitchen.signals[0]!.reason).toMatchObject({ code: "DEADLINE_EXCEEDED" });
  });

  test("tells the other side why it is given up", async () => {
    await using server = await wireServer();
    const { connection, wire } = await greeted<Kitchen>(server);
    const call = failureOf(withOptions(connection.remote.now, { timeout: 5 })("tea"));
    const [, id] = await wire.next();
    expect(await call).toMatchObject({ code: "DEADLINE_EXCEEDED" });
    expect(await wire.next()).toEqual([3, 0, ["$/cancel", [id, "DEADLINE_EXCEEDED"], {}]]);
    connection.destroy();
  });

  test("that is answered in time gives its result and leaves no timer", async () => {
    await using link = await pair(new Kitchen());
    expect(await withOptions(link.remote.now, { timeout: 20 })("tea")).toBe("tea");
    await new Promise((resolve) => setTimeout(resolve, 40));
    expect(link.client.stats()).toMatchObject({ pending: 0, lateAnswers: 0 });
  });

  test("that was answered in time doesn't fail because this process was busy", async () => {
    await using child = new Child("hanging-server.ts");
    const { address } = await child.line();
    await using connection = await connect<{ ready(): boolean }>(address);
    const calls = Array.from({ length: 20 }, () => withOptions(connection.remote.ready, { timeout: 50 })());
    // They leave with this turn; the answers come while nobody looks.
    await new Promise<void>((resolve) => process.nextTick(resolve));
    expect(connection.stats().pending).toBe(20);
    const end = performance.now() + 500;
    while (performance.now() < end);
    expect(new Set(await Promise.all(calls))).toEqual(new Set([true]));
  });

  test("beyond what timers take, or of Infinity, is no timeout", async () => {
    await using link = await pair(new Kitchen());
    for (const timeout of [2 ** 31, 1e12, Infinity]) {
      const stop = new AbortController();
      const call = withOptions(link.remote.cook, { timeout, signal: stop.signal })("soup");
      await new Promise((resolve) => setTimeout(resolve, 15));
      stop.abort();
      expect((await failureOf(call)).code).toBe("CANCELLED");
    }
  });

  test("of 0 still sends the call", async () => {
    const kitchen = new Kitchen();
    await using link = await pair(kitchen);
    expect((await failureOf(withOptions(link.remote.burn, { timeout: 0 })("soup"))).code).toBe("DEADLINE_EXCEEDED");
    await until(() => kitchen.cooked.length === 1);
  });

  test("that never left says so", async () => {
    // On the server's side calls wait until the client has said what it is.
    const factoryCalls: Promise<unknown>[] = [];
    await using waiting = await serve(newAddress(), (fresh) => {
      factoryCalls.push(failureOf(withOptions((fresh.remote as Remote<Kitchen>).now, { timeout: 10 })("tea")));
      return new Kitchen();
    });
    await using silent = await WirePeer.connect(waiting.address);
    expect(await factoryCalls[0]).toMatchObject({ code: "DEADLINE_EXCEEDED", executed: "no" });
    await silent.hello();
    expect(await silent.rest()).toEqual([]);
  });
});

describe("a call with a signal", () => {
  test("rejects at once with CANCELLED and the reason as cause, and `$/cancel` says which", async () => {
    await using server = await wireServer();
    const { connection, wire } = await greeted<Kitchen>(server);
    const stop = new AbortController();
    const call = failureOf(withOptions(connection.remote.now, { signal: stop.signal })("tea"));
    const [type, id, content] = await wire.next();
    expect([type, content]).toEqual([0, ["now", ["tea"], {}]]);
    const reason = new Error("no time");
    stop.abort(reason);
    const error = await call;
    expect(error).toMatchObject({ code: "CANCELLED", executed: "unknown", cause: reason });
    expect(error["cause"]).toBe(reason);
    expect(await wire.next()).toEqual([3, 0, ["$/cancel", [id], {}]]);
    expect(connection.stats()).toMatchObject({ pending: 0, lateAnswers: 0 });
    wire.send([1, id, "too late"]);
    await until(() => connection.stats().lateAnswers === 1);
    const next = connection.remote.now("again");
    const [, nextId] = await wire.next();
    wire.send([1, nextId, "again"]);
    expect(await next).toBe("again");
    connection.destroy();
  });

  test("tells the callee that the time of the call is over that it is made for", async () => {
    await using server = await wireServer();
    const { connection, wire } = await greeted<Kitchen>(server);
    const stop = new AbortController();
    const context = { signal: stop.signal, hops: 0, deadline: undefined };
    const call = failureOf(withOptions(connection.remote.now, { context })("tea"));
    const [, id] = await wire.next();
    const reason = new ColloquyError("DEADLINE_EXCEEDED", "over");
    stop.abort(reason);
    expect(await call).toMatchObject({ code: "CANCELLED", cause: reason });
    expect(await wire.next()).toEqual([3, 0, ["$/cancel", [id, "DEADLINE_EXCEEDED"], {}]]);
    connection.destroy();
  });

  test("may share it with any number of others: no warning, and all end", async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on("warning", onWarning);
    await using link = await pair(new Kitchen());
    const stop = new AbortController();
    const calls = Array.from({ length: 20 }, () =>
      failureOf(
        withOptions(link.remote.cook, {
          signal: stop.signal,
          context: { signal: stop.signal, hops: 0, deadline: undefined },
        })("x"),
      ),
    );
    await turns(3);
    expect(getEventListeners(stop.signal, "abort")).toHaveLength(1);
    stop.abort();
    for (const error of await Promise.all(calls)) expect(error).toMatchObject({ code: "CANCELLED" });
    expect(getEventListeners(stop.signal, "abort")).toHaveLength(0);
    await turns(3);
    process.off("warning", onWarning);
    expect(warnings).toEqual([]);
  });

  test.each([0, null, undefined, "text"])("takes %s as a reason", async (reason) => {
    await using link = await pair(new Kitchen());
    const stop = new AbortController();
    const call = withOptions(link.remote.cook, { signal: stop.signal })("soup");
    stop.abort(reason);
    const error = await failureOf(call);
    expect(error.code).toBe("CANCELLED");
    if (reason !== undefined) expect(error["cause"]).toBe(reason);
  });

  test("that has aborted before is never sent", async () => {
    await using server = await wireServer();
    const { connection, wire } = await greeted<Kitchen>(server);
    const error = await failureOf(withOptions(connection.remote.now, { signal: AbortSignal.abort("over") })("tea"));
    expect(error).toMatchObject({ code: "CANCELLED", executed: "no", cause: "over" });
    expect(await wire.rest()).toEqual([]);
    connection.destroy();
  });

  test("leaves no listener on the signal", async () => {
    await using link = await pair(new Kitchen());
    const stop = new AbortController();
    const now = withOptions(link.remote.now, { signal: stop.signal, timeout: 1000 });
    for (let count = 0; count < 20; count++) await now("tea");
    await failureOf(now(Symbol("no") as never));
    expect(getEventListeners(stop.signal, "abort").length).toBe(0);
    stop.abort();
    expect((await failureOf(now("tea"))).executed).toBe("no");
  });

  test("cancels where it is called twice only once, and not after the answer", async () => {
    const kitchen = new Kitchen();
    await using link = await pair(kitchen);
    const stop = new AbortController();
    const call = withOptions(link.remote.now, { signal: stop.signal })("tea");
    expect(await call).toBe("tea");
    stop.abort();
    await turns(5);
    expect(link.client.stats()).toMatchObject({ lateAnswers: 0, pending: 0 });
    expect(link.peer.stats().failedNotifications).toBe(0);
  });
});

describe("a call that nobody awaits", () => {
  test("on a received function never becomes an unhandled rejection: it is counted and published", async () => {
    const published: unknown[] = [];
    const onFailed = (message: unknown): void => void published.push(message);
    subscribe("colloquy:failed-function-call", onFailed);
    const kitchen = new Kitchen();
    const link = await pair(kitchen);
    await link.remote.subscribe(() => Promise.reject(new Error("don't call me")));
    await link.remote.subscribe(() => {
      throw new Error("me neither");
    });
    const [first, second] = kitchen.subscribers as [
      (text: string) => Promise<unknown>,
      (text: string) => Promise<unknown>,
    ];
    const unhandled = await unhandledDuring(async () => {
      void first("news");
      void second("news");
      await until(() => link.peer.stats().failedFunctionCalls === 2);
      void first(new Date(0) as never);
      release(second);
      void second("news");
      await turns(5);
      await link.client.close();
      await link.peer.closed;
      void first("after the end");
    });
    unsubscribe("colloquy:failed-function-call", onFailed);
    expect(unhandled).toEqual([]);
    expect(link.peer.stats().failedFunctionCalls).toBe(5);
    expect(published.length).toBe(5);
    expect(published).toContainEqual(expect.objectContaining({ path: "$/ref/2" }));
    await link.server.close();
  });

  test("on a received function fails for whoever awaits it after all", async () => {
    const kitchen = new Kitchen();
    await using link = await pair(kitchen);
    await link.remote.subscribe(() => Promise.reject(new RangeError("no")));
    const call = kitchen.subscribers[0]!("news");
    await turns(10);
    expect(await failureOf(call)).toMatchObject({ remoteName: "RangeError" });
  });

  test("on a received function with a time limit doesn't either", async () => {
    const kitchen = new Kitchen();
    await using link = await pair(kitchen);
    await link.remote.subscribe(() => Promise.reject(new RangeError("no")));
    const unhandled = await unhandledDuring(async () => {
      void withOptions(kitchen.subscribers[0]!, { timeout: 1000 })("news");
      await until(() => link.peer.stats().failedFunctionCalls === 1);
    });
    expect(unhandled).toEqual([]);
  });

  test("on a method of a service is one, as everywhere", async () => {
    await using link = await pair(new Kitchen());
    const { none } = link.remote as unknown as { none(): Promise<void> };
    const unhandled = await unhandledDuring(async () => {
      void none();
      await turns(10);
    });
    expect(unhandled).toMatchObject([{ code: "NOT_FOUND" }]);
  });
});
