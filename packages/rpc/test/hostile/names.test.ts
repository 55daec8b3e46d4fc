import { describe, expect, test } from "vitest";
import { connectChannel } from "@colloquy/core";
import type { Channel } from "@colloquy/core";
import { Service, connect, expose, serve, service } from "../../src/index.ts";
import { WirePeer, failureOf, frameOf, newAddress } from "../support.ts";

const reached: string[] = [];

class Vault extends Service {
  #gold = 1;
  private readonly secret = "tea";
  static readonly plans = "none";
  readonly container = { validate_aid: (): void => void reached.push("validate_aid") };

  @expose open(): string {
    return `${this.#gold}${this.secret}`;
  }
  guard(): void {
    reached.push("guard");
  }
  private steal(): void {
    reached.push("steal");
  }
  #hide(): void {
    reached.push("hide");
  }
  keep(): void {
    this.#hide();
    this.steal();
  }
  get alarm(): () => void {
    reached.push("alarm");
    return () => void reached.push("alarm()");
  }
  static disarm(): void {
    reached.push("disarm");
  }
  override toString(): string {
    reached.push("toString");
    return "vault";
  }
}

function newRoot(): object {
  const root = service({
    vault: new Vault(),
    add: expose((a: number, b: number) => a + b),
    agents: service({ "0": new Vault() }),
    data: { open: () => reached.push("data") },
  });
  // Later, since `service` refuses it.
  return Object.assign(root, { plain: (): void => void reached.push("plain") });
}

const INHERITED = [
  "constructor",
  "__proto__",
  "toString",
  "valueOf",
  "hasOwnProperty",
  "isPrototypeOf",
  "__defineGetter__",
  "__lookupGetter__",
  "then",
  "toJSON",
  "prototype",
  "call",
  "apply",
  "bind",
  "name",
  "length",
];

const HOSTILE = [
  ...INHERITED,
  ...INHERITED.map((name) => `vault/${name}`),
  ...INHERITED.map((name) => `add/${name}`),
  ...INHERITED.map((name) => `vault/open/${name}`),
  "constructor/constructor",
  "vault/constructor/prototype/open",
  "__proto__/constructor",
  "vault/__proto__/open",
  "agents/0/container/validate_aid",
  "agents/0/container",
  "agents/__proto__",
  "vault/guard",
  "vault/steal",
  "vault/secret",
  "vault/keep",
  "vault/alarm",
  "vault/alarm/call",
  "vault/#hide",
  "vault/#gold",
  "vault/hide",
  "vault/disarm",
  "vault/plans",
  "vault/constructor/disarm",
  "plain",
  "plain/call",
  "data",
  "data/open",
  "Symbol(colloquy.exposed)",
  "vault/Symbol(colloquy.fields)",
  "vault/@@iterator",
  "",
  "/",
  "//",
  "/add",
  "add/",
  "vault//open",
  "vault/",
  "./add",
  "../add",
  "vault/../add",
  "add\u0000",
  "ADD",
  "$",
  "$/",
  "$/ref",
  "$/ref/",
  "$/ref/0",
  "$/ref/1",
  "$/ref/-1",
  "$/ref/1e0",
  "$/ref/01",
  "$/ref/99999999999",
  "$/ref/__proto__",
  "$/ref/1/open",
  "$/constructor",
  "$/__proto__",
  "$/toString",
  "$/hello/constructor",
];

const REFUSALS = ["NOT_FOUND", "NOT_EXPOSED", "REFERENCE_RELEASED"];

function snapshot(): string[] {
  return [Object.prototype, Function.prototype, Array.prototype, Vault.prototype].flatMap((object) =>
    Object.getOwnPropertyNames(object),
  );
}

/** Sends every hostile name by `ask`, which returns the code of the failure; nothing else may have happened. */
async function checkAll(ask: (path: string) => Promise<unknown>): Promise<void> {
  reached.length = 0;
  const before = snapshot();
  for (const path of HOSTILE) {
    const code = await ask(path);
    expect(REFUSALS, `${JSON.stringify(path)} gave ${String(code)}`).toContain(code);
  }
  expect(reached).toEqual([]);
  expect(snapshot()).toEqual(before);
  expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
}

describe("T1: hostile names", () => {
  test("D5 in requests after hello are NOT_FOUND or NOT_EXPOSED, and nothing else happens", async () => {
    await using server = await serve(newAddress(), newRoot());
    await using wire = await WirePeer.connect(server.address);
    await wire.hello();
    await checkAll(async (path) => {
      const [type, content] = await wire.request(path, [1, 2]);
      expect(type, path).toBe(2);
      return (content as { code: string }).code;
    });
    expect(await wire.request("add", [1, 2])).toEqual([1, 3]);
    expect(await wire.request("vault/open")).toEqual([1, "1tea"]);
  });

  test("in requests of a plain peer are refused with a text, and nothing else happens", async () => {
    await using server = await serve(newAddress(), newRoot());
    const channel: Channel = await connectChannel(server.address);
    expect(await channel.send(["add", [1, 2], {}])).toBe(3);
    await checkAll(async (path) => {
      const error = await failureOf(channel.send([path, [1, 2], {}]));
      expect(error["remoteName"], path).toBe("ColloquyError");
      if (/ not found/.test(error.message)) return "NOT_FOUND";
      if (/ is not exposed|is a service/.test(error.message)) return "NOT_EXPOSED";
      return /reference \d+ was released, or never given|no such/.test(error.message)
        ? "REFERENCE_RELEASED"
        : error.message;
    });
    await channel.close();
  });

  test("through a proxy are refused the same", async () => {
    await using server = await serve(newAddress(), newRoot());
    await using connection = await connect<Record<string, any>>(server.address);
    await checkAll(async (path) => {
      const local = path.split("/").some((part) => part === "then" || part === "toJSON");
      // A proxy keeps these for itself, and has no way to ask for a path without a name.
      if (local || path === "" || path.startsWith("/")) return "NOT_FOUND";
      const call = async (): Promise<unknown> => {
        let member: any = connection.remote;
        for (const part of path.split("/")) member = member[part];
        return member(1, 2);
      };
      return (await failureOf(call())).code;
    });
  });

  test("as keyword arguments stay data", async () => {
    const root = service({ keep: expose((options: object) => Object.getPrototypeOf(options) === Object.prototype) });
    await using server = await serve(newAddress(), root);
    await using wire = await WirePeer.connect(server.address);
    await wire.hello();
    expect(await wire.request("keep", [], { toString: 1, valueOf: 2, hasOwnProperty: 3 })).toEqual([1, true]);
    wire.write(frameOf('[0,77,["keep",[],{"__proto__":{"polluted":1}}]]'));
    expect(await wire.next()).toMatchObject([2, 77, { code: "SERIALIZATION_ERROR" }]);
    wire.write(frameOf('[0,78,["keep",[],{"constructor":{"prototype":{"polluted":1}}}]]'));
    expect(await wire.next()).toMatchObject([2, 78, { code: "SERIALIZATION_ERROR" }]);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  test("in a service that has no prototype, or an odd one, are refused as well", async () => {
    const bare = Object.assign(Object.create(null) as Record<string, unknown>, { add: expose((a: number) => a) });
    const odd = Object.assign(Object.create({ inherited: expose(() => 1) }) as Record<string, unknown>, {
      own: expose(() => 2),
    });
    await using server = await serve(newAddress(), service({ bare: service(bare), odd: service(odd) }));
    await using wire = await WirePeer.connect(server.address);
    await wire.hello();
    expect(await wire.request("bare/add", [5])).toEqual([1, 5]);
    expect(await wire.request("odd/own")).toEqual([1, 2]);
    for (const path of ["bare/constructor", "bare/__proto__", "odd/inherited", "odd/constructor"]) {
      expect((await wire.request(path))[1]).toMatchObject({ code: "NOT_FOUND" });
    }
  });

  test("longer than the limit, or of anything but a string, never reach a table", async () => {
    await using server = await serve(newAddress(), newRoot());
    await using wire = await WirePeer.connect(server.address);
    await wire.hello();
    for (const path of ["x".repeat(100_000), "a/".repeat(1000), 1, null, ["add"], { toString: "add" }, true]) {
      expect((await wire.request(path))[1]).toMatchObject({ code: "INVALID_ARGUMENT", executed: "no" });
    }
    const [, content] = await wire.request("y".repeat(255));
    expect((content as { message: string }).message.length).toBeLessThan(600);
  });

  test("T4: lead to no attribute, class or module: there is one verb", async () => {
    await using server = await serve(newAddress(), newRoot());
    await using wire = await WirePeer.connect(server.address);
    await wire.hello();
    for (const [path, args] of [
      ["$/get", ["hidden"]],
      ["$/set", ["hidden", 1]],
      ["$/eval", ["1"]],
      ["$/import", ["node:fs"]],
      ["$/describe", []],
      ["Root", []],
    ] as const) {
      expect(await wire.request(path, args)).toMatchObject([2, { code: "NOT_FOUND", executed: "no" }]);
    }
    wire.send([4, 1, ["hidden", [], {}]]);
    await wire.closed;
  });
});
