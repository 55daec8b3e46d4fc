import { describe, expect, it } from "vitest";
import { SlotTable, digestOf } from "../src/index.ts";
import { turns } from "./support.ts";

function slots(from: number, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `slot ${from + index}`);
}

describe("slots by their digests", () => {
  it("are found at once where they are few, and no others", () => {
    const table = new SlotTable<number>();
    table.add(slots(0, 100), 1);
    expect(slots(0, 101).map((slot) => table.find(digestOf(slot)))).toEqual([...slots(0, 100), undefined]);
    table.add(slots(100, 100), 1);
    expect(table.find(digestOf("slot 199"))).toBe("slot 199");
  });

  it("are found over several turns where they are many, and unknown ones aren't said to be unknown before", async () => {
    const table = new SlotTable<number>();
    table.add(slots(0, 1000), 1);
    const ask = (): unknown[] => ["slot 0", "slot 999", "other"].map((slot) => table.find(digestOf(slot)));
    for (let count = 0; count < 100; count++) expect(ask()).toEqual(["slot 0", null, null]);
    await turns(5);
    expect(ask()).toEqual(["slot 0", "slot 999", undefined]);
  });

  it("come in the order in which they were added, however many more are", async () => {
    const table = new SlotTable<number>();
    table.add(slots(0, 1000), 1);
    for (let turn = 1; turn <= 6; turn++) {
      table.find(digestOf("other"));
      table.add(slots(turn * 1000, 1000), 1);
      await turns(1);
    }
    expect(table.find(digestOf("slot 999"))).toBe("slot 999");
    expect(table.find(digestOf("other"))).toBe(null);
  });

  it("are forgotten with what is entered under them, whether their digests are made or not", async () => {
    const table = new SlotTable<number>();
    table.add(slots(0, 600), 1);
    expect(table.find(digestOf("slot 599"))).toBe(null);
    table.remove(slots(0, 600), 1);
    expect(["slot 0", "slot 599"].map((slot) => table.find(digestOf(slot)))).toEqual([undefined, undefined]);
    await turns(2);
    table.add(["slot 599"], 2);
    expect(table.find(digestOf("slot 599"))).toBe("slot 599");
  });
});
