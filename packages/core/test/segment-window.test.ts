import { beforeEach, describe, expect, it } from "vitest";
import { Queue } from "../src/queue.ts";
import { SegmentWindow } from "../src/segment-window.ts";

const KIBIBYTE = 1024;
const MEBIBYTE = 1024 * KIBIBYTE;
const INITIAL = 16 * MEBIBYTE;
const SHARED = 16 * KIBIBYTE;
const LARGEST = 64 * MEBIBYTE;

let now: number;
let window: SegmentWindow;
beforeEach(() => {
  now = 1000;
  window = new SegmentWindow(() => now);
});

/** A path with a rate and a delay: pieces are sent as the window opens; what waits in front of the path waits there in order. */
class Path {
  pieceBytes = MEBIBYTE;
  bytesPerMs = 100_000;
  delayMs: number;
  #freeAt = 0;
  readonly #sent = new Queue<{ arrivesAt: number; bytes: number }>();

  constructor(delayMs: number) {
    this.delayMs = delayMs;
  }

  /** Goes on for a while; returns the most bytes that have waited. */
  run(ms: number): number {
    const end = now + ms;
    let most = 0;
    for (;;) {
      while (window.isOpen) {
        window.onSent(this.pieceBytes);
        this.#freeAt = Math.max(this.#freeAt, now) + this.pieceBytes / this.bytesPerMs;
        this.#sent.push({ arrivesAt: this.#freeAt + this.delayMs, bytes: this.pieceBytes });
      }
      most = Math.max(most, (this.#freeAt - now) * this.bytesPerMs);
      const next = this.#sent.peek()!;
      if (next.arrivesAt > end) break;
      this.#sent.shift();
      now = Math.max(now, next.arrivesAt);
      if (!window.onReceived(next.bytes)) throw new Error("refused");
    }
    now = end;
    return most;
  }
}

describe("SegmentWindow", () => {
  it("is open until as much is under way as it is large", () => {
    expect(window.size).toBe(INITIAL);
    window.onSent(INITIAL - 1);
    expect(window.isOpen).toBe(true);
    window.onSent(1);
    expect(window.isOpen).toBe(false);
    expect([window.bytesUnderWay, window.sentBytes]).toStrictEqual([INITIAL, INITIAL]);
    expect(window.onReceived(1)).toBe(true);
    expect(window.isOpen).toBe(true);
    expect([window.bytesUnderWay, window.sentBytes]).toStrictEqual([INITIAL - 1, INITIAL]);
  });

  it("refuses what was not sent, and changes nothing by it", () => {
    expect(window.onReceived(1)).toBe(false);
    window.onSent(10);
    expect(window.onReceived(11)).toBe(false);
    expect(window.bytesUnderWay).toBe(10);
    expect([window.onReceived(0), window.onReceived(10), window.onReceived(1)]).toStrictEqual([true, true, false]);
  });

  it("grows where round trips stay as short as the shortest one, up to its bound", () => {
    const sizes: number[] = [];
    for (let round = 0; round < 10; round++) {
      const bytes = window.size;
      window.onSent(bytes);
      now += 20;
      window.onReceived(bytes);
      sizes.push(window.size);
    }
    expect(sizes.slice(0, 2)).toStrictEqual([1.5 * INITIAL, 2.25 * INITIAL]);
    expect(new Set(sizes.slice(4))).toStrictEqual(new Set([LARGEST]));
  });

  it("doesn't grow by what doesn't fill it", () => {
    for (let round = 0; round < 10; round++) {
      window.onSent(INITIAL / 2);
      now += 20;
      window.onReceived(INITIAL / 2);
    }
    expect(window.size).toBe(INITIAL);
  });

  it("lets no more wait in front of a path than it means to", () => {
    // 100 MB/s and 40 ms: the path holds 4 MB.
    const path = new Path(40);
    path.run(4000);
    const waiting = path.run(4000);
    expect(waiting).toBeLessThan(INITIAL * 1.2);
    expect(waiting).toBeGreaterThan(INITIAL * 0.5);
  });

  it("fills a path that holds more than that", () => {
    // 1 GB/s and 40 ms: 40 MB.
    const path = new Path(40);
    path.bytesPerMs = 1_000_000;
    path.run(4000);
    expect(window.size).toBeGreaterThan(40_000_000);
  });

  it("is no smaller then than what the peer confirms at a time", () => {
    window.share(65_536);
    expect(window.size).toBe(65_536);
    window.onSent(65_535);
    expect(window.isOpen).toBe(true);
    window.onSent(1);
    expect(window.isOpen).toBe(false);
    // It is open again when that is over, also where nothing is confirmed.
    now += 100;
    expect(window.isOpen).toBe(true);
  });

  it("stays small then where the path is quick, and grows where it holds something", () => {
    for (const [delayMs, largest] of [
      [0.05, SHARED],
      [40, LARGEST],
    ] as const) {
      window = new SegmentWindow(() => now);
      const path = new Path(delayMs);
      path.pieceBytes = SHARED;
      path.bytesPerMs = 1_000_000;
      let most = 0;
      for (let turn = 0; turn < 50; turn++) {
        window.share(1);
        path.run(50);
        most = Math.max(most, window.size);
      }
      if (largest === SHARED) expect(most).toBe(SHARED);
      else expect(most).toBeGreaterThan(8 * MEBIBYTE);
    }
  });

  it("is small while small messages leave, and as it was a while after", () => {
    window.share(1);
    expect([window.isShared, window.size]).toStrictEqual([true, SHARED]);
    now += 99;
    expect(window.isShared).toBe(true);
    window.share(1);
    now += 99;
    expect([window.isShared, window.size]).toStrictEqual([true, SHARED]);
    now += 1;
    expect([window.isShared, window.size]).toStrictEqual([false, INITIAL]);
  });

  it("lets little wait in front of a path that is shared, and fills it all the same", () => {
    const path = new Path(10);
    path.run(500);
    path.pieceBytes = 64 * KIBIBYTE;
    window.share(1);
    // What waits from before is gone after 160 ms.
    for (let count = 0; count < 40; count++) {
      path.run(10);
      window.share(1);
    }
    let most = 0;
    for (let count = 0; count < 400; count++) {
      most = Math.max(most, path.run(10));
      window.share(1);
    }
    // Growing it overshoots; what waits stays below what the path holds.
    expect(most).toBeLessThan(1_000_000);
    expect(window.size).toBeGreaterThan(1_000_000);
  });

  it("measures the shortest round trip again after a while, with next to nothing under way", () => {
    const path = new Path(5);
    path.run(2000);
    const early = path.run(2000);
    path.run(120_000);
    // Else what waits would pass for the path itself, and the window would grow with each time.
    expect(path.run(2000)).toBeLessThan(early * 1.3);
  });

  it("finds out that a path has become longer", () => {
    const path = new Path(1);
    path.bytesPerMs = 1_000_000;
    path.run(4000);
    path.delayMs = 50;
    path.run(30_000);
    expect(window.size).toBeGreaterThan(50_000_000);
  });

  it("keeps no more marks than pieces are under way", () => {
    for (let count = 0; count < 100_000; count++) {
      window.onSent(1);
      window.onReceived(1);
    }
    expect(window.bytesUnderWay).toBe(0);
  });
});
