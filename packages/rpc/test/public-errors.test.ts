import { JsonCodec, MsgPackCodec, StructuredCloneCodec } from "@colloquy/core";
import { describe, expect, test } from "vitest";
import {
  ColloquyError,
  PublicError,
  RemoteError,
  Service,
  connect,
  expose,
  release,
  serve,
  service,
} from "../src/index.ts";
import type { ErrorPolicy, SerializerFactory } from "../src/index.ts";
import { Stranger, WirePeer, failureOf, newAddress, pair, until } from "./support.ts";

class OutOfStock extends PublicError {
  readonly sku: string;
  readonly restocked: Date;

  constructor(sku: string) {
    super(`no ${sku} left`, { code: "OUT_OF_STOCK", cause: new RangeError("count is 0") });
    this.sku = sku;
    this.restocked = new Date(5);
  }

  advice(): string {
    return `wait for ${this.sku}`;
  }
}

/** An error that was not made for callers. */
class DriverError extends Error {
  override name = "DriverError";
  readonly query = "SELECT secret";
}

class Shop extends Service {
  next: () => unknown = () => new OutOfStock("tea");

  @expose buy(): void {
    throw this.next();
  }
  @expose async order(): Promise<void> {
    await Promise.resolve();
    throw this.next();
  }
  @expose async *list(): AsyncGenerator<number> {
    yield 1;
    throw this.next();
  }
  @expose stranger(): unknown {
    return new Stranger();
  }
}

/** What the caller gets where a method throws what `make` makes. */
async function received(
  make: () => unknown,
  errors?: ErrorPolicy,
  own: ErrorPolicy | undefined = errors,
): Promise<any> {
  const shop = new Shop();
  shop.next = make;
  await using link = await pair(shop, { codec: MsgPackCodec, errors: own, serve: { codec: MsgPackCodec, errors } });
  return await rejectionOf(link.remote.buy());
}

/** What a promise rejects with, of whatever class. */
async function rejectionOf(promise: Promise<unknown>): Promise<any> {
  return promise.then(
    (value) => Promise.reject(new Error("resolved", { cause: value })),
    (error: unknown) => error,
  );
}

describe.each([
  ["JSON", JsonCodec],
  ["MsgPack", MsgPackCodec],
  ["structured clones", StructuredCloneCodec],
])("in %s, an error that is made for the caller", (_name, codec) => {
  test("arrives with its class name, message, code, fields and cause", async () => {
    await using link = await pair(new Shop(), { codec, serve: { codec } });
    const error = await failureOf(link.remote.buy());
    expect(error).toBeInstanceOf(RemoteError);
    expect(error).toMatchObject({
      code: "REMOTE_ERROR",
      executed: "yes",
      remoteName: "OutOfStock",
      message: "no tea left",
    });
    expect(error["fields"]).toEqual({ code: "OUT_OF_STOCK", sku: "tea", restocked: new Date(5) });
    expect(error.cause).toMatchObject({ remoteName: "RangeError", message: "count is 0", fields: undefined });
    expect(await failureOf(link.remote.order())).toMatchObject({ fields: { sku: "tea" } });
  });

  test("arrives without the fields that can't cross, wherever those stand, and with all others", async () => {
    const shop = new Shop();
    const strange = {
      first: 1,
      stranger: new Stranger(),
      nested: { deep: [new Stranger()] },
      method: () => 1,
      last: 2,
    };
    shop.next = () =>
      new PublicError("outer", {
        fields: strange,
        cause: new PublicError("inner", { fields: { unpaired: "\ud800", also: "here" } }),
      });
    await using link = await pair(shop, { codec, serve: { codec } });
    const error = await failureOf(link.remote.buy());
    expect(error).toMatchObject({ remoteName: "PublicError", message: "outer" });
    expect(error["fields"]).toEqual({ first: 1, last: 2 });
    expect(error.cause).toMatchObject({ message: "inner", fields: { also: "here" } });
    // The connection goes on as before.
    shop.next = () => new OutOfStock("milk");
    expect(await failureOf(link.remote.buy())).toMatchObject({ fields: { sku: "milk" } });
  });

  test("arrives without the fields that its caller would refuse, and with all others", async () => {
    const shop = new Shop();
    const then = (): number => 1;
    const refused = {
      awaited: { then },
      printed: [{ toJSON: then }],
      merged: { constructor: { prototype: { isAdmin: true } } },
      held: { then: new Shop() },
      wrapped: Object.assign(new Error("x"), { then }),
    };
    shop.next = () => new PublicError("x", { fields: { first: { then: 1 }, ...refused, last: [{ call: then }] } });
    await using link = await pair(shop, { codec, serve: { codec } });
    const error = await failureOf(link.remote.buy());
    expect(error).toMatchObject({ code: "REMOTE_ERROR", executed: "yes", message: "x" });
    expect(error["fields"]).toEqual({ first: { then: 1 }, last: [{ call: expect.any(Function) }] });
    shop.next = () => ({ first: 1, constructor: { prototype: {} }, last: 2 });
    expect(await failureOf(link.remote.buy())).toMatchObject({ executed: "yes", thrown: { first: 1, last: 2 } });
  });

  test("arrives as what others are where its code isn't one", async () => {
    const shop = new Shop();
    const code = { value: new Proxy({}, { ownKeys: () => ["a", "a"] }) };
    shop.next = () => Object.defineProperties(new ColloquyError("INTERNAL", "changed"), { code, executed: code });
    await using link = await pair(shop, { codec, serve: { codec } });
    const error = await failureOf(link.remote.buy());
    expect(error).toMatchObject({ code: "REMOTE_ERROR", executed: "yes", message: "changed" });
  });

  test.each([7, 8, 9, 1000])(
    "arrives with the other fields where up to 8 of them can't cross, of %i",
    async (count) => {
      const shop = new Shop();
      const strangers = Array.from({ length: count }, (_, index) => [`f${index}`, new Stranger()]);
      shop.next = () => new PublicError("many", { fields: { fine: 1, ...Object.fromEntries(strangers) } });
      await using link = await pair(shop, { codec, serve: { codec } });
      for (let round = 0; round < 3; round++) {
        const error = await failureOf(link.remote.buy());
        expect(error).toMatchObject({ remoteName: "PublicError", message: "many" });
        expect(error["fields"]).toEqual(count <= 8 ? { fine: 1 } : undefined);
      }
    },
  );

  test("arrives with bytes that cross beside the message", async () => {
    const shop = new Shop();
    shop.next = () => new PublicError("bytes", { fields: { bytes: new Uint8Array(40_000).fill(7), more: 1 } });
    await using link = await pair(shop, { codec, serve: { codec } });
    for (let round = 0; round < 3; round++) {
      const error = await failureOf(link.remote.buy());
      expect(error["fields"]).toEqual({ bytes: new Uint8Array(40_000).fill(7), more: 1 });
    }
  });

  test("arrives with a service among its fields as a working stand-in, which a failed attempt doesn't leak", async () => {
    const shop = new Shop();
    const owner = service({ name: expose(() => "ada") });
    shop.next = () => new PublicError("locked", { fields: { owner, stranger: new Stranger() } });
    await using link = await pair(shop, { codec, serve: { codec } });
    const error = await failureOf(link.remote.buy());
    const { owner: remote } = error["fields"] as { owner: { name(): Promise<string> } };
    expect(await remote.name()).toBe("ada");
    expect(link.peer.stats().exportedReferences).toBe(1);
    release(remote);
    await until(() => link.peer.stats().exportedReferences === 0);
  });

  test("arrives by name and message where its fields are larger than a message may be", async () => {
    const shop = new Shop();
    shop.next = () => new PublicError("large", { fields: { text: "x".repeat(60_000) } });
    const limits = { maxMessageBytes: 30_000 };
    await using link = await pair(shop, { codec, serve: { codec, limits } });
    expect(await failureOf(link.remote.buy())).toMatchObject({
      remoteName: "PublicError",
      message: "large",
      fields: undefined,
    });
  });

  test.each([
    ["undefined", undefined],
    ["null", null],
    ["0", 0],
    ["false", false],
    ["a text", "words"],
    ["an array", [1, { a: [2] }]],
    ["a date", new Date(7)],
  ])("which is no error but %s arrives as what was thrown", async (_what, thrown) => {
    const shop = new Shop();
    shop.next = () => thrown;
    await using link = await pair(shop, { codec, serve: { codec } });
    for (const call of [link.remote.buy(), link.remote.order()]) {
      const error = await failureOf(call);
      expect(Object.hasOwn(error, "thrown")).toBe(true);
      expect(error["thrown"]).toEqual(thrown);
      expect(error).toMatchObject({ executed: "yes", code: "REMOTE_ERROR" });
    }
  });

  test("which is a plain object has its fields, as far as they can cross", async () => {
    const shop = new Shop();
    shop.next = () => ({ status: 404, at: new Date(1), stranger: new Stranger() });
    await using link = await pair(shop, { codec, serve: { codec } });
    const error = await failureOf(link.remote.buy());
    expect(error).toMatchObject({ remoteName: "Object", message: "thrown: Object" });
    expect(error["fields"]).toEqual({ status: 404, at: new Date(1) });
    expect(error["thrown"]).toEqual(error["fields"]);
  });
});

describe("what is thrown and no error", () => {
  test("stays where it was thrown, but for its class, where it is an instance, a function or a symbol", async () => {
    class Account {
      readonly password = "secret";
    }
    for (const [thrown, remoteName] of [
      [new Account(), "Account"],
      [() => "secret", "function"],
    ] as const) {
      const error = await received(() => thrown);
      expect(error).toMatchObject({ remoteName, fields: undefined });
      expect("thrown" in error).toBe(false);
      expect(error.message).not.toContain("secret");
    }
    expect(await received(() => Symbol("s"))).toMatchObject({ remoteName: "symbol", message: "Symbol(s)" });
  });
});

describe("an error that isn't made for the caller", () => {
  test("T27: arrives with name and message and none of its fields", async () => {
    const error = await received(() => Object.assign(new DriverError("no route"), { code: "EHOST" }));
    expect(error).toMatchObject({ remoteName: "DriverError", message: "no route", fields: undefined });
    expect(JSON.stringify(error)).not.toMatch(/secret|EHOST/);
  });

  test("is named after its class, where that gives no name of its own", async () => {
    class Unnamed extends TypeError {}
    expect(await received(() => new Unnamed("x"))).toMatchObject({ remoteName: "Unnamed" });
    expect(await received(() => new (class extends TypeError {})("x"))).toMatchObject({ remoteName: "TypeError" });
    const renamed = Object.assign(new Error("x"), { name: "RangeError" });
    expect(await received(() => renamed)).toMatchObject({ remoteName: "RangeError" });
    expect(await received(() => new DOMException("x", "AbortError"))).toMatchObject({ remoteName: "AbortError" });
  });

  test('leaves with its name alone under `allow: "name"`, causes too', async () => {
    const make = () => new DriverError("secret", { cause: new TypeError("secret", { cause: "secret" }) });
    const error = await received(make, { allow: "name", stacks: true });
    expect(error).toMatchObject({ remoteName: "DriverError", message: "", remoteStack: undefined });
    expect(error.cause).toMatchObject({
      remoteName: "TypeError",
      message: "",
      cause: { remoteName: "string", message: "" },
    });
    expect(await received(() => "secret", { allow: "name" })).toMatchObject({ remoteName: "string", message: "" });
    expect(await received(() => new OutOfStock("tea"), { allow: "name" })).toMatchObject({
      message: "no tea left",
      fields: { sku: "tea" },
      cause: { remoteName: "RangeError", message: "" },
    });
  });

  test('is replaced by an id under `allow: "none"`, which `onMethodFailure` is told, too', async () => {
    for (const thrown of [new DriverError("secret"), "secret", { secret: 1 }, undefined]) {
      const told: [unknown, string, string | undefined][] = [];
      const shop = new Shop();
      shop.next = () => thrown;
      await using link = await pair(shop, {
        serve: { errors: { allow: "none" }, onMethodFailure: (...all) => void told.push(all) },
      });
      const read = async () => {
        for await (const item of link.remote.list()) expect(item).toBe(1);
      };
      for (const call of [() => link.remote.buy(), () => link.remote.order(), read]) {
        const error = await failureOf(call());
        const { errorId } = error["fields"] as { errorId: string };
        expect(errorId).toMatch(/^[0-9a-f-]{36}$/);
        expect(error).toMatchObject({ remoteName: "Error", executed: "yes" });
        expect("cause" in error).toBe(false);
        expect(error.message).toBe(`the method failed; the log of its process may say why, under the id ${errorId}`);
        expect(told.splice(0)).toEqual([[thrown, expect.any(String), errorId]]);
      }
    }
  });

  test("has no id where its caller gets it", async () => {
    const told: unknown[][] = [];
    await using link = await pair(new Shop(), {
      serve: { errors: { allow: "none" }, onMethodFailure: (...all) => void told.push(all) },
    });
    const error = await failureOf(link.remote.buy());
    expect(error).toMatchObject({ remoteName: "OutOfStock", fields: { sku: "tea" } });
    // Its cause is an error as any other.
    expect(error.cause).toBeUndefined();
    expect(told).toEqual([[expect.any(OutOfStock), "buy", undefined]]);
  });

  test("is what a function makes of it, which is not asked about errors for the caller", async () => {
    const asked: unknown[] = [];
    const allow = (thrown: unknown): unknown => {
      asked.push(thrown);
      if (thrown instanceof DriverError) return new PublicError("try later", { fields: { after: 5 } });
      if (thrown instanceof TypeError) return new ColloquyError("UNAVAILABLE", "closed today");
      if (thrown === "fail") throw new Error("secret");
      return undefined;
    };
    expect(await received(() => new DriverError("secret"), { allow })).toMatchObject({
      remoteName: "PublicError",
      message: "try later",
      fields: { after: 5 },
    });
    const refused = await received(() => new TypeError("secret"), { allow });
    expect(refused).toMatchObject({ code: "UNAVAILABLE", executed: "yes", message: "closed today" });
    for (const thrown of ["fail", "other"]) {
      const error = await received(() => thrown, { allow });
      expect(error).toMatchObject({
        remoteName: "Error",
        message: "the method failed; the log of its process may say why",
      });
    }
    expect(asked).toHaveLength(4);
    await received(() => new OutOfStock("tea"), { allow });
    expect(asked).toHaveLength(4);
  });

  test("doesn't get out through a result that can't be sent, or an argument that can't be read", async () => {
    const fail = (): never => {
      throw new Error("secret");
    };
    const own: SerializerFactory<Stranger> = () => [Stranger, () => 1, fail];
    const theirs: SerializerFactory<Stranger> = () => [Stranger, fail, fail];
    await using link = await pair(new Shop(), {
      extraSerializers: [own],
      serve: { extraSerializers: [theirs], errors: { allow: "none" } },
    });
    const result = await failureOf(link.remote.stranger());
    expect(result).toMatchObject({ code: "SERIALIZATION_ERROR", executed: "yes" });
    const remote = link.remote as unknown as { buy(item: unknown): Promise<void> };
    const argument = await failureOf(remote.buy(new Stranger()));
    expect(argument).toMatchObject({ code: "SERIALIZATION_ERROR", executed: "no" });
    for (const error of [result, argument]) {
      expect(error.message).toBe("a value can't be encoded or decoded");
      expect("cause" in error).toBe(false);
    }
  });

  test("doesn't get out through a process that passes it on", async () => {
    await using back = await pair(new Shop());
    await using front = await pair(service({ ask: expose(() => back.remote.buy()) }), {
      serve: { errors: { allow: "none" } },
    });
    const shop = back.server;
    expect(shop.connections.size).toBe(1);
    // What was public there is public here.
    expect(await failureOf(front.remote.ask())).toMatchObject({ remoteName: "OutOfStock", fields: { sku: "tea" } });
    const driver = service({ ask: expose(() => Promise.reject(new DriverError("secret"))) });
    await using second = await pair(driver);
    const middle = service({ ask: expose(async () => second.remote.ask()) });
    await using hidden = await pair(middle, { serve: { errors: { allow: "none" } } });
    const error = await failureOf(hidden.remote.ask());
    expect(error).toMatchObject({ remoteName: "Error", fields: { errorId: expect.any(String) } });
    expect(error.message).not.toContain("secret");
  });
});

describe("an error of a known class", () => {
  const known: ErrorPolicy = { known: [OutOfStock, DriverError] };

  test("arrives as an instance of that class, with its fields and methods and whether it ran", async () => {
    const error = await received(() => new OutOfStock("tea"), known);
    expect(error).toBeInstanceOf(OutOfStock);
    expect(error).not.toBeInstanceOf(RemoteError);
    expect(error).toMatchObject({ name: "OutOfStock", message: "no tea left", code: "OUT_OF_STOCK", sku: "tea" });
    expect(error.restocked).toEqual(new Date(5));
    expect(error.advice()).toBe("wait for tea");
    expect(error.executed).toBe("yes");
    expect(error.cause).toMatchObject({ remoteName: "RangeError" });
    expect(Object.keys(error).toSorted()).toEqual(["code", "restocked", "sku"]);
    const driver = await received(() => new DriverError("no route"), known);
    expect(driver).toBeInstanceOf(DriverError);
    expect(driver).toMatchObject({ query: "SELECT secret", code: "REMOTE_ERROR", executed: "yes" });
  });

  test("has the stack of the calling function", async () => {
    await using link = await pair(new Shop(), { errors: known });
    async function theCallingFunction(): Promise<void> {
      await link.remote.buy();
    }
    const error = await rejectionOf(theCallingFunction());
    expect(error).toBeInstanceOf(OutOfStock);
    expect(error.stack).toMatch(/^OutOfStock: no tea left\n/);
    expect(error.stack).toContain("theCallingFunction");
  });

  test("needs no constructor, but may have `fromRemote` make it", async () => {
    class Made extends PublicError {
      readonly #secret: string;
      constructor(secret: string) {
        super("made");
        this.#secret = secret;
        Object.defineProperty(this, "shown", { value: secret, enumerable: true });
      }
      static fromRemote(fields: { shown: string }): Made {
        if (fields.shown === "fail") throw new Error("of fromRemote");
        if (fields.shown === "other") return new PublicError("other") as Made;
        if (fields.shown === "frozen") return Object.freeze(new Made("frozen")) as Made;
        return new Made(`${fields.shown} again`);
      }
      get secret(): string {
        return this.#secret;
      }
    }
    const error = await received(() => new Made("x"), { known: [Made] });
    expect(error).toMatchObject({ secret: "x again", executed: "yes" });
    for (const shown of ["fail", "other", "frozen"]) {
      const bare = await received(() => new Made(shown), { known: [Made] });
      expect(bare).toBeInstanceOf(Made);
      expect(bare).toMatchObject({ name: "Made", message: "made", shown });
    }
  });

  test("may have another name than its class", async () => {
    const error = await received(() => new DriverError("x"), { known: { Db: DriverError } });
    expect(error).toBeInstanceOf(DriverError);
    const unknown = await received(() => new DriverError("x"), { known: { Db: DriverError } }, {});
    expect(unknown).toMatchObject({ remoteName: "Db", fields: { query: "SELECT secret" } });
  });

  test("is a RemoteError to a caller that doesn't know it, and a subclass isn't known", async () => {
    const error = await received(() => new OutOfStock("tea"), known, {});
    expect(error).toBeInstanceOf(RemoteError);
    expect(error).toMatchObject({ remoteName: "OutOfStock", fields: { sku: "tea" } });
    class Special extends DriverError {
      override name = "Special";
    }
    expect(await received(() => new Special("x"), known)).toMatchObject({ remoteName: "Special", fields: undefined });
  });

  test("is rebuilt as a cause and in an AggregateError, too", async () => {
    const make = () =>
      new AggregateError([new OutOfStock("a"), new TypeError("b")], "both", { cause: new OutOfStock("c") });
    const error = await received(make, known);
    expect(error).toBeInstanceOf(RemoteError);
    expect(error).toMatchObject({ remoteName: "AggregateError", message: "both" });
    expect(error.cause).toBeInstanceOf(OutOfStock);
    expect(error.errors[0]).toBeInstanceOf(OutOfStock);
    expect(error.errors[1]).toMatchObject({ remoteName: "TypeError", message: "b" });
    const whole = await received(make, { known: [AggregateError] });
    expect(whole).toBeInstanceOf(AggregateError);
    expect(whole.errors).toHaveLength(2);
  });

  test("crosses again with its fields, over a process that doesn't know it", async () => {
    await using back = await pair(new Shop());
    const middle = service({ ask: expose(async () => back.remote.buy()) });
    await using front = await pair(middle, { errors: known });
    const error = await rejectionOf(front.remote.ask());
    expect(error).toBeInstanceOf(OutOfStock);
    expect(error.sku).toBe("tea");
  });
});

describe("a stack", () => {
  test("leaves on request only, and is the cause where there is no other one", async () => {
    function whereItWasThrown(): never {
      throw new TypeError("wrong");
    }
    const make = () => {
      try {
        return whereItWasThrown();
      } catch (error) {
        return error;
      }
    };
    const without = await received(make);
    expect(without).toMatchObject({ remoteStack: undefined });
    expect("cause" in without).toBe(false);
    const error = await received(make, { stacks: true });
    expect(error.remoteStack).toMatch(/^TypeError: wrong\n.*whereItWasThrown/);
    expect(error.stack).not.toContain("whereItWasThrown");
    expect(error.cause).toBeInstanceOf(Error);
    expect(error.cause).toMatchObject({ name: "TypeError", message: "wrong", stack: error.remoteStack });
  });

  test("of an error of the library is that of where a method threw it", async () => {
    const whereItWasMade = (): ColloquyError => new ColloquyError("UNAVAILABLE", "closed for today");
    const error = await received(whereItWasMade, { stacks: true });
    expect(error).toMatchObject({ code: "UNAVAILABLE", executed: "yes", message: "closed for today" });
    expect(error.cause.stack).toContain("whereItWasMade");
  });

  test("of an error with a cause leaves the cause as it is", async () => {
    const error = await received(() => new OutOfStock("tea"), { stacks: true, known: [OutOfStock] });
    expect(error.remoteStack).toContain("OutOfStock: no tea left");
    expect(error.cause).toMatchObject({ remoteName: "RangeError", remoteStack: expect.stringContaining("count is 0") });
    expect(error.cause.cause).toMatchObject({ name: "RangeError" });
  });

  test("of another process isn't passed on by one that sends none", async () => {
    const stacks = { errors: { stacks: true } };
    await using back = await pair(service({ ask: expose(() => Promise.reject(new TypeError("wrong"))) }), {
      serve: stacks,
    });
    const middle = service({ ask: expose(async () => back.remote.ask()) });
    await using front = await pair(middle);
    const error = await failureOf(front.remote.ask());
    expect(error).toMatchObject({ remoteName: "TypeError", remoteStack: undefined });
    expect("cause" in error).toBe(false);
    await using open = await pair(middle, { serve: stacks });
    const whole = await failureOf(open.remote.ask());
    expect((whole.cause as Error).stack).toContain("wrong");
  });
});

describe("a plain peer", () => {
  test("gets one text, of what may leave", async () => {
    for (const [allow, thrown, text] of [
      ["message", new DriverError("no route"), "DriverError: no route"],
      ["name", new DriverError("no route"), "DriverError: "],
      ["none", new OutOfStock("tea"), "OutOfStock: no tea left"],
    ] as const) {
      const shop = new Shop();
      shop.next = () => thrown;
      await using server = await serve(newAddress(), shop, { errors: { allow } });
      await using wire = await WirePeer.connect(server.address);
      expect(await wire.request("buy")).toEqual([2, text]);
    }
    const shop = new Shop();
    shop.next = () => new DriverError("secret");
    await using server = await serve(newAddress(), shop, { errors: { allow: "none" } });
    await using wire = await WirePeer.connect(server.address);
    expect((await wire.request("buy"))[1]).toMatch(/^Error: the method failed; .* under the id [0-9a-f-]{36}$/);
  });
});

describe("a malformed `errors` option", () => {
  test.each([
    [5, "errors takes a plain object of options, not 5"],
    [{ stack: true }, 'unknown option "stack" of errors; did you mean "stacks"?'],
    [{ stacks: 1 }, "option stacks of errors is 1; it takes true or false"],
    [{ allow: "all" }, 'option allow of errors is "all"; it takes "message", "name", "none" or a function'],
    [{ allow: null }, "option allow of errors is null"],
    [{ known: "Error" }, 'errors.known is "Error"; it takes an array of classes, or an object of them'],
    [{ known: [Stranger] }, "errors.known has Stranger, which doesn't extend Error"],
    [{ known: ["OutOfStock"] }, 'errors.known has "OutOfStock"; it takes classes of errors'],
    [{ known: { Oops: new Error("x") } }, "errors.known.Oops has Error; it takes classes of errors"],
    [{ known: [class extends Error {}] }, "errors.known has a class without a name"],
    [{ known: [RemoteError] }, "errors.known can't have RemoteError: every peer knows it"],
    [
      { known: [OutOfStock, { OutOfStock: class OutOfStock extends Error {} }.OutOfStock] },
      "two classes named OutOfStock",
    ],
  ])("is refused on both sides: %j", async (errors, message) => {
    for (const start of [
      () => connect(newAddress(), { errors: errors as ErrorPolicy }),
      () => serve(newAddress(), new Shop(), { errors: errors as ErrorPolicy }),
    ]) {
      const error = await failureOf(start());
      expect(error).toMatchObject({ code: "INVALID_ARGUMENT", executed: "no" });
      expect(error.message).toContain(message);
    }
  });
});

describe("a PublicError", () => {
  test("has the name of its class, and fields that are its own", () => {
    const error = new OutOfStock("tea");
    expect(String(error)).toBe("OutOfStock: no tea left");
    expect(error.stack).toMatch(/^\w+: no tea left\n/);
    expect(Object.keys(error).toSorted()).toEqual(["code", "restocked", "sku"]);
    expect("code" in new PublicError("x")).toBe(false);
    expect("cause" in new PublicError("x")).toBe(false);
  });

  test.each(["message", "name", "stack", "cause", "constructor", "toString"])("takes no field named %s", (key) => {
    const make = () => new PublicError("x", { fields: { [key]: 1 } });
    expect(make).toThrow(`a field of an error can't be named "${key}": every error has that`);
  });
});
