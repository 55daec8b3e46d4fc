import { describe, expect, test, vi } from "vitest";
import { MsgPackCodec } from "@colloquy/core";
import { ColloquyError, Service, connect, expose, notify, serve, withOptions } from "../src/index.ts";
import type { Authenticate, CallContext, Connection, Interceptor, ServeOptions } from "../src/index.ts";
import { MAX_CREDENTIALS_BYTES } from "../src/authentication.ts";
import {
  Stranger,
  WirePeer,
  failureOf,
  newAddress,
  pair,
  turns,
  unhandledDuring,
  until,
  wireServer,
} from "./support.ts";

class Vault extends Service {
  readonly log: unknown[] = [];
  @expose({ context: true }) who({ connection }: CallContext): unknown {
    return connection.identity ?? "nobody";
  }
  @expose open(): string {
    this.log.push("open");
    return "open";
  }
}

const knows: Authenticate = (credentials) => {
  if (credentials === "sesame") return { user: "ada" };
  throw new Error(`${String(credentials)} is wrong`);
};

/** A check that ends when the test says so. */
function slow(): { readonly authenticate: Authenticate; readonly seen: unknown[]; end(identity: unknown): void } {
  const waiting: ((identity: unknown) => void)[] = [];
  const seen: unknown[] = [];
  return {
    seen,
    authenticate: (credentials) => {
      seen.push(credentials);
      return new Promise((resolve) => waiting.push(resolve));
    },
    end: (identity) => waiting.shift()!(identity),
  };
}

const served = (options: ServeOptions, vault = new Vault()) => serve(newAddress(), vault, options);

describe("authentication in hello", () => {
  test.each([
    ["JSON", {}],
    ["MsgPack", { codec: MsgPackCodec }],
  ])("gives the connection its identity, in %s", async (_name, codec) => {
    await using link = await pair(new Vault(), {
      ...codec,
      credentials: "sesame",
      serve: { ...codec, authenticate: knows },
    });
    expect(await link.remote.who()).toEqual({ user: "ada" });
    expect(link.peer.identity).toEqual({ user: "ada" });
    expect(link.client.identity).toBeUndefined();
  });

  test("gets the connection, and whatever plain value the client shows", async () => {
    const seen: unknown[] = [];
    const authenticate: Authenticate = (credentials, connection) => {
      seen.push(credentials, connection.remoteAddress, connection.identity);
      return "someone";
    };
    const credentials = { token: "t", scopes: ["a", "b"], level: 3 };
    await using link = await pair(new Vault(), { credentials, serve: { authenticate } });
    expect(await link.remote.who()).toBe("someone");
    expect(seen).toEqual([credentials, link.peer.remoteAddress, undefined]);
  });

  test("takes credentials from a function, anew for each connection", async () => {
    let count = 0;
    await using server = await served({ authenticate: (credentials) => credentials });
    const options = { credentials: async () => `token ${++count}` };
    await using first = await connect<Vault>(server.address, options);
    await using second = await connect<Vault>(server.address, options);
    expect([await first.remote.who(), await second.remote.who()]).toEqual(["token 1", "token 2"]);
  });

  test("that isn't asked for ignores credentials", async () => {
    await using link = await pair(new Vault(), { credentials: "sesame" });
    expect(await link.remote.who()).toBe("nobody");
  });

  test("crosses as `auth` of hello, which isn't there without", async () => {
    await using server = await wireServer();
    for (const [options, auth] of [
      [{ credentials: { token: "t" } }, { auth: { token: "t" } }],
      [{}, {}],
    ] as const) {
      const connecting = connect(server.address, options);
      const wire = await server.accepted();
      const hello = (await wire.next())[2][1][0];
      expect("auth" in hello).toBe("auth" in auth);
      expect(hello).toMatchObject(auth);
      wire.send([1, 0, { protocol: 1 }]);
      (await connecting).destroy();
    }
  });
});

describe("a client is refused", () => {
  test.each([
    ["with wrong credentials", { credentials: "guess" }, "the credentials were refused"],
    ["without credentials", {}, "this side takes no calls without credentials: connect with { credentials }"],
  ])("%s, and isn't told why", async (_what, options, message) => {
    const told: unknown[] = [];
    await using server = await served({
      authenticate: knows,
      onMethodFailure: (error, path) => told.push([error, path]),
    });
    const error = await failureOf(connect(server.address, options));
    expect(error).toMatchObject({ code: "UNAUTHENTICATED", executed: "no", message });
    expect(error.cause).toBeUndefined();
    expect(told).toEqual([[expect.objectContaining({ message: expect.stringContaining("is wrong") }), "$/auth"]]);
    await until(() => server.connections.size === 0);
  });

  test.each([[undefined], [null], [false], [Promise.resolve(undefined)]])(
    "where authenticate gives %j: it has to say who that is",
    async (identity) => {
      await using server = await served({ authenticate: () => identity });
      expect(await failureOf(connect(server.address, { credentials: "x" }))).toMatchObject({ code: "UNAUTHENTICATED" });
    },
  );

  test("with the code and the words of a ColloquyError, but not its cause", async () => {
    const authenticate: Authenticate = async () => {
      throw new ColloquyError("UNAVAILABLE", "the directory is down", {
        cause: new Error("10.0.0.1"),
        executed: "unknown",
      });
    };
    await using server = await served({ authenticate });
    const error = await failureOf(connect(server.address, { credentials: "x" }));
    expect(error).toMatchObject({ code: "UNAVAILABLE", executed: "no", message: "the directory is down" });
    expect(error.cause).toBeUndefined();
  });

  test("where its first request is no hello, and nothing runs", async () => {
    const vault = new Vault();
    await using server = await served({ authenticate: knows }, vault);
    await using plain = await WirePeer.connect(server.address);
    plain.send([0, 0, ["open", [], {}]], [0, 1, ["open", [], {}]], [3, 0, ["open", [], {}]]);
    plain.send([0, 2, ["$/hello", [{ protocol: 1, auth: "sesame" }], {}]]);
    const [type, id, content] = await plain.next();
    expect([type, id]).toEqual([2, 0]);
    expect(content).toBe("ColloquyError: this side takes no calls without credentials: connect with { credentials }");
    await plain.closed;
    expect((await plain.rest()).filter(([answer]) => answer === 1)).toEqual([]);
    expect(vault.log).toEqual([]);
    const dialect = await failureOf(
      connect(server.address, { dialect: "aiomas" }).then(({ remote }) => (remote as any).open()),
    );
    expect(dialect).toMatchObject({ code: "REMOTE_ERROR" });
    expect(dialect.message).toContain("without credentials");
  });

  test("who sends a second hello behind one that was refused", async () => {
    const vault = new Vault();
    await using server = await served({ authenticate: knows }, vault);
    await using wire = await WirePeer.connect(server.address);
    const hello = (auth: string): unknown => ["$/hello", [{ protocol: 1, auth }], {}];
    wire.send([0, 0, hello("guess")], [0, 1, hello("sesame")], [0, 2, ["open", [], {}]]);
    expect(await wire.next()).toMatchObject([2, 0, { code: "UNAUTHENTICATED", executed: "no" }]);
    await wire.closed;
    expect((await wire.rest()).filter(([answer]) => answer === 1)).toEqual([]);
    expect(vault.log).toEqual([]);
  });

  test("whose hello doesn't fit, without its credentials being looked at", async () => {
    const { authenticate, seen } = slow();
    await using server = await served({ authenticate });
    await using wire = await WirePeer.connect(server.address);
    expect(await wire.request("$/hello", [{ protocol: 2, auth: "sesame" }])).toMatchObject([
      2,
      { code: "PROTOCOL_ERROR" },
    ]);
    await wire.closed;
    expect(seen).toEqual([]);
  });
});

describe("until authenticate has resolved", () => {
  test("nothing is carried out; calls wait on both sides, and run in their order then", async () => {
    const { authenticate, end } = slow();
    const vault = new Vault();
    const called: unknown[] = [];
    const onConnection = ({ remote }: Connection): void => {
      (remote as any).back().then((answer: unknown) => called.push(answer));
    };
    await using server = await served({ authenticate, onConnection }, vault);
    await using wire = await WirePeer.connect(server.address);
    wire.send([0, 0, ["$/hello", [{ protocol: 1, auth: "x" }], {}]], [0, 1, ["open", [], {}]], [0, 2, ["who", [], {}]]);
    wire.send([3, 0, ["open", [], {}]]);
    expect(await wire.rest()).toEqual([]);
    expect(vault.log).toEqual([]);
    end("ada");
    const messages = [await wire.next(), await wire.next(), await wire.next(), await wire.next()];
    expect(messages[0]).toMatchObject([1, 0, { protocol: 1 }]);
    expect(messages.slice(1).sort(([a], [b]) => b - a)).toEqual([
      [1, 1, "open"],
      [1, 2, "ada"],
      [0, 0, ["back", [], {}]],
    ]);
    // The notification was dropped: from whom it came wasn't known.
    expect(vault.log).toEqual(["open"]);
    wire.send([1, 0, "there"]);
    await until(() => called.length === 1);
  });

  test.each([3, 4, 5])("%i requests that didn't wait for it: four are kept, more are refused", async (count) => {
    const { authenticate, end } = slow();
    await using server = await served({ authenticate });
    await using wire = await WirePeer.connect(server.address);
    wire.send([0, 0, ["$/hello", [{ protocol: 1, auth: "x" }], {}]]);
    for (let id = 1; id <= count; id++) wire.send([0, id, ["open", [], {}]]);
    await turns(3);
    end("ada");
    await wire.next();
    const answers: unknown[] = [];
    for (let id = 1; id <= count; id++) answers.push(await wire.next());
    expect(answers.filter((answer) => (answer as unknown[])[0] === 1)).toHaveLength(Math.min(count, 4));
    if (count === 5) expect(answers).toContainEqual([2, 5, expect.objectContaining({ code: "UNAUTHENTICATED" })]);
  });

  test("messages stay as small as before hello", async () => {
    const { authenticate } = slow();
    await using server = await served({ authenticate });
    await using wire = await WirePeer.connect(server.address);
    wire.send([0, 0, ["$/hello", [{ protocol: 1, auth: "x" }], {}]], [0, 1, ["open", ["x".repeat(70_000)], {}]]);
    await wire.closed;
  });

  test("it has the time of hello", async () => {
    const { authenticate, end } = slow();
    const limits = { helloTimeoutMs: 40 };
    await using server = await served({ authenticate, limits });
    const error = await failureOf(connect(server.address, { credentials: "x" }));
    expect(error).toMatchObject({ code: "UNAVAILABLE", executed: "no" });
    expect(error.message).toContain("the credentials could not be checked within 40 ms (helloTimeoutMs)");
    await until(() => server.connections.size === 0);
    end("ada");
    await turns(3);
    expect(server.connections.size).toBe(0);
  });

  test("a client that leaves is forgotten", async () => {
    const { authenticate, end } = slow();
    await using server = await served({ authenticate });
    await using wire = await WirePeer.connect(server.address);
    wire.send([0, 0, ["$/hello", [{ protocol: 1, auth: "x" }], {}]]);
    await turns(3);
    wire.close();
    await until(() => server.connections.size === 0);
    const reasons = await unhandledDuring(() => end("ada"));
    expect(reasons).toEqual([]);
  });
});

describe("credentials", () => {
  test("whose function fails make connect reject with the cause", async () => {
    await using server = await served({ authenticate: knows });
    const cause = new Error("no keychain");
    const error = await failureOf(
      connect(server.address, {
        credentials: () => {
          throw cause;
        },
      }),
    );
    expect(error).toMatchObject({ code: "UNAUTHENTICATED", cause });
    expect(error.message).toBe("the credentials could not be got: their function has failed");
    await until(() => server.connections.size === 0);
  });

  test("that never come are waited for as long as hello may take, or until the signal aborts", async () => {
    await using server = await served({ authenticate: knows });
    const credentials = (): Promise<never> => new Promise(() => {});
    const late = await failureOf(connect(server.address, { credentials, limits: { helloTimeoutMs: 40 } }));
    expect(late).toMatchObject({ code: "UNAVAILABLE", executed: "no" });
    const signal = AbortSignal.timeout(20);
    expect(await failureOf(connect(server.address, { credentials, signal }))).toMatchObject({ code: "CANCELLED" });
  });

  test.each([
    [-1, true],
    [0, true],
    [1, false],
  ])("of the most bytes and %i: taken %j", async (more, isTaken) => {
    await using server = await served({ authenticate: (credentials) => String(credentials).length });
    const connecting = connect<Vault>(server.address, { credentials: "x".repeat(MAX_CREDENTIALS_BYTES - 9 + more) });
    if (isTaken) {
      await using connection = await connecting;
      expect(await connection.remote.who()).toBe(MAX_CREDENTIALS_BYTES - 9 + more);
    } else {
      const error = await failureOf(connecting);
      expect(error).toMatchObject({
        code: "INVALID_ARGUMENT",
        message: `credentials take more than ${MAX_CREDENTIALS_BYTES} bytes`,
      });
    }
  });

  test("that are no plain values are refused by this side", async () => {
    await using server = await served({ authenticate: knows });
    const forms = "credentials are texts, numbers, booleans, null, arrays and plain objects of them";
    for (const [credentials, message] of [
      [{ keys: [{ at: new Date() }] }, `Date: ${forms}, at credentials.keys[0].at`],
      [{ number: 5n }, `bigint: ${forms}, at credentials.number`],
      [new Map(), `Map: ${forms}, at credentials`],
    ] as const) {
      const error = await failureOf(connect(server.address, { credentials }));
      expect(error).toMatchObject({ code: "SERIALIZATION_ERROR", executed: "no", message });
    }
    await using connection = await connect(server.address, { credentials: "sesame" });
    expect(await failureOf(connection.reauthenticate({ of: new Stranger() }))).toMatchObject({
      message: `Stranger: ${forms}, at credentials.of`,
    });
    expect(await failureOf(connect(server.address, { credentials: new Date() }))).toMatchObject({
      code: "SERIALIZATION_ERROR",
      executed: "no",
    });
    expect(await failureOf(connect(server.address, { credentials: () => () => 1 }))).toMatchObject({
      code: "INVALID_ARGUMENT",
    });
  });

  test("and who asks for them need hello", async () => {
    for (const opening of [
      served({ authenticate: knows, dialect: "aiomas" }),
      connect("local://nobody", { credentials: "x", dialect: "mosaik" }),
    ]) {
      const error = await failureOf(opening);
      expect(error.code).toBe("INVALID_ARGUMENT");
      expect(error.message).toContain("that says no hello, which credentials travel in");
    }
    expect(await failureOf(served({ authenticate: "sesame" as never }))).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: "authenticate is string; it takes a function",
    });
  });
});

describe("a client that reconnects", () => {
  const again = async (get: (attempt: number) => unknown) => {
    let attempts = 0;
    const credentials = (): unknown => get(++attempts);
    const authenticate: Authenticate = (shown) => /^(\w+)'s token$/.exec(String(shown))?.[1];
    const server = await served({ authenticate });
    const client = await connect<Vault>(server.address, { credentials, reconnect: { minMs: 1, maxMs: 5 } });
    const lose = async (): Promise<void> => {
      for (const one of server.connections) one.destroy();
      await until(() => !client.connected);
    };
    return { client, server, lose, attempts: () => attempts };
  };

  test("goes on where the function that gets its credentials fails, says so once, and tells why", async () => {
    const warned = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
    const cause = new Error("no keychain");
    let isOpen = true;
    const it = await again(async (attempt) => {
      if (!isOpen) throw cause;
      return attempt === 1 ? "ada's token" : "bob's token";
    });
    expect(await it.client.remote.who()).toBe("ada");
    isOpen = false;
    await it.lose();
    const waiting = it.client.remote.who();
    const late = failureOf(withOptions(it.client.remote.who, { timeout: 100 })());
    await until(() => it.attempts() > 4, "more attempts");
    const failure = { code: "UNAUTHENTICATED", cause, message: expect.stringContaining("function has failed") };
    expect(it.client.failure).toMatchObject(failure);
    expect(await late).toMatchObject({ code: "DEADLINE_EXCEEDED", executed: "no", cause: failure });
    expect(it.client.usable).toBe(true);
    isOpen = true;
    expect(await waiting).toBe("bob");
    expect(it.client.failure).toBeUndefined();
    expect(warned.mock.calls.map(([text]) => String(text).split("\n")[0])).toEqual([
      "the credentials could not be got: their function has failed: Error: no keychain",
    ]);
    warned.mockRestore();
    await it.client.close();
    await it.server.close();
  });

  test("ends where the server refuses the new ones", async () => {
    const it = await again((attempt) => (attempt === 1 ? "ada's token" : "a guess"));
    await it.lose();
    const waiting = failureOf(it.client.remote.who());
    const refusal = { code: "UNAUTHENTICATED", message: "the credentials were refused" };
    expect(await it.client.closed).toMatchObject({ code: "UNAVAILABLE", cause: refusal });
    expect(await waiting).toMatchObject({ code: "UNAVAILABLE", executed: "no", cause: refusal });
    expect(it.attempts()).toBe(2);
    await it.server.close();
  });
});

describe("reauthenticate", () => {
  const anyName: Authenticate = (credentials) => {
    if (credentials === "bad") throw new Error("bad");
    return credentials;
  };

  test("replaces the identity, and calls under way and to come see it", async () => {
    await using link = await pair(new Vault(), { credentials: "ada", serve: { authenticate: anyName } });
    expect(await link.remote.who()).toBe("ada");
    expect(await link.client.reauthenticate("bob")).toBeUndefined();
    expect([await link.remote.who(), link.peer.identity]).toEqual(["bob", "bob"]);
  });

  test("that is refused leaves the old identity, and the connection", async () => {
    await using link = await pair(new Vault(), { credentials: "ada", serve: { authenticate: anyName } });
    expect(await failureOf(link.client.reauthenticate("bad"))).toMatchObject({
      code: "UNAUTHENTICATED",
      executed: "no",
      message: "the credentials were refused",
    });
    expect(await link.remote.who()).toBe("ada");
  });

  test("is one attempt at a time, also where the first one takes too long", async () => {
    const { authenticate, end, seen } = slow();
    await using server = await served({ authenticate, limits: { helloTimeoutMs: 60 } });
    const connecting = connect<Vault>(server.address, { credentials: 0 });
    await until(() => seen.length === 1);
    end("ada");
    await using connection = await connecting;
    const first = connection.reauthenticate(1);
    const flood = Array.from({ length: 50 }, () => failureOf(connection.reauthenticate(2)));
    const codes = (await Promise.all(flood)).map(({ code }) => code);
    expect(new Set(codes)).toEqual(new Set(["RESOURCE_EXHAUSTED"]));
    expect(await failureOf(first)).toMatchObject({ code: "UNAVAILABLE" });
    expect(await failureOf(connection.reauthenticate(3))).toMatchObject({ code: "RESOURCE_EXHAUSTED" });
    expect(seen).toEqual([0, 1]);
    end("late");
    await turns(3);
    expect(await connection.remote.who()).toBe("ada");
    const again = connection.reauthenticate(4);
    await until(() => seen.length === 3);
    end("bob");
    await again;
    expect(await connection.remote.who()).toBe("bob");
  });

  test("fails when helloTimeoutMs is over, not before, and not later either", async () => {
    const { authenticate, end, seen } = slow();
    await using server = await served({ authenticate, limits: { helloTimeoutMs: 1000 } });
    const connecting = connect<Vault>(server.address, { credentials: 0 });
    await until(() => seen.length === 1);
    end("ada");
    await using connection = await connecting;
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      const failures: unknown[] = [];
      void failureOf(connection.reauthenticate(1)).then((error) => failures.push(error));
      await until(() => seen.length === 2);
      await vi.advanceTimersByTimeAsync(999);
      await turns(20);
      expect(failures).toEqual([]);
      await vi.advanceTimersByTimeAsync(1);
      await until(() => failures.length === 1);
      expect(failures).toMatchObject([{ code: "UNAVAILABLE", message: expect.stringContaining("within 1000 ms") }]);
      end("late");
    } finally {
      vi.useRealTimers();
    }
  });

  test("is a request on `$` that interceptors don't see", async () => {
    const paths: string[] = [];
    const note: Interceptor = (call, next) => {
      paths.push(call.path);
      return next();
    };
    await using link = await pair(new Vault(), {
      credentials: "ada",
      interceptors: { outgoing: note },
      serve: { authenticate: anyName, interceptors: { incoming: note } },
    });
    await link.client.reauthenticate("bob");
    expect(paths).toEqual([]);
  });

  test("of a side that asks for none is NOT_FOUND", async () => {
    await using link = await pair(new Vault());
    expect(await failureOf(link.client.reauthenticate("x"))).toMatchObject({
      code: "NOT_FOUND",
      message: "this side asks for no credentials",
    });
    expect(await failureOf(link.peer.reauthenticate("x"))).toMatchObject({ code: "NOT_FOUND" });
  });
});

test("an interceptor decides by the identity what a client may call", async () => {
  const permit: Interceptor = (call, next) => {
    if (call.path === "open" && call.connection.identity !== "ada")
      throw new ColloquyError("PERMISSION_DENIED", `${call.path} is not for you`);
    return next();
  };
  const vault = new Vault();
  const authenticate: Authenticate = (credentials) => credentials;
  await using link = await pair(vault, {
    credentials: "bob",
    serve: { authenticate, interceptors: { incoming: permit } },
  });
  expect(await failureOf(link.remote.open())).toMatchObject({ code: "PERMISSION_DENIED", executed: "no" });
  notify(link.remote.open)();
  await until(() => link.peer.stats().failedNotifications === 1);
  expect(vault.log).toEqual([]);
  await link.client.reauthenticate("ada");
  expect(await link.remote.open()).toBe("open");
});
