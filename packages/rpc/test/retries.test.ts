import { describe, expect, test } from "vitest";
import { ColloquyError, Service, connect, expose, serve, service, withOptions } from "../src/index.ts";
import type { CallOptions, Connection } from "../src/index.ts";
import {
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

class Shop extends Service {
  runs = 0;
  fails = 0;
  @expose({ idempotent: true }) price(): number {
    this.runs++;
    if (this.fails-- > 0) throw new ColloquyError("UNAVAILABLE", "busy");
    return 7;
  }
  @expose order(): number {
    return ++this.runs;
  }
  @expose giveFn(): () => number {
    return expose(() => ++this.runs, { idempotent: true });
  }
  @expose givePlainFn(): () => number {
    return () => ++this.runs;
  }
}

const REFUSED = { name: "ColloquyError", message: "closing", code: "UNAVAILABLE", executed: "no" };

/** A connection to a peer made by hand, whose method `f` is called with options; the first requests get these exceptions. */
async function answered(options: CallOptions, exceptions: object[]) {
  await using server = await wireServer();
  const { connection, wire } = await greeted<any>(server);
  const call = withOptions(connection.remote.f, options)(1);
  const outcome = Promise.resolve(call).then(
    (value: unknown) => ({ value }),
    (error: unknown) => ({ error: error as ColloquyError }),
  );
  const requests: any[] = [];
  for (const exception of exceptions) {
    const request = await wire.next();
    requests.push(request[2]);
    wire.send([2, request[1], exception]);
  }
  void serveRest(wire, requests);
  const settled = await outcome;
  connection.destroy();
  return { ...settled, requests } as { value?: unknown; error?: ColloquyError; requests: any[] };
}

async function serveRest(wire: WirePeer, requests: any[]): Promise<void> {
  for (;;) {
    const request = await wire.next().catch(() => undefined);
    if (request === undefined) return;
    requests.push(request[2]);
    wire.send([1, request[1], "done"]);
  }
}

describe("retries", () => {
  test("are made for what surely didn't run, as often as was asked", async () => {
    for (const [retries, count] of [
      [0, 1],
      [2, 3],
      [3, 3],
      [4, 3],
      [Infinity, 3],
    ] as const) {
      const { value, error, requests } = await answered(
        { retries },
        Array.from({ length: Math.min(count, retries + 1) }, () => REFUSED),
      );
      if (retries < count)
        expect([error!.code, error!.executed, requests.length]).toEqual(["UNAVAILABLE", "no", retries + 1]);
      else expect([value, requests.length]).toEqual(["done", count + 1]);
    }
  });

  test.each(["NOT_FOUND", "INVALID_ARGUMENT", "SERIALIZATION_ERROR", "REFERENCE_RELEASED"])(
    "aren't made for %s, which another attempt doesn't change",
    async (code) => {
      const { error, requests } = await answered({ retries: 3 }, [{ ...REFUSED, code }]);
      expect(error!.code).toBe(code);
      expect(requests).toHaveLength(1);
    },
  );

  test("aren't made for what a method has thrown", async () => {
    const shop = new Shop();
    shop.fails = 1;
    await using link = await pair(shop);
    const call = withOptions(link.remote.price, { retries: 3, idempotent: true })();
    expect(await failureOf(call)).toMatchObject({ code: "UNAVAILABLE", executed: "yes" });
    expect(shop.runs).toBe(1);
  });

  test("aren't made for what may have run, unless it is stated as idempotent", async () => {
    const unknown = { ...REFUSED, code: "CONNECTION_LOST", executed: "unknown" };
    const once = await answered({ retries: 3 }, [unknown]);
    expect([once.error!.executed, once.requests.length]).toEqual(["unknown", 1]);
    const twice = await answered({ retries: 3, idempotent: true }, [unknown]);
    expect(twice.value).toBe("done");
    const request = ["f", [1], {}, { idempotent: true }];
    expect(twice.requests).toEqual([request, request]);
  });

  test("tell that a call may have run, whatever the last attempt says", async () => {
    const unknown = { ...REFUSED, code: "CONNECTION_LOST", executed: "unknown" };
    const { error } = await answered({ retries: 1, idempotent: true }, [unknown, REFUSED]);
    expect(error).toMatchObject({ code: "UNAVAILABLE", executed: "unknown" });
  });

  test("end with the time and the signal of the call, which are for all attempts", async () => {
    await using server = await wireServer();
    const { connection, wire } = await greeted<any>(server);
    void (async () => {
      for (;;) wire.send([2, (await wire.next())[1], REFUSED]);
    })().catch(() => undefined);
    const start = performance.now();
    const late = await failureOf(withOptions(connection.remote.f, { retries: Infinity, timeout: 200 })());
    expect(["UNAVAILABLE", "DEADLINE_EXCEEDED"]).toContain(late.code);
    expect(performance.now() - start).toBeLessThan(1000);
    const abort = new AbortController();
    const call = failureOf(withOptions(connection.remote.f, { retries: Infinity, signal: abort.signal })());
    setTimeout(() => abort.abort("enough"), 50);
    expect(await call).toMatchObject({ code: "CANCELLED", cause: "enough" });
    connection.destroy();
  });

  test("wait for the next connection where there is one to come: an idempotent call survives a lost server", async () => {
    class Slow extends Service {
      started = 0;
      @expose({ idempotent: true }) async answer(): Promise<number> {
        if (++this.started === 1) await new Promise(() => undefined);
        return 42;
      }
    }
    const address = newAddress();
    const slow = new Slow();
    await using server = await serve(address, slow);
    await using client = await connect<Slow>(address, { reconnect: { minMs: 1, maxMs: 5 } });
    const call = withOptions(client.remote.answer, { retries: 1, idempotent: true })();
    await until(() => slow.started === 1);
    for (const one of server.connections) one.destroy();
    expect(await call).toBe(42);
    expect(slow.started).toBe(2);
    await client.close({ graceMs: 0 });
    await server.close({ graceMs: 0 });
  });

  test.each([
    [{ retries: -1 }, /option retries of withOptions is -1; it takes a whole number from 0 on/],
    [{ retries: 0.5 }, /retries of withOptions is 0.5/],
    [{ retries: "1" }, /retries of withOptions is "1"/],
    [{ idempotent: 1 }, /idempotent of withOptions is 1; it takes true or false/],
    [{ whileAway: "hold" }, /whileAway is "hold"/],
  ])("and their options are checked: %j", async (options, message) => {
    await using link = await pair(new Shop());
    expect(() => withOptions(link.remote.price, options as never)).toThrow(message);
  });
});

describe("a call stated as idempotent", () => {
  test("runs where the method is exposed so, and is refused before it runs where it isn't", async () => {
    const shop = new Shop();
    await using link = await pair(shop);
    expect(await withOptions(link.remote.price, { retries: 1, idempotent: true })()).toBe(7);
    const error = await failureOf(withOptions(link.remote.order, { idempotent: true })());
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", executed: "no" });
    expect(error.message).toContain(`"order" isn't exposed as idempotent`);
    expect(shop.runs).toBe(1);
  });

  test("is held against functions that were handed out, in maps, and across a third peer", async () => {
    const shop = new Shop();
    await using link = await pair(shop);
    const [fn, plainFn] = [await link.remote.giveFn(), await link.remote.givePlainFn()];
    expect(await withOptions(fn, { idempotent: true })()).toBe(1);
    expect((await failureOf(withOptions(plainFn, { idempotent: true })())).code).toBe("INVALID_ARGUMENT");
    const middle = service({ yes: expose(() => fn), no: expose(() => plainFn) });
    await using outer = await pair(middle);
    const [far, plainFar] = [await outer.remote.yes(), await outer.remote.no()] as any[];
    expect(await withOptions(far, { idempotent: true })()).toBe(2);
    expect(await failureOf(withOptions(plainFar, { idempotent: true })())).toMatchObject({
      code: "INVALID_ARGUMENT",
      executed: "no",
    });
    expect(shop.runs).toBe(2);
  });

  test("is refused here for a peer that said no hello: it can't tell", async () => {
    const shop = new Shop();
    await using link = await pair(shop, { dialect: "aiomas" });
    const error = await failureOf(withOptions(link.remote.price, { idempotent: true })());
    expect(error).toMatchObject({ code: "UNSUPPORTED", executed: "no" });
    expect(shop.runs).toBe(0);
    expect(await withOptions(link.remote.price, { retries: 2 })()).toBe(7);
  });

  test("made before the peer turned out to be such a one never leaves", async () => {
    const outcomes: unknown[] = [];
    const onConnection = ({ remote }: Connection): void => {
      const { price } = remote as unknown as { price(): Promise<unknown> };
      withOptions(price, { idempotent: true })().catch(({ code, executed }) => outcomes.push([code, executed]));
      // Both: what the callee may need is told first.
      withOptions(price, { idempotent: true, metadata: { a: 1 } })().catch(({ code }) => outcomes.push(code));
    };
    await using server = await serve(newAddress(), new Shop(), { onConnection });
    await using wire = await WirePeer.connect(server.address);
    await turns(3);
    wire.send([0, 0, ["order", [], {}]]);
    expect((await wire.rest()).map(([type]) => type)).toEqual([1]);
    expect(outcomes).toEqual([["UNSUPPORTED", "no"], "INVALID_ARGUMENT"]);
  });

  test("on a received function that nobody awaits is no unhandled rejection", async () => {
    await using link = await pair(new Shop());
    const fn = await link.remote.givePlainFn();
    expect(await unhandledDuring(() => void withOptions(fn, { retries: 1, idempotent: true })())).toEqual([]);
  });
});
