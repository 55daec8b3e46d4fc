import { describe, expect, test } from "vitest";
import { RemoteError, SerializationError } from "@colloquy/core";
import { ColloquyError, Service, connect, expose, serve, service, withOptions } from "../src/index.ts";
import type { SerializerFactory } from "../src/index.ts";
import { Stranger, WirePeer, failureOf, newAddress, pair } from "./support.ts";

class OutOfStock extends Error {
  override name = "OutOfStock";
  readonly item: string = "tea";
}

class Money {}

class Shop extends Service {
  @expose buy(_item: string): void {
    throw new OutOfStock("no tea left", { cause: new TypeError("shelf is empty", { cause: "nobody ordered" }) });
  }
  @expose async order(): Promise<void> {
    await Promise.resolve();
    throw new RangeError("too many");
  }
  @expose throwIt(what: string): void {
    const things: Record<string, unknown> = { undefined, zero: 0, null: null, object: { secret: 1 }, text: "words" };
    throw things[what];
  }
  @expose async rejectWith(what: string): Promise<void> {
    return this.throwIt(what);
  }
  @expose coded(): void {
    throw new ColloquyError("INVALID_ARGUMENT", "that is no item");
  }
  @expose stranger(): unknown {
    return new Stranger();
  }
  @expose nested(): unknown {
    return { list: [1, new Stranger()] };
  }
}

describe("an error of a remote method", () => {
  test("arrives as a RemoteError with name, message, cause and code", async () => {
    await using link = await pair(new Shop());
    const error = await failureOf(link.remote.buy("tea"));
    expect(error).toBeInstanceOf(RemoteError);
    expect(error).toMatchObject({
      name: "RemoteError",
      remoteName: "OutOfStock",
      message: "no tea left",
      code: "REMOTE_ERROR",
      executed: "yes",
      cause: { remoteName: "TypeError", message: "shelf is empty", cause: { message: "nobody ordered" } },
    });
  });

  test("arrives the same from an async method", async () => {
    await using link = await pair(new Shop());
    expect(await failureOf(link.remote.order())).toMatchObject({ remoteName: "RangeError", message: "too many" });
  });

  test("has the stack of the calling function", async () => {
    await using link = await pair(new Shop());
    async function theCallingFunction(): Promise<void> {
      await link.remote.buy("tea");
    }
    const error = await failureOf(theCallingFunction());
    expect(error.stack).toContain("theCallingFunction");
    expect(error.stack).toContain("no tea left");
  });

  test("has that stack also where the failure is a local one", async () => {
    await using link = await pair(new Shop());
    await link.client.close();
    async function theCallingFunction(): Promise<void> {
      await link.remote.buy("tea");
    }
    expect((await failureOf(theCallingFunction())).stack).toContain("theCallingFunction");
  });

  test("has what was called in place of the stack where nobody awaits", async () => {
    await using link = await pair(new Shop());
    const remote = await new Promise<Error>((resolve) => void link.remote.buy("tea").catch(resolve));
    expect(remote.stack).toBe(
      `RemoteError: no tea left\n    at the call of ${String(link.remote.buy)}`.replace(/Remote\((\S+)\)$/, "$1"),
    );
    await link.client.close();
    const local = await new Promise<Error>((resolve) => void link.remote.buy("tea").catch(resolve));
    expect(local.stack).toMatch(/^ColloquyError: .*\n    at the call of \S+\/buy$/);
  });

  test("leaves the process without stack, path or fields", async () => {
    await using server = await serve(newAddress(), new Shop());
    await using wire = await WirePeer.connect(server.address);
    await wire.hello();
    const [type, content] = await wire.request("buy", ["tea"]);
    expect(type).toBe(2);
    expect(content).toEqual({
      name: "OutOfStock",
      message: "no tea left",
      code: "REMOTE_ERROR",
      executed: "yes",
      cause: {
        name: "TypeError",
        message: "shelf is empty",
        code: "REMOTE_ERROR",
        executed: "yes",
        cause: { name: "string", message: "nobody ordered", code: "REMOTE_ERROR", executed: "yes" },
      },
    });
    expect(JSON.stringify(content)).not.toContain("errors.test");
  });

  test.each([
    ["undefined", "undefined", "undefined"],
    ["zero", "number", "0"],
    ["null", "null", "null"],
    ["object", "Object", "thrown: Object"],
    ["text", "string", "words"],
  ])("rejects when the method throws %s", async (what, remoteName, message) => {
    await using link = await pair(new Shop());
    for (const call of [link.remote.throwIt(what), link.remote.rejectWith(what)]) {
      expect(await failureOf(call)).toMatchObject({ remoteName, message, executed: "yes" });
    }
  });

  test("says that the method ran where it throws a ColloquyError of its own", async () => {
    await using link = await pair(new Shop());
    const error = await failureOf(link.remote.coded());
    expect(error).toBeInstanceOf(RemoteError);
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", executed: "yes", message: "that is no item" });
  });

  test("says that the method ran where a call of its own was refused by somebody else", async () => {
    await using shop = await pair(new Shop());
    const middle = service({
      ask: expose(async () => (shop.remote as unknown as { none(): Promise<unknown> }).none()),
    });
    await using link = await pair(middle);
    const error = await failureOf(link.remote.ask());
    expect(error).toMatchObject({ code: "NOT_FOUND", executed: "yes" });
    expect(error).toBeInstanceOf(RemoteError);
  });

  test("cuts a message of any length", async () => {
    await using link = await pair(service({ long: expose(() => Promise.reject(new Error("x".repeat(100_000)))) }));
    const error = await failureOf(link.remote.long());
    expect(error.message.length).toBeLessThan(5000);
  });
});

describe("an error of this side", () => {
  test("says that a call with a value that can't be sent was not carried out", async () => {
    await using link = await pair(new Shop());
    const remote = link.remote as unknown as { buy(item: unknown): Promise<void> };
    const error = await failureOf(remote.buy({ when: [new Stranger()] }));
    expect(error).toBeInstanceOf(SerializationError);
    expect(error).toMatchObject({ code: "SERIALIZATION_ERROR", executed: "no" });
    expect(error.message).toBe(
      'argument 1 of "buy": Stranger is no service and has no serializer; see extraSerializers, at when[0]',
    );
    expect(error["place"]).toEqual(["when", 0]);
  });

  test("names the argument by its position or its name, and keeps what a serializer has thrown", async () => {
    const cause = new Error("serializer");
    const money: SerializerFactory<Money> = () => [
      Money,
      () => {
        throw cause;
      },
      () => new Money(),
    ];
    await using link = await pair(new Shop(), { extraSerializers: [money], serve: { extraSerializers: [money] } });
    const remote = link.remote as unknown as { buy(...items: unknown[]): Promise<void> };
    const itself = await failureOf(remote.buy("tea", new Stranger()));
    expect(itself.message).toBe(
      'argument 2 of "buy": Stranger is no service and has no serializer; see extraSerializers',
    );
    expect(itself["place"]).toEqual([]);
    const named = await failureOf(withOptions(remote.buy, { kwargs: { item: { when: new Stranger() } } })());
    expect(named.message).toContain('argument "item" of "buy": Stranger is no service');
    expect(named["place"]).toEqual(["when"]);
    const thrown = await failureOf(remote.buy([new Money()]));
    expect(thrown.message).toMatch(/^argument 1 of "buy": .*, at \[0\]$/);
    expect(thrown).toMatchObject({ executed: "no", cause });
  });

  test("names the place in a result that can't be sent, and the caller learns that the method ran", async () => {
    await using link = await pair(new Shop());
    expect(await failureOf(link.remote.stranger())).toMatchObject({ code: "SERIALIZATION_ERROR", executed: "yes" });
    const error = await failureOf(link.remote.nested());
    expect(error.message).toContain("Stranger is no service and has no serializer; see extraSerializers, at list[1]");
  });

  test("is a rejection and never thrown by the call itself", async () => {
    await using link = await pair(new Shop());
    const cyclic: Record<string, unknown> = {};
    cyclic["self"] = cyclic;
    const remote = link.remote as unknown as { buy(item: unknown): Promise<void>; none(): Promise<void> };
    const thrower = Object.defineProperty({}, "item", {
      enumerable: true,
      get() {
        throw new Error("getter");
      },
    });
    for (const start of [() => remote.buy(cyclic), () => remote.buy(Symbol("s")), () => remote.buy(thrower)]) {
      const promise = start();
      expect(promise).toBeInstanceOf(Promise);
      expect((await failureOf(promise)).code).toBe("SERIALIZATION_ERROR");
    }
    expect((await failureOf(remote.none())).code).toBe("NOT_FOUND");
  });

  test("is UNAVAILABLE where nobody listens", async () => {
    expect((await failureOf(connect(newAddress()))).code).toBe("UNAVAILABLE");
    expect((await failureOf(connect("tcp://127.0.0.1:1"))).code).toBe("UNAVAILABLE");
  });
});
