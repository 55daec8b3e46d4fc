import { getEventListeners } from "node:events";
import { describe, expect, test } from "vitest";
import { addAbortListener, removeAbortListener } from "../src/abort-listeners.ts";

describe("listeners of one signal", () => {
  test("are one at the signal, and each is told once, of the reason", () => {
    const controller = new AbortController();
    const { signal } = controller;
    const told: unknown[] = [];
    for (let number = 0; number < 20; number++) addAbortListener(signal, (reason) => told.push([number, reason]));
    expect(getEventListeners(signal, "abort")).toHaveLength(1);
    controller.abort("over");
    expect(told).toEqual(Array.from({ length: 20 }, (_, number) => [number, "over"]));
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
    controller.abort("again");
    addAbortListener(signal, () => told.push("late"));
    expect(told).toHaveLength(20);
  });

  test("that are removed, also by one that is told, aren't told; the last takes the signal's own with it", () => {
    const controller = new AbortController();
    const { signal } = controller;
    const told: string[] = [];
    const third = (): void => void told.push("third");
    const removed = (): void => void told.push("removed");
    addAbortListener(signal, removed);
    removeAbortListener(signal, removed);
    expect(getEventListeners(signal, "abort")).toHaveLength(0);
    removeAbortListener(signal, removed);
    addAbortListener(signal, () => {
      told.push("first");
      removeAbortListener(signal, third);
    });
    addAbortListener(signal, () => told.push("second"));
    addAbortListener(signal, third);
    removeAbortListener(signal, () => undefined);
    controller.abort();
    expect(told).toEqual(["first", "second"]);
  });
});
