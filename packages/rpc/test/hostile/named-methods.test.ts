import { describe, expect, test } from "vitest";
import { Service, expose } from "../../src/index.ts";
import type { CallContext, IncomingCall, Interceptor, ServeOptions } from "../../src/index.ts";
import { setGate } from "../../src/gate.ts";
import { until } from "../support.ts";
import { wireVisit } from "../wire-visit.ts";

const text = {
  "~standard": {
    version: 1 as const,
    vendor: "test",
    validate: (value: unknown) => (typeof value === "string" ? { value } : { issues: [{ message: "must be a text" }] }),
  },
};

/** `write` is for some only. `each` calls what it gets, as many methods do. */
class Notes extends Service {
  readonly written: string[] = [];
  running = 0;
  kept: ((note: unknown) => unknown) | undefined;
  end: () => void = () => {};
  readonly ended = new Promise<void>((resolve) => (this.end = resolve));

  @expose({ context: true, input: [text] }) write(note: string, { path, connection }: CallContext): string {
    this.written.push(note);
    return `${String(connection.identity)} at ${path}`;
  }
  @expose each(notes: unknown[], call: (note: unknown) => unknown): Promise<unknown[]> {
    this.kept = call;
    return Promise.all(notes.map((note) => call(note)));
  }
  @expose async wait(): Promise<void> {
    this.running++;
    await this.ended;
  }
  @expose again(call: (next: unknown) => unknown): unknown {
    this.running++;
    return call(call);
  }
  @expose fail(): void {
    throw new TypeError("failed");
  }
  @expose self(): this {
    return this;
  }
}

/** Of what comes for a method named `write` it lets that of Ada through. */
const permit: Interceptor<IncomingCall> = ({ path, connection }, next) => {
  if (path.endsWith("write") && connection.identity !== "ada") throw new TypeError("may not write");
  return next();
};

/** The first request of the visitor has the root as its result. */
async function visit(options: ServeOptions = {}, auth = "bob") {
  const notes = new Notes();
  const visited = await wireVisit(notes, { authenticate: (name) => name, ...options }, { auth });
  await visited.wire.request("self");
  return { notes, ...visited };
}

const named = (typeId: number, data: unknown): object => ({ __type__: [typeId, data] });

describe("a method that a peer has named", () => {
  const WAYS: [string, object, string][] = [
    ["by its path", named(-3, "write"), "write"],
    ["by the result of a request", named(-16, [1, "write"]), "write"],
  ];

  test.each(WAYS)("%s is called through interceptors, as that peer", async (_way, method, path) => {
    for (const who of ["bob", "ada"]) {
      await using visited = await visit({ interceptors: { incoming: permit } }, who);
      const answer = await visited.wire.request("each", [["a", "b"], method]);
      if (who === "ada") expect(answer).toEqual([1, [`ada at ${path}`, `ada at ${path}`]]);
      else expect(answer).toMatchObject([2, { name: "TypeError", message: "may not write" }]);
      expect(visited.notes.written).toEqual(who === "ada" ? ["a", "b"] : []);
    }
  });

  test.each(WAYS)("%s is called between its schemas", async (_way, method) => {
    await using visited = await visit();
    const answer = await visited.wire.request("each", [[5], method]);
    expect(answer).toMatchObject([2, { code: "INVALID_ARGUMENT" }]);
    expect(visited.notes.written).toEqual([]);
  });

  test("passes the gate of its service", async () => {
    await using visited = await visit();
    let passed = 0;
    setGate(visited.notes, {
      pass: (call) => {
        passed++;
        return call.run();
      },
    });
    expect((await visited.wire.request("each", [["a", "b"], named(-3, "write")]))[0]).toBe(1);
    expect(passed).toBe(3);
  });

  test("runs as often at a time as its peer may call, on one connection and on all", async () => {
    for (const limits of [{ maxRunningCount: 3 }, { maxRunningCount: 10, maxTotalRunningCount: 3 }]) {
      await using visited = await visit({ limits });
      const answer = visited.wire.request("each", [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], named(-3, "wait")]);
      expect(await answer).toMatchObject([2, { code: "RESOURCE_EXHAUSTED", executed: "yes" }]);
      expect(visited.notes.running).toBe(3);
      visited.notes.end();
      expect((await visited.wire.request("each", [[1, 2], named(-3, "wait")]))[0]).toBe(1);
    }
  });

  test("is called no more once the connection has ended that it came on", async () => {
    await using visited = await visit();
    await visited.wire.request("each", [[], named(-3, "write")]);
    expect(await visited.notes.kept!("a")).toBe("bob at write");
    visited.wire.close();
    await until(() => visited.server.connections.size === 0);
    await expect(visited.notes.kept!("b")).rejects.toMatchObject({ code: "CONNECTION_LOST" });
    expect(visited.notes.written).toEqual(["a"]);
  });

  test("tells of what it throws as calls do, and whoever calls it need not listen", async () => {
    const failures: unknown[] = [];
    await using visited = await visit({ onMethodFailure: (error, path) => failures.push([String(error), path]) });
    const answer = await visited.wire.request("each", [[1], named(-3, "fail")]);
    expect(answer).toMatchObject([2, { name: "TypeError", message: "failed" }]);
    expect(failures[0]).toEqual(["TypeError: failed", "fail"]);
  });
});

describe("a method that calls itself by its name", () => {
  const sometimes: Interceptor<IncomingCall> = (call, next) => next(call);
  const later: Interceptor<IncomingCall> = async (call, next) => {
    await Promise.resolve();
    return next(call);
  };

  test.each<[string, ServeOptions]>([
    ["without interceptors", {}],
    ["through interceptors", { interceptors: { incoming: sometimes } }],
    ["through late interceptors", { interceptors: { incoming: later } }],
  ])("runs as often as calls may, on a stack of its own each time, and leaves nothing: %s", async (_way, options) => {
    const maxRunningCount = 3000;
    await using visited = await visit({ ...options, limits: { maxRunningCount } });
    const { wire, notes, connection } = visited;
    const answer = await wire.request("again", [named(-3, "again")]);
    expect(answer).toMatchObject([2, { code: "RESOURCE_EXHAUSTED" }]);
    expect(notes.running).toBe(maxRunningCount + 1);
    await until(() => connection.stats().runningNamedCalls === 0);
    expect(connection.stats()).toMatchObject({ running: 0, runningNamedCalls: 0 });
  });
});
