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
});

describe("Reading", () => {
  let transport: Switch;
  let broken: string[];
  const source = { receivedBytes: 0, isAmidMessage: false };
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
