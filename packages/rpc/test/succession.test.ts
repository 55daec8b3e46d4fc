import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { DEFAULT_LIMITS } from "@colloquy/core";
import type { ColloquyError } from "@colloquy/core";
import { Backoff } from "../src/backoff.ts";
import type { Connection } from "../src/connection.ts";
import { RemoteNode } from "../src/proxy.ts";
import type { ReconnectPolicy } from "../src/reconnect-options.ts";
import { Succession } from "../src/succession.ts";
import { WaitingCalls } from "../src/waiting-calls.ts";
import { failureOf } from "./support.ts";

/** What a succession asks of a connection. */
class FakeConnection {
  usable = true;
  isDestroyed = false;
  readonly closed = Promise.resolve(undefined);
  readonly #listeners: ((error: unknown) => void)[] = [];

  onClose(listener: (error: unknown) => void): void {
    this.#listeners.push(listener);
  }

  destroy(): void {
    this.isDestroyed = true;
    this.lose();
  }

  lose(): void {
    this.usable = false;
    for (const listener of this.#listeners.splice(0)) listener(undefined);
  }
}

interface Field {
  readonly succession: Succession;
  /** Those that were opened, the first one too. */
  readonly all: FakeConnection[];
  readonly givenUp: ColloquyError[];
}

/** A succession whose first connection is there. Waits are as long as they may be. */
function succession(options: Partial<ReconnectPolicy> = {}, open?: () => Promise<FakeConnection>): Field {
  const backoff = new Backoff({ minMs: 100, maxMs: 10_000, factor: 10 }, () => 1);
  const policy: ReconnectPolicy = { backoff, whileAway: "wait", giveUpAfterMs: Infinity, ...options };
  const first = new FakeConnection();
  const all = [first];
  const givenUp: ColloquyError[] = [];
  const made = new Succession(
    "by hand",
    policy,
    async () => {
      const next = await (open?.() ?? new FakeConnection());
      all.push(next);
      return next as unknown as Connection;
    },
    { onLeft: () => {}, onOpen: () => {}, onGivenUp: (_over, error) => void givenUp.push(error) },
  );
  made.start(first as unknown as Connection);
  return { succession: made, all, givenUp };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

async function pass(milliseconds: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(milliseconds);
}

describe("connections that follow each other", () => {
  test("wait longer and longer where each is lost at once, and as at first where one has lasted", async () => {
    const { all } = succession();
    for (const [index, boundMs] of [100, 1000, 10_000].entries()) {
      all.at(-1)!.lose();
      await pass(boundMs - 1);
      expect(all).toHaveLength(index + 1);
      await pass(1);
      expect(all).toHaveLength(index + 2);
    }
    await pass(10_000);
    all.at(-1)!.lose();
    await pass(99);
    expect(all).toHaveLength(4);
    await pass(1);
    expect(all).toHaveLength(5);
  });

  test("are given up after giveUpAfterMs without one, not before, and not later either", async () => {
    let attempts = 0;
    const backoff = new Backoff({ minMs: 50, maxMs: 50 }, () => 1);
    const { all, givenUp } = succession({ giveUpAfterMs: 1000, backoff }, () => {
      attempts++;
      return Promise.reject(new Error("nobody is there"));
    });
    all[0]!.lose();
    await pass(999);
    expect(givenUp).toEqual([]);
    await pass(1);
    expect(givenUp).toMatchObject([{ code: "UNAVAILABLE", message: expect.stringContaining("nobody is there") }]);
    const made = attempts;
    await pass(10_000);
    expect(attempts).toBe(made);
  });

  test("have no other one behind their end: one that opens later is closed at once", async () => {
    for (const end of ["end", "time"]) {
      let opened!: (connection: FakeConnection) => void;
      const opening = new Promise<FakeConnection>((resolve) => (opened = resolve));
      const field = succession({ giveUpAfterMs: 1000 }, () => opening);
      field.all[0]!.lose();
      await pass(100);
      if (end === "end") expect(field.succession.end()).toEqual([]);
      else await pass(900);
      const late = new FakeConnection();
      opened(late);
      await pass(20_000);
      expect(field.all).toEqual([expect.anything(), late]);
      expect(late.isDestroyed).toBe(true);
      expect(field.succession.current).toBeUndefined();
      expect(field.succession.living).toEqual([]);
    }
  });
});

describe("a call that waits for a connection", () => {
  const sent: string[] = [];
  const caller = {
    remoteAddress: "by hand",
    usable: true,
    call: async ({ path }: RemoteNode) => `${path} ${sent.push(path)}`,
    notify: () => {},
  };
  const node = new RemoteNode(caller, "who", undefined, false);

  test("goes over one that has come about in the turn in which its time is over", async () => {
    sent.length = 0;
    const waiting = new WaitingCalls(DEFAULT_LIMITS, () => undefined);
    const call = waiting.call(node, [], { timeout: 30 });
    vi.advanceTimersByTime(30);
    waiting.sendAll(caller);
    expect(await call).toBe("who 1");
    const other = failureOf(waiting.call(node, [], { timeout: 30 }));
    vi.advanceTimersByTime(30);
    expect(await other).toMatchObject({ code: "DEADLINE_EXCEEDED", executed: "no" });
    waiting.sendAll(caller);
    expect(sent).toEqual(["who"]);
  });
});
