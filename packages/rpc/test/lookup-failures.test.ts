import { describe, expect, test } from "vitest";
import { Service, ServiceTable, expose, notify, pipeline, service } from "../src/index.ts";
import type { Remote, ServeOptions } from "../src/index.ts";
import { failureOf, pair, until } from "./support.ts";
import type { AnyRemote, Pair } from "./support.ts";

const BROKEN = new RangeError("broken");

class Part extends Service {
  @expose word() {
    return "word";
  }
}

class Table extends ServiceTable {
  override lookup(name: string): object | undefined {
    if (name === "part") return new Part();
    throw BROKEN;
  }
  override nameOf(): undefined {
    return undefined;
  }
}

class Desk extends Service {
  @expose readonly table = new Table();
  @expose readonly map = service({});

  constructor() {
    super();
    const get = (): never => {
      throw BROKEN;
    };
    Object.defineProperty(this.map, "broken", { enumerable: true, get });
  }

  @expose get broken(): Part {
    throw BROKEN;
  }
  @expose readonly part = new Part();
  @expose make() {
    return new Part();
  }
  @expose found() {
    return this.part;
  }
  @expose async later() {
    return { broken: 1 };
  }
  @expose desk() {
    return this;
  }
  @expose take(...given: unknown[]) {
    return given.length;
  }
  @expose ask(call: () => unknown) {
    return call();
  }
}

type Told = [error: unknown, path: string];

async function watched(
  options: ServeOptions = {},
): Promise<Pair<Desk, object> & { readonly told: Told[]; readonly any: AnyRemote }> {
  const told: Told[] = [];
  const onMethodFailure = (error: unknown, path: string): void => void told.push([error, path]);
  const link = await pair(new Desk(), { serve: { ...options, onMethodFailure } });
  return { ...link, told, any: link.remote };
}

const PATHS = [["table/none"], ["table/none/word"], ["map/broken"], ["broken"], ["broken/word"]];

function at(remote: AnyRemote, path: string): (...args: unknown[]) => Promise<unknown> {
  let member = remote;
  for (const name of path.split("/")) member = member[name] as AnyRemote;
  return member as never;
}

describe("What user code throws on the way to a method", () => {
  test.each(PATHS)("is told as what a method throws, and its caller gets it: %s", async (path) => {
    await using link = await watched();
    expect(await failureOf(at(link.any, path)())).toMatchObject({
      code: "REMOTE_ERROR",
      remoteName: "RangeError",
      message: "broken",
      executed: "yes",
    });
    expect(link.told).toEqual([[BROKEN, path]]);
    expect(link.told[0]![0]).toBe(BROKEN);
    expect(await link.remote.part.word()).toBe("word");
    expect(await at(link.any, "table/part/word")()).toBe("word");
  });

  test.each(PATHS)("leaves as far as the policy lets it, also through interceptors: %s", async (path) => {
    const incoming = async (_call: unknown, next: () => Promise<unknown>): Promise<unknown> => next();
    for (const interceptors of [{}, { incoming }]) {
      await using link = await watched({ errors: { allow: "none" }, interceptors });
      const failure = await failureOf(at(link.any, path)());
      expect(failure.message).toMatch(/^the method failed; the log of its process may say why, under the id /);
      expect(link.told).toEqual([[BROKEN, path]]);
    }
  });

  test("is told where it was called without an answer", async () => {
    await using link = await watched();
    notify(at(link.any, "broken/word"))();
    await until(() => link.peer.stats().failedNotifications === 1);
    expect(link.told).toEqual([[BROKEN, "broken/word"]]);
  });

  test("is told where the path begins at a reference, or at a result", async () => {
    await using link = await watched();
    const other = (await link.remote.take(new Part())) satisfies number;
    expect(other).toBe(1);
    const table = pipeline(link.any["desk"]!() as Promise<Remote<Desk>>) as unknown as AnyRemote;
    expect(await failureOf(table["broken"]["word"]())).toMatchObject({ message: "broken" });
    expect(link.told).toEqual([[BROKEN, "broken/word"]]);
  });

  test("is told where what it leads to is an argument: of the caller's own, or of a result", async () => {
    await using link = await watched({ errors: { allow: "none" } });
    const failure = await failureOf(link.remote.take(at(link.any, "table/none/word")));
    expect(failure).toMatchObject({ code: "SERIALIZATION_ERROR", executed: "no" });
    expect(failure.message).not.toContain('broken"');
    expect(link.told).toEqual([[BROKEN, "table/none/word"]]);
    const desk = pipeline(link.remote.desk()) as unknown as AnyRemote;
    const hidden = await failureOf(link.remote.take(at(desk, "table/none")));
    expect(hidden.message).toMatch(/^the method failed; /);
    expect(link.told[1]).toEqual([BROKEN, "table/none"]);
  });

  test("is told where an argument is called that leads through an accessor, and not before", async () => {
    await using link = await watched();
    const desk = pipeline(link.remote.desk()) as unknown as AnyRemote;
    for (const word of [at(link.any, "broken/word"), at(desk, "broken/word")]) {
      expect(await link.remote.take(word)).toBe(1);
      expect(link.told.splice(0)).toEqual([]);
      expect(await failureOf(link.remote.ask(word))).toMatchObject({ message: "broken", executed: "yes" });
      expect(link.told.splice(0)[0]).toEqual([BROKEN, "broken/word"]);
    }
  });

  test("doesn't stand in the way of other services that are sent", async () => {
    await using link = await watched();
    expect(await (await link.remote.make()).word()).toBe("word");
    expect(await (await link.remote.found()).word()).toBe("word");
    expect(link.told).toEqual([]);
  });
});

test("A result whose `then` throws fails as its method, and is told", async () => {
  const told: Told[] = [];
  const root = service({
    odd: expose(() => ({
      get then(): never {
        throw BROKEN;
      },
    })),
  });
  const onMethodFailure = (error: unknown, path: string): void => void told.push([error, path]);
  await using link = await pair(root, { serve: { onMethodFailure } });
  expect(await failureOf((link.remote as AnyRemote)["odd"]())).toMatchObject({ message: "broken" });
  expect(told).toEqual([[BROKEN, "odd"]]);
});
