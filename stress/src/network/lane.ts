import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { FrameEditor, type FrameEdit } from "./frame-edits.ts";

export type CutKind = "FIN" | "RST";

/** What becomes of the bytes of one direction. Without any of it they pass as they come. */
export interface LanePlan {
  readonly latencyMs?: number;
  readonly bytesPerSecond?: number;
  readonly sliceBytes?: number;
  /** The connection ends behind so many bytes. */
  readonly cut?: { readonly after: number; readonly by: CutKind };
  /** The byte at this place is changed by exclusive or. */
  readonly corrupt?: { readonly at: number; readonly mask: number };
  readonly frame?: FrameEdit;
  /** Told of all that comes, before anything is done to it. */
  readonly onBytes?: (bytes: Buffer) => void;
}

interface Waiting {
  readonly bytes: Buffer;
  readonly dueMs: number;
}

const mostWaitingBytes = 65_536;

/** One direction of a connection through a proxy. */
export class Lane {
  readonly #source: Socket;
  readonly #target: Socket;
  readonly #plan: LanePlan;
  readonly #editor: FrameEditor | undefined;
  readonly #onCut: (by: CutKind) => void;
  readonly #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #passedBytes = 0;
  #isRunning = false;
  #isHole = false;
  #isEnded = false;
  #stall: { readonly over: Promise<void>; readonly end: () => void } | undefined;

  constructor(source: Socket, target: Socket, plan: LanePlan, onCut: (by: CutKind) => void) {
    this.#source = source;
    this.#target = target;
    this.#plan = plan;
    this.#editor = plan.frame && new FrameEditor(plan.frame);
    this.#onCut = onCut;
    source.on("data", (chunk: Buffer) => this.#take(chunk));
    source.on("end", () => {
      this.#isEnded = true;
      if (this.#isHole) source.destroy();
      else if (!this.#isRunning) target.end();
    });
  }

  /** Bytes that have been passed on. */
  get passedBytes(): number {
    return this.#passedBytes;
  }

  /** From now on nothing is taken, so that the sender's memory fills. */
  stall(): void {
    if (this.#stall !== undefined) return;
    let end = (): void => {};
    const over = new Promise<void>((resolve) => (end = resolve));
    this.#stall = { over, end };
  }

  /** Ends a stall. */
  go(): void {
    this.#stall?.end();
    this.#stall = undefined;
  }

  /** From now on all bytes are taken, and none arrives. */
  swallow(): void {
    this.#isHole = true;
  }

  get isHole(): boolean {
    return this.#isHole;
  }

  #take(chunk: Buffer): void {
    this.#plan.onBytes?.(chunk);
    if (this.#isHole) return;
    const dueMs = performance.now() + (this.#plan.latencyMs ?? 0);
    for (const bytes of this.#editor?.push(chunk) ?? [chunk]) {
      this.#waiting.push({ bytes, dueMs });
      this.#waitingBytes += bytes.length;
    }
    if (this.#waitingBytes > mostWaitingBytes) this.#source.pause();
    if (!this.#isRunning) void this.#run();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      const early = next.dueMs - performance.now();
      if (early > 0) await sleep(early);
      const sliceBytes = this.#plan.sliceBytes ?? next.bytes.length;
      for (let from = 0; from < next.bytes.length; from += sliceBytes)
        await this.#pass(next.bytes.subarray(from, from + sliceBytes));
      this.#waitingBytes -= next.bytes.length;
      if (this.#waitingBytes <= mostWaitingBytes) this.#source.resume();
    }
    this.#isRunning = false;
    if (this.#isEnded && !this.#isHole) this.#target.end();
  }

  async #pass(slice: Buffer): Promise<void> {
    const { bytesPerSecond, cut } = this.#plan;
    if (this.#stall !== undefined) await this.#stall.over;
    if (bytesPerSecond !== undefined) await sleep((slice.length / bytesPerSecond) * 1000);
    if (this.#isHole || this.#target.destroyed) return;
    const left = cut === undefined ? Infinity : cut.after - this.#passedBytes;
    if (left <= 0) return;
    const bytes = this.#corrupted(slice.subarray(0, Math.min(left, slice.length)));
    this.#passedBytes += bytes.length;
    // Called for a socket that is destroyed, too.
    await new Promise((resolve) => this.#target.write(bytes, resolve));
    if (left <= slice.length) this.#onCut(cut!.by);
  }

  #corrupted(slice: Buffer): Buffer {
    const { corrupt } = this.#plan;
    const place = corrupt === undefined ? -1 : corrupt.at - this.#passedBytes;
    if (place < 0 || place >= slice.length) return slice;
    const changed = Buffer.from(slice);
    changed[place]! ^= corrupt!.mask;
    return changed;
  }
}
