import { existsSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Subprocess } from "@colloquy/bench/subprocess";
import type { FuzzAnswer, FuzzQuestion } from "./cell.ts";
import type { FoundInput, Slice } from "./loop.ts";

const program = new URL("cell.js", import.meta.url);
const command = [process.execPath, "--expose-gc", "--max-old-space-size=1024"];
const sliceMs = 2000;
/** What a slice may take beyond its time before its process counts as hung: minimizing takes a while. */
const graceMs = 60_000;
const carefulLimitMs = 60_000;
const hangMs = 10_000;
/** More often at first, after 1, 2, 4 of them. */
const slicesBetweenLooks = 16;
const mostGrowthBytes = 32 * 1_048_576;

/** What one target has shown. */
export interface TargetRun {
  readonly target: string;
  executions: number;
  /** Time that was spent on it, that of collections and of looking closer included. */
  ms: number;
  slowest: Slice["slowest"];
  readonly findings: FoundInput[];
}

/** How much a target gets: the first of the two that is used up ends it. */
export interface Share {
  readonly milliseconds: number;
  readonly executions: number;
}

/** Gives one target its share, in a process of its own. */
export async function fuzzTarget(target: string, seed: string, share: Share): Promise<TargetRun> {
  const run: TargetRun = { target, executions: 0, ms: 0, slowest: { ms: 0, hex: "" }, findings: [] };
  const notes = join(tmpdir(), `colloquy-fuzz-${process.pid}-${target}`);
  const start = performance.now();
  try {
    await new Feeding(run, `${seed}/${target}`, notes, share, start).all();
  } finally {
    rmSync(notes, { force: true });
  }
  run.ms = performance.now() - start;
  return run;
}

/** Asks one process after another: each goes on until something has happened that it may not survive. */
class Feeding {
  readonly #run: TargetRun;
  readonly #seed: string;
  readonly #notes: string;
  readonly #share: Share;
  readonly #startMs: number;
  #nextBlock = 0;
  #sliceCount = 0;
  #leastHeldBytes = Infinity;

  constructor(run: TargetRun, seed: string, notes: string, share: Share, startMs: number) {
    this.#run = run;
    this.#seed = seed;
    this.#notes = notes;
    this.#share = share;
    this.#startMs = startMs;
  }

  async all(): Promise<void> {
    // A target that fails is not fed any more: what comes after says little.
    while (!this.#isFed && this.#run.findings.length === 0) await this.#oneProcess();
  }

  get #leftMs(): number {
    return this.#share.milliseconds - (performance.now() - this.#startMs);
  }

  get #isFed(): boolean {
    return this.#leftMs <= 0 || this.#run.executions >= this.#share.executions;
  }

  async #oneProcess(): Promise<void> {
    const child = new Subprocess(program, command);
    this.#leastHeldBytes = Infinity;
    try {
      while (!this.#isFed && this.#run.findings.length === 0) {
        const slice = await this.#ask<Slice>(child, this.#nextSlice(), sliceMs + graceMs);
        this.#take(slice);
        if (slice.suspicion !== undefined) return await this.#lookAt(slice.suspicion.block, slice.suspicion.report);
      }
    } catch (error) {
      await this.#lookAt(this.#notedBlock(), (error as Error).message);
    } finally {
      await child.end();
    }
  }

  #nextSlice(): FuzzQuestion {
    const milliseconds = Math.max(1, Math.min(sliceMs, this.#leftMs));
    const executions = this.#share.executions - this.#run.executions;
    const count = this.#sliceCount++;
    const looksAtMemory = count < slicesBetweenLooks ? (count & (count - 1)) === 0 : count % slicesBetweenLooks === 0;
    return { kind: "slice", ...this.#common, firstBlock: this.#nextBlock, milliseconds, executions, looksAtMemory };
  }

  get #common(): { readonly target: string; readonly notes: string; readonly seed: string } {
    return { target: this.#run.target, notes: this.#notes, seed: this.#seed };
  }

  async #ask<T extends FuzzAnswer>(child: Subprocess, question: FuzzQuestion, limitMs: number): Promise<T> {
    return child.ask<T>(question, limitMs);
  }

  #take(slice: Slice): void {
    const run = this.#run;
    run.executions += slice.executions;
    if (slice.slowest.ms > run.slowest.ms) run.slowest = slice.slowest;
    run.findings.push(...slice.findings);
    this.#nextBlock = slice.nextBlock;
    if (slice.heldBytes === undefined) return;
    if (slice.heldBytes - this.#leastHeldBytes > mostGrowthBytes) {
      const report = `memory has grown from ${this.#leastHeldBytes} to ${slice.heldBytes} bytes by block ${slice.nextBlock}`;
      run.findings.push({ hex: "", report });
    }
    this.#leastHeldBytes = Math.min(this.#leastHeldBytes, slice.heldBytes);
  }

  #notedBlock(): number {
    const noted = existsSync(this.#notes) ? readFileSync(this.#notes, "utf8") : "";
    return Number(/^block (\d+)$/.exec(noted)?.[1] ?? this.#nextBlock);
  }

  /** Makes a block again, input by input, in a new process: the first one that shows the same is it. */
  async #lookAt(block: number, report: string): Promise<void> {
    this.#nextBlock = block + 1;
    const child = new Subprocess(program, command);
    try {
      const found = await this.#ask<readonly FoundInput[]>(
        child,
        { kind: "carefully", ...this.#common, block },
        carefulLimitMs,
      );
      this.#run.findings.push(
        ...(found.length > 0 ? found : [{ hex: "", report: `block ${block} of inputs as a whole: ${report}` }]),
      );
    } catch (error) {
      // It has ended with the input that it noted.
      this.#run.findings.push({
        hex: readFileSync(this.#notes, "utf8"),
        report: `ended the process: ${(error as Error).message}`,
      });
    } finally {
      await child.end();
    }
  }
}

/** Tries one input, and says what it has shown. */
export async function replay(target: string, input: Buffer): Promise<readonly FoundInput[]> {
  const notes = join(tmpdir(), `colloquy-fuzz-${process.pid}-replay`);
  const child = new Subprocess(program, command);
  const hex = input.toString("hex");
  try {
    return await child.ask<readonly FoundInput[]>(
      { kind: "replay", target, notes, hex } satisfies FuzzQuestion,
      hangMs,
    );
  } catch (error) {
    return [{ hex, report: `ended the process: ${(error as Error).message}` }];
  } finally {
    await child.end();
    rmSync(notes, { force: true });
  }
}

/** Looks for inputs that reach new code. */
export async function exploreTarget(
  target: string,
  seed: string,
  milliseconds: number,
): Promise<{ readonly executions: number; readonly found: readonly string[] }> {
  const child = new Subprocess(program, command);
  try {
    return await child.ask(
      { kind: "explore", target, notes: "", seed, milliseconds } satisfies FuzzQuestion,
      milliseconds + graceMs,
    );
  } finally {
    await child.end();
  }
}
