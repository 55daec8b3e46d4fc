import { parseArgs } from "node:util";
import { mebibyte, type Kind } from "../arrays/samples.ts";
import { positiveInteger, positiveNumber } from "../numeric-options.ts";
import { writeResult } from "../result-writer.ts";
import { spreadOf } from "../statistics.ts";
import { Subprocess } from "../subprocess.ts";
import type { Alone, ArrayOffer, CodecsQuestion, Fetched } from "./cell.ts";
import { codecKinds } from "./kinds.ts";
import { aloneTable, arrayTable, drawCharts, type ArrayRow, type AloneRow } from "./report.ts";
import { values } from "./values.ts";

interface Options {
  readonly rounds: number;
  readonly seconds: number;
  readonly arrayMib: number;
  readonly isSmoke: boolean;
  readonly draws: boolean;
}

const usage = `Usage: pnpm bench codecs [options]

The codecs of the library beside each other: sizes and speeds of messages, and of an array of 16 MiB from one process to another, smooth
data and noise. docs/guide/codecs.md has the tables.

  --rounds n          rounds, codecs interleaved within each (5)
  --seconds s         window of encoding and of decoding (0.4)
  --draw              draws docs/charts/codecs.svg, too
  --smoke             everything once and very shortly; only the exit code counts
  --help
`;

const program = new URL("cell.js", import.meta.url);
const samples: readonly Kind[] = ["smooth", "noise"];
const transferCount = 9;

function readOptions(args: readonly string[]): Options | undefined {
  const { values: given } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: "string", default: "5" },
      seconds: { type: "string", default: "0.4" },
      draw: { type: "boolean", default: false },
      smoke: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (given.help) return undefined;
  if (given.smoke) return { rounds: 1, seconds: 0.01, arrayMib: 1, isSmoke: true, draws: false };
  return {
    rounds: positiveInteger("--rounds", given.rounds),
    seconds: positiveNumber("--seconds", given.seconds),
    arrayMib: 16,
    isSmoke: false,
    draws: given.draw,
  };
}

async function measureAlone(codec: string, value: string, seconds: number): Promise<Alone> {
  const child = new Subprocess(program);
  try {
    return await child.ask<Alone>({ kind: "alone", codec, value, seconds } satisfies CodecsQuestion);
  } finally {
    await child.end();
  }
}

async function measureArray(codec: string, sample: Kind, mib: number): Promise<Fetched> {
  const [sender, receiver] = [new Subprocess(program), new Subprocess(program)];
  try {
    const bytes = mib * mebibyte;
    const offer = await sender.ask<ArrayOffer>({ kind: "offer", codec, sample, bytes } satisfies CodecsQuestion);
    await receiver.ask({ kind: "connect", codec, offer } satisfies CodecsQuestion);
    // Once to warm up.
    await receiver.ask({ kind: "fetch", times: 1 } satisfies CodecsQuestion);
    return await receiver.ask<Fetched>({ kind: "fetch", times: transferCount } satisfies CodecsQuestion);
  } finally {
    await receiver.end();
    await sender.end();
  }
}

/** Measures the codecs of the library. Resolves with the exit code. */
export async function run(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  if (options === undefined) {
    process.stdout.write(usage);
    return 0;
  }
  const codecs = [...codecKinds().keys()];
  const alone: AloneRow[] = [];
  const arrays: ArrayRow[] = [];
  for (let round = 1; round <= options.rounds; round++) {
    for (const { name: value } of values) {
      for (const codec of codecs) {
        alone.push({ round, codec, value, ...(await measureAlone(codec, value, options.seconds)) });
      }
    }
    for (const sample of samples) {
      for (const codec of codecs) {
        const { milliseconds, wireBytes } = await measureArray(codec, sample, options.arrayMib);
        arrays.push({ round, codec, sample, milliseconds: spreadOf(milliseconds)!.median, wireBytes });
      }
    }
    process.stderr.write(`round ${round}/${options.rounds}\n`);
  }
  if (options.isSmoke) process.stdout.write(`${alone.length + arrays.length} cells work\n`);
  else {
    process.stdout.write(`${aloneTable(alone, codecs)}\n\n${arrayTable(arrays, codecs, options.arrayMib)}\n`);
    const path = await writeResult("codecs", { run: options, alone, arrays });
    process.stdout.write(`\nwritten to ${path}\n`);
    if (options.draws) process.stdout.write(`drawn in ${await drawCharts(arrays, codecs)}\n`);
  }
  return 0;
}
