import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type TimerEntry, TimerHeap } from "../src/timer-heap.ts";

/** A heap as anybody would write it who doesn't mind the time it takes. */
class NaiveHeap {
  entries: { due: number; value: number }[] = [];

  insert(due: number, value: number): void {
    // Sorting is stable, so that equal dues stay in the order of insertion.
    this.entries = [...this.entries, { due, value }].toSorted((a, b) => a.due - b.due);
  }

  remove(value: number): boolean {
    const before = this.entries.length;
    this.entries = this.entries.filter((entry) => entry.value !== value);
    return this.entries.length < before;
  }
}

const operations = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ kind: fc.constant("insert" as const), due: fc.integer({ min: -20, max: 60 }) }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("remove" as const), which: fc.nat() }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("pop" as const) }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant("takeDue" as const),
        now: fc.integer({ min: -20, max: 60 }),
        lastOrder: fc.option(fc.nat(300), { nil: undefined }),
      }),
    },
  ),
  { maxLength: 300, size: "max" },
);

describe("TimerHeap", () => {
  test("does what a sorted array does, whatever is inserted, removed and popped", () => {
    fc.assert(
      fc.property(operations, (steps) => {
        const heap = new TimerHeap<number>();
        const naive = new NaiveHeap();
        const inserted: TimerEntry<number>[] = [];
        for (const step of steps) {
          if (step.kind === "insert") {
            naive.insert(step.due, inserted.length);
            inserted.push(heap.insert(step.due, inserted.length));
          } else if (step.kind === "pop") {
            expect(heap.pop()?.value).toBe(naive.entries.shift()?.value);
          } else if (step.kind === "takeDue") {
            // Values count up as the orders do.
            const last = step.lastOrder ?? Infinity;
            const first = naive.entries.findIndex(({ due, value }) => due > step.now || value > last);
            const due = naive.entries.splice(0, first < 0 ? Infinity : first).map(({ value }) => value);
            expect([...heap.takeDue(step.now, step.lastOrder)]).toEqual(due);
          } else if (inserted.length > 0) {
            const entry = inserted[step.which % inserted.length]!;
            expect(heap.remove(entry)).toBe(naive.remove(entry.value));
          }
          expect(heap.size).toBe(naive.entries.length);
          expect(heap.peek()?.value).toBe(naive.entries[0]?.value);
        }
        const rest = Array.from({ length: heap.size }, () => heap.pop()?.value);
        expect(rest).toEqual(naive.entries.map((entry) => entry.value));
      }),
      { numRuns: 500 },
    );
  });

  test("gives out what is due at the same moment in the order of insertion", () => {
    const heap = new TimerHeap<string>();
    for (const value of ["a", "b", "c", "d", "e"]) heap.insert(1, value);
    heap.insert(0, "first");
    expect(Array.from({ length: 6 }, () => heap.pop()?.value).join()).toBe("first,a,b,c,d,e");
  });

  test("moves an entry up that fills the gap of a later one in another branch", () => {
    const heap = new TimerHeap<number>();
    const entries = [0, 10, 1, 11, 12, 2, 3].map((due) => heap.insert(due, due));
    heap.remove(entries[3]!);
    expect(Array.from({ length: 6 }, () => heap.pop()?.value)).toEqual([0, 1, 2, 3, 10, 12]);
  });

  test("is empty at first and after everything was popped", () => {
    const heap = new TimerHeap<string>();
    expect(heap.pop()).toBeUndefined();
    expect(heap.peek()).toBeUndefined();
    heap.insert(1, "a");
    heap.pop();
    expect([heap.size, heap.peek(), heap.pop()]).toEqual([0, undefined, undefined]);
  });

  test("doesn't remove an entry twice, nor a popped one, nor another heap's", () => {
    const [heap, other] = [new TimerHeap<string>(), new TimerHeap<string>()];
    const [a, b] = [heap.insert(1, "a"), heap.insert(2, "b")];
    const foreign = other.insert(1, "foreign");
    heap.insert(3, "c");
    expect([heap.remove(b), heap.remove(b)]).toEqual([true, false]);
    heap.pop();
    expect(heap.remove(a)).toBe(false);
    expect(heap.remove(foreign)).toBe(false);
    expect([heap.size, other.size]).toEqual([1, 1]);
    expect(heap.pop()?.value).toBe("c");
    expect(other.pop()?.value).toBe("foreign");
  });

  test("holds nothing of a hundred thousand entries that were removed", () => {
    const heap = new TimerHeap<number>();
    const last = heap.insert(1e9, -1);
    const entries = Array.from({ length: 100_000 }, (_, index) => heap.insert((index * 7919) % 100_003, index));
    for (const entry of entries) heap.remove(entry);
    expect(heap.size).toBe(1);
    expect(heap.peek()).toBe(last);
  });
});
