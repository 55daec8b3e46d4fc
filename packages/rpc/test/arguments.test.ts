import { describe, expect, test } from "vitest";
import { Service, expose, serve, service, withOptions } from "../src/index.ts";
import type { CallContext } from "../src/index.ts";
import { WirePeer, failureOf, newAddress, pair } from "./support.ts";

class Desk extends Service {
  @expose three(a: unknown, b: unknown = "default b", c: unknown = "default c"): unknown[] {
    return [a, b, c];
  }
  @expose options(first: unknown, rest?: Record<string, unknown>): unknown[] {
    return [first, rest ?? null];
  }
  @expose rest(first: unknown, ...more: unknown[]): unknown[] {
    return [first, more];
  }
  @expose pattern({ x }: { x: number }, y: number): number[] {
    return [x, y];
  }
  @expose({ params: ["from", "to"] }) declared(...all: unknown[]): unknown[] {
    return all;
  }
  @expose({ context: true }) withContext(n: unknown, unit: unknown = "s", context?: CallContext): unknown[] {
    return [n, unit, context?.path ?? "no context"];
  }
  @expose({ context: true }) onlyContext(context: CallContext): unknown {
    return context.path;
  }
  @expose({ context: true }) restAndContext(...all: unknown[]): unknown[] {
    return [all.length, (all.at(-1) as CallContext).path, all.slice(0, -1)];
  }
  @expose({ context: true, params: ["a"] }) wrapped(...all: any[]): unknown[] {
    return [all.length, all[0], all[1].path];
  }
}

async function visited(root: object = new Desk()): Promise<WirePeer> {
  const server = await serve(newAddress(), root);
  const wire = await WirePeer.connect(server.address);
  await wire.hello();
  return wire;
}

describe("keyword arguments", () => {
  test.each([
    ["in the places of their parameters", "three", [], { c: 3, a: 1, b: 2 }, [1, 2, 3]],
    ["behind positional ones", "three", [1], { c: 3 }, [1, "default b", 3]],
    ["leaving out what has a default", "three", [], { b: 2 }, [null, 2, "default c"]],
    [
      "as a last object where one is no parameter",
      "options",
      [1],
      { colour: "red", size: 2 },
      [1, { colour: "red", size: 2 }],
    ],
    [
      "as a last object where only some are parameters",
      "options",
      [1],
      { rest: 1, other: 2 },
      [1, { rest: 1, other: 2 }],
    ],
    ["before a rest parameter", "rest", [], { first: 1 }, [1, []]],
    ["beside a pattern", "pattern", [{ x: 1 }], { y: 2 }, [1, 2]],
    ["by declared names", "declared", [], { to: 2, from: 1 }, [1, 2]],
    ["before a context", "withContext", [], { unit: "m", n: 5 }, [5, "m", "withContext"]],
  ])("come %s", async (_how, path, args, kwargs, result) => {
    await using wire = await visited();
    const [type, content] = await wire.request(path, args, kwargs);
    expect(type).toBe(1);
    const plain = JSON.parse(JSON.stringify(content).replaceAll('{"__type__":[-1,null]}', "null")) as unknown;
    expect(plain).toEqual(result);
  });

  test.each([
    ["for a parameter that has a positional value", "three", [1], { a: 2 }, 'parameter "a" got two values'],
    ["for the last of several", "three", [1, 2], { c: 3, b: 4 }, 'parameter "b" got two values'],
    ["for a declared parameter", "declared", [1], { from: 2 }, 'parameter "from" got two values'],
    [
      "that isn't among the declared ones",
      "declared",
      [],
      { via: 2 },
      'no parameter "via"; the parameters are from, to',
    ],
  ])("are refused %s", async (_why, path, args, kwargs, message) => {
    await using wire = await visited();
    const [type, content] = await wire.request(path, args, kwargs);
    expect(type).toBe(2);
    expect(content).toMatchObject({ code: "INVALID_ARGUMENT", executed: "no", message });
  });

  test("named as the context can't stand in for it", async () => {
    await using wire = await visited();
    expect(await wire.request("onlyContext", [], { context: { path: "forged" } })).toEqual([1, "onlyContext"]);
    expect((await wire.request("withContext", [1], { context: { path: "forged" } }))[1]).toContain("withContext");
  });

  test("R11 go out by withOptions", async () => {
    await using link = await pair(new Desk());
    expect(await withOptions(link.remote.three, { kwargs: { c: 3, a: 1 } })()).toEqual([1, "default b", 3]);
  });

  test("of a passed function come by name, too", async () => {
    const root = service({
      ask: expose((fn: (a: number, b: number) => number) => withOptions(fn, { kwargs: { b: 1, a: 10 } })()),
    });
    await using link = await pair(root);
    expect(await link.remote.ask((a: number, b: number) => a - b)).toBe(9);
  });
});

describe("the context", () => {
  const forged = { path: "forged", signal: null, connection: null };

  test.each([
    ["in its place", "onlyContext", [forged], "onlyContext"],
    ["in its place, among more", "onlyContext", [forged, forged, forged], "onlyContext"],
    ["behind the others", "withContext", [1, "m", forged], [1, "m", "withContext"]],
    ["behind too many others", "withContext", [1, "m", forged, forged], [1, "m", "withContext"]],
    ["where a rest comes first", "restAndContext", [1, forged], [3, "restAndContext", [1, forged]]],
    ["in a function that is a wrapper with declared names", "wrapped", [1, forged], [2, 1, "wrapped"]],
  ])("can't be forged %s", async (_where, path, args, result) => {
    await using wire = await visited();
    expect(await wire.request(path, args)).toEqual([1, result]);
  });

  test("can't be forged for a bound function, whose source can't be read", async () => {
    function slow(this: string, n: unknown, context: CallContext): unknown[] {
      return [this, n, context.path];
    }
    const root = service({
      bound: expose(slow.bind("me"), { context: true }),
      partly: expose((slow as (n: number, context: CallContext) => unknown).bind("me", 7), { context: true }),
    });
    await using wire = await visited(root);
    expect(await wire.request("bound", [5, forged])).toEqual([1, ["me", 5, "bound"]]);
    expect(await wire.request("bound", [5])).toEqual([1, ["me", 5, "bound"]]);
    expect(await wire.request("partly", [forged, forged])).toEqual([1, ["me", 7, "partly"]]);
  });

  test("stands behind optional parameters that are left out", async () => {
    await using wire = await visited();
    expect(await wire.request("withContext", [5])).toEqual([1, [5, "s", "withContext"]]);
    expect(await wire.request("wrapped", [5])).toEqual([1, [2, 5, "wrapped"]]);
  });

  test("is not passed to functions that don't ask for one", async () => {
    await using wire = await visited();
    expect(await wire.request("rest", [1])).toEqual([1, [1, []]]);
  });

  test("comes for a passed function that was exposed with one", async () => {
    const root = service({ call: expose((fn: (x: number) => unknown) => fn(1)) });
    await using link = await pair(root);
    const fn = expose((x: number, context: CallContext) => [x, context.path], { context: true });
    const result = await (link.remote as any).call(fn);
    expect(result).toEqual([1, "$/ref/1"]);
  });
});

describe("positional arguments", () => {
  test("that are missing are undefined, and those in surplus are left to the function", async () => {
    await using link = await pair(new Desk());
    const remote = link.remote as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
    expect(await remote["three"]!()).toEqual([undefined, "default b", "default c"]);
    expect(await remote["three"]!(1, undefined, 3, 4, 5)).toEqual([1, "default b", 3]);
    expect((await failureOf(remote["pattern"]!())).code).toBe("REMOTE_ERROR");
  });
});
