import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { setTimeout as sleep } from "node:timers/promises";
import { ColloquyError } from "@colloquy/core";
import { describe, expect, test } from "vitest";
import { Service, connect, expose, pipeline, withOptions } from "../../src/index.ts";
import type { CallContext, IncomingCall, Interceptor } from "../../src/index.ts";
import { failureOf } from "../support.ts";
import { wireVisit } from "../wire-visit.ts";
import type { WireVisit } from "../wire-visit.ts";

class Admin extends Service {
  resets = 0;
  @expose({ context: true }) reset({ path }: CallContext): string {
    this.resets++;
    return path;
  }
}

/** Nobody may write or reset; there are many ways to get the services that can. */
class Notes extends Service {
  @expose readonly admin = new Admin();
  readonly hidden = new Admin();
  readonly written: string[] = [];
  release: () => void = () => {};

  @expose write(text: string): void {
    this.written.push(text);
  }
  @expose append(): this {
    return this;
  }
  @expose async later(): Promise<this> {
    await new Promise<void>((resolve) => (this.release = resolve));
    return this;
  }
  @expose echo(value: unknown): unknown {
    return value;
  }
  @expose open(): Admin {
    return this.hidden;
  }
  @expose plain(): number {
    return 1;
  }
  @expose run(call: (...args: unknown[]) => unknown): unknown {
    return call("x");
  }
}

const FREE = new Set(["append", "later", "echo", "open", "plain", "run"]);

async function visit(): Promise<WireVisit & { readonly notes: Notes; readonly seen: string[] }> {
  const notes = new Notes();
  const seen: string[] = [];
  const permit: Interceptor<IncomingCall> = ({ path }, next) => {
    seen.push(path);
    if (path === "write" || path.startsWith("admin/")) throw new ColloquyError("PERMISSION_DENIED", `may not ${path}`);
    return next();
  };
  const visited = await wireVisit(notes, { interceptors: { incoming: permit } });
  return { ...visited, notes, seen };
}

const DENIED = [2, { code: "PERMISSION_DENIED", executed: "no" }];
const named = (typeId: number, data: unknown): object => ({ __type__: [typeId, data] });

describe("a call on the result of a request", () => {
  test.each([
    ["append", [], "write", "write"],
    ["append", [], "admin/reset", "admin/reset"],
    ["echo", [named(-3, "admin")], "reset", "admin/reset"],
    ["echo", [named(-3, "")], "write", "write"],
  ])("%s %j has the path where that stands: %s", async (path, args, rest, place) => {
    await using visited = await visit();
    await visited.wire.request(path, args);
    expect(await visited.wire.request(`$/result/1/${rest}`, ["x"])).toMatchObject(DENIED);
    expect(visited.seen).toEqual([path, place]);
    visited.wire.notify(`$/result/1/${rest}`, "x");
    const answer = await visited.wire.request("run", [named(-16, [1, rest])]);
    expect(answer).toMatchObject([2, { code: "PERMISSION_DENIED" }]);
    expect(visited.seen.slice(2)).toEqual([place, "run", place]);
    expect([visited.notes.written, visited.notes.admin.resets]).toEqual([[], 0]);
  });

  test("that is still made is seen by interceptors when that is there, and not where its time is over before", async () => {
    await using visited = await visit();
    const { notes, seen, server } = visited;
    await using client = await connect<any>(server.address);
    const later = pipeline<any>(client.remote.later());
    const late = failureOf(withOptions(later.write, { timeout: 20 })("x"));
    const refused = Promise.all([failureOf(later.write("x")), failureOf(later.admin.reset())]);
    expect(await late).toMatchObject({ code: "DEADLINE_EXCEEDED" });
    // Until the other side knows that, too.
    await sleep(50);
    expect(seen).toEqual(["later"]);
    notes.release();
    for (const { code, executed } of await refused) expect([code, executed]).toEqual(["PERMISSION_DENIED", "no"]);
    expect(seen).toEqual(["later", "write", "admin/reset"]);
    expect([notes.written, notes.admin.resets]).toEqual([[], 0]);
  });

  test("that stands nowhere has the number of its reference, and of the request where it has none", async () => {
    await using visited = await visit();
    const { wire, seen, server } = visited;
    expect(await wire.request("open")).toMatchObject([1, { __type__: [0, "$/ref/1"] }]);
    expect(await wire.request("$/result/1/reset")).toEqual([1, "$/ref/1/reset"]);
    await using client = await connect<any>(server.address);
    expect(await pipeline<any>(client.remote.open()).reset()).toBe("$/ref/1/reset");
    const own = pipeline<any>(client.remote.echo((text: string) => text));
    expect(await own("mine")).toBe("mine");
    expect(seen.at(-1)).toMatch(/^\$\/result\/\d+$/);
  });

  test("never has a path that begins with $ below the root", async () => {
    await using visited = await visit();
    await visited.wire.request("append");
    for (const path of ["$/ref/1", "$/stats", "$"])
      expect((await visited.wire.request(`$/result/1/${path}`))[0], path).toBe(2);
    expect(visited.seen.slice(1)).toEqual(["$/result/1/$/ref/1", "$/result/1/$/stats", "$/result/1/$"]);
  });

  test("passes no list of what is allowed, whatever its path", async () => {
    const notes = new Notes();
    const permit: Interceptor<IncomingCall> = ({ path }, next) => {
      if (!FREE.has(path)) throw new ColloquyError("PERMISSION_DENIED", `may not ${path}`);
      return next();
    };
    await using visited = await wireVisit(notes, { interceptors: { incoming: permit } });
    await visited.wire.request("open");
    await visited.wire.request("append");
    for (const path of ["$/ref/1/reset", "$/result/1/reset", "$/result/2/write", "$/result/2/admin/reset"])
      expect(await visited.wire.request(path, ["x"]), path).toMatchObject(DENIED);
    expect((await visited.wire.request("$/result/2/plain"))[0]).toBe(1);
    expect([notes.written, notes.hidden.resets]).toEqual([[], 0]);
  });

  test("tells its method and the hooks that path", async () => {
    const notes = new Notes();
    await using visited = await wireVisit(notes);
    const told: string[] = [];
    const listen = (message: unknown): void => void told.push((message as { readonly path: string }).path);
    subscribe("tracing:colloquy:request:start", listen);
    try {
      await visited.wire.request("append");
      expect(await visited.wire.request("$/result/1/admin/reset")).toEqual([1, "admin/reset"]);
    } finally {
      unsubscribe("tracing:colloquy:request:start", listen);
    }
    expect(told).toEqual(["append", "admin/reset"]);
  });
});
