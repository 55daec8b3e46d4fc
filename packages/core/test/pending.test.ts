import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LARGEST_ID } from "../src/message.ts";
import { PendingCalls } from "../src/pending.ts";
import type { PendingCall } from "../src/pending.ts";
import { thrownBy } from "./support.ts";

class Call implements PendingCall {
  id = -1;
  onResult(): void {}
  onException(): void {}
  onFailure(): void {}
}

function startingAt(id: number, maxCount: number): PendingCalls {
  const pending = new PendingCalls(maxCount);
  pending.nextId = id;
  return pending;
}

/** Answers a call that was given up: nobody hears of it. */
function answerLate(pending: PendingCalls, id: number): void {
  const before = pending.lateCount;
  pending.answer(id, true, undefined, undefined);
  expect(pending.lateCount).toBe(before + 1);
}

function added(pending: PendingCalls): Call {
  const call = new Call();
  pending.add(call);
  return call;
}

describe("PendingCalls", () => {
  it("numbers calls from 0 and finds them again in any order", () => {
    const pending = new PendingCalls(1000);
    const calls = Array.from({ length: 200 }, () => added(pending));
    expect(calls.map(({ id }) => id)).toStrictEqual(calls.map((_, index) => index));
    expect(pending.liveCount).toBe(200);
    for (const call of [...calls.slice(100), ...calls.slice(0, 100).toReversed()])
      expect(pending.take(call.id)).toBe(call);
    expect(pending.liveCount).toBe(0);
    expect(pending.peekId()).toBe(200);
  });

  it("refuses an id that was never given, and one that was answered", () => {
    const pending = new PendingCalls(10);
    for (const id of [0, 1, 64, LARGEST_ID])
      expect(thrownBy(() => pending.take(id))).toMatchObject({ code: "PROTOCOL_ERROR" });
    const call = added(pending);
    for (const id of [64, 128, LARGEST_ID])
      expect(thrownBy(() => pending.take(id))).toMatchObject({ code: "PROTOCOL_ERROR" });
    expect(pending.take(0)).toBe(call);
    expect(thrownBy(() => pending.take(0)).message).toBe("answer to request 0, which waits for none");
  });

  it("takes as many calls as the limit says, not one more", () => {
    const pending = new PendingCalls(70);
    for (let count = 0; count < 69; count++) added(pending);
    expect(pending.full).toBe(false);
    added(pending);
    expect(pending.full).toBe(true);
    expect(thrownBy(() => added(pending))).toMatchObject({ code: "RESOURCE_EXHAUSTED" });
    pending.take(3);
    expect(added(pending).id).toBe(70);
  });

  it("counts a call that was given up until its answer comes", () => {
    const pending = new PendingCalls(3);
    for (let count = 0; count < 3; count++) pending.giveUp(added(pending).id);
    expect(pending.liveCount).toBe(0);
    expect(thrownBy(() => added(pending))).toMatchObject({ code: "RESOURCE_EXHAUSTED", limit: "maxPendingCount" });
    answerLate(pending, 1);
    added(pending);
    expect(thrownBy(() => added(pending))).toMatchObject({ code: "RESOURCE_EXHAUSTED" });
  });

  it("keeps a call whose slot comes round again", () => {
    const pending = new PendingCalls(1000);
    const old = added(pending);
    for (let round = 0; round < 1000; round++) {
      const call = added(pending);
      expect(pending.take(call.id)).toBe(call);
    }
    expect(pending.liveCount).toBe(1);
    expect(pending.take(0)).toBe(old);
    expect(thrownBy(() => pending.take(0))).toMatchObject({ code: "PROTOCOL_ERROR" });
  });

  it("keeps old calls when it grows", () => {
    const pending = new PendingCalls(10_000);
    const kept: Call[] = [];
    for (let round = 0; round < 2000; round++) {
      const call = added(pending);
      if (round % 3 === 0) kept.push(call);
      else pending.take(call.id);
    }
    for (const call of kept) expect(pending.take(call.id)).toBe(call);
    expect(pending.liveCount).toBe(0);
  });

  it("goes on with 0 after 2^32-1", () => {
    const pending = startingAt(LARGEST_ID - 2, 1000);
    const calls = Array.from({ length: 6 }, () => added(pending));
    expect(calls.map(({ id }) => id)).toStrictEqual([LARGEST_ID - 2, LARGEST_ID - 1, LARGEST_ID, 0, 1, 2]);
    for (const call of calls) expect(pending.take(call.id)).toBe(call);
  });

  it("leaves out ids that are live when the numbers come round", () => {
    const pending = new PendingCalls(1000);
    const live = new Map<number, Call>();
    for (let count = 0; count < 10; count++) {
      const call = added(pending);
      if (call.id <= 1 || call.id === 5) live.set(call.id, call);
      else pending.take(call.id);
    }
    for (let count = 0; count < 64; count++) pending.take(added(pending).id);
    // The way round is 2^32 calls.
    pending.nextId = LARGEST_ID - 1;
    const ids = Array.from({ length: 9 }, () => added(pending).id);
    expect(ids).toStrictEqual([LARGEST_ID - 1, LARGEST_ID, 2, 3, 4, 6, 7, 8, 9]);
    for (const [id, call] of live) expect(pending.take(id)).toBe(call);
  });

  it("drops the answer to a call that was given up, once", () => {
    const pending = new PendingCalls(100);
    const call = added(pending);
    pending.giveUp(call.id);
    pending.giveUp(call.id);
    pending.giveUp(77);
    expect(pending.liveCount).toBe(0);
    answerLate(pending, call.id);
    expect(pending.liveCount).toBe(0);
    expect(thrownBy(() => pending.take(call.id))).toMatchObject({ code: "PROTOCOL_ERROR" });
  });

  it("drops the answer to an old call that was given up", () => {
    const pending = new PendingCalls(100);
    const call = added(pending);
    const other = added(pending);
    for (let count = 0; count < 64; count++) pending.take(added(pending).id);
    pending.giveUp(call.id);
    pending.giveUp(call.id);
    expect(pending.liveCount).toBe(1);
    answerLate(pending, call.id);
    expect(pending.take(other.id)).toBe(other);
    expect(pending.liveCount).toBe(0);
  });

  it("hands out all that waits, and is empty then", () => {
    const pending = new PendingCalls(1000);
    const calls = Array.from({ length: 100 }, () => added(pending));
    pending.take(50);
    expect(new Set(pending.drain())).toStrictEqual(new Set(calls.filter(({ id }) => id !== 50)));
    expect(pending.liveCount).toBe(0);
    expect(pending.drain()).toStrictEqual([]);
    for (const { id } of calls) expect(() => pending.take(id)).toThrow(/waits for none/);
  });

  it("agrees with a map in any sequence of steps, also where the numbers wrap", () => {
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.constant({ kind: "add", pick: 0 }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant("take"), pick: fc.nat() }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("giveUp"), pick: fc.nat() }) },
    );
    const firstId = fc.oneof(fc.nat(100), fc.integer({ min: LARGEST_ID - 200, max: LARGEST_ID }));
    fc.assert(
      fc.property(firstId, fc.array(step, { minLength: 300, maxLength: 1500, size: "max" }), (first, steps) => {
        const pending = startingAt(first, 200);
        const oracle = new Map<number, Call | undefined>();
        let next = first;
        for (const { kind, pick } of steps) {
          if (kind === "add") {
            if (oracle.size >= 200) continue;
            const call = added(pending);
            expect(call.id).toBe(next);
            next = next === LARGEST_ID ? 0 : next + 1;
            oracle.set(call.id, call);
          } else if (oracle.size > 0) {
            const id = [...oracle.keys()][pick % oracle.size]!;
            if (kind === "giveUp") {
              pending.giveUp(id);
              oracle.set(id, undefined);
            } else {
              const wanted = oracle.get(id);
              if (wanted === undefined) answerLate(pending, id);
              else expect(pending.take(id)).toBe(wanted);
              oracle.delete(id);
            }
          }
          expect(pending.liveCount).toBe([...oracle.values()].filter((call) => call !== undefined).length);
        }
      }),
      { numRuns: 25 },
    );
  });
});
