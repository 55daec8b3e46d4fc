import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { MsgPackCodec } from "@colloquy/core";
import { Service, connect, expose, serve, withOptions } from "../src/index.ts";
import type { CallContext } from "../src/index.ts";
import { Child, failureOf, greeted, pair, until, wireServer } from "./support.ts";
import { wireVisit } from "./wire-visit.ts";

interface Next {
  wait(): Promise<void>;
  ring(): Promise<number>;
}

class Relay extends Service {
  readonly contexts: CallContext[] = [];
  readonly results: unknown[] = [];
  next: Next | undefined;

  @expose({ context: true }) async wait(context: CallContext) {
    this.contexts.push(context);
    if (!context.signal.aborted) await new Promise((resolve) => context.signal.addEventListener("abort", resolve));
  }

  @expose({ context: true }) async pass(context: CallContext) {
    this.contexts.push(context);
    const call = withOptions(this.next!.wait, { context })();
    this.results.push(await call.catch((error: unknown) => error));
    // Its caller has left by then.
    await sleep(50);
  }

  @expose({ context: true }) async ring(context: CallContext): Promise<number> {
    this.contexts.push(context);
    return withOptions(this.next!.ring, { context })();
  }

  @expose({ context: true }) tell(context: CallContext) {
    this.contexts.push(context);
  }

  @expose pieces(count: number) {
    return "x".repeat(count);
  }
}

describe("A deadline", () => {
  test("travels as time left, and is the callee's `context.deadline`", async () => {
    const relay = new Relay();
    await using link = await pair(relay);
    const before = performance.now();
    await withOptions(link.remote.tell, { timeout: 5000 })();
    await link.remote.tell();
    const [first, second] = relay.contexts;
    expect(first!.deadline).toBeGreaterThan(before + 4900);
    expect(first!.deadline).toBeLessThanOrEqual(performance.now() + 5000);
    expect(second!.deadline).toBeUndefined();
    expect(second!.signal.aborted).toBe(false);
  });

  test("stands in the fourth element of the request, and only where there is one", async () => {
    await using server = await wireServer();
    const { connection, wire } = await greeted<Relay>(server);
    void withOptions(connection.remote.tell, { timeout: 1000 })().catch(() => {});
    void connection.remote.tell().catch(() => {});
    const [, , content] = (await wire.next()) as [number, number, unknown[]];
    expect(content).toStrictEqual(["tell", [], {}, { deadline: 1000 }]);
    const [, , plain] = (await wire.next()) as [number, number, unknown[]];
    expect(plain).toStrictEqual(["tell", [], {}]);
    connection.destroy();
  });

  test("that is over when the request comes keeps it from being started", async () => {
    const relay = new Relay();
    await using link = await pair(relay);
    const expired = { signal: new AbortController().signal, deadline: performance.now() - 1, hops: 0 };
    expect(await failureOf(withOptions(link.remote.tell, { context: expired })())).toMatchObject({
      code: "DEADLINE_EXCEEDED",
      executed: "no",
    });
    expect(relay.contexts).toStrictEqual([]);
  });

  test("that a peer by hand says is over keeps its request from being started", async () => {
    const relay = new Relay();
    await using visit = await wireVisit(relay);
    const [type, content] = await visit.wire.ask(["tell", [], {}, { deadline: 0 }]);
    expect([type, content]).toMatchObject([2, { code: "DEADLINE_EXCEEDED", executed: "no" }]);
    expect(relay.contexts).toStrictEqual([]);
    const [answered] = await visit.wire.ask(["tell", [], {}, { deadline: 1000 }]);
    expect(answered).toBe(1);
  });

  test("is inherited by calls that are made with the context", async () => {
    const [near, far] = [new Relay(), new Relay()];
    await using first = await pair(near);
    await using second = await pair(far);
    near.next = second.remote;
    const failure = await failureOf(withOptions(first.remote.pass, { timeout: 60 })());
    expect(failure).toMatchObject({ code: "DEADLINE_EXCEEDED", executed: "unknown" });
    await until(() => near.results.length === 1);
    expect(far.contexts[0]!.deadline).toBeLessThanOrEqual(near.contexts[0]!.deadline! + 25);
    await until(() => far.contexts[0]!.signal.aborted);
    expect(near.results[0]).toMatchObject({ code: expect.stringMatching(/^(DEADLINE_EXCEEDED|CANCELLED)$/) });
  });

  test.each([[{}], [{ codec: MsgPackCodec }]])(
    "isn't missed by a process that was busy while the answers came, in many reads too, %o",
    { timeout: 20_000 },
    async (options) => {
      await using child = new Child("pieces-server.ts");
      const { address } = await child.line();
      await using connection = await connect<{ pieces(count: number): string }>(address, options);
      for (const [calls, length] of [
        [1000, 10],
        [100, 20_000],
      ] as const) {
        const answers = Array.from({ length: calls }, () =>
          withOptions(connection.remote.pieces, { timeout: 50 })(length),
        );
        await new Promise<void>((resolve) => process.nextTick(resolve));
        const end = performance.now() + 250;
        while (performance.now() < end);
        const lengths = await Promise.all(answers.map(async (answer) => (await answer).length));
        expect(lengths).toStrictEqual(Array.from({ length: calls }, () => length));
      }
    },
  );
});

describe("A call that is given up", () => {
  test("gives up those that were made with its context, also on another connection", async () => {
    const [near, far] = [new Relay(), new Relay()];
    await using first = await pair(near);
    await using second = await pair(far);
    near.next = second.remote;
    const stop = new AbortController();
    const failing = failureOf(withOptions(first.remote.pass, { signal: stop.signal })());
    await until(() => far.contexts.length === 1);
    stop.abort(new Error("no more"));
    expect(await failing).toMatchObject({ code: "CANCELLED", cause: { message: "no more" } });
    await until(() => near.results.length === 1);
    expect(near.results[0]).toMatchObject({ code: "CANCELLED" });
    await until(() => far.contexts[0]!.signal.aborted);
    expect(second.client.stats()).toMatchObject({ pending: 0 });
  });

  test("by the end of its connection does so, too", async () => {
    const [near, far] = [new Relay(), new Relay()];
    await using first = await pair(near);
    await using second = await pair(far);
    near.next = second.remote;
    const failing = failureOf(first.remote.pass());
    await until(() => far.contexts.length === 1);
    first.client.destroy();
    expect(await failing).toMatchObject({ code: "CONNECTION_LOST" });
    await until(() => far.contexts[0]!.signal.aborted);
  });

  test("leaves 10,000 others that are given up with nothing behind", async () => {
    const relay = new Relay();
    await using link = await pair(relay, { serve: { limits: { maxRunningCount: 10_000 } } });
    const stop = new AbortController();
    const calls = Array.from({ length: 10_000 }, () => withOptions(link.remote.wait, { signal: stop.signal })());
    const settled = Promise.allSettled(calls);
    await until(() => relay.contexts.length === 10_000);
    stop.abort();
    const codes = (await settled).map((result) => (result as PromiseRejectedResult).reason.code as string);
    expect(new Set(codes)).toStrictEqual(new Set(["CANCELLED"]));
    await until(() => link.peer.stats().running === 0);
    expect(relay.contexts.every(({ signal }) => signal.aborted)).toBe(true);
    expect(link.client.stats()).toMatchObject({ pending: 0 });
    expect(await link.remote.pieces(3)).toBe("xxx");
  });
});

describe("T22: calls within calls", () => {
  test("are counted, and end at the limit where they go round", async () => {
    const relay = new Relay();
    await using link = await pair(relay, { limits: { maxHopCount: 5 }, serve: { limits: { maxHopCount: 5 } } });
    relay.next = link.remote;
    const failure = await failureOf(link.remote.ring());
    expect(failure.message).toContain("(maxHopCount)");
    expect(relay.contexts.map(({ hops }) => hops)).toStrictEqual([0, 1, 2, 3, 4, 5]);
  });

  test("are refused by the callee, too", async () => {
    const relay = new Relay();
    await using link = await pair(relay, { limits: { maxHopCount: 100 }, serve: { limits: { maxHopCount: 5 } } });
    const at = (hops: number) => ({ signal: new AbortController().signal, deadline: undefined, hops });
    await withOptions(link.remote.tell, { context: at(4) })();
    expect(await failureOf(withOptions(link.remote.tell, { context: at(5) })())).toMatchObject({
      code: "RESOURCE_EXHAUSTED",
      executed: "no",
    });
    expect(relay.contexts.map(({ hops }) => hops)).toStrictEqual([5]);
  });
});

describe("A wait", () => {
  test("for a method without a context has its deadline all the same", async () => {
    class Slow extends Service {
      @expose async sleep(milliseconds: number) {
        await sleep(milliseconds);
      }
    }
    await using server = await serve("local://deadlines-slow", new Slow());
    await using connection = await connect<Slow>(server.address);
    expect((await failureOf(withOptions(connection.remote.sleep, { timeout: 20 })(100))).code).toBe(
      "DEADLINE_EXCEEDED",
    );
  });
});
