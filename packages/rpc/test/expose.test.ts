import { describe, expect, test } from "vitest";
import { Service, expose, service } from "../src/index.ts";
import type { CallContext } from "../src/index.ts";
import { failureOf, remoteOf } from "./support.ts";

class Lamp extends Service {
  brightness = 1;
  @expose on(level: number): number {
    this.brightness = level;
    return this.brightness;
  }
  @expose({ context: true }) path(prefix: string, context: CallContext): string {
    return prefix + context.path;
  }
  @expose({ params: ["from", "to"] }) fade(...levels: number[]): string {
    return levels.join("-");
  }
  @expose readonly dim = (): number => this.brightness / 2;
  @expose({ params: ["a", "b"] }) readonly sum = (...values: number[]): number => values.reduce((x, y) => x + y, 0);
  @expose readonly plug = new Plug();
  @expose colour: unknown = { warm: true };
  @expose get timer(): Plug {
    return new Plug("timer");
  }
  @expose get doubled(): () => number {
    return () => this.brightness * 2;
  }
  @expose accessor spare: Plug = new Plug("spare");
  off(): void {
    this.brightness = 0;
  }
}

class Plug extends Service {
  readonly name: string;
  constructor(name = "plug") {
    super();
    this.name = name;
  }
  @expose label(): string {
    return this.name;
  }
}

describe("@expose", () => {
  test("on methods, with `this`", async () => {
    const lamp = new Lamp();
    const remote = await remoteOf(lamp);
    expect(await remote["on"](5)).toBe(5);
    expect(lamp.brightness).toBe(5);
  });

  test("R5 on fields that hold functions and services", async () => {
    const remote = await remoteOf(new Lamp());
    expect(await remote["dim"]()).toBe(0.5);
    expect(await remote["plug"].label()).toBe("plug");
  });

  test("on getters and accessors, which are read at each call", async () => {
    const lamp = new Lamp();
    const remote = await remoteOf(lamp);
    expect(await remote["timer"].label()).toBe("timer");
    lamp.brightness = 4;
    expect(await remote["doubled"]()).toBe(8);
    expect(await remote["spare"].label()).toBe("spare");
    lamp.spare = new Plug("new");
    expect(await remote["spare"].label()).toBe("new");
  });

  test("takes options: a context, names of parameters", async () => {
    const remote = await remoteOf(new Lamp());
    expect(await remote["path"]("at ")).toBe("at path");
    const { withOptions } = await import("../src/index.ts");
    expect(await withOptions(remote["fade"], { kwargs: { to: 2, from: 1 } })()).toBe("1-2");
    expect(await withOptions(remote["sum"], { kwargs: { a: 1, b: 2 } })()).toBe(3);
  });

  test("on a field that holds neither makes nothing callable, until it does", async () => {
    const lamp = new Lamp();
    const remote = await remoteOf(lamp);
    expect(await failureOf(remote["colour"]())).toMatchObject({
      code: "NOT_EXPOSED",
      message: '"colour" is not exposed; @expose or expose() makes it callable',
    });
    lamp.colour = "warm";
    expect(await failureOf(remote["colour"].toUpperCase())).toMatchObject({ code: "NOT_EXPOSED" });
    lamp.colour = () => "cold";
    expect(await remote["colour"]()).toBe("cold");
    lamp.colour = new Plug("late");
    expect(await remote["colour"].label()).toBe("late");
  });

  test.each([["text"], [5], [true], [1n], [Symbol("s")], [Number.NaN]])("is refused for a field with %s", (value) => {
    class Odd extends Service {
      @expose readonly field: unknown = value;
    }
    expect(() => new Odd()).toThrow(
      expect.objectContaining({
        code: "INVALID_ARGUMENT",
        message: `Odd.field can't be exposed: it is a ${typeof value}, no function or service`,
      }),
    );
  });

  test.each([[undefined], [null]])("waits for what a field with %s gets later", async (value) => {
    class Late extends Service {
      @expose field: unknown = value;
    }
    const late = new Late();
    late.field = () => "there";
    expect(await (await remoteOf(late))["field"]()).toBe("there");
  });

  test("as a legacy decorator says what it takes", () => {
    const legacy = expose as unknown as (...args: unknown[]) => unknown;
    const withOptions = expose({ context: true }) as unknown as (...args: unknown[]) => unknown;
    const descriptor = Object.getOwnPropertyDescriptor(Plug.prototype, "label");
    for (const attempt of [
      () => legacy(Plug.prototype, "label", descriptor),
      () => legacy(Plug.prototype, "field", undefined),
      () => withOptions(Plug.prototype, "label", descriptor),
    ]) {
      expect(attempt).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
      expect(attempt).toThrow(/legacy decorator of (label|field); .*experimentalDecorators/);
    }
    expect(() => legacy(Plug.prototype, Symbol("s"), descriptor)).toThrow("legacy decorator of Symbol(s)");
  });

  test("leaves everything else as it is", async () => {
    const remote = await remoteOf(new Lamp());
    for (const name of ["off", "brightness"]) {
      expect(await failureOf(remote[name]())).toMatchObject({ code: "NOT_EXPOSED", executed: "no" });
    }
    expect(Object.keys(new Plug())).toEqual(["name"]);
    expect(new Lamp().on(3)).toBe(3);
  });

  test("is for each instance: the fields of one don't show on another", async () => {
    class Odd extends Service {
      @expose readonly always = (): number => 1;
      constructor(more: boolean) {
        super();
        if (more) Object.assign(this, { extra: () => 2 });
      }
    }
    const remote = await remoteOf(service({ one: new Odd(true), two: new Odd(false) }));
    expect(await remote["two"].always()).toBe(1);
    expect((await failureOf(remote["one"].extra())).code).toBe("NOT_EXPOSED");
  });

  test("is refused for private, static and symbol-named members", () => {
    const attempts = [
      () => {
        class A {
          @expose #hidden(): void {}
          use(): void {
            this.#hidden();
          }
        }
        return new A();
      },
      () => {
        class A {
          @expose static all(): void {}
        }
        return new A();
      },
      () => {
        class A {
          @expose [Symbol.iterator](): void {}
        }
        return new A();
      },
      () => {
        class A {
          @expose #field = () => 1;
          use(): number {
            return this.#field();
          }
        }
        return new A();
      },
    ];
    for (const attempt of attempts) {
      expect(attempt).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
      expect(attempt).toThrow("private, static or a symbol");
    }
  });
});

describe("expose(fn)", () => {
  test("R3 returns the function itself, and keeps its options", async () => {
    const add = (a: number, b: number): number => a + b;
    expect(expose(add)).toBe(add);
    const named = expose((...xs: number[]) => xs, { params: ["x", "y"] });
    const remote = await remoteOf(service({ add, alias: add, named }));
    expect(await remote["add"](1, 2)).toBe(3);
    expect(await remote["alias"](2, 2)).toBe(4);
    const { withOptions } = await import("../src/index.ts");
    expect(await withOptions(remote["named"], { kwargs: { y: 2, x: 1 } })()).toEqual([1, 2]);
  });

  test.each([[1], ["text"], [null], [undefined]])("R3 throws for %s", (value) => {
    expect(() => expose(value as never)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });
});

describe("a service map", () => {
  test("has its exposed functions, its services and nothing else", async () => {
    const remote = await remoteOf(
      service({
        add: expose((a: number, b: number) => a + b),
        sub: service({ deep: expose(() => "deep") }),
        lamp: new Lamp(),
        map: { deep: expose(() => "no service") },
        value: 5,
        nothing: null,
      }),
    );
    expect(await remote["add"](1, 2)).toBe(3);
    expect(await remote["sub"].deep()).toBe("deep");
    expect(await remote["lamp"].plug.label()).toBe("plug");
    for (const name of ["map", "value", "nothing"]) {
      expect((await failureOf(remote[name]())).code, name).toBe("NOT_EXPOSED");
    }
    expect((await failureOf(remote["map"].deep())).code).toBe("NOT_EXPOSED");
  });

  test("refuses functions that aren't exposed, and never calls one that came later", async () => {
    expect(() => service({ add: expose(() => 1), plain: () => 1 })).toThrow(
      expect.objectContaining({
        code: "INVALID_ARGUMENT",
        message: '"plain" is a function that isn\'t exposed; write expose(...) around it',
      }),
    );
    const late = Object.assign(service({ add: expose(() => 1) }), { plain: () => 1 });
    const remote = await remoteOf(late);
    expect((await failureOf(remote["plain"]())).code).toBe("NOT_EXPOSED");
    expect(await remote["add"]()).toBe(1);
  });

  test("R4 is the object itself, and grows and shrinks while it is served", async () => {
    const members: Record<string, any> = { one: expose(() => 1) };
    const map = service(members);
    expect(map).toBe(members);
    const remote = await remoteOf(map);
    expect(await remote["one"]()).toBe(1);
    expect((await failureOf(remote["two"]())).code).toBe("NOT_FOUND");
    map["two"] = expose(() => 2);
    map["sub"] = service({ three: expose(() => 3) });
    expect(await remote["two"]()).toBe(2);
    expect(await remote["sub"].three()).toBe(3);
    delete map["one"];
    map["two"] = expose(() => "new");
    delete map["sub"];
    expect((await failureOf(remote["one"]())).code).toBe("NOT_FOUND");
    expect(await remote["two"]()).toBe("new");
    expect((await failureOf(remote["sub"].three())).code).toBe("NOT_FOUND");
  });

  test("crosses by reference, and grows there, too", async () => {
    const given = service<Record<string, any>>({ one: expose(() => 1) });
    const remote = await remoteOf(service({ give: expose(() => given), same: expose((x: unknown) => x === given) }));
    const received = await remote["give"]();
    expect(await received.one()).toBe(1);
    given["two"] = expose(() => 2);
    expect(await received.two()).toBe(2);
    expect(await remote["same"](received)).toBe(true);
  });

  test.each([[1], [null], [undefined], ["x"]])("is made of objects, not of %s", (value) => {
    expect(() => service(value as never)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });

  test("twice is once", async () => {
    const map = service(service({ one: expose(() => 1) }));
    expect(await (await remoteOf(map))["one"]()).toBe(1);
  });
});
