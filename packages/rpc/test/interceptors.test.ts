import { describe, expect, test } from "vitest";
import { ColloquyError, Service, connect, expose, notify, release, serve, service, withOptions } from "../src/index.ts";
import type { CallContext, IncomingCall, InterceptedCall, Interceptor, NextCall, OutgoingCall } from "../src/index.ts";
import { WirePeer, failureOf, newAddress, pair, turns, unhandledDuring, until } from "./support.ts";

const TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

class Shop extends Service {
  readonly log: unknown[] = [];
  @expose add(a: number, b: number): number {
    this.log.push(["add", a, b]);
    return a + b;
  }
  @expose nothing(): void {
    this.log.push("nothing");
  }
  @expose throws(): never {
    throw new TypeError("broken");
  }
  @expose async rejects(): Promise<never> {
    throw new RangeError("late");
  }
  @expose({ context: true }) seen({ metadata, trace }: CallContext): unknown {
    return { metadata, trace: trace ?? "none" };
  }
  @expose({ params: ["a", "b"] }) named(a: number, b: number): number[] {
    return [a, b];
  }
  @expose hand(): () => string {
    return () => "handed";
  }
  @expose tell(hear: (text: string) => void): void {
    hear("heard");
  }
  @expose async *count(to: number): AsyncGenerator<number> {
    for (let n = 0; n < to; n++) yield n;
  }
  @expose({ context: true }) async hangs({ deadline }: CallContext): Promise<void> {
    this.log.push(Math.round((deadline! - performance.now()) / 10) * 10);
    await new Promise(() => {});
  }
  @expose({ context: true }) async waits({ signal }: CallContext): Promise<unknown> {
    this.log.push("waits");
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    this.log.push(["aborted", (signal.reason as Error).message]);
    return 1;
  }
}

/** Notes each call, before and after. */
function noting(log: unknown[], name: string): Interceptor {
  return async (call, next) => {
    log.push(`${name} > ${call.path}`);
    const result = await next();
    log.push(`${name} < ${call.path}`);
    return result;
  };
}

const options = (
  incoming: readonly Interceptor<IncomingCall>[],
  outgoing: readonly Interceptor<OutgoingCall>[] = [],
) => ({
  interceptors: { outgoing },
  serve: { interceptors: { incoming } },
});

describe("interceptors", () => {
  test("stand around calls of both directions in their order, the first one outermost", async () => {
    const log: unknown[] = [];
    const shop = new Shop();
    await using link = await pair(
      shop,
      options([noting(log, "in1"), noting(log, "in2")], [noting(log, "out1"), noting(log, "out2")]),
    );
    expect(await link.remote.add(1, 2)).toBe(3);
    expect(log).toEqual([
      "out1 > add",
      "out2 > add",
      "in1 > add",
      "in2 > add",
      "in2 < add",
      "in1 < add",
      "out2 < add",
      "out1 < add",
    ]);
    expect(shop.log).toEqual([["add", 1, 2]]);
  });

  test("may be one function, on either side and for either direction", async () => {
    const log: string[] = [];
    const note: Interceptor = (call, next) => {
      log.push(`${call.direction} ${call.path}`);
      return next();
    };
    const interceptors = { incoming: note, outgoing: note };
    const hear = service({ hear: expose((text: string) => text) });
    await using link = await pair(new Shop(), { interceptors, serve: { interceptors }, service: hear });
    await link.remote.add(1, 2);
    await link.back.hear("x");
    expect(log).toEqual(["outgoing add", "incoming add", "outgoing hear", "incoming hear"]);
  });

  test("see what a call is", async () => {
    const calls: InterceptedCall[] = [];
    const keep: Interceptor = (call, next) => {
      calls.push(call);
      return next();
    };
    await using link = await pair(new Shop(), options([keep], [keep]));
    const { signal } = new AbortController();
    await withOptions(link.remote.seen, { metadata: { a: 1 }, trace: TRACE, timeout: 5000, signal })();
    notify(link.remote.nothing)();
    await until(() => calls.length === 4);
    const [out, into, noteOut, noteIn] = calls as [OutgoingCall, IncomingCall, OutgoingCall, IncomingCall];
    const common = { path: "seen", args: [], kwargs: {}, metadata: { a: 1 }, trace: TRACE, notification: false };
    expect(out).toMatchObject({ ...common, direction: "outgoing", timeout: 5000 });
    expect([out.connection, out.signal]).toEqual([link.client, signal]);
    expect(into).toMatchObject({ ...common, direction: "incoming", hops: 0 });
    expect(into.connection).toBe(link.peer);
    expect(into.deadline).toBeGreaterThan(performance.now());
    expect(into.signal.aborted).toBe(false);
    expect([noteOut.notification, noteIn.notification, noteIn.path]).toEqual([true, true, "nothing"]);
  });

  test("change arguments, keywords, metadata and the trace", async () => {
    const change: Interceptor = (call, next) => {
      if (call.path === "add") return next({ args: [...call.args.slice(0, 1), 40] });
      if (call.path === "named") return next({ kwargs: { ...call.kwargs, b: 8 } });
      return next({ metadata: { ...call.metadata, [call.direction]: true }, trace: TRACE });
    };
    await using outgoing = await pair(new Shop(), options([], [change]));
    await using incoming = await pair(new Shop(), options([change]));
    await using both = await pair(new Shop(), options([change], [change]));
    for (const { remote } of [outgoing, incoming, both]) {
      expect(await remote.add(2, 2)).toBe(42);
      expect(await withOptions(remote.named, { kwargs: { a: 1, b: 2 } })()).toEqual([1, 8]);
    }
    expect(await both.remote.seen()).toEqual({ metadata: { outgoing: true, incoming: true }, trace: TRACE });
    expect(await incoming.remote.seen()).toEqual({ metadata: { incoming: true }, trace: TRACE });
  });

  test("give every call a time limit", async () => {
    const limited: Interceptor<OutgoingCall> = ({ timeout = 100 }, next) => next({ timeout });
    const shop = new Shop();
    await using link = await pair(shop, options([], [limited]));
    expect(await failureOf(link.remote.hangs())).toMatchObject({ code: "DEADLINE_EXCEEDED" });
    expect(shop.log).toHaveLength(1);
    expect(shop.log[0]).toBeLessThanOrEqual(100);
  });

  test("take time limits and metadata away, and leave the context of the call that theirs is made for", async () => {
    const contexts: CallContext[] = [];
    const without: Interceptor<OutgoingCall> = (_call, next) => next({ timeout: undefined, metadata: {} });
    const far = new Shop();
    const keep: Interceptor<IncomingCall> = (call, next) => {
      contexts.push(call);
      return next();
    };
    await using to = await pair(far, options([keep], [without]));
    class Relay extends Service {
      @expose({ context: true }) pass(context: CallContext): unknown {
        return withOptions(to.remote.add, { context, timeout: 60_000, metadata: { a: 1 } })(1, 2);
      }
    }
    await using link = await pair(new Relay());
    expect(await withOptions(link.remote.pass, { trace: TRACE })()).toBe(3);
    expect(contexts[0]).toMatchObject({ hops: 1, deadline: undefined, trace: TRACE, metadata: {} });
  });

  test("answer themselves, at once or later, and the method doesn't run", async () => {
    const shop = new Shop();
    const now: Interceptor = (call, next) => (call.path === "add" ? 7 : next());
    await using link = await pair(shop, options([now]));
    expect(await link.remote.add(1, 2)).toBe(7);
    const later: Interceptor = async () => "cached";
    await using other = await pair(shop, options([], [later]));
    expect(await other.remote.add(1, 2)).toBe("cached");
    expect(shop.log).toEqual([]);
  });

  test("change results and turn failures into results", async () => {
    const change: Interceptor = async (call, next) => {
      try {
        const result = await next();
        return typeof result === "number" ? result * 10 : result;
      } catch (error) {
        return `${call.direction}: ${(error as Error).message}`;
      }
    };
    await using link = await pair(new Shop(), options([change]));
    expect(await link.remote.add(1, 2)).toBe(30);
    expect(await link.remote.throws()).toBe("incoming: broken");
    expect(await link.remote.rejects()).toBe("incoming: late");
    expect(await (link.remote as any).none()).toContain('incoming: name "none" not found');
  });

  test("see calls on references, forwarded ones too, and none of the protocol's own", async () => {
    const paths: string[] = [];
    const note: Interceptor = (call, next) => {
      paths.push(`${call.direction} ${call.path}`);
      return next();
    };
    await using link = await pair(new Shop(), options([note], [note]));
    const handed = await link.remote.hand();
    expect(await handed()).toBe("handed");
    const heard: string[] = [];
    await link.remote.tell((text) => void heard.push(text));
    await until(() => heard.length === 1);
    const items: number[] = [];
    for await (const item of link.remote.count(100)) items.push(item);
    expect(items).toHaveLength(100);
    release(handed);
    await turns(3);
    expect(paths).toEqual(
      ["hand", "$/ref/1", "tell", "count"].flatMap((path) => [`outgoing ${path}`, `incoming ${path}`]),
    );
  });

  test("start methods in the order of the calls as long as they don't wait", async () => {
    const shop = new Shop();
    const pass: Interceptor = (_call, next) => next();
    const awaits: Interceptor = async (_call, next) => {
      const result = await next();
      return result;
    };
    await using link = await pair(shop, options([pass, awaits], [awaits, pass]));
    const calls = [1, 2, 3].map((n) => link.remote.add(n, 0));
    notify(link.remote.add)(4, 0);
    await Promise.all([...calls, link.remote.add(5, 0)]);
    expect(shop.log).toEqual([1, 2, 3, 4, 5].map((n) => ["add", n, 0]));
  });

  test("make a call again where they call next again", async () => {
    const shop = new Shop();
    const twice: Interceptor = async (_call, next) => [await next(), await next({ args: [5, 5] })];
    await using incoming = await pair(shop, options([twice]));
    expect(await incoming.remote.add(1, 2)).toEqual([3, 10]);
    await using outgoing = await pair(shop, options([], [twice]));
    expect(await outgoing.remote.add(1, 2)).toEqual([3, 10]);
    expect(shop.log).toHaveLength(4);
  });

  test("pass the caller's cancellation on", async () => {
    const shop = new Shop();
    const signals: AbortSignal[] = [];
    const note: Interceptor<IncomingCall> = (call, next) => {
      signals.push(call.signal);
      return next();
    };
    await using link = await pair(shop, options([note], [(_call, next) => next()]));
    const stop = new AbortController();
    const call = withOptions(link.remote.waits, { signal: stop.signal })();
    await until(() => shop.log.length === 1);
    stop.abort();
    expect(await failureOf(call)).toMatchObject({ code: "CANCELLED" });
    await until(() => shop.log.length === 2);
    expect(signals[0]!.aborted).toBe(true);
  });

  test("make calls of their own within the call", async () => {
    const far = new Shop();
    await using farServer = await serve(newAddress(), far);
    await using audit = await connect<Shop>(farServer.address);
    const traced: Interceptor<IncomingCall> = async (call, next) => {
      const seen = await withOptions(audit.remote.seen, { context: call })();
      return [await next(), seen];
    };
    await using link = await pair(new Shop(), options([traced]));
    expect(await withOptions(link.remote.add, { trace: TRACE })(1, 2)).toEqual([3, { metadata: {}, trace: TRACE }]);
  });
});

describe("what an incoming interceptor throws", () => {
  test("is what the caller gets; the method has not run, and nobody else is told", async () => {
    const shop = new Shop();
    const told: unknown[] = [];
    const guard: Interceptor<IncomingCall> = (call) => {
      throw new ColloquyError("PERMISSION_DENIED", `${call.path} is for others`, { executed: "unknown" });
    };
    await using link = await pair(shop, {
      serve: { interceptors: { incoming: guard }, onMethodFailure: (e) => told.push(e) },
    });
    const error = await failureOf(link.remote.add(1, 2));
    expect(error).toMatchObject({ code: "PERMISSION_DENIED", executed: "no", message: "add is for others" });
    expect(error.name).toBe("ColloquyError");
    notify(link.remote.add)(1, 2);
    await until(() => link.peer.stats().failedNotifications === 1);
    expect([shop.log, told]).toEqual([[], []]);
  });

  test("after the method has run says so", async () => {
    const after: Interceptor<IncomingCall> = async (_call, next) => {
      await next();
      throw new ColloquyError("UNAVAILABLE", "the log is full");
    };
    await using link = await pair(new Shop(), options([after]));
    expect(await failureOf(link.remote.add(1, 2))).toMatchObject({ code: "UNAVAILABLE", executed: "yes" });
    expect(await failureOf((link.remote as any).none())).toMatchObject({ code: "NOT_FOUND", executed: "no" });
  });

  test("by mistake is told to this side, too", async () => {
    const told: unknown[] = [];
    const onMethodFailure = (error: unknown, path: string): void => void told.push([(error as Error).message, path]);
    const mistake: Interceptor<IncomingCall> = () => (undefined as any).x;
    await using link = await pair(new Shop(), { serve: { interceptors: { incoming: mistake }, onMethodFailure } });
    expect(await failureOf(link.remote.add(1, 2))).toMatchObject({ code: "REMOTE_ERROR", remoteName: "TypeError" });
    expect(told).toEqual([[expect.stringContaining("Cannot read properties"), "add"]]);
  });

  test.each(["throws", "rejects"] as const)("leaves what a method %s as it is, told once", async (method) => {
    const told: unknown[] = [];
    const seen: unknown[] = [];
    const onMethodFailure = (error: unknown): void => void told.push(error);
    const note: Interceptor = async (_call, next) => {
      try {
        return await next();
      } catch (error) {
        seen.push(error);
        throw error;
      }
    };
    const serveOptions = { interceptors: { incoming: [note, note] }, onMethodFailure };
    await using link = await pair(new Shop(), { serve: serveOptions });
    const error = await failureOf(link.remote[method]());
    expect(error).toMatchObject({
      code: "REMOTE_ERROR",
      executed: "yes",
      message: method === "throws" ? "broken" : "late",
    });
    expect(told).toHaveLength(1);
    expect(seen).toEqual([told[0], told[0]]);
  });

  test("leaves a notification's failure counted and told once", async () => {
    const told: unknown[] = [];
    const serveOptions = {
      interceptors: { incoming: ((_call, next) => next()) as Interceptor },
      onMethodFailure: (error: unknown) => told.push(error),
    };
    await using link = await pair(new Shop(), { serve: serveOptions });
    notify(link.remote.throws)();
    notify(link.remote.rejects)();
    await until(() => link.peer.stats().failedNotifications === 2);
    expect(told).toHaveLength(2);
  });
});

describe("an interceptor that", () => {
  const broken: [string, Interceptor, string][] = [
    ["returns nothing", () => undefined, "returned nothing: it returns next(), or what it answers itself"],
    ["forgets to return what next gives", async (_call, next) => void (await next()), "returned nothing"],
    [
      "swallows a failure",
      async (_call, next) => void (await next({ args: ["x"] }).catch(() => {})),
      "returned nothing",
    ],
  ];

  test.each(broken)("%s fails the call, and says so", async (_what, one, message) => {
    async function forgetful(call: InterceptedCall, next: NextCall): Promise<unknown> {
      return one(call, next);
    }
    await using incoming = await pair(new Shop(), options([forgetful]));
    const error = await failureOf(incoming.remote.add(1, 2));
    expect(error).toMatchObject({ code: "INTERNAL" });
    expect(error.message).toContain(`the interceptor forgetful of incoming calls ${message}`);
    await using outgoing = await pair(new Shop(), options([], [forgetful]));
    expect((await failureOf(outgoing.remote.add(1, 2))).message).toContain(`forgetful of outgoing calls ${message}`);
  });

  test("returns nothing is right for a method without a result, and for notifications", async () => {
    const shop = new Shop();
    const quiet: Interceptor = async (_call, next) => void (await next());
    await using link = await pair(shop, options([quiet], [quiet]));
    expect(await link.remote.nothing()).toBeUndefined();
    notify(link.remote.add)(1, 2);
    await link.remote.nothing();
    expect(shop.log).toEqual(["nothing", ["add", 1, 2], "nothing"]);
    expect(link.peer.stats().failedNotifications).toBe(0);
  });

  test("doesn't wait for next, which fails, ends no process", async () => {
    const careless: Interceptor = (_call, next) => {
      void next();
      return "answered";
    };
    await using link = await pair(new Shop(), options([careless]));
    const reasons = await unhandledDuring(async () => {
      expect(await link.remote.rejects()).toBe("answered");
      await turns(5);
    });
    expect(reasons).toEqual([]);
  });

  test("calls next after it has answered gets a failure, and the method doesn't run", async () => {
    const shop = new Shop();
    const late: unknown[] = [];
    const hasty: Interceptor = (_call, next) => {
      setImmediate(() => void next().catch((error: Error) => late.push(error.message)));
      return "answered";
    };
    await using link = await pair(shop, options([hasty]));
    expect(await link.remote.add(1, 2)).toBe("answered");
    await until(() => late.length === 1);
    expect(late).toEqual([expect.stringContaining("called next after it had answered")]);
    expect(shop.log).toEqual([]);
  });

  test.each([
    [{ args: "x" }, "next got args of type string"],
    [{ kwargs: [1] }, "next got kwargs of type Array"],
    [{ metadata: { a: new Date() } }, 'metadata["a"] is Date'],
    [{ trace: "x" }, "it takes a traceparent"],
    ["add", "next takes what changes"],
    [{ timeout: -1 }, "option timeout of next is -1; it takes milliseconds"],
  ])("hands on %j fails the call", async (changes, message) => {
    await using link = await pair(new Shop(), options([], [(_call, next) => next(changes as never)]));
    const error = await failureOf(link.remote.add(1, 2));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", executed: "no" });
    expect(error.message).toContain(message);
  });

  test("fails a notification has it counted", async () => {
    const refuse: Interceptor<OutgoingCall> = () => {
      throw new Error("no");
    };
    await using link = await pair(new Shop(), options([], [refuse]));
    notify(link.remote.add)(1, 2);
    await until(() => link.client.stats().failedNotifications === 1);
  });

  test("fails calls on received functions makes no unhandled rejection", async () => {
    const refuse: Interceptor<OutgoingCall> = (call, next) => {
      if (call.path.startsWith("$/ref/")) throw new Error("no");
      return next();
    };
    await using link = await pair(new Shop(), { serve: { interceptors: { outgoing: refuse } } });
    const reasons = await unhandledDuring(async () => {
      await link.remote.tell(() => {});
      await turns(5);
    });
    expect(reasons).toEqual([]);
  });
});

describe("interceptors of a wrong kind", () => {
  test.each([
    [{ incoming: 1 }, "interceptors.incoming has number in it"],
    [{ outgoing: [() => 1, undefined] }, "interceptors.outgoing has undefined in it"],
    [{ around: () => 1 }, 'unknown option "around" of interceptors; it takes incoming, outgoing'],
    [() => 1, "interceptors takes a plain object of options, not function"],
  ])("%j are refused before anything is opened", async (interceptors, message) => {
    for (const opening of [
      serve(newAddress(), new Shop(), { interceptors: interceptors as never }),
      connect("local://nobody", { interceptors: interceptors as never }),
    ]) {
      const error = await failureOf(opening);
      expect(error.code).toBe("INVALID_ARGUMENT");
      expect(error.message).toContain(message);
    }
  });
});

describe("without interceptors", () => {
  test("a plain value is answered in the turn in which the request comes", async () => {
    await using server = await serve(newAddress(), new Shop());
    await using wire = await WirePeer.connect(server.address);
    await wire.hello();
    wire.send([0, 5, ["add", [1, 2], {}]], [3, 0, ["nothing", [], {}]], [0, 6, ["add", [3, 4], {}]]);
    expect([await wire.next(), await wire.next()]).toEqual([
      [1, 5, 3],
      [1, 6, 7],
    ]);
  });

  test("a call that an outgoing one fails has the stack of the caller", async () => {
    await using link = await pair(new Shop(), options([], [async (_call, next) => next()]));
    async function whoCalls(): Promise<void> {
      await link.remote.throws();
    }
    const error = await failureOf(whoCalls());
    expect(error.stack).toContain("whoCalls");
  });
});
