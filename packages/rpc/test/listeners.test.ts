import { describe, expect, test, vi } from "vitest";
import { Listeners } from "../src/listeners.ts";

describe("listeners", () => {
  test("are told in the order of asking, once each, until they are taken back as often as they were given", () => {
    const listeners = new Listeners<[number]>("onSomething");
    const told: string[] = [];
    const first = (n: number): void => void told.push(`first ${n}`);
    const takeBack = listeners.add(first);
    listeners.add((n) => told.push(`second ${n}`));
    const takeBackToo = listeners.add(first);
    listeners.tell(1);
    expect(told.splice(0)).toEqual(["first 1", "second 1"]);
    takeBack();
    takeBack();
    listeners.tell(2);
    expect(told.splice(0)).toEqual(["first 2", "second 2"]);
    takeBackToo();
    listeners.tell(3);
    expect(told.splice(0)).toEqual(["second 3"]);
    listeners.add(first);
    takeBack();
    listeners.tell(4);
    expect(told).toEqual(["second 4", "first 4"]);
  });

  test("that come, or are taken back, while others are told aren't told that time", () => {
    const listeners = new Listeners<[]>("onSomething");
    const told: string[] = [];
    let count = 0;
    const more = (): void => {
      told.push("more");
      const name = `new ${count++}`;
      listeners.add(() => told.push(name));
      takeBack();
    };
    listeners.add(more);
    const takeBack = listeners.add(() => told.push("taken back"));
    listeners.tell();
    expect(told).toEqual(["more"]);
    listeners.tell();
    expect(told).toEqual(["more", "more", "new 0"]);
  });

  test("that throw or reject are warnings, and the others are told", async () => {
    const warned = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
    const listeners = new Listeners<[]>("onSomething");
    const after = vi.fn();
    listeners.add(() => {
      throw new Error("mine");
    });
    listeners.add(async () => {
      throw new Error("mine, too");
    });
    listeners.add(after);
    listeners.tell();
    await Promise.resolve();
    expect(after).toHaveBeenCalledTimes(1);
    expect(warned.mock.calls.map(([text]) => String(text).split("\n")[0])).toEqual([
      "a listener of onSomething failed: Error: mine",
      "a listener of onSomething failed: Error: mine, too",
    ]);
    warned.mockRestore();
  });
});
