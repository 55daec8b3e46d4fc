import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { Service, connect, expose, nodeOf, release, sameRemote, serve, service, withOptions } from "../src/index.ts";
import { failureOf, newAddress, pair } from "./support.ts";

const NAMES = [
  "name",
  "length",
  "call",
  "bind",
  "apply",
  "arguments",
  "caller",
  "prototype",
  "toString",
  "valueOf",
  "constructor",
];

function members(): Record<string, object> {
  const table = Object.create(null) as Record<string, object>;
  for (const name of NAMES) table[name] = expose((x: number) => `${name} ${x}`);
  return service(table);
}

class Base extends Service {
  @expose readonly sub = members();
  @expose add(a: number, b: number): number {
    return a + b;
  }
  @expose fn(): unknown {
    return (x: number) => x + 1;
  }
}

describe("a proxy", () => {
  test.each(NAMES)("has no name of its own in the way of a remote `%s`", async (name) => {
    await using link = await pair(service({ deep: service({ sub: members() }), ...members() }));
    const remote = link.remote as any;
    for (let round = 0; round < 2; round++) {
      expect(await remote[name](1)).toBe(`${name} 1`);
      expect(await remote.deep.sub[name](2)).toBe(`${name} 2`);
    }
  });

  test("keeps `then`, `toJSON` and symbols for itself", async () => {
    await using link = await pair(new Base());
    const remote = link.remote as any;
    for (const proxy of [remote, remote.sub, remote.add, await remote.fn()]) {
      expect(proxy.then).toBeUndefined();
      expect(proxy.toJSON).toBeUndefined();
      expect(proxy[Symbol.iterator]).toBeUndefined();
      expect(proxy[Symbol.asyncIterator]).toBeUndefined();
      expect(proxy[Symbol("mine")]).toBeUndefined();
      expect(proxy[Symbol.toStringTag]).toBe("Remote");
      expect(String(proxy)).toMatch(/^Remote\((local|tcp):\/\//);
      expect(`${proxy}`).toContain(link.server.address);
      expect(JSON.stringify({ a: [proxy] })).toMatch(/^\{"a":\[(\{\}|null)\]\}$/);
    }
    expect(link.client.stats().sentMessages).toBe(2);
  });

  test("refuses to be set, whether the name was used or not", async () => {
    await using link = await pair(new Base());
    const remote = link.remote as any;
    expect(() => (remote.fresh = 1)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    expect(() => (remote.fresh = 1)).toThrow('can\'t set "fresh"');
    void remote.add;
    expect(() => (remote.add = 1)).toThrow();
    expect(() => (remote.sub.x = 1)).toThrow('can\'t set "x"');
    expect(() => (remote[Symbol("s")] = 1)).toThrow();
    expect(await remote.add(1, 2)).toBe(3);
  });

  test("is shown with its address and path, and looking at it sends nothing", async () => {
    await using link = await pair(new Base());
    const remote = link.remote as any;
    const where = link.client.remoteAddress;
    expect(inspect(remote)).toBe(`Remote(${where}/)`);
    expect(inspect(remote.sub.name)).toBe(`Remote(${where}/sub/name)`);
    expect(inspect({ list: [remote.add] }, { depth: 5 })).toContain(`Remote(${where}/add)`);
    expect(inspect(remote, { showProxy: true, showHidden: true })).toContain("Remote");
    expect(link.client.stats().sentMessages).toBe(1);
  });

  test("has no keys, and nothing is in it that wasn't used", async () => {
    await using link = await pair(new Base());
    const remote = link.remote as any;
    expect("add" in remote).toBe(false);
    expect("then" in remote).toBe(false);
    void remote.add;
    expect(Object.keys(remote)).toEqual([]);
    expect({ ...remote }).toEqual({});
    const seen: string[] = [];
    for (const key in remote) seen.push(key);
    expect(seen).toEqual([]);
  });

  test("R10 gives the same member each time", async () => {
    await using link = await pair(new Base());
    const remote = link.remote as any;
    expect(remote.add).toBe(remote.add);
    expect(remote.sub.name).toBe(remote.sub.name);
    const { add } = remote;
    expect(await add(1, 2)).toBe(3);
  });

  test("R10 of a root is no function, and calling a service fails", async () => {
    await using link = await pair(new Base());
    const remote = link.remote as any;
    expect(() => remote()).toThrow(TypeError);
    expect(await failureOf(remote.sub())).toMatchObject({
      code: "NOT_EXPOSED",
      message: '"sub" is a service, not a method: call one that it has',
    });
    expect((await failureOf(remote[""]())).code).toBe("INVALID_ARGUMENT");
  });

  test("takes any number of names from data without keeping them all", async () => {
    const table = service<Record<string, object>>({});
    await using link = await pair(table);
    const remote = link.remote as any;
    for (let index = 0; index < 20_000; index++) void remote[`user${index}`];
    expect(Object.getOwnPropertyNames(remote).length).toBeLessThanOrEqual(1000);
    table["user19999"] = expose(() => "here");
    expect(await remote.user19999()).toBe("here");
  });
});

describe("sameRemote", () => {
  test("R10 is true for two proxies of one thing", async () => {
    await using link = await pair(new Base());
    const remote = link.remote as any;
    expect(sameRemote(remote, remote)).toBe(true);
    expect(sameRemote(remote.add, remote.add)).toBe(true);
    expect(sameRemote(remote.add, remote.sub)).toBe(false);
    expect(sameRemote(await remote.fn(), await remote.fn())).toBe(false);
    await using second = await connect<Base>(link.server.address);
    // One root: over whatever connection, it is the same method; references are a connection's own.
    expect(sameRemote(remote.add, (second.remote as any).add)).toBe(true);
    expect(sameRemote(await remote.fn(), await (second.remote as any).fn())).toBe(false);
  });

  test.each([[undefined], [null], [1], [{}], [() => 1]])("is false for %s, which is no proxy", async (other) => {
    await using link = await pair(new Base());
    expect(sameRemote(link.remote, other)).toBe(false);
    expect(sameRemote(other, other)).toBe(false);
    expect(nodeOf(other)).toBeUndefined();
  });
});

describe("withOptions", () => {
  test.each([[undefined], [null], [{}], [() => 1], ["add"]])("throws for %s, which is no remote method", (method) => {
    expect(() => withOptions(method as never, {})).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });

  test("throws for a service's proxy, and for malformed options", async () => {
    await using link = await pair(new Base());
    const remote = link.remote as any;
    expect(() => withOptions(remote, {})).toThrow("takes a method of a proxy");
    for (const timeout of [-1, Number.NaN, "5", null]) {
      expect(() => withOptions(remote.add, { timeout: timeout as never })).toThrow("it takes milliseconds");
    }
    expect(() => withOptions(remote.add, { signal: {} as never })).toThrow("signal");
    expect(await withOptions(remote.add, {})(1, 2)).toBe(3);
  });

  test("leaves the method as it was", async () => {
    await using link = await pair(new Base());
    const quick = withOptions(link.remote.add, { timeout: 1000 });
    expect(await quick(1, 2)).toBe(3);
    expect(await link.remote.add(2, 2)).toBe(4);
  });
});

describe("release and using on a proxy under a root", () => {
  test("do nothing", async () => {
    const server = await serve(newAddress(), new Base());
    const connection = await connect<Base>(server.address);
    {
      using remote = connection.remote;
      expect(await remote.add(1, 1)).toBe(2);
    }
    release(connection.remote.add);
    expect(await connection.remote.add(1, 1)).toBe(2);
    await connection.close();
    await server.close();
  });
});
