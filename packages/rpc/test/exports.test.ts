import { describe, expect, test } from "vitest";
import { Exports } from "../src/exports.ts";
import { Service, expose, release } from "../src/index.ts";
import { failureOf, isOverTcp, pair, until } from "./support.ts";

function sent(table: Exports, ...targets: object[]): number[] {
  const ids = targets.map((target) => table.add(target));
  table.settle(true);
  return ids;
}

describe("Exports", () => {
  test("gives one number for one thing, and never one twice", () => {
    const table = new Exports(10);
    const [a, b] = [{}, {}];
    expect(sent(table, a, b, a)).toEqual([1, 2, 1]);
    table.release(1, 2);
    expect(sent(table, a)).toEqual([3]);
    expect(table.get(3)).toBe(a);
    expect(() => table.get(1)).toThrow("reference 1 was released, or never given");
  });

  test("T17: lets go when it was released as often as it was sent, not before", () => {
    const table = new Exports(10);
    const a = {};
    sent(table, a, a, a);
    table.release(1, 2);
    expect(table.get(1)).toBe(a);
    expect(table.has(a)).toBe(true);
    table.release(1, 1);
    expect(table.size).toBe(0);
    expect(table.has(a)).toBe(false);
    table.release(1, 1);
    expect(table.size).toBe(0);
  });

  test("takes back what a failed message has counted, and no more", () => {
    const table = new Exports(10);
    const [a, b] = [{}, {}];
    sent(table, a);
    table.add(a);
    table.add(b);
    table.settle(false);
    expect(table.size).toBe(1);
    table.settle(false);
    expect(table.size).toBe(1);
    table.release(1, 1);
    expect(table.size).toBe(0);
  });

  test("takes back what a message has counted that is withdrawn after it was encoded", () => {
    const table = new Exports(10);
    const [a, b] = [{}, {}];
    expect(table.undo()).toBeUndefined();
    table.add(a);
    table.add(b);
    const undo = table.undo()!;
    table.settle(true);
    expect(table.undo()).toBeUndefined();
    sent(table, a);
    undo();
    expect([table.size, table.has(a), table.has(b)]).toEqual([1, true, false]);
    table.release(1, 1);
    expect(table.size).toBe(0);
  });

  test("knows what no peer that counts right lets go of", () => {
    const table = new Exports(10);
    const a = {};
    sent(table, a);
    sent(table, a);
    expect([0, 1, 2, 3].map((count) => table.isOwed(1, count))).toEqual([true, true, true, false]);
    expect([table.isOwed(2, 1), table.isOwed(1e9, 0)]).toEqual([false, false]);
    table.release(1, 2);
    // What has ended on this side may be released by the other one meanwhile.
    expect([table.isOwed(1, 1), table.isOwed(2, 1)]).toEqual([true, false]);
  });

  test("leaves a thing alone that was handed out anew, whatever was released before it had come", () => {
    const table = new Exports(10);
    const a = {};
    table.add(a);
    const undo = table.undo()!;
    table.settle(true);
    table.release(1, 1);
    expect(sent(table, a)).toEqual([2]);
    undo();
    expect([table.size, table.has(a)]).toEqual([1, true]);
    table.clear();
    undo();
    expect(table.size).toBe(0);
  });

  test.each([1, 2, 10])("takes %i things and refuses the next", async (limit) => {
    const table = new Exports(limit);
    const things = Array.from({ length: limit }, () => ({}));
    sent(table, ...things);
    expect(table.size).toBe(limit);
    sent(table, ...things);
    const error = await failureOf(Promise.resolve().then(() => table.add({})));
    expect(error.message).toContain(`the peer holds ${limit}`);
    table.settle(false);
    table.release(1, 2);
    expect(sent(table, {})).toEqual([limit + 1]);
  });
});

describe("held references", () => {
  class Room extends Service {
    @expose title() {
      return "room";
    }
  }
  class Lodge extends Service {
    @expose keep(hear: (text: string) => void) {
      void hear;
      return new Room();
    }
    @expose name(text: string) {
      return text.length;
    }
  }

  // A socket takes what is written here at once.
  test.skipIf(isOverTcp)("end when they are released, also where as many messages wait as may", async () => {
    await using link = await pair(new Lodge(), { limits: { maxPendingCount: 2, maxQueuedBytes: 1000 } });
    const room = await link.remote.keep(() => {});
    expect(link.peer.heldReferences()).toMatchObject([{ number: 1 }]);
    const calls = Array.from({ length: 3 }, () => link.remote.name("x".repeat(5000)));
    expect(link.client.stats().waiting).toBe(2);
    release(room);
    await Promise.allSettled(calls);
    await until(() => link.peer.heldReferences().length === 0);
  });

  test("are told with their class and how often they were sent, and where, if that is traced", async () => {
    await using link = await pair(new Lodge(), { traceReferences: true });
    const hear = (): void => {};
    using first = await link.remote.keep(hear);
    await link.remote.keep(hear);
    expect(link.client.heldReferences()).toEqual([
      { number: 1, type: "function hear", count: 2, stack: expect.stringContaining("exports.test.ts") },
    ]);
    // It begins with the code that has sent it.
    const [title, first_] = link.client.heldReferences()[0]!.stack!.split("\n");
    expect(title).toBe("Error: first sent: function hear");
    expect(first_).toContain("exports.test.ts");
    const [held] = link.peer.heldReferences();
    expect(held).toEqual({ number: 1, type: "Room", count: 1, stack: undefined });
    release(first);
    await until(() => link.peer.heldReferences().length === 1);
  });
});
