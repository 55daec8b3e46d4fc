import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { describe, expect, test } from "vitest";
import { ColloquyError, Service, connect, expose, notify, serve, service, withOptions } from "../src/index.ts";
import { WirePeer, failureOf, newAddress, pair, turns, until } from "./support.ts";

type Told = [error: unknown, path: string];

const BROKEN = new RangeError("broken");
const SLOWLY = new TypeError("broken slowly");

class Part extends Service {
  @expose fail(): void {
    throw BROKEN;
  }
}

class Shop extends Service {
  @expose readonly part = new Part();
  kept: ((...args: unknown[]) => Promise<unknown>) | undefined;

  @expose fail(): void {
    throw BROKEN;
  }
  @expose async failSlowly(): Promise<void> {
    await Promise.resolve();
    throw SLOWLY;
  }
  @expose refuse(): void {
    throw new ColloquyError("NOT_FOUND", "none of these");
  }
  @expose add(a: number, b: number): number {
    return a + b;
  }
  @expose keep(callback: (...args: unknown[]) => Promise<unknown>): void {
    this.kept = callback;
  }
  @expose give(): unknown {
    return this.kept;
  }
  @expose async use(): Promise<unknown> {
    return this.kept!();
  }
  hidden(): void {}
}

function listener(): { told: Told[]; onMethodFailure: (error: unknown, path: string) => void } {
  const told: Told[] = [];
  return { told, onMethodFailure: (error, path) => void told.push([error, path]) };
}

describe("onMethodFailure", () => {
  test("is told of what methods throw, itself, with their paths, before their callers are", async () => {
    const { told, onMethodFailure } = listener();
    await using link = await pair(new Shop(), { serve: { onMethodFailure } });
    await failureOf(link.remote.fail());
    expect(told).toEqual([[BROKEN, "fail"]]);
    expect(told[0]![0]).toBe(BROKEN);
    await failureOf(link.remote.failSlowly());
    expect(told[1]![0]).toBe(SLOWLY);
    await failureOf(link.remote.part.fail());
    expect(told.map(([, path]) => path)).toEqual(["fail", "failSlowly", "part/fail"]);
    expect(await link.remote.add(1, 2)).toBe(3);
    expect(told.length).toBe(3);
  });

  test("is told of ColloquyErrors that a method throws by itself, or because of a call of its own", async () => {
    const { told, onMethodFailure } = listener();
    await using link = await pair(new Shop(), { serve: { onMethodFailure } });
    expect(await failureOf(link.remote.refuse())).toMatchObject({ code: "NOT_FOUND", executed: "yes" });
    await link.remote.keep(async () => Promise.reject(new Error("of the caller")));
    await failureOf(link.remote.use());
    expect(told).toMatchObject([
      [{ code: "NOT_FOUND" }, "refuse"],
      [{ code: "REMOTE_ERROR", message: "of the caller" }, "use"],
    ]);
  });

  test("is told of notifications, too", async () => {
    const { told, onMethodFailure } = listener();
    await using link = await pair(new Shop(), { serve: { onMethodFailure } });
    notify(link.remote.fail)();
    notify(link.remote.failSlowly)();
    notify((link.remote as unknown as { none: () => Promise<void> }).none)();
    await until(() => link.peer.stats().failedNotifications === 3);
    expect(told).toEqual([
      [BROKEN, "fail"],
      [SLOWLY, "failSlowly"],
    ]);
  });

  test("of the side that has connected is told of its service and functions", async () => {
    const { told, onMethodFailure } = listener();
    const own = new Shop();
    await using link = await pair<Shop, Shop>(new Shop(), { service: own, onMethodFailure });
    await failureOf(link.back.fail());
    await link.remote.keep(() => {
      throw SLOWLY;
    });
    await failureOf(link.remote.use());
    expect(told).toEqual([
      [BROKEN, "fail"],
      [SLOWLY, "$/ref/1"],
    ]);
  });

  test("isn't told of what is refused before a method runs", async () => {
    const { told, onMethodFailure } = listener();
    await using server = await serve(newAddress(), new Shop(), { onMethodFailure });
    await using wire = await WirePeer.connect(server.address);
    await wire.hello();
    for (const [path, args, kwargs, code] of [
      ["none", [], {}, "NOT_FOUND"],
      ["hidden", [], {}, "NOT_EXPOSED"],
      ["part", [], {}, "NOT_EXPOSED"],
      ["$/ref/9", [], {}, "REFERENCE_RELEASED"],
      ["$/none", [], {}, "NOT_FOUND"],
      ["add", [1], { a: 1, b: 2 }, "INVALID_ARGUMENT"],
      [5, [], {}, "INVALID_ARGUMENT"],
      ["add", [{ __type__: [77, 1] }], {}, "SERIALIZATION_ERROR"],
    ] as const) {
      expect((await wire.request(path, args, kwargs))[1], String(path)).toMatchObject({ code, executed: "no" });
    }
    expect(told).toEqual([]);
    expect((await wire.request("fail"))[0]).toBe(2);
    expect(told.length).toBe(1);
  });

  test("isn't told of calls that are passed on: the side whose function it is, is", async () => {
    const [middle, owner] = [listener(), listener()];
    await using server = await serve(newAddress(), new Shop(), { onMethodFailure: middle.onMethodFailure });
    await using lender = await connect<Shop>(server.address, { onMethodFailure: owner.onMethodFailure });
    await using caller = await connect<Shop>(server.address);
    await lender.remote.keep(() => {
      throw BROKEN;
    });
    const lent = (await caller.remote.give()) as () => Promise<void>;
    expect(await failureOf(lent())).toMatchObject({ remoteName: "RangeError", message: "broken" });
    notify(lent)();
    await until(() => owner.told.length === 2);
    await turns(10);
    expect(owner.told.map(([error]) => error)).toEqual([BROKEN, BROKEN]);
    expect(middle.told).toEqual([]);
  });

  test("that throws is a warning, and the caller gets its answer", async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on("warning", onWarning);
    const onMethodFailure = (): void => {
      throw new Error("of the listener");
    };
    await using link = await pair(new Shop(), { serve: { onMethodFailure } });
    expect(await failureOf(link.remote.fail())).toMatchObject({ remoteName: "RangeError", message: "broken" });
    expect(await failureOf(withOptions(link.remote.failSlowly, { timeout: 5000 })())).toMatchObject({
      remoteName: "TypeError",
    });
    await until(() => warnings.length === 2);
    process.off("warning", onWarning);
    for (const { name, message } of warnings) {
      expect(name).toBe("ColloquyWarning");
      expect(message).toMatch(/^onMethodFailure failed: Error: of the listener\n +at /);
    }
  });
});

describe("the diagnostics channel colloquy:failed-method", () => {
  test("has connection, path and error of each, with or without a listener", async () => {
    const published: unknown[] = [];
    const onFailed = (message: unknown): void => void published.push(message);
    subscribe("colloquy:failed-method", onFailed);
    await using link = await pair(service({ shop: new Shop() }));
    await failureOf(link.remote.shop.fail());
    await failureOf(link.remote.shop.failSlowly());
    await failureOf((link.remote.shop as unknown as { none(): Promise<void> }).none());
    unsubscribe("colloquy:failed-method", onFailed);
    await failureOf(link.remote.shop.fail());
    expect(published).toEqual([
      { connection: expect.anything(), path: "shop/fail", error: BROKEN },
      { connection: expect.anything(), path: "shop/failSlowly", error: SLOWLY },
    ]);
    for (const { connection } of published as { connection: unknown }[]) expect(connection).toBe(link.peer);
  });
});

describe("a notification that finds no room", () => {
  test("is RESOURCE_EXHAUSTED, and names the limit; without a connection it is CONNECTION_LOST", async () => {
    await using link = await pair(new Shop(), { limits: { maxPendingCount: 2, maxQueuedBytes: 100 } });
    await link.remote.add(1, 2);
    const told: { readonly error: ColloquyError }[] = [];
    const onFailed = (message: unknown): void => void told.push(message as never);
    subscribe("colloquy:failed-notification", onFailed);
    for (let count = 0; count < 5; count++) notify(link.remote.keep)("x".repeat(1000) as never);
    expect(link.client.usable).toBe(true);
    expect(link.client.stats().failedNotifications).toBe(2);
    link.client.destroy();
    notify(link.remote.keep)("x" as never);
    unsubscribe("colloquy:failed-notification", onFailed);
    const full = { code: "RESOURCE_EXHAUSTED", message: "2 messages wait to be sent already (maxPendingCount)" };
    expect(told.map(({ error }) => error)).toMatchObject([full, full, { code: "CONNECTION_LOST", executed: "no" }]);
  });
});
