import { describe, expect, test } from "vitest";
import { ColloquyError, Service, connect, expose, serve } from "../src/index.ts";
import type { ReconnectingConnection } from "../src/index.ts";
import { failureOf, newAddress, pair, turns, unhandledDuring, until } from "./support.ts";

const CLIENT_COUNT = 8;

class Works extends Service {
  /** How often each call has run here. */
  readonly runs = new Map<string, number>();
  openStreams = 0;
  #run(id: string): void {
    this.runs.set(id, (this.runs.get(id) ?? 0) + 1);
  }
  @expose quick(id: string): string {
    this.#run(id);
    return id;
  }
  @expose async slow(id: string): Promise<string> {
    this.#run(id);
    await turns(id.length % 5);
    return id;
  }
  @expose async ask(id: string, question: (id: string) => Promise<string>): Promise<string> {
    this.#run(id);
    return question(id);
  }
  @expose count(id: string): AsyncGenerator<number> {
    this.#run(id);
    return this.#numbers();
  }
  async *#numbers(): AsyncGenerator<number> {
    this.openStreams++;
    try {
      for (let n = 0; ; n++) {
        yield n;
        await turns(1);
      }
    } finally {
      this.openStreams--;
    }
  }
  @expose hang(id: string): Promise<never> {
    this.#run(id);
    return new Promise(() => {});
  }
}

interface Outcome {
  settledCount: number;
  value?: unknown;
  error?: unknown;
}

/** Calls of every kind from one client, until it is told to stop. */
class Load {
  readonly outcomes = new Map<string, Outcome>();
  /** Items of streams that weren't the next ones. */
  gaps = 0;
  readonly #remote: ReconnectingConnection<Works>["remote"];
  readonly #name: string;
  readonly #calls: Promise<void>[] = [];
  #stopped = false;

  constructor({ remote }: ReconnectingConnection<Works>, name: string) {
    this.#remote = remote;
    this.#name = name;
  }

  async run(): Promise<void> {
    const remote = this.#remote;
    this.#watch("hang", (id) => remote.hang(id));
    for (let round = 0; !this.#stopped; round++) {
      this.#watch(`quick ${round}`, (id) => remote.quick(id));
      this.#watch(`slow ${round}`, (id) => remote.slow(id));
      this.#watch(`ask ${round}`, (id) => remote.ask(id, async (asked) => `${asked}!`));
      if (round % 10 === 0) this.#watch(`count ${round}`, (id) => this.#read(id));
      await turns(1);
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#calls);
  }

  async #read(id: string): Promise<string> {
    let expected = 0;
    for await (const n of this.#remote.count(id)) if (n !== expected++) this.gaps++;
    return "the end";
  }

  #watch(kind: string, call: (id: string) => Promise<unknown>): void {
    const id = `${this.#name} ${kind}`;
    const outcome: Outcome = { settledCount: 0 };
    this.outcomes.set(id, outcome);
    const settle = (end: Partial<Outcome>): void => void Object.assign(outcome, end).settledCount++;
    this.#calls.push(
      call(id).then(
        (value) => settle({ value }),
        (error: unknown) => settle({ error }),
      ),
    );
  }
}

describe("F22: a server that shuts down under the load of eight clients that reconnect, with callbacks and streams", () => {
  test.each([
    ["local", 0],
    ["local", 50],
    ["tcp", 0],
    ["tcp", 5],
    ["tcp", 50],
  ])(
    "over %s within %i ms, leaves no call without `executed`, runs none twice, and leaves nothing",
    async (kind, graceMs) => {
      const works = new Works();
      const server = await serve(kind === "tcp" ? "tcp://127.0.0.1:0" : newAddress(), works);
      const clients = await Promise.all(
        Array.from({ length: CLIENT_COUNT }, () =>
          connect<Works>(server.address, { reconnect: { minMs: 1, maxMs: 5 } }),
        ),
      );
      const loads = clients.map((client, index) => new Load(client, `client ${index}`));
      const unhandled = await unhandledDuring(async () => {
        const running = loads.map((load) => load.run());
        await until(() => works.openStreams === CLIENT_COUNT);
        await turns(15);
        await server.close({ graceMs });
        expect(server.connections.size).toBe(0);
        await turns(5);
        const stopped = Promise.all(loads.map((load) => load.stop()));
        // What waits for another server learns that none will come.
        await Promise.all(clients.map((client) => client.close()));
        await Promise.all([stopped, ...running]);
        await until(() => works.openStreams === 0, "the end of the producers");
      });
      expect(unhandled).toEqual([]);
      const failures: string[] = [];
      for (const { outcomes, gaps } of loads) {
        expect(gaps).toBe(0);
        for (const [id, { settledCount, value, error }] of outcomes) {
          const runs = works.runs.get(id) ?? 0;
          expect([id, settledCount, runs <= 1]).toEqual([id, 1, true]);
          if (error === undefined) {
            expect([id, value, runs]).toEqual([id, id.includes(" ask ") ? `${id}!` : id, 1]);
            continue;
          }
          expect(error).toBeInstanceOf(ColloquyError);
          const { code, executed } = error as ColloquyError;
          expect(["no", "unknown", "yes"]).toContain(executed);
          if (executed === "no") expect([id, code, runs]).toEqual([id, code, 0]);
          if (executed === "yes") expect([id, code, runs]).toEqual([id, code, 1]);
          failures.push(`${id.split(" ")[2]} ${code} ${executed}`);
        }
      }
      // Each kind was under way.
      expect(failures).toContain("hang CONNECTION_LOST unknown");
      expect(failures.some((failure) => failure.startsWith("count"))).toBe(true);
      for (const client of clients)
        expect(client.stats()).toMatchObject({ pending: 0, waiting: 0, running: 0, waitingForConnection: 0 });
    },
  );
});

describe("A call that outlasts the time of close", () => {
  test.each(["this side", "the other side"])("says that it was %s that has closed", async (closer) => {
    await using link = await pair(new Works());
    const call = failureOf(link.remote.hang("hang"));
    await turns(5);
    await (closer === "this side" ? link.client : link.server).close({ graceMs: 5 });
    const { code, message, limit } = await call;
    expect(code).toBe("CONNECTION_LOST");
    expect(message).toContain(`is lost: ${closer} has closed it, and the time for calls under way is over`);
    expect(limit).toBe(closer === "this side" ? "closeGraceMs" : undefined);
  });
});
