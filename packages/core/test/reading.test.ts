import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { DEFAULT_LIMITS } from "../src/limits.ts";
import { Overhead } from "../src/overhead.ts";
import { Reading } from "../src/reading.ts";
import { HandTransport } from "./sending-support.ts";

class Switch extends HandTransport {
  isPaused = false;
  override pause(): void {
    this.isPaused = true;
  }
  override resume(): void {
    this.isPaused = false;
  }
}

describe("Overhead", () => {
  it("lets five seconds' worth pass at once, and later as much as time has passed for", () => {
    let now = 0;
    const overhead = new Overhead(100, () => now);
    for (let sent = 0; sent < 500; sent++) expect(overhead.spend()).toBe(0);
    expect(overhead.spend()).toBe(10);
    expect(overhead.spend()).toBe(20);
    now = 5;
    expect(overhead.owedMs()).toBeCloseTo(15);
    now = 1020;
    expect(overhead.owedMs()).toBe(0);
    for (let sent = 0; sent < 100; sent++) expect(overhead.spend()).toBe(0);
    expect(overhead.spend()).toBeCloseTo(10);
    now = 1_000_000;
    for (let sent = 0; sent < 501; sent++) overhead.spend();
    expect(overhead.spend()).toBeGreaterThan(0);
  });

  it("counts several at once, and nobody is held up for longer than five seconds", () => {
    let now = 0;
    const overhead = new Overhead(100, () => now);
    expect(overhead.spend(500)).toBe(0);
    expect(overhead.spend(30)).toBe(300);
    expect(overhead.spend(1_000_000)).toBe(5000);
    now = 4000;
    expect(overhead.owedMs()).toBe(1000);
    now = 5000;
    expect(overhead.owedMs()).toBe(0);
  });
});

describe("Reading", () => {
  let transport: Switch;
  let broken: string[];
  const source = { receivedBytes: 0, unhandledBytes: 0, isAmidMessage: false, goOn: (): void => {} };
  let reading: Reading;
  beforeEach(() => {
    vi.useFakeTimers();
    transport = new Switch();
    broken = [];
    Object.assign(source, { receivedBytes: 0, isAmidMessage: false });
    const limits = { ...DEFAULT_LIMITS, maxOverheadPerSecond: 10, messageTimeoutMs: 1000 };
    const onBroken = ({ message }: Error): void => void broken.push(message);
    reading = new Reading(transport, limits, source, { remoteAddress: "tcp://peer:1", onBroken });
  });
  afterEach(() => {
    reading.stop();
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
  });

  it("stops for as long as what has come takes, what comes in the same chunk too", () => {
    for (let sent = 0; sent < 51; sent++) reading.countOverhead();
    expect(transport.isPaused).toBe(true);
    for (let sent = 0; sent < 9; sent++) reading.countOverhead();
    vi.advanceTimersByTime(990);
    expect(transport.isPaused).toBe(true);
    vi.advanceTimersByTime(20);
    expect(transport.isPaused).toBe(false);
  });

  it("goes on when both reasons to stop are over", () => {
    for (let sent = 0; sent < 60; sent++) reading.countOverhead();
    reading.pause();
    vi.advanceTimersByTime(2000);
    expect(transport.isPaused).toBe(true);
    reading.resume();
    expect(transport.isPaused).toBe(false);
    for (let sent = 0; sent < 60; sent++) reading.countOverhead();
    reading.pause();
    reading.resume();
    expect(transport.isPaused).toBe(true);
  });

  it("counts a message that is large as several", () => {
    for (let sent = 0; sent < 10; sent++) reading.countOverhead(4096);
    expect(transport.isPaused).toBe(false);
    reading.countOverhead(1023);
    expect(transport.isPaused).toBe(true);
  });

  it("gives up a peer that leaves a message half sent, not one that goes on, nor while this side doesn't read", () => {
    source.isAmidMessage = true;
    reading.watch();
    for (let looks = 0; looks < 5; looks++) {
      vi.advanceTimersByTime(1000);
      source.receivedBytes++;
    }
    reading.pause();
    vi.advanceTimersByTime(5000);
    expect(broken).toStrictEqual([]);
    reading.resume();
    vi.advanceTimersByTime(1010);
    expect(broken).toStrictEqual(["tcp://peer:1 has sent nothing more of a message for 1000 ms (messageTimeoutMs)"]);
  });
});

describe("The share of a connection in a turn", () => {
  let transport: Switch;
  let reading: Reading;
  let now: number;
  let turns: number;
  beforeEach(() => {
    now = 1000;
    turns = 0;
    vi.spyOn(performance, "now").mockImplementation(() => now);
    transport = new Switch();
    const source = { receivedBytes: 0, unhandledBytes: 0, isAmidMessage: false, goOn: () => void turns++ };
    reading = new Reading(transport, DEFAULT_LIMITS, source, { remoteAddress: "tcp://peer:1", onBroken: () => {} });
  });
  afterEach(() => {
    reading.stop();
    vi.restoreAllMocks();
  });
  const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  it("is a millisecond: then nothing is read until the next turn, which goes on with what was kept", async () => {
    reading.begin(65_536);
    now += 0.9;
    expect(reading.mayTake()).toBeGreaterThan(0);
    now += 0.2;
    expect(reading.mayTake()).toBe(0);
    expect([transport.isPaused, turns]).toStrictEqual([true, 0]);
    await nextTurn();
    expect([transport.isPaused, turns]).toStrictEqual([false, 1]);
    reading.begin(65_536);
    expect(reading.mayTake()).toBeGreaterThan(0);
    await nextTurn();
    expect(turns).toBe(1);
  });

  it("is the same for all that comes in one turn", async () => {
    reading.begin(16_384);
    now += 0.6;
    expect(reading.mayTake()).toBeGreaterThan(0);
    reading.begin(16_384);
    now += 0.6;
    expect(reading.mayTake()).toBe(0);
    await nextTurn();
  });

  it("is timed behind 16 messages where little has come, and asked about behind 1, 2 and 4 of them", async () => {
    reading.begin(100);
    const counts: number[] = [];
    for (let count = 1; counts.length < 6; counts.push(count)) {
      now += 0.01 * count;
      count = reading.mayTake();
    }
    expect(counts).toStrictEqual([2, 4, 4, 4, 4, 4]);
    now += 1;
    expect(reading.mayTake()).toBe(0);
    await nextTurn();
    expect(turns).toBe(1);
    reading.begin(100);
    now += 0.01;
    expect(reading.mayTake()).toBe(2);
    await nextTurn();
    // It wasn't timed.
    expect(turns).toBe(1);
    reading.begin(100);
    now += 0.9;
    reading.begin(100);
    now += 0.2;
    expect(reading.mayTake()).toBe(1);
    await nextTurn();
  });

  it("is timed from the first on where they are slow, in each read and each turn", async () => {
    for (let round = 0; round < 3; round++) {
      reading.begin(100);
      now += 0.3;
      expect(reading.mayTake()).toBe(1);
      now += 0.3;
      expect(reading.mayTake()).toBe(1);
      now += 0.5;
      expect(reading.mayTake()).toBe(0);
      expect(reading.mayTake()).toBe(0);
      await nextTurn();
      now += 1.1;
      expect(reading.mayTake()).toBe(0);
      await nextTurn();
    }
  });

  it("begins again behind what was kept: what others take until it is read isn't its own time", async () => {
    reading.begin(65_536);
    now += 1.1;
    expect(reading.mayTake()).toBe(0);
    await nextTurn();
    now += 10;
    reading.begin(65_536);
    now += 0.5;
    expect(reading.mayTake()).toBeGreaterThan(0);
    await nextTurn();
  });

  it("has no end where a run can be made again", () => {
    Object.assign(transport, { reproducible: { newId: () => "" } });
    reading.begin(65_536);
    now += 10;
    expect(reading.mayTake()).toBeGreaterThan(0);
  });

  it("leaves a connection alone that has ended in the same turn, or is slowed down", async () => {
    reading.begin(65_536);
    now += 10;
    expect(reading.mayTake()).toBe(0);
    reading.pause();
    await nextTurn();
    expect([transport.isPaused, turns]).toStrictEqual([true, 1]);
    reading.resume();
    expect(transport.isPaused).toBe(false);
    reading.begin(65_536);
    now += 10;
    expect(reading.mayTake()).toBe(0);
    reading.stop();
    await nextTurn();
    expect([transport.isPaused, turns]).toStrictEqual([true, 1]);
  });
});
