import { describe, expect, test } from "vitest";
import { Service, expose } from "../src/index.ts";
import { collectGarbage } from "../src/collect.ts";
import { failureOf, pair, turns, until } from "./support.ts";

class Waiter extends Service {
  readonly signals: AbortSignal[] = [];
  readonly lines: string[] = [];

  @expose keep(signal: AbortSignal) {
    this.signals.push(signal);
    signal.addEventListener("abort", () => this.lines.push((signal.reason as Error).name));
    return signal.aborted;
  }

  @expose async until(signal: AbortSignal) {
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve));
    return signal.reason as unknown;
  }

  @expose deep(options: { readonly inner: readonly AbortSignal[] }) {
    this.signals.push(...options.inner);
  }

  @expose back() {
    return this.signals[0]!;
  }

  @expose same(signal: AbortSignal) {
    return signal;
  }
}

describe("An AbortSignal as an argument", () => {
  test("is a real signal on the other side", async () => {
    const waiter = new Waiter();
    await using link = await pair(waiter);
    const controller = new AbortController();
    const waiting = link.remote.until(controller.signal);
    expect(await link.remote.keep(controller.signal)).toBe(false);
    expect(waiter.signals[0]).toBeInstanceOf(AbortSignal);
    controller.abort(new RangeError("enough"));
    expect(await waiting).toMatchObject({ name: "RangeError", message: "enough" });
    expect(waiter.signals[0]!.aborted).toBe(true);
    expect(waiter.lines).toStrictEqual(["RangeError"]);
    expect(await link.remote.keep(controller.signal)).toBe(true);
  });

  test("has the reason that the engine gives where none is given", async () => {
    await using link = await pair(new Waiter());
    const controller = new AbortController();
    const waiting = link.remote.until(controller.signal);
    controller.abort();
    expect(await waiting).toMatchObject({ name: "AbortError" });
    expect(await link.remote.until(AbortSignal.abort("why"))).toBe("why");
    expect(await link.remote.until(AbortSignal.timeout(1))).toMatchObject({ name: "TimeoutError" });
  });

  test("says why in words where the reason can't cross", async () => {
    await using link = await pair(new Waiter());
    const controller = new AbortController();
    const waiting = link.remote.until(controller.signal);
    controller.abort(Symbol("secret"));
    expect(await waiting).toMatchObject({ name: "Error", message: "thrown: symbol" });
  });

  test("may stand at any depth, and cross again as the same", async () => {
    const waiter = new Waiter();
    await using link = await pair(waiter);
    const [first, second] = [new AbortController(), new AbortController()];
    await link.remote.deep({ inner: [first.signal, second.signal] });
    await link.remote.deep({ inner: [first.signal] });
    expect(waiter.signals[2]).toBe(waiter.signals[0]);
    second.abort("x");
    await until(() => waiter.signals[1]!.aborted);
    expect(waiter.signals[0]!.aborted).toBe(false);
  });

  test("comes home as what it was, and goes on to a third side", async () => {
    const waiter = new Waiter();
    await using link = await pair(waiter);
    const controller = new AbortController();
    await link.remote.keep(controller.signal);
    expect(await link.remote.same(controller.signal)).toBe(controller.signal);
    expect(await link.remote.back()).toBe(controller.signal);
    const far = new Waiter();
    await using next = await pair(far);
    await next.remote.keep(waiter.signals[0]!);
    controller.abort(new RangeError("all"));
    await until(() => far.lines.length > 0);
    expect(far.lines).toStrictEqual(["RangeError"]);
  });

  test("fires where the connection is lost, and is let go of by the side that is left", async () => {
    const waiter = new Waiter();
    await using link = await pair(waiter);
    const controller = new AbortController();
    await link.remote.keep(controller.signal);
    link.client.destroy();
    await until(() => waiter.lines.length > 0);
    expect(waiter.signals[0]!.reason).toMatchObject({ code: "CONNECTION_LOST" });
    controller.abort();
    await turns(5);
  });

  test("is refused beyond the limit", async () => {
    await using link = await pair(new Waiter(), { serve: { limits: { maxReferenceCount: 2 } } });
    const signals = [1, 2, 3].map(() => new AbortController().signal);
    await link.remote.keep(signals[0]!);
    await link.remote.keep(signals[1]!);
    expect(await failureOf(link.remote.keep(signals[2]!))).toMatchObject({ code: "SERIALIZATION_ERROR" });
    expect(await link.remote.keep(signals[0]!)).toBe(false);
  });

  test("that has fired meanwhile comes home as one that has", async () => {
    const waiter = new Waiter();
    await using link = await pair(waiter);
    const controller = new AbortController();
    await link.remote.keep(controller.signal);
    controller.abort("done");
    await until(() => waiter.signals[0]!.aborted);
    expect(await link.remote.back()).toMatchObject({ aborted: true, reason: "done" });
  });

  test("is forgotten on both sides where nothing can fire it", { timeout: 20_000 }, async () => {
    const waiter = new Waiter();
    await using link = await pair(waiter);
    for (let count = 0; count < 3000; count++) await link.remote.same(new AbortController().signal);
    expect(await link.remote.until(AbortSignal.abort(5))).toBe(5);
    // The last ones are collected with what comes later.
    await until(() => {
      collectGarbage(performance.now(), true);
      return link.client.stats().exportedSignals < 100 && link.peer.stats().importedSignals < 100;
    }, "the collection of signals");
  });
});
