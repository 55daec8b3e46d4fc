import { describe, expect, test } from "vitest";
import { Service, expose, notify, serve, service, withOptions } from "../src/index.ts";
import type { CallContext, Interceptor, StandardSchemaResult, StandardSchemaV1 } from "../src/index.ts";
import { WirePeer, failureOf, newAddress, pair, unhandledDuring, until } from "./support.ts";

function schema<T>(
  validate: (value: unknown) => StandardSchemaResult<T> | Promise<StandardSchemaResult<T>>,
): StandardSchemaV1<T> {
  return { "~standard": { version: 1, vendor: "test", validate } };
}

const number = schema<number>((value) =>
  typeof value === "number" ? { value } : { issues: [{ message: "must be a number" }] },
);
const optional = schema<number | undefined>((value) =>
  value === undefined || typeof value === "number"
    ? { value: value as number }
    : { issues: [{ message: "must be a number" }] },
);
/** Trims, and names where it doesn't fit. */
const person = schema<{ name: string }>((value) => {
  const { name } = (value ?? {}) as { name?: unknown };
  if (typeof name === "string") return { value: { name: name.trim() } };
  return { issues: [{ message: "must be a text", path: ["user", { key: "names" }, 0] }] };
});
const later = schema<number>(async (value) => {
  await new Promise((resolve) => setImmediate(resolve));
  return typeof value === "number" ? { value: value + 1 } : { issues: [{ message: "must be a number, later" }] };
});
const secret = schema<string>((value) =>
  typeof value === "string"
    ? { value: value.toUpperCase() }
    : { issues: [{ message: `got ${JSON.stringify(value)}` }] },
);

class Desk extends Service {
  readonly log: unknown[] = [];
  @expose({ input: [number, optional] }) add(a: number, b = 10): number {
    this.log.push(["add", a, b]);
    return a + b;
  }
  @expose({ input: person }) greet(user: { name: string }): string {
    return `Hello ${user.name}!`;
  }
  @expose({ input: [later, number] }) async wait(a: number, b: number): Promise<number> {
    this.log.push(["wait", a, b]);
    return a + b;
  }
  @expose({ output: secret }) tell(value: unknown): unknown {
    return value;
  }
  @expose({ output: later }) async count(value: unknown): Promise<unknown> {
    return value;
  }
  @expose({ input: [number], context: true }) path(n: number, context: CallContext): string {
    return `${n} ${context.path}`;
  }
  @expose({ input: [], output: number }) throws(): never {
    throw new TypeError("broken");
  }
  @expose({ input: [number] }) async rejects(_n: number): Promise<never> {
    throw new RangeError("late");
  }
  @expose({ input: [number] }) counted(...given: number[]): number {
    return given.length;
  }
}

describe("arguments", () => {
  test("that fit reach the method as the schema gives them", async () => {
    const desk = new Desk();
    await using link = await pair(desk);
    expect(await link.remote.greet({ name: "  Ada " })).toBe("Hello Ada!");
    expect(await link.remote.add(1, 2)).toBe(3);
    expect(await link.remote.add(1)).toBe(11);
    expect(desk.log).toEqual([
      ["add", 1, 2],
      ["add", 1, 10],
    ]);
  });

  test.each([
    [["x"], 'argument 1 of "add": must be a number'],
    [[1, "x"], 'argument 2 of "add": must be a number'],
    [[], 'argument 1 of "add": must be a number'],
    [[1, 2, 3], '"add" takes 2 arguments, not 3'],
  ])("%j are INVALID_ARGUMENT with the place, and the method doesn't run", async (args, message) => {
    const desk = new Desk();
    const told: unknown[] = [];
    await using link = await pair(desk, { serve: { onMethodFailure: (error) => told.push(error) } });
    const error = await failureOf((link.remote as any).add(...args));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", executed: "no", message });
    expect([desk.log, told]).toEqual([[], []]);
  });

  test("are named down to what is wrong in them", async () => {
    await using link = await pair(new Desk());
    const error = await failureOf(link.remote.greet({} as never));
    expect(error.message).toBe('argument 1 of "greet": at user.names[0]: must be a text');
  });

  test("with many issues name the first three", async () => {
    const issue = (n: number) => ({ message: `wrong ${n}`, path: [n] });
    for (const [count, text] of [
      [2, "at [0]: wrong 0; at [1]: wrong 1"],
      [3, "at [0]: wrong 0; at [1]: wrong 1; at [2]: wrong 2"],
      [4, "at [0]: wrong 0; at [1]: wrong 1; at [2]: wrong 2; 1 more"],
    ] as const) {
      const wrong = schema(() => ({ issues: Array.from({ length: count }, (_, n) => issue(n)) }));
      await using link = await pair(service({ f: expose((_x: unknown) => 1, { input: wrong }) }));
      expect((await failureOf(link.remote.f(1))).message).toBe(`argument 1 of "f": ${text}`);
    }
  });

  test("may be checked in a promise", async () => {
    const desk = new Desk();
    await using link = await pair(desk);
    expect(await link.remote.wait(1, 2)).toBe(4);
    expect(await failureOf(link.remote.wait("x" as never, 2))).toMatchObject({
      code: "INVALID_ARGUMENT",
      executed: "no",
      message: 'argument 1 of "wait": must be a number, later',
    });
    expect(desk.log).toEqual([["wait", 2, 2]]);
  });

  test("by name are checked in the places of their parameters", async () => {
    await using link = await pair(new Desk());
    expect(await withOptions(link.remote.add, { kwargs: { b: 5, a: 1 } })()).toBe(6);
    const error = await failureOf(withOptions(link.remote.add, { kwargs: { a: 1, b: "x" } })());
    expect(error.message).toBe('argument 2 of "add": must be a number');
    expect(await failureOf(withOptions(link.remote.add, { kwargs: { a: 1, c: 1 } })())).toMatchObject({
      code: "INVALID_ARGUMENT",
    });
  });

  test("leave the context in its place, and nobody passes one", async () => {
    await using link = await pair(new Desk());
    expect(await link.remote.path(7)).toBe("7 path");
    const error = await failureOf((link.remote as any).path(7, { path: "forged" }));
    expect(error.message).toBe('"path" takes 1 arguments, not 2');
  });

  test("that aren't given aren't made up", async () => {
    await using link = await pair(
      service({ f: expose((...all: unknown[]) => all.length, { input: [optional, optional] }) }),
    );
    expect([await link.remote.f(), await link.remote.f(1), await link.remote.f(1, undefined)]).toEqual([0, 1, 2]);
    expect(await (link.remote as any).f(undefined, 2)).toBe(2);
  });

  test("of functions that were passed, and of notifications, are checked, too", async () => {
    const desk = new Desk();
    const root = service({ desk, hand: expose(() => expose((n: number) => n * 2, { input: number })) });
    await using link = await pair(root);
    const double = await link.remote.hand();
    expect(await double(4)).toBe(8);
    expect((await failureOf(double("x" as never))).message).toContain("must be a number");
    notify(link.remote.desk.add)("x" as never);
    await until(() => link.peer.stats().failedNotifications === 1);
    expect(desk.log).toEqual([]);
  });

  test("are checked as interceptors hand them on", async () => {
    const change: Interceptor = (_call, next) => next({ args: ["x"] });
    await using link = await pair(new Desk(), { serve: { interceptors: { incoming: change } } });
    expect(await failureOf(link.remote.add(1, 2))).toMatchObject({ code: "INVALID_ARGUMENT", executed: "no" });
  });

  test("in order start methods in order", async () => {
    const desk = new Desk();
    await using server = await serve(newAddress(), desk);
    await using wire = await WirePeer.connect(server.address);
    await wire.hello();
    wire.send([0, 10, ["add", [1, 1], {}]], [0, 11, ["add", [2, 2], {}]]);
    expect([await wire.next(), await wire.next()]).toEqual([
      [1, 10, 2],
      [1, 11, 4],
    ]);
    expect(desk.log).toEqual([
      ["add", 1, 1],
      ["add", 2, 2],
    ]);
  });
});

describe("results", () => {
  test("reach the caller as the schema gives them", async () => {
    await using link = await pair(new Desk());
    expect(await link.remote.tell("quiet")).toBe("QUIET");
    expect(await link.remote.count(1)).toBe(2);
  });

  test("that don't fit are INTERNAL without the value; this side is told what is wrong", async () => {
    const told: unknown[] = [];
    const onMethodFailure = (error: unknown, path: string): void => void told.push([(error as Error).message, path]);
    await using link = await pair(new Desk(), { serve: { onMethodFailure } });
    const error = await failureOf(link.remote.tell({ password: "hunter2" }));
    expect(error).toMatchObject({ code: "INTERNAL", executed: "yes" });
    expect(error.message).toBe('the result of "tell" is not what its output schema takes; the other side was told why');
    expect(await failureOf(link.remote.count("x"))).toMatchObject({ code: "INTERNAL", executed: "yes" });
    expect(told).toEqual([
      ['the result of "tell": got {"password":"hunter2"}', "tell"],
      ['the result of "count": must be a number, later', "count"],
    ]);
  });

  test.each(["throws", "rejects"] as const)("of a method that %s are its failure, told once", async (method) => {
    const told: unknown[] = [];
    await using link = await pair(new Desk(), { serve: { onMethodFailure: (error) => told.push(error) } });
    const error = await failureOf((link.remote as any)[method](...(method === "rejects" ? [1] : [])));
    expect(error).toMatchObject({ code: "REMOTE_ERROR", executed: "yes" });
    expect(told).toHaveLength(1);
  });
});

describe("a schema", () => {
  test.each([
    [
      "throws",
      () => {
        throw new Error("got hunter2");
      },
    ],
    [
      "rejects",
      async () => {
        throw new Error("got hunter2");
      },
    ],
    ["gives nothing", () => undefined],
    ["gives a text", () => "fine"],
    ["gives an empty object", () => ({})],
    ["gives issues that are none", () => ({ issues: "none", value: 1 })],
  ])("that %s lets nothing through, and tells the other side nothing", async (_what, validate) => {
    const told: unknown[] = [];
    const ran: unknown[] = [];
    const wrong = schema(validate as never);
    const root = service({
      input: expose((x: unknown) => ran.push(x), { input: wrong }),
      output: expose((x: unknown) => x, { output: wrong }),
    });
    await using link = await pair(root, { serve: { onMethodFailure: (error) => told.push(error) } });
    const input = await failureOf(link.remote.input(1));
    expect(input).toMatchObject({ code: "INTERNAL", executed: "no" });
    const output = await failureOf(link.remote.output(1));
    expect(output).toMatchObject({ code: "INTERNAL", executed: "yes" });
    expect([input, output].map((error) => `${error.message} ${String(error.cause)}`).join()).not.toContain("hunter2");
    expect([ran, told.length]).toEqual([[], 2]);
  });

  test("that rejects beside one that throws ends no process", async () => {
    const throws = schema(() => {
      throw new Error("at once");
    });
    const rejects = schema(async () => {
      throw new Error("later");
    });
    const f = expose((..._all: unknown[]) => 1, { input: [rejects, throws, number] });
    await using link = await pair(service({ f }));
    const reasons = await unhandledDuring(async () => {
      expect(await failureOf(link.remote.f(1, 2, "x"))).toMatchObject({ code: "INTERNAL", executed: "no" });
    });
    expect(reasons).toEqual([]);
  });

  test("with issues without a text, or without any, refuses", async () => {
    for (const issues of [[], [{}], [null]]) {
      const wrong = schema(() => ({ issues }) as never);
      await using link = await pair(service({ f: expose((_x: unknown) => 1, { input: wrong }) }));
      expect((await failureOf(link.remote.f(1))).message).toBe(`argument 1 of "f": it doesn't fit`);
    }
  });

  test("may be a function, as some libraries make them", async () => {
    const callable = Object.assign(() => {}, number);
    await using link = await pair(service({ f: expose((n: number) => n, { input: callable }) }));
    expect(await link.remote.f(1)).toBe(1);
  });

  test.each([
    [{ input: {} }, "input[0] of expose is Object"],
    [{ input: [number, "x"] }, "input[1] of expose is string"],
    [{ input: null }, "input[0] of expose is null"],
    [{ output: () => true }, "output of expose is function"],
    [
      { output: { "~standard": { version: 2, vendor: "x", validate: () => ({ value: 1 }) } } },
      "output of expose is Object",
    ],
    [{ output: { "~standard": { version: 1, vendor: "x" } } }, "output of expose is Object"],
  ])("that is none, %j, is refused where it is exposed", (options, message) => {
    const attempts = [
      () => expose(() => 1, options as never),
      () => expose(options as never),
      () => {
        class Wrong {
          @expose(options as never) f(): void {}
        }
        return new Wrong();
      },
    ];
    for (const attempt of attempts) {
      expect(attempt).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
      expect(attempt).toThrow(message);
    }
  });

  test("on a service, where it would check nothing, lets no call through", async () => {
    class Wrong extends Service {
      @expose({ input: number }) readonly desk = new Desk();
    }
    await using link = await pair(new Wrong());
    const error = await failureOf((link.remote as any).desk.greet({ name: "x" }));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", executed: "no" });
    expect(error.message).toContain("schemas stand at its methods");
  });
});

describe("a method that comes home as a value", () => {
  const text = {
    "~standard": {
      version: 1 as const,
      vendor: "test",
      validate: (value: unknown) =>
        typeof value === "string" ? { value } : { issues: [{ message: "must be a text" }] },
    },
  };

  class Home extends Service {
    readonly taken: unknown[] = [];
    @expose({ input: [text] }) take(word: string) {
      this.taken.push(word);
      return word;
    }
    @expose async use(call: (word: unknown) => Promise<unknown>, word: unknown) {
      return call(word);
    }
  }

  test("keeps its schemas", async () => {
    const home = new Home();
    await using link = await pair(home);
    const remote = link.remote as unknown as {
      take: (word: unknown) => Promise<unknown>;
      use(call: unknown, word: unknown): Promise<unknown>;
    };
    expect(await remote.use(remote.take, "word")).toBe("word");
    const failure = await failureOf(remote.use(remote.take, 5));
    expect(failure).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(home.taken).toEqual(["word"]);
  });

  test("is refused where an option is misspelt", () => {
    expect(() => expose(() => 1, { inptu: text } as never)).toThrow('unknown option "inptu" of expose');
    expect(() => expose({ inptu: text } as never)(() => 1, { kind: "method", name: "x" } as never)).toThrow(
      "unknown option",
    );
  });
});
