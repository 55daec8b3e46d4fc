import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { inspect } from "node:util";
import { warn } from "@colloquy/core";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  ColloquyError,
  MsgPackCodec,
  PublicError,
  RemoteError,
  Service,
  connect,
  expose,
  notify,
  serve,
} from "../../src/index.ts";
import { WirePeer, failureOf, newAddress, pair, turns, until } from "../support.ts";

const SECRET = "s3cret";

/** Everything that can be seen of a value without asking it. */
function seenOf(value: unknown): string {
  return inspect(value, { depth: 12, showHidden: true, maxArrayLength: null, maxStringLength: null });
}

const HOOKS = [
  ...["open", "hello", "close"].map((name) => `colloquy:connection:${name}`),
  ...["call", "request"].flatMap((kind) =>
    ["start", "error", "asyncEnd"].map((at) => `tracing:colloquy:${kind}:${at}`),
  ),
  "colloquy:stream:start",
  "colloquy:stream:end",
  "colloquy:connection:turned-away",
  "colloquy:refusal",
  "colloquy:protocol-error",
  "colloquy:failed-function-call",
  "colloquy:failed-notification",
  "colloquy:failed-method",
];
let published = "";
let warned = "";
const listener = (message: unknown, name: string | symbol): void => {
  published += `${String(name)} ${seenOf(message)}\n`;
};

beforeEach(() => {
  published = "";
  warned = "";
  for (const name of HOOKS) subscribe(name, listener);
  vi.spyOn(process, "emitWarning").mockImplementation((text) => void (warned += String(text)));
});
afterEach(() => {
  for (const name of HOOKS) unsubscribe(name, listener);
  vi.restoreAllMocks();
});

class Desk extends Service {
  @expose add(a: number, b: number): number {
    return a + b;
  }

  @expose note(_text: string): string {
    return SECRET;
  }

  @expose fail(): never {
    const cause = Object.assign(new Error("the cause"), { password: SECRET });
    throw Object.assign(new RangeError("no luck", { cause }), {
      token: SECRET,
      stack: `RangeError at /home/${SECRET}`,
    });
  }
}

describe("credentials", () => {
  test("that can't be sent are told of without what they are, by a message and by all that hangs on the error", async () => {
    await using server = await serve(newAddress(), new Desk(), { codec: "auto", authenticate: () => true });
    class Token {
      readonly value = SECRET;
    }
    const values: unknown[] = [
      `${SECRET}\ud800`,
      { token: [`${SECRET}\ud800`] },
      { token: { inner: new Token() } },
      new Map([["token", SECRET]]),
      [SECRET, Number.NaN, 1n],
      { __type__: SECRET },
      JSON.parse(`{"__proto__":"${SECRET}"}`),
      Symbol(SECRET),
      SECRET.repeat(10_000),
      [SECRET, () => SECRET],
    ];
    for (const credentials of values) {
      for (const codec of [undefined, MsgPackCodec]) {
        const outcome = await connect(server.address, { credentials, codec }).catch((error: unknown) => error);
        expect(seenOf(outcome)).not.toContain(SECRET);
        if (!(outcome instanceof ColloquyError)) await (outcome as AsyncDisposable)[Symbol.asyncDispose]();
      }
    }
    expect(published + warned).not.toContain(SECRET);
  });

  test("given in place of options, and given to who asks for none, aren't shown", async () => {
    await using server = await serve(newAddress(), new Desk());
    expect(seenOf(await failureOf(connect(server.address, SECRET as never)))).not.toContain(SECRET);
    expect(seenOf(await failureOf(serve(newAddress(), new Desk(), SECRET as never)))).not.toContain(SECRET);
    expect(seenOf(await failureOf(connect(server.address, { tls: SECRET as never })))).not.toContain(SECRET);
    await using client = await connect(server.address, { credentials: SECRET });
    expect(await (client.remote as any).add(1, 2)).toBe(3);
    expect(published + warned).not.toContain(SECRET);
  });

  test("and what they are checked with stay out of the refusal, and of all that is published", async () => {
    const reasons = [
      new Error(`no ${SECRET} in the directory`),
      new RemoteError("LookupError", `no ${SECRET} at the directory`),
      new ColloquyError("UNAUTHENTICATED", "come back later", { cause: new Error(SECRET) }),
      SECRET,
      undefined,
    ];
    for (const reason of reasons) {
      const authenticate = async (): Promise<unknown> => {
        await turns(1);
        if (reason === undefined) return undefined;
        throw reason;
      };
      const told: unknown[] = [];
      const onMethodFailure = (error: unknown): void => void told.push(error);
      await using server = await serve(newAddress(), new Desk(), { authenticate, onMethodFailure });
      await using wire = await WirePeer.connect(server.address);
      const [type, content] = await wire.request("$/hello", [{ protocol: 1, auth: SECRET }]);
      expect(type).toBe(2);
      expect(seenOf(content)).not.toContain(SECRET);
      const error = await failureOf(connect(server.address, { credentials: SECRET }));
      expect(error.code).toBe("UNAUTHENTICATED");
      expect(seenOf(error)).not.toContain(SECRET);
      const isOwnWord = reason === undefined || (reason instanceof ColloquyError && !(reason instanceof RemoteError));
      expect(told).toEqual(isOwnWord ? [] : [reason, reason]);
    }
    for (const name of ["colloquy:connection", "colloquy:failed-method"]) expect(published).toContain(name);
    expect(published + warned).not.toContain(SECRET);
  });

  test("aren't among what can be seen of connections and servers", async () => {
    await using server = await serve(newAddress(), new Desk(), { authenticate: () => ({ name: "ada" }) });
    await using client = await connect<Desk>(server.address, { credentials: { token: SECRET } });
    await using again = await connect<Desk>(server.address, { credentials: () => SECRET, reconnect: true });
    await client.reauthenticate(SECRET);
    await client.remote.add(1, 2);
    for (const thing of [server, client, again, client.remote, client.stats(), ...server.connections])
      expect(seenOf(thing)).not.toContain(SECRET);
    expect(published + warned).not.toContain(SECRET);
  });
});

describe("arguments and results", () => {
  test("aren't published", async () => {
    await using link = await pair(new Desk());
    expect(await link.remote.note(`my ${SECRET}`)).toBe(SECRET);
    notify(link.remote.note)(SECRET);
    await turns(3);
    expect(published).toContain("tracing:colloquy:request:asyncEnd");
    expect(published + warned).not.toContain(SECRET);
  });

  test("stay out of what is told of a message that can't be read", async () => {
    await using server = await serve(newAddress(), new Desk());
    for (const text of [
      `[0,1,["note",["${SECRET}"],x]]`,
      `[0,1,["note",["${SECRET}",tru]]]`,
      `[3,0,["note",["${SECRET}\n"],{}]]`,
      SECRET,
      `["${SECRET}"`,
      `{"${SECRET}":1}`,
    ]) {
      await using wire = await WirePeer.connect(server.address);
      await wire.hello();
      const connection = [...server.connections].at(-1)!;
      const payload = Buffer.from(text);
      wire.write(Buffer.concat([Buffer.from([0, 0, 0, payload.length]), payload]));
      await until(() => connection.stats().receivedMessages > 1 || !connection.usable);
      const answers = await wire.rest();
      wire.close();
      expect(seenOf([answers, await connection.closed])).not.toContain(SECRET);
    }
    expect(published).toContain("colloquy:protocol-error");
    expect(published + warned).not.toContain(SECRET);
  });
});

describe("what a method throws", () => {
  test("leaves without stack, fields and paths, in every dialect", async () => {
    for (const dialect of ["auto", "aiomas", "mosaik"] as const) {
      await using server = await serve(newAddress(), new Desk(), { dialect });
      await using wire = await WirePeer.connect(server.address);
      if (dialect === "auto") await wire.hello();
      const [type, content] = await wire.request("fail");
      expect(type).toBe(2);
      expect(seenOf(content)).toContain("no luck");
      expect(seenOf(content)).not.toMatch(new RegExp(`${SECRET}|\\bat .*[/\\\\]|test\\.ts|node_modules`));
    }
  });
});

describe("T27 the source of a class", () => {
  test("isn't told where the class has a method in place of a name", async () => {
    class Unnamed {
      static name(): string {
        return "s3cret";
      }
    }
    class Lender extends Service {
      @expose lend(): unknown {
        return new Unnamed();
      }
      @expose fail(): never {
        throw new Unnamed();
      }
      @expose listed(): never {
        throw new Listed("listed");
      }
    }
    class Listed extends PublicError {
      static override name = (() => "s3cret") as never;
    }
    for (const allow of ["message", "none"] as const) {
      await using link = await pair(new Lender(), { serve: { errors: { allow } } });
      const lent = await failureOf(link.remote.lend());
      expect(lent).toMatchObject({ code: "SERIALIZATION_ERROR", executed: "yes" });
      const failures = [lent, await failureOf(link.remote.fail()), await failureOf(link.remote.listed())];
      for (const failure of failures)
        expect(`${failure.message} ${String(failure["remoteName"])}`).not.toContain(SECRET);
      expect(failures[2]).toMatchObject({ remoteName: "PublicError" });
    }
  });
});

describe("T28 a peer's text in a warning", () => {
  test("forges no line, and gives a terminal no command", async () => {
    class Liar extends Service {
      @expose lie(): never {
        throw new RangeError("oops\n2026-01-01 root logged in\r\u001b[2J\u202e\u2028end");
      }
    }
    await using link = await pair(new Liar());
    const error = await failureOf(link.remote.lie());
    expect(error.message).toContain("\n");
    warn("a task failed", error);
    const [first, ...frames] = warned.split("\n");
    expect(first).toContain("oops\\n2026-01-01 root logged in\\r\\u001b[2J\\u202e\\u2028end");
    expect(frames.every((line) => /^ {4}at /.test(line))).toBe(true);
    // oxlint-disable-next-line no-control-regex -- these are what it is about
    expect(warned).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e]/);
  });
});
