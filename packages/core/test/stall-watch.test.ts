import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ColloquyError } from "../src/errors.ts";
import { StallWatch } from "../src/stall-watch.ts";

class Output {
  waits = true;
  moved = 0;
}

let broken: string[];
let watch: StallWatch;
beforeEach(() => {
  vi.useFakeTimers();
  broken = [];
  const onBroken = ({ code, message }: ColloquyError): void => void broken.push(`${code} ${message}`);
  watch = new StallWatch("writeStallMs", 1000, { remoteAddress: "tcp://peer:1", onBroken });
});
afterEach(() => void vi.useRealTimers());

/** So many milliseconds, and the last turns, which are one each here. */
function advance(milliseconds: number): void {
  vi.advanceTimersByTime(milliseconds);
  vi.advanceTimersByTime(2);
}

describe("StallWatch", () => {
  it("gives a connection up whose output waits and doesn't move", () => {
    watch.watch(new Output());
    advance(997);
    expect(broken).toStrictEqual([]);
    advance(1);
    expect(broken).toStrictEqual(["CONNECTION_LOST tcp://peer:1 has read nothing for 1000 ms (writeStallMs)"]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("waits as long as something moves, however slowly, and stops where nothing waits", () => {
    const output = new Output();
    watch.watch(output);
    for (let count = 0; count < 10; count++) {
      output.moved++;
      watch.watch(output);
      advance(1000);
    }
    output.waits = false;
    advance(1000);
    expect(vi.getTimerCount()).toBe(0);
    output.waits = true;
    watch.watch(output);
    advance(1000);
    expect(broken).toHaveLength(1);
  });

  it("looks at each output for itself: one that moves doesn't save another", () => {
    const [moving, stuck] = [new Output(), new Output()];
    watch.watch(moving);
    vi.advanceTimersByTime(500);
    watch.watch(stuck);
    moving.moved++;
    vi.advanceTimersByTime(500);
    expect(broken).toStrictEqual([]);
    moving.moved++;
    advance(1000);
    expect(broken).toHaveLength(1);
  });

  it("spares an output that has waited twice, and not in between", () => {
    const output = new Output();
    watch.watch(output);
    output.waits = false;
    advance(1000);
    expect(broken).toStrictEqual([]);
    watch.watch(output);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("looks no more once it is stopped", () => {
    const output = new Output();
    watch.watch(output);
    watch.stop();
    watch.watch(output);
    vi.advanceTimersByTime(5000);
    expect(broken).toStrictEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("lets a busy event loop write first what it could have written in time", () => {
    const output = new Output();
    watch.watch(output);
    vi.advanceTimersToNextTimer();
    // The turn in which sockets are written, before the last look.
    output.moved++;
    advance(0);
    expect(broken).toStrictEqual([]);
    advance(1000);
    expect(broken).toHaveLength(1);
  });
});
