import { describe, expect, test } from "vitest";
import { Service, ServiceTable, expose, isService, service } from "../src/index.ts";
import { checkServable, exposedFunction, isExposed, memberOf, subServices } from "../src/members.ts";
import { failureOf, pair, remoteOf } from "./support.ts";
import type { AnyRemote } from "./support.ts";

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

class Lamp extends Service {
  @expose readonly plug = new Plug();
  @expose get timer(): Plug {
    return new Plug("timer");
  }
  @expose on(level: number): number {
    return level;
  }
  off(): void {}
}

class Table extends ServiceTable {
  readonly plug = new Plug("of the table");
  override lookup(name: string): object | undefined {
    return { plug: this.plug, exposed: expose(() => 1), plain: () => 2 }[name];
  }
  override nameOf(member: object): string | undefined {
    return member === this.plug ? "plug" : undefined;
  }
}

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
    static readonly exposed = ["add", "field", "sub", "value", Symbol("s"), 5];
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
    const { remote } = link;
    expect(isService(remote)).toBe(false);
    expect(isService(remote.plug)).toBe(false);
    const map = Object.assign(service({}), { lamp: remote, plug: remote.plug, on: remote.on });
    await using other = await pair(map);
    for (const name of ["lamp", "plug", "on"]) {
      expect((await failureOf((other.remote as AnyRemote)[name](1))).code).toBe("NOT_EXPOSED");
    }
    expect((await failureOf((other.remote as AnyRemote)["lamp"].on(1))).code).toBe("NOT_EXPOSED");
  });
});

describe("checkServable", () => {
  class Listed {
    static readonly exposed: readonly string[] = ["there"];
    there(): void {}
  }
  class Misspelt extends Listed {
    static override readonly exposed = ["own", "ownn"];
    own(): void {}
  }
  class Below extends Misspelt {
    static override readonly exposed = ["there"];
  }
  class WithField {
    static readonly exposed = ["field"];
    field: unknown = undefined;
  }

  test("takes what has something exposed, or may get it later", () => {
    for (const root of [new Lamp(), new Listed(), new WithField(), service({}), new Table()]) {
      expect(() => checkServable(root)).not.toThrow();
    }
  });

  test.each([[new Service()], [new (class Bare extends Service {})()], [{}], [null], [undefined], ["x"]])(
    "refuses %o, in which nothing is exposed",
    (root) => {
      expect(() => checkServable(root)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
      expect(() => checkServable(root)).toThrow(
        "is no service: nothing in it is exposed; use @expose or service({ ... })",
      );
    },
  );

  test("refuses a class, and shows an instance", () => {
    expect(() => checkServable(Lamp)).toThrow("the class Lamp is no service; an instance is: new Lamp()");
  });

  test("refuses a list with a name that isn't there, also of a base class", () => {
    expect(() => checkServable(new Misspelt())).toThrow('Misspelt.exposed lists "ownn", which it doesn\'t have');
    expect(() => checkServable(new Below())).toThrow('Below.exposed lists "ownn", which it doesn\'t have');
  });
});

describe("memberOf", () => {
  test("R7 finds methods, fields, accessors, entries of maps and of tables", () => {
    const lamp = new Lamp();
    const on = memberOf(lamp, ["on"], 0);
    expect(on).toMatchObject({ call: Lamp.prototype.on });
    expect(isExposed(on)).toBe(true);
    expect(memberOf(lamp, ["plug"], 0)).toBe(lamp.plug);
    expect(isExposed(lamp.plug)).toBe(false);
    expect(memberOf(lamp, ["timer"], 0)).toMatchObject({ name: "timer" });
    const one = expose(() => 1);
    expect(memberOf(service({ one }), ["one"], 0)).toMatchObject({ call: one });
    const table = new Table();
    expect(memberOf(table, ["plug"], 0)).toBe(table.plug);
    expect(memberOf(table, ["exposed"], 0)).toMatchObject({ contextPlace: -1 });
  });

  test("reads a class once, a frozen one, too, and each subclass for itself", () => {
    class Frozen {
      static exposed = ["one"];
      one(): number {
        return 1;
      }
    }
    class Open extends Frozen {
      static override exposed = ["two"];
      two(): number {
        return 2;
      }
    }
    class FrozenBelow extends Open {
      static override exposed = ["three"];
      three(): number {
        return 3;
      }
    }
    Object.freeze(Frozen.prototype);
    Object.freeze(FrozenBelow.prototype);
    for (const [owner, names] of [
      [new Frozen(), ["one"]],
      [new Open(), ["one", "two"]],
      [new FrozenBelow(), ["one", "two", "three"]],
    ] as const) {
      for (const name of names) {
        const member = memberOf(owner, [name], 0);
        expect(member).toMatchObject({ call: (owner as unknown as Record<string, unknown>)[name] });
        const another = new (owner.constructor as new () => object)();
        expect(memberOf(another, [name], 0), "the same entry").toBe(member);
      }
    }
    expect(() => memberOf(new Frozen(), ["two"], 0)).toThrow('name "two" not found');
    expect(Object.getOwnPropertySymbols(Frozen.prototype)).toEqual([]);
  });

  test.each([
    ["none", "", "NOT_FOUND", 'name "none" not found in the root service'],
    ["none", "a/b", "NOT_FOUND", 'name "none" not found in "a/b"'],
    ["off", "", "NOT_EXPOSED", '"off" is not exposed; @expose or expose() makes it callable'],
    ["constructor", "", "NOT_FOUND", 'name "constructor" not found in the root service'],
  ])("says of %j in %j: %s", (name, path, code, message) => {
    expect(() => memberOf(new Lamp(), path === "" ? [name] : [path, name], path === "" ? 0 : 1)).toThrow(
      expect.objectContaining({ code, message }),
    );
  });

  test("R6 says the same of maps and tables", () => {
    const map = Object.assign(service({}), { plain: () => 1 });
    for (const owner of [map, new Table()]) {
      expect(() => memberOf(owner, ["plain"], 0)).toThrow(expect.objectContaining({ code: "NOT_EXPOSED" }));
      expect(() => memberOf(owner, ["x", "none"], 1)).toThrow('name "none" not found in "x"');
    }
  });
});

describe("subServices", () => {
  test("lists what may be a service right below: fields, accessors and entries, no methods", () => {
    expect([...subServices(new Lamp())].map(([name]) => name)).toEqual(["plug", "timer"]);
    const [plug, one] = [new Plug(), expose(() => 1)];
    expect([...subServices(service({ plug, one }))]).toEqual([
      ["plug", plug],
      ["one", one],
    ]);
    expect([...subServices(new Table())]).toEqual([]);
  });
});

describe("exposedFunction", () => {
  test("has the options that the function was exposed with, or none", () => {
    const named = exposedFunction(expose((...xs: number[]) => xs, { params: ["x", "y"], context: true }));
    expect(named).toMatchObject({ params: ["x", "y"], contextPlace: 2 });
    const plain = exposedFunction((a: number, b: number) => a + b);
    expect(plain).toMatchObject({ params: ["a", "b"], contextPlace: -1, options: {} });
  });
});
