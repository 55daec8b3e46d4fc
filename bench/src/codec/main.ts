import { parseArgs } from "node:util";
import type { Timing } from "../measure.ts";
import { chosenNames, positiveInteger, positiveNumber } from "../numeric-options.ts";
import { writeResult } from "../result-writer.ts";
import { Subprocess } from "../subprocess.ts";
import type { CodecAnswer, CodecQuestion } from "./cell.ts";
import { checksReport } from "./checks.ts";
import { codecs, yardstick } from "./codecs.ts";
import { codecReport, summarizeCodecs, type CodecCell } from "./report.ts";
import { samples, type Sample } from "./samples.ts";

interface Options {
  readonly samples: readonly Sample[];
  readonly codecs: readonly string[];
  readonly rounds: number;
  readonly timing: Timing;
  readonly isSmoke: boolean;
}

const usage = `Usage: pnpm bench codec [options]

Codecs alone, without a network: encodes and decodes samples in a fresh process for each codec and sample.

  --only a,b          samples (of ${samples.map(({ name }) => name).join(", ")})
  --rounds n          rounds, codecs interleaved within each (5)
  --seconds s         timed window of encoding and of decoding (0.3)
  --warm-up s         before each timed window (0.15)
  --smoke             everything once and very shortly; only the exit code counts
  --help
`;

const smokeTiming: Timing = { warmUpMs: 5, timedMs: 10 };
const program = new URL("cell.js", import.meta.url);

function readOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: "string" },
      rounds: { type: "string", default: "5" },
      seconds: { type: "string", default: "0.3" },
      "warm-up": { type: "string", default: "0.15" },
      smoke: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  const names = samples.map(({ name }) => name);
  const wanted = chosenNames("--only", values.only, names);
  const timing = {
    warmUpMs: positiveNumber("--warm-up", values["warm-up"]) * 1000,
    timedMs: positiveNumber("--seconds", values.seconds) * 1000,
  };
  return {
    samples: samples.filter(({ name }) => wanted.includes(name)),
    codecs: Object.keys(codecs),
    rounds: values.smoke ? 1 : positiveInteger("--rounds", values.rounds),
    timing: values.smoke ? smokeTiming : timing,
    isSmoke: values.smoke,
  };
}

async function runCell(question: CodecQuestion): Promise<CodecAnswer> {
  const child = new Subprocess(program);
  try {
    return await child.ask<CodecAnswer>(question);
  } finally {
    await child.end();
  }
}

async function runAll(options: Options, versions: Record<string, string>): Promise<readonly CodecCell[]> {
  const cells: CodecCell[] = [];
  const total = options.rounds * options.samples.length * options.codecs.length;
  for (let round = 1; round <= options.rounds; round++) {
    for (const { name: sample } of options.samples) {
      for (const codec of options.codecs) {
        const place = { round, sample, codec };
        let note = "";
        try {
          const answer = await runCell({ codec, sample, timing: options.timing });
          Object.assign(versions, answer.versions);
          cells.push({ ...place, measurement: answer.measurement });
        } catch (error) {
          note = ` FAILED: ${(error as Error).message}`;
          cells.push({ ...place, failure: (error as Error).message });
        }
        process.stderr.write(`${cells.length}/${total} round ${round} ${sample} ${codec}${note}\n`);
      }
    }
  }
  return cells;
}

/** Measures codecs alone. Resolves with the exit code: 1 where one doesn't give back what it got. */
export async function run(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  if (options === undefined) {
    process.stdout.write(usage);
    return 0;
  }
  const versions: Record<string, string> = {};
  const cells = await runAll(options, versions);
  const working = cells.filter(({ measurement }) => measurement !== undefined).length;
  if (options.isSmoke) process.stdout.write(`${working} of ${cells.length} cells work\n`);
  else {
    const summaries = summarizeCodecs(cells, options.samples, options.codecs, yardstick);
    process.stdout.write(codecReport(summaries, options.samples, yardstick));
    process.stdout.write(`\n${checksReport(cells)}`);
    const { rounds, timing } = options;
    const described = options.samples.map(({ name, title }) => ({ name, title }));
    const content = { versions, run: { rounds, ...timing, yardstick }, samples: described, codecs: summaries, cells };
    process.stderr.write(`written to ${await writeResult("codec", content)}\n`);
  }
  return working === cells.length ? 0 : 1;
}
