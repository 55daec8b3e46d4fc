import { mkdir, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { mebibyte, type Kind } from "../arrays/samples.ts";
import { barChart } from "../charts/svg.ts";
import { formatQuantity, markdownTable, spreadText } from "../markdown-table.ts";
import { spreadOf, type Spread } from "../statistics.ts";
import type { Alone } from "./cell.ts";
import { yardstick } from "./kinds.ts";
import { values } from "./values.ts";

export interface AloneRow extends Alone {
  readonly round: number;
  readonly codec: string;
  readonly value: string;
}

export interface ArrayRow {
  readonly round: number;
  readonly codec: string;
  readonly sample: Kind;
  readonly milliseconds: number;
  readonly wireBytes: number;
}

const samples: readonly Kind[] = ["smooth", "noise"];
const folder = fileURLToPath(new URL("../../../docs/charts/", import.meta.url));

/** Times relative to the yardstick in the same round: 2 takes twice as long. */
function ratios<T extends { readonly round: number; readonly codec: string }>(
  rows: readonly T[],
  codec: string,
  time: (row: T) => number,
): Spread | undefined {
  return spreadOf(
    rows
      .filter((row) => row.codec === codec)
      .flatMap((row) => {
        const reference = rows.find((other) => other.codec === yardstick && other.round === row.round);
        return reference === undefined ? [] : time(row) / time(reference);
      }),
  );
}

/** Sizes and times of messages, a table for each value. */
export function aloneTable(rows: readonly AloneRow[], codecs: readonly string[]): string {
  const tables = values.map(({ name, title }) => {
    const own = rows.filter(({ value }) => value === name);
    const lines = codecs.map((codec) => [
      codec,
      formatQuantity(own.find((row) => row.codec === codec)?.bytes ?? Number.NaN),
      spreadText(
        ratios(own, codec, ({ encodeUs }) => encodeUs),
        formatQuantity,
      ),
      spreadText(
        ratios(own, codec, ({ decodeUs }) => decodeUs),
        formatQuantity,
      ),
    ]);
    const head = [title, "bytes", "time to encode", "time to decode"];
    return markdownTable(head, lines);
  });
  return [`Times relative to ${yardstick}, less is better: median of the rounds (min..max).`, ...tables].join("\n\n");
}

/** Sizes on the wire and times of an array. */
export function arrayTable(rows: readonly ArrayRow[], codecs: readonly string[], mib: number): string {
  const head = [`array of ${mib} MiB`, ...samples.flatMap((sample) => [`${sample}: size`, `${sample}: time`])];
  const lines = codecs.map((codec) => [
    codec,
    ...samples.flatMap((sample) => {
      const own = rows.filter((row) => row.sample === sample);
      const size = (own.find((row) => row.codec === codec)?.wireBytes ?? Number.NaN) / (mib * mebibyte);
      const time = ratios(own, codec, ({ milliseconds }) => milliseconds);
      return [`${(size * 100).toFixed(1)} %`, spreadText(time, formatQuantity)];
    }),
  ]);
  return markdownTable(head, lines);
}

/** A chart of the speed with each kind of array; resolves with their folder. */
export async function drawCharts(rows: readonly ArrayRow[], codecs: readonly string[]): Promise<string> {
  await mkdir(folder, { recursive: true });
  for (const sample of samples) {
    const own = rows.filter((row) => row.sample === sample);
    const summaries = codecs.map((codec) => {
      const time = ratios(own, codec, ({ milliseconds }) => milliseconds);
      const ratio = time === undefined ? {} : { ratio: inverse(time) };
      return { workload: sample, peer: codec, ...ratio };
    });
    const title = `speed of a 16 MiB array from process to process, ${sample === "smooth" ? "smooth data" : "noise"}`;
    const svg = barChart({ name: "Codecs", title }, summaries, yardstick, (peer) => peer === yardstick);
    await writeFile(join(folder, `codecs-${sample}.svg`), svg);
  }
  return relative(process.cwd(), folder);
}

function inverse({ median, min, max }: Spread): Spread {
  return { median: 1 / median, min: 1 / max, max: 1 / min };
}
