import { Session, type Profiler } from "node:inspector";
import type { Target } from "./target.ts";
import { Mutator } from "./mutations.ts";
import { Random } from "./random.ts";

const batchInputs = 64;
const longestKeptBytes = 160;
const mostKept = 60;

/** Inputs that have reached code which none before them has. */
export interface Exploration {
  readonly executions: number;
  readonly found: readonly string[];
}

/** Parts of the packages' code that have run, from V8's counters of blocks. */
class Coverage {
  readonly #session = new Session();
  readonly #ofBatches = new Set<string>();
  readonly #ofInputs = new Set<string>();

  constructor() {
    this.#session.connect();
    this.#session.post("Profiler.enable");
    this.#session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  }

  /** What has run so far is nothing new. */
  start(): void {
    const parts = this.#take();
    addTo(this.#ofBatches, parts);
    addTo(this.#ofInputs, parts);
  }

  /** Whether a batch has run what none has. Blocks are told apart by their counts: a batch shows others than an input. */
  batchIsNew(): boolean {
    return addTo(this.#ofBatches, this.#take());
  }

  inputIsNew(): boolean {
    return addTo(this.#ofInputs, this.#take());
  }

  end(): void {
    this.#session.disconnect();
  }

  #take(): string[] {
    let scripts: readonly Profiler.ScriptCoverage[] = [];
    this.#session.post("Profiler.takePreciseCoverage", (_error, { result }) => (scripts = result));
    return scripts
      .filter(({ url }) => /\/packages\/\w+\/dist\//.test(url))
      .flatMap(({ scriptId, functions }) =>
        functions.flatMap(({ ranges }) =>
          ranges.map(
            ({ startOffset, endOffset, count }) => `${scriptId}:${startOffset}:${endOffset}:${count > 0 ? 1 : 0}`,
          ),
        ),
      );
  }
}

/** Grows a corpus: an input that reaches new code is one from which others are made. */
export async function explore(
  target: Target,
  { seed, milliseconds }: { readonly seed: string; readonly milliseconds: number },
): Promise<Exploration> {
  const end = performance.now() + milliseconds;
  Error.stackTraceLimit = 0;
  const coverage = new Coverage();
  const seeds = [...target.seeds];
  const found: string[] = [];
  const random = new Random(seed);
  let executions = 0;
  // What there is reaches a lot already.
  for (const input of seeds) await tryInput(target, input);
  coverage.start();
  while (performance.now() < end) {
    const mutator = new Mutator(random, seeds, target.words, target.maxBytes);
    const inputs = Array.from({ length: batchInputs }, () => Buffer.from(mutator.next()));
    for (const input of inputs) await tryInput(target, input);
    executions += inputs.length;
    if (!coverage.batchIsNew()) continue;
    for (const input of inputs) {
      await tryInput(target, input);
      if (!coverage.inputIsNew()) continue;
      seeds.push(input);
      if (input.length <= longestKeptBytes && found.length < mostKept) found.push(input.toString("hex"));
    }
  }
  coverage.end();
  return { executions, found };
}

/** What fails is found by the loop: here only what runs counts. */
async function tryInput(target: Target, input: Buffer): Promise<void> {
  try {
    const later = target.run(input);
    if (later !== undefined) await later;
  } catch {
    // Counted by the coverage all the same.
  }
}

function addTo(known: Set<string>, parts: readonly string[]): boolean {
  const before = known.size;
  for (const part of parts) known.add(part);
  return known.size > before;
}
