import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { Service, connect, expose } from "../src/index.ts";
import { Child, failureOf, pair, until } from "./support.ts";

const KILL_ROUNDS = 8;

describe("F1: a peer that is killed in the middle of calls", () => {
  test("settles every call, none twice, and says of each whether it ran", { timeout: 60_000 }, async () => {
    for (let round = 0; round < KILL_ROUNDS; round++) {
      await using child = new Child("hanging-server.ts");
      const { address } = await child.line();
      await using connection = await connect<{ ready(): boolean; hang(): void }>(address);
      let settledCount = 0;
      const settle = async (call: Promise<unknown>): Promise<unknown> =>
        call.then(
          () => settledCount++,
          (error: { readonly code: string; readonly executed: string }) => {
            settledCount++;
            return `${error.code} ${error.executed}`;
          },
        );
      const calls: Promise<unknown>[] = [];
      const isAlive = { now: true };
      void child.exited.then(() => (isAlive.now = false));
      setTimeout(() => child.process.kill("SIGKILL"), 3 * round);
      while (isAlive.now) {
        for (let count = 0; count < 20; count++) calls.push(settle(connection.remote.ready()));
        calls.push(settle(connection.remote.hang()));
        await sleep(0);
      }
      calls.push(settle(connection.remote.ready()));
      const outcomes = await Promise.all(calls);
      expect(settledCount).toBe(calls.length);
      const failures = new Set(outcomes.filter((outcome) => typeof outcome === "string"));
      expect([...failures].every((failure) => /^CONNECTION_LOST (no|unknown)$/.test(failure))).toBe(true);
      expect(failures.has("CONNECTION_LOST unknown")).toBe(true);
      expect(connection.stats()).toMatchObject({ pending: 0, waiting: 0 });
    }
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
