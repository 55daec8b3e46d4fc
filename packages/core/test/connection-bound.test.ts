import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { ConnectionBound } from "../src/connection-bound.ts";

vi.mock("node:fs", async (original) => ({
  ...(await original<object>()),
  readFileSync: () => "Limit  Soft Limit  Hard Limit  Units\nMax open files            10        10        files\n",
}));

class FakeSocket extends EventEmitter {
  destroyed = false;
  destroy(): void {
    this.destroyed = true;
  }
}

/** Asks for so many sockets, and returns those that were taken. */
function ask(bound: ConnectionBound, count: number): FakeSocket[] {
  const sockets = Array.from({ length: count }, () => new FakeSocket());
  return sockets.filter((socket) => {
    if (!bound.takes(socket as unknown as Socket)) return false;
    bound.count(socket as unknown as Socket);
    return true;
  });
}

const warned: string[] = [];

beforeEach(() => {
  warned.length = 0;
  vi.spyOn(process, "emitWarning").mockImplementation((text) => void warned.push(String(text)));
});

describe("sockets of servers, in a process that may have 10 descriptors", () => {
  test("are as many as maxConnectionCount, each", () => {
    const told: unknown[] = [];
    const bound = new ConnectionBound({ maxConnectionCount: 3, onTurnedAway: (error) => told.push(error.limit) });
    const taken = ask(bound, 4);
    expect(taken).toHaveLength(3);
    expect(warned.join()).toContain("3 clients are connected (maxConnectionCount)");
    expect(told).toEqual(["maxConnectionCount"]);
    taken[0]!.emit("close");
    const again = ask(bound, 2);
    expect(again).toHaveLength(1);
    for (const socket of [...taken.slice(1), ...again]) socket.emit("close");
  });

  test("are no more than 8 for all servers together, whatever is set", () => {
    const [first, second] = [new ConnectionBound(), new ConnectionBound({ maxConnectionCount: 100 })];
    const taken = ask(first, 5);
    expect(taken).toHaveLength(5);
    const others = ask(second, 5);
    expect(others).toHaveLength(3);
    expect(ask(first, 1)).toHaveLength(0);
    expect(warned.join()).toContain("8 clients of all servers are connected");
    for (const socket of others) socket.emit("close");
    expect(ask(first, 5)).toHaveLength(3);
  });
});
