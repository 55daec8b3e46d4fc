import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { Service, connect, expose, serve, withOptions } from "../src/index.ts";
import type { CallContext, ColloquyError, Connection } from "../src/index.ts";
import { Child, failureOf, newAddress, pair, until } from "./support.ts";

const KILL_ROUNDS = 5;

interface Notes {
  ready(): boolean;
  note(id: number): number;
  noteAndHang(id: number): void;
}

interface End {
  settledCount: number;
  value?: unknown;
  error?: ColloquyError;
}

/** Calls all the time, of which some hang, until the process is gone; `ran` is what that has noted. */
async function callUntilKilled(child: Child, connection: Connection<Notes>): Promise<{ ends: End[]; ran: number[] }> {
  const { note, noteAndHang } = connection.remote;
  const ends: End[] = [];
  const calls: Promise<void>[] = [];
  const watch = (call: (id: number) => Promise<unknown>): void => {
    const end: End = { settledCount: 0 };
    const id = ends.push(end) - 1;
    const settle = (outcome: Partial<End>): void => void Object.assign(end, outcome).settledCount++;
    calls.push(
      call(id).then(
        (value) => settle({ value }),
        (error: ColloquyError) => settle({ error }),
      ),
    );
  };
  const isAlive = { now: true };
  void child.exited.then(() => (isAlive.now = false));
  while (isAlive.now) {
    if (connection.stats().pending < 300) {
      for (let count = 0; count < 20; count++) watch(note);
      watch(noteAndHang);
    }
    await sleep(0);
  }
  watch(note);
  await Promise.all(calls);
  return { ends, ran: child.rest() as number[] };
}

describe("F1: a peer that is killed in the middle of calls", () => {
  // A thousand of them, with the time that it takes: `npm run faults`.
  test("settles every call, none twice, and says of each whether it ran", { timeout: 120_000 }, async () => {
    const failures = new Set<string>();
    for (let round = 0; round < KILL_ROUNDS; round++) {
      await using child = new Child("hanging-server.ts");
      const { address } = await child.line();
      await using connection = await connect<Notes>(address);
      const atMs = Math.random() * 30;
      setTimeout(() => child.process.kill("SIGKILL"), atMs);
      const { ends, ran } = await callUntilKilled(child, connection);
      const runs = new Set(ran);
      const isWrong = ({ settledCount, value, error }: End, id: number): boolean => {
        if (error === undefined) return settledCount !== 1 || value !== id || !runs.has(id);
        failures.add(`${error.code} ${error.executed}`);
        return settledCount !== 1 || (error.executed === "no" && runs.has(id));
      };
      // None ran twice, either.
      expect([atMs, ends.filter(isWrong), ran.length - runs.size]).toEqual([atMs, [], 0]);
      expect(connection.stats()).toMatchObject({ pending: 0, waiting: 0 });
    }
    expect([...failures].toSorted()).toEqual(["CONNECTION_LOST no", "CONNECTION_LOST unknown"]);
  });
});

describe("F11: a connection that comes back, with references of the one before", () => {
  test("leads no call to another object, whatever numbers the new ones have", async () => {
    class Numbered extends Service {
      readonly name: string;
      constructor(name: string) {
        super();
        this.name = name;
      }
      @expose who(): string {
        return this.name;
      }
    }
    class Makes extends Service {
      readonly #life: number;
      constructor(life: number) {
        super();
        this.#life = life;
      }
      @expose make(n: number): Numbered {
        return new Numbered(`${this.#life}/${n}`);
      }
      @expose fn(n: number): () => string {
        return () => `${this.#life}/${n}`;
      }
    }
    const address = newAddress();
    let server = await serve(address, new Makes(0));
    await using client = await connect<Makes>(address, { reconnect: { minMs: 0, maxMs: 1 } });
    const held = new Map<string, () => Promise<string>>();
    for (let life = 0; life < 6; life++) {
      for (let n = 0; n < 40; n++) {
        // In another order each time: the numbers are given again, to others.
        const index = (n * 7 + life) % 40;
        const service = await client.remote.make(index);
        const fn = await client.remote.fn(index);
        held.set(`${life}/${index} service`, () => service.who());
        held.set(`${life}/${index} function`, () => fn());
      }
      let [right, ended] = [0, 0];
      for (const [name, call] of held) {
        const outcome = await call().catch(({ code }) => code as string);
        if (name.startsWith(`${outcome} `)) right++;
        else if (outcome === "REFERENCE_RELEASED") ended++;
      }
      expect([right, ended]).toEqual([80, life * 80]);
      await server.close({ graceMs: 0 });
      server = await serve(address, new Makes(life + 1));
      await until(() => client.connected);
    }
    await client.close();
    await server.close();
  });
});

interface Deeper {
  (depth: number, back: Deeper): Promise<number>;
}

describe("F18: calls within calls", () => {
  test("32 deep between two sides complete", async () => {
    const deeper: Deeper = async (depth, back) => (depth === 0 ? 0 : 1 + (await back(depth - 1, deeper)));
    class Side extends Service {
      @expose async start(depth: number, back: Deeper) {
        return deeper(depth, back);
      }
    }
    await using link = await pair(new Side());
    expect(
      await (link.remote as unknown as { start(depth: number, back: Deeper): Promise<number> }).start(32, deeper),
    ).toBe(32);
  });

  test("round a ring of ten complete, three times round", async () => {
    class Member extends Service {
      next: { pass(left: number): Promise<number> } | undefined;
      @expose async pass(left: number): Promise<number> {
        return left === 0 ? 0 : 1 + (await this.next!.pass(left - 1));
      }
    }
    const members = Array.from({ length: 10 }, () => new Member());
    const links = await Promise.all(members.map((member) => pair(member)));
    const remotes = links.map(({ remote }) => remote);
    for (const [index, member] of members.entries()) member.next = remotes[(index + 1) % remotes.length]!;
    expect(await remotes[0]!.pass(30)).toBe(30);
    for (const link of links) await link[Symbol.asyncDispose]();
  });

  test("round a ring of ten without an end fail all the same, within a second, and nothing goes on", async () => {
    let runs = 0;
    class Member extends Service {
      next: { pass(): Promise<void> } | undefined;
      @expose({ context: true }) async pass(context: CallContext): Promise<void> {
        runs++;
        await withOptions(this.next!.pass, { context })();
      }
    }
    const members = Array.from({ length: 10 }, () => new Member());
    const links = await Promise.all(members.map((member) => pair(member)));
    for (const [index, member] of members.entries()) member.next = links[(index + 1) % links.length]!.remote as never;
    const first = links[0]!.remote as unknown as { pass(): Promise<void> };
    // The limit of hops ends it, or else the time: it never hangs.
    const error = await failureOf(withOptions(first.pass, { timeout: 1000 })());
    expect(["RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"]).toContain(error.code);
    await until(() => links.every(({ client, peer }) => client.stats().pending + peer.stats().running === 0));
    // The first call and 32 within it.
    expect(runs).toBeLessThanOrEqual(33);
    for (const link of links) await link[Symbol.asyncDispose]();
  });
});

describe("A callback that was passed on", () => {
  class Middle extends Service {
    far: { keep(call: () => string): Promise<void> } | undefined;
    @expose async hand(call: () => string) {
      await this.far!.keep(call);
    }
  }
  class Far extends Service {
    call: (() => Promise<string>) | undefined;
    @expose keep(call: () => string) {
      this.call = call as unknown as () => Promise<string>;
    }
  }

  test("runs where it comes from, and fails loudly once who passed it on is gone", async () => {
    const [middle, far] = [new Middle(), new Far()];
    await using toFar = await pair(far);
    middle.far = toFar.remote;
    await using toMiddle = await pair(middle);
    await toMiddle.remote.hand(() => "here");
    expect(await far.call!()).toBe("here");
    toMiddle.client.destroy();
    await until(() => toMiddle.server.connections.size === 0);
    expect(await failureOf(far.call!())).toMatchObject({ code: "CONNECTION_LOST" });
    toFar.client.destroy();
    await until(() => toFar.server.connections.size === 0);
    expect(await failureOf(far.call!())).toMatchObject({ code: "CONNECTION_LOST", executed: "no" });
  });
});
