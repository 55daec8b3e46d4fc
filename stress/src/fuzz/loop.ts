import { inspect } from "node:util";
import { BuiltinsWatch, Troubles, heldBytes, nextTurn } from "./checks.ts";
import { minimized } from "./minimize.ts";
import { Mutator } from "./mutations.ts";
import { Random } from "./random.ts";
import { Finding, check, type Target } from "./target.ts";

/** An input that took longer, and takes as much of the processor when it is tried again, has failed. */
export const slowMs = 250;
const minimizeMs = 5000;
const mostFindings = 3;
const inputsOfBlock = 512;
/** Of targets that take turns of the event loop, each of which is a hundred times slower. */
const inputsOfSlowBlock = 64;
const reportedFrames = 30;

/** An input that has shown something, as short as it could be made. */
export interface FoundInput {
  readonly hex: string;
  readonly report: string;
}

/** What a run of blocks has shown. */
export interface Slice {
  readonly executions: number;
  readonly nextBlock: number;
  readonly slowest: { readonly ms: number; readonly hex: string };
  readonly findings: readonly FoundInput[];
  /** Something went wrong in this block, and none of its inputs is known to have caused it. */
  readonly suspicion: { readonly block: number; readonly report: string } | undefined;
  /** Undefined where it wasn't asked for. */
  readonly heldBytes: number | undefined;
}

export interface SliceLimits {
  readonly seed: string;
  readonly firstBlock: number;
  readonly milliseconds: number;
  readonly executions: number;
  /** Collections take the engine its optimized code: not each time. */
  readonly looksAtMemory: boolean;
}

/** Is told what is about to run, in a form that outlives the process. */
export interface Notes {
  /** A block starts. */
  block(block: number): void;
  /** An input is tried alone. */
  input?(input: Buffer): void;
}

/**
 * Feeds a target with inputs. They come in blocks, each of which follows from the seed and its number alone: one that has ended the
 * process can be made again, and looked at input by input.
 */
export class FuzzLoop {
  readonly #target: Target;
  readonly #notes: Notes;
  readonly #troubles = new Troubles();
  readonly #builtins = new BuiltinsWatch();
  readonly #findings = new Map<string, FoundInput>();
  #slowest = { ms: 0, hex: "" };
  #executions = 0;

  constructor(target: Target, notes: Notes) {
    this.#target = target;
    this.#notes = notes;
  }

  async run(limits: SliceLimits): Promise<Slice> {
    const end = performance.now() + limits.milliseconds;
    this.#executions = 0;
    let suspicion: Slice["suspicion"];
    let block = limits.firstBlock;
    Error.stackTraceLimit = 0;
    while (suspicion === undefined && this.#findings.size < mostFindings) {
      this.#notes.block(block);
      await this.#runBlock(this.#inputsOf(limits.seed, block));
      const report = await this.#trouble();
      if (report !== undefined) suspicion = { block, report };
      block++;
      if (performance.now() >= end || this.#executions >= limits.executions) break;
    }
    Error.stackTraceLimit = reportedFrames;
    const findings = [...this.#findings.values()];
    return {
      executions: this.#executions,
      nextBlock: block,
      slowest: this.#slowest,
      findings,
      suspicion,
      heldBytes: limits.looksAtMemory ? heldBytes() : undefined,
    };
  }

  /** Looks behind each input of a block, not behind all of them. */
  async runCarefully(seed: string, block: number): Promise<readonly FoundInput[]> {
    const inputs = this.#inputsOf(seed, block);
    for (let count = 0; count < this.#blockInputs && this.#findings.size === 0; count++)
      await this.runAlone(inputs.next());
    return [...this.#findings.values()];
  }

  /** Whether the input has shown anything. */
  async runAlone(given: Buffer): Promise<boolean> {
    const input = Buffer.from(given);
    this.#notes.input?.(input);
    const report = await this.#failureOf(input);
    if (report !== undefined) this.#findings.set(report, { hex: input.toString("hex"), report });
    return report !== undefined;
  }

  get findings(): readonly FoundInput[] {
    return [...this.#findings.values()];
  }

  get #blockInputs(): number {
    return this.#target.atOnce > 1 ? inputsOfSlowBlock : inputsOfBlock;
  }

  #inputsOf(seed: string, block: number): Mutator {
    const { seeds, words, maxBytes } = this.#target;
    return new Mutator(new Random(`${seed}/${block}`), seeds, words, maxBytes);
  }

  async #runBlock(inputs: Mutator): Promise<void> {
    const { atOnce } = this.#target;
    if (atOnce > 1) {
      for (let count = 0; count < inputsOfSlowBlock; count += atOnce)
        await this.#runTogether(Array.from({ length: atOnce }, () => Buffer.from(inputs.next())));
      return;
    }
    let last = performance.now();
    for (let count = 0; count < inputsOfBlock; count++) {
      const input = inputs.next();
      try {
        const later = this.#target.run(input);
        if (later !== undefined) await later;
      } catch (error) {
        await this.#found(Buffer.from(input), error);
        last = performance.now();
      }
      const now = performance.now();
      if (now - last > this.#slowest.ms) {
        await this.#slow(Buffer.from(input), now - last);
        last = performance.now();
      } else last = now;
    }
    this.#executions += inputsOfBlock;
  }

  async #runTogether(inputs: readonly Buffer[]): Promise<void> {
    const start = performance.now();
    const ends = await Promise.allSettled(inputs.map(async (input) => this.#target.run(input)));
    const elapsed = performance.now() - start;
    this.#executions += inputs.length;
    for (const [index, end] of ends.entries())
      if (end.status === "rejected") await this.#found(inputs[index]!, end.reason);
    if (elapsed > Math.max(slowMs, this.#slowest.ms)) for (const input of inputs) await this.#slow(input, elapsed);
  }

  /** A machine that does something else isn't a slow input: that is slow again. */
  async #slow(input: Buffer, firstMs: number): Promise<void> {
    let ms = firstMs;
    for (let count = firstMs > slowMs ? 3 : 1; count > 0; count--) ms = Math.min(ms, await this.#timeOf(input));
    if (ms <= this.#slowest.ms) return;
    this.#slowest = { ms, hex: input.toString("hex") };
    if (ms > slowMs) await this.#found(input, new Finding(`takes longer than ${slowMs} ms`));
  }

  /** Of the processor: others may have it meanwhile. */
  async #timeOf(input: Buffer): Promise<number> {
    const start = process.cpuUsage();
    await this.#thrownBy(input);
    const { user, system } = process.cpuUsage(start);
    return (user + system) / 1000;
  }

  async #found(input: Buffer, error: unknown): Promise<void> {
    const kind = kindOf(error);
    if (this.#findings.has(kind) || this.#findings.size >= mostFindings) return;
    const fails = async (candidate: Buffer): Promise<boolean> =>
      kindOf(await this.#failureOf(candidate, false)) === kind;
    const shortest = (await fails(input)) ? await minimized(input, fails, minimizeMs) : input;
    Error.stackTraceLimit = reportedFrames;
    const report = (await this.#failureOf(shortest)) ?? `not when it was tried alone: ${reportOf(error)}`;
    Error.stackTraceLimit = 0;
    this.#findings.set(kind, { hex: shortest.toString("hex"), report });
  }

  /** What one input shows, in full; `thorough` looks at everything else that may have suffered, too. */
  async #failureOf(input: Buffer): Promise<string | undefined>;
  async #failureOf(input: Buffer, thorough: false): Promise<unknown>;
  async #failureOf(input: Buffer, thorough = true): Promise<unknown> {
    const start = performance.now();
    const thrown = await this.#thrownBy(input);
    const isSlow = performance.now() - start > slowMs && (await this.#timeOf(input)) > slowMs;
    const failure = thrown ?? (isSlow ? new Finding(`takes longer than ${slowMs} ms`) : undefined);
    if (!thorough) return failure;
    return failure === undefined ? this.#trouble() : reportOf(failure);
  }

  async #thrownBy(input: Buffer): Promise<unknown> {
    try {
      await this.#target.run(input);
      return undefined;
    } catch (error) {
      return error ?? new Finding("threw nothing");
    }
  }

  /** What must not be, whatever the inputs were. */
  async #trouble(): Promise<string | undefined> {
    await nextTurn();
    try {
      await this.#target.settled?.();
      const changed = this.#builtins.changed();
      check(changed === undefined, changed ?? "");
      return this.#troubles.take();
    } catch (error) {
      return reportOf(error);
    }
  }
}

/** Tells failures apart whose inputs differ. */
function kindOf(error: unknown): string {
  if (error === undefined) return "";
  const { name, message } = error instanceof Error ? error : { name: "", message: inspect(error) };
  return `${name} ${message.replaceAll(/"[^"]*"|[0-9a-f]{8,}|\d+/g, "#").slice(0, 40)}`;
}

function reportOf(error: unknown): string {
  if (!(error instanceof Error)) return `threw ${inspect(error)}`;
  const cause = error.cause === undefined ? "" : `\ncaused by ${reportOf(error.cause)}`;
  return `${error.name}: ${error.message}\n${error.stack ?? ""}${cause}`;
}
