import { describe, expect, test } from "vitest";
import { Service, connect, expose, isService, serve, service } from "../src/index.ts";
import type { CallContext, Remote } from "../src/index.ts";
import { failureOf, newAddress, pair } from "./support.ts";

type AnyRemote = Record<string, any>;

async function remoteOf(root: object): Promise<AnyRemote> {
  const server = await serve(newAddress(), root);
  const connection = await connect<any>(server.address);
  return connection.remote;
}

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
  @expose readonly colour: string = "warm";
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

  test("on fields that hold functions and services", async () => {
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

  test("on a field that holds neither makes nothing callable", async () => {
    const remote = await remoteOf(new Lamp());
    expect(await failureOf(remote["colour"]())).toMatchObject({
      code: "NOT_EXPOSED",
      message: '"colour" is not exposed',
    });
    expect(await failureOf(remote["colour"].toUpperCase())).toMatchObject({ code: "NOT_EXPOSED" });
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

describe("inheritance", () => {
  class Base extends Service {
    @expose greet(): string {
      return "base";
    }
    @expose stop(): string {
      return "stopped";
    }
    @expose whole(): string {
      return this.part();
    }
    part(): string {
      return "base part";
    }
  }
  class Again extends Base {
    @expose override greet(): string {
      return `again, ${super.greet()}`;
    }
    override part(): string {
      return "derived part";
    }
  }
  class Silent extends Base {
    override greet(): string {
      return "silent";
    }
    override stop(): string {
      return "not for you";
    }
  }
  class Below extends Silent {
    @expose override greet(): string {
      return "below";
    }
  }

  test("an exposed method is there in subclasses", async () => {
    const remote = await remoteOf(new Again());
    expect(await remote["stop"]()).toBe("stopped");
    expect(await remote["whole"]()).toBe("derived part");
    expect((await failureOf(remote["part"]())).code).toBe("NOT_EXPOSED");
  });

  test("one that overrides is exposed again, or not at all", async () => {
    expect(await (await remoteOf(new Again()))["greet"]()).toBe("again, base");
    const silent = await remoteOf(new Silent());
    expect((await failureOf(silent["greet"]())).code).toBe("NOT_EXPOSED");
    expect((await failureOf(silent["stop"]())).code).toBe("NOT_EXPOSED");
    expect(await (await remoteOf(new Below()))["greet"]()).toBe("below");
    expect(await (await remoteOf(new Base()))["greet"]()).toBe("base");
  });
});

describe("static exposed", () => {
  class Plain {
    static readonly exposed = ["add", "field", "sub", "value", "none", Symbol("s"), 5];
    field = (): string => "field";
    sub = new Plug("in plain");
    get value(): () => string {
      return () => "value";
    }
    add(a: number, b: number): number {
      return a + b;
    }
    hidden(): void {}
  }
  class Child extends Plain {
    override add(): number {
      return 0;
    }
  }
  class Listed extends Plain {
    static override readonly exposed = ["add", "hidden"];
    override add(): number {
      return 1;
    }
  }

  test("names methods, getters and fields of a class without decorators", async () => {
    const remote = await remoteOf(new Plain());
    expect(await remote["add"](1, 2)).toBe(3);
    expect(await remote["field"]()).toBe("field");
    expect(await remote["sub"].label()).toBe("in plain");
    expect(await remote["value"]()).toBe("value");
    expect((await failureOf(remote["hidden"]())).code).toBe("NOT_EXPOSED");
    expect((await failureOf(remote["none"]())).code).toMatch(/NOT_/);
    expect(isService(new Plain())).toBe(true);
  });

  test("is its own class's: one that overrides lists again, or isn't exposed", async () => {
    expect((await failureOf((await remoteOf(new Child()))["add"]())).code).toBe("NOT_EXPOSED");
    const listed = await remoteOf(new Listed());
    expect(await listed["add"]()).toBe(1);
    expect(await listed["field"]()).toBe("field");
    expect(await listed["hidden"]()).toBeUndefined();
  });
});

describe("expose(fn)", () => {
  test("returns the function itself, and keeps its options", async () => {
    const add = (a: number, b: number): number => a + b;
    expect(expose(add)).toBe(add);
    const named = expose((...xs: number[]) => xs, { params: ["x", "y"] });
    const remote = await remoteOf(service({ add, alias: add, named }));
    expect(await remote["add"](1, 2)).toBe(3);
    expect(await remote["alias"](2, 2)).toBe(4);
    const { withOptions } = await import("../src/index.ts");
    expect(await withOptions(remote["named"], { kwargs: { y: 2, x: 1 } })()).toEqual([1, 2]);
  });

  test.each([[1], ["text"], [null], [undefined]])("throws for %s", (value) => {
    expect(() => expose(value as never)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });
});

describe("a service map", () => {
  test("has its exposed functions, its services and nothing else", async () => {
    const remote = await remoteOf(
      service({
        add: expose((a: number, b: number) => a + b),
        plain: () => 1,
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
    for (const name of ["plain", "map", "value", "nothing"]) {
      expect((await failureOf(remote[name]())).code, name).toBe("NOT_EXPOSED");
    }
    expect((await failureOf(remote["map"].deep())).code).toBe("NOT_EXPOSED");
  });

  test("is the object itself, and grows and shrinks while it is served", async () => {
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

describe("isService", () => {
  test("is true for what has something exposed, and for what says so", () => {
    class Bare {
      @expose method(): void {}
    }
    class WithField {
      @expose readonly fn = (): void => {};
    }
    for (const value of [new Lamp(), new Bare(), new WithField(), service({}), new (class extends Service {})()]) {
      expect(isService(value)).toBe(true);
    }
    for (const value of [
      {},
      [],
      null,
      undefined,
      1,
      "x",
      () => 1,
      Lamp,
      new Map(),
      new Date(),
      Object.create(null),
      expose(() => 1),
    ]) {
      expect(isService(value)).toBe(false);
    }
  });

  test("of a proxy is false: it stands for one of another side", async () => {
    await using link = await pair(new Lamp());
    const remote: Remote<Lamp> = link.remote;
    expect(isService(remote)).toBe(false);
    expect(isService(remote.plug)).toBe(false);
    await using other = await pair(service({ lamp: remote, plug: remote.plug, on: remote.on }));
    for (const name of ["lamp", "plug", "on"]) {
      expect((await failureOf((other.remote as AnyRemote)[name](1))).code).toBe("NOT_EXPOSED");
    }
    expect((await failureOf((other.remote as AnyRemote)["lamp"].on(1))).code).toBe("NOT_EXPOSED");
  });
});
