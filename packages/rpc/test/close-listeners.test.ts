import { ColloquyError } from "@colloquy/core";
import { describe, expect, test, vi } from "vitest";
import { CloseListeners } from "../src/close-listeners.ts";

const LOST = new ColloquyError("CONNECTION_LOST", "gone");

describe("listeners of a connection's end", () => {
  test("are told once each, in the order of asking, and not where they were taken back", async () => {
    const listeners = new CloseListeners();
    const told: string[] = [];
    const named = (name: string) => (): void => void told.push(name);
    const [first, second, third] = [named("first"), named("second"), named("third")];
    const takeBack = [first, second, third, first, third].map((listener) => listeners.add(listener));
    takeBack[1]!();
    takeBack[4]!();
    listeners.tell(undefined);
    expect(told).toEqual(["first", "third"]);
    expect(await listeners.closed).toBe(undefined);
    expect(told).toEqual(["first", "third"]);
  });

  test("that ask after the end are told of it then, in a later microtask", async () => {
    const listeners = new CloseListeners();
    const { closed } = listeners;
    listeners.tell(LOST);
    const late = vi.fn();
    listeners.add(late);
    expect(late).not.toHaveBeenCalled();
    await Promise.resolve();
    expect(late.mock.calls).toEqual([[LOST]]);
    expect(await closed).toBe(LOST);
    expect(listeners.closed).toBe(closed);
  });

  test("that throw are a warning, and the others are told", async () => {
    const warned = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
    const listeners = new CloseListeners();
    const after = vi.fn();
    listeners.add(() => {
      throw new Error("mine");
    });
    listeners.add(after);
    listeners.tell(LOST);
    expect(after.mock.calls).toEqual([[LOST]]);
    expect(warned).toHaveBeenCalledTimes(1);
    warned.mockRestore();
  });
});
