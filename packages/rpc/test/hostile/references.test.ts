import { describe, expect, test } from "vitest";
import { Service, expose, serve, service } from "../../src/index.ts";
import { WirePeer, newAddress, pair, turns } from "../support.ts";

class Desk extends Service {
  received: unknown[] = [];
  @expose hand(thing: unknown): string {
    this.received.push(thing);
    return typeof thing;
  }
  @expose secretFunction(): unknown {
    return () => "secret";
  }
  hidden(): string {
    return "hidden";
  }
}

async function visit(root: object): Promise<WirePeer> {
  const server = await serve(newAddress(), root);
  const wire = await WirePeer.connect(server.address);
  await wire.hello();
  return wire;
}

describe("T16: forged references", () => {
  test("to numbers that were never given are refused", async () => {
    await using wire = await visit(new Desk());
    for (const path of ["$/ref/0", "$/ref/1", "$/ref/4294967295", "$/ref/1/hidden"]) {
      const [type, content] = await wire.request(path);
      expect(type).toBe(2);
      expect(content).toMatchObject({ code: "REFERENCE_RELEASED", executed: "no" });
    }
  });

  test("of one connection don't lead anywhere on another", async () => {
    const server = await serve(newAddress(), new Desk());
    await using owner = await WirePeer.connect(server.address);
    await using thief = await WirePeer.connect(server.address);
    await owner.hello();
    await thief.hello();
    const [, reference] = await owner.request("secretFunction");
    const path = (reference as { __type__: [number, string] }).__type__[1];
    expect(path).toMatch(/^\$\/ref\/\d+$/);
    expect(await owner.request(path)).toEqual([1, "secret"]);
    expect((await thief.request(path))[1]).toMatchObject({ code: "REFERENCE_RELEASED" });
    expect((await thief.request("hand", [{ __type__: [-3, path] }]))[0]).toBe(2);
    await server.close({ graceMs: 0 });
  });

  test("that come home lead to nothing that isn't exposed, and only that call fails", async () => {
    const desk = new Desk();
    await using wire = await visit(desk);
    for (const data of [
      "hidden",
      "received",
      "constructor",
      "__proto__",
      "$/ref/9",
      "$/ref/x",
      "none/none",
      5,
      null,
      {},
    ]) {
      const [type, content] = await wire.request("hand", [{ __type__: [-3, data] }]);
      expect(type).toBe(2);
      expect(content).toMatchObject({ code: "SERIALIZATION_ERROR", executed: "no" });
    }
    expect(desk.received).toEqual([]);
    expect(await wire.request("hand", [1])).toEqual([1, "number"]);
  });

  test.each([
    ["a function with a path of its own", [-2, "hand"]],
    ["a function below a reference", [-2, "$/ref/1/x"]],
    ["a function without a path", [-2, 1]],
    ["a service without a path", [0, 1]],
    ["an unknown built-in type", [-99, "x"]],
    ["a type id beyond the table", [77, "x"]],
    ["a type id that is no integer", [0.5, "x"]],
    ["a type id that is a text", ["__proto__", "x"]],
  ])("of the wrong shape fail that call only: %s", async (_what, pair) => {
    await using wire = await visit(new Desk());
    const [type, content] = await wire.request("hand", [{ __type__: pair }]);
    expect(type).toBe(2);
    expect(content).toMatchObject({ code: "SERIALIZATION_ERROR" });
    expect(await wire.request("hand", ["fine"])).toEqual([1, "string"]);
  });

  test("released by force, too often or by the wrong number hurt nobody else", async () => {
    await using wire = await visit(new Desk());
    const [, first] = await wire.request("secretFunction");
    const path = (first as { __type__: [number, string] }).__type__[1];
    const id = Number(path.split("/")[2]);
    wire.notify("$/release", [[id + 1, 1]]);
    wire.notify("$/release", [[id, -1]]);
    wire.notify("$/release", [[id, 0.5]]);
    wire.notify("$/release", [[id]]);
    wire.notify("$/release", [id]);
    wire.notify("$/release", "all");
    wire.notify("$/release");
    expect(await wire.request(path)).toEqual([1, "secret"]);
    wire.notify("$/release", [[id, Number.MAX_SAFE_INTEGER]]);
    expect((await wire.request(path))[1]).toMatchObject({ code: "REFERENCE_RELEASED" });
    const [, second] = await wire.request("secretFunction");
    expect((second as { __type__: [number, string] }).__type__[1]).not.toBe(path);
  });

  test("to one's own things don't pass for those of this side", async () => {
    const desk = new Desk();
    await using wire = await visit(desk);
    await wire.request("hand", [{ __type__: [-2, "$/ref/5"] }]);
    void (desk.received[0] as (x: number) => Promise<unknown>)(1);
    expect(await wire.next()).toEqual([0, 0, ["$/ref/5", [1], {}]]);
  });

  test("by the thousand stay within this side's means once nothing holds them", async () => {
    await using link = await pair(service({ hand: expose(() => null) }));
    const { hand } = link.remote as unknown as { hand(...fns: unknown[]): Promise<null> };
    for (let round = 0; round < 20; round++) await hand(...Array.from({ length: 100 }, () => () => round));
    await turns(5);
    expect(link.client.stats().exportedReferences).toBeLessThanOrEqual(2000);
  });
});
