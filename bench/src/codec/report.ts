import { formatQuantity, markdownTable, spreadText } from "../markdown-table.ts";
import { spreadOf, type Spread } from "../statistics.ts";
import type { CodecMeasurement } from "./measure.ts";
import type { Sample } from "./samples.ts";

/** One measurement of a run, with its place in it. */
export interface CodecCell {
  readonly round: number;
  readonly sample: string;
  readonly codec: string;
  readonly measurement?: CodecMeasurement;
  readonly failure?: string;
}

/** What a codec reached with a sample, over all rounds. Ratios are speeds: 2 is twice as fast as the yardstick. */
export interface CodecSummary {
  readonly sample: string;
  readonly codec: string;
  readonly failures: number;
  readonly bytes: number | undefined;
  readonly encodeNs: Spread | undefined;
  readonly encodeRatio: Spread | undefined;
  readonly decodeNs: Spread | undefined;
  readonly decodeRatio: Spread | undefined;
}

type Way = "encodeNs" | "decodeNs";

/** Summarizes the rounds of every codec with every sample; ratios are taken within a round. */
export function summarizeCodecs(
  cells: readonly CodecCell[],
  samples: readonly Sample[],
  codecs: readonly string[],
  yardstick: string,
): readonly CodecSummary[] {
  return samples.flatMap(({ name: sample }) => {
    const ofSample = cells.filter((cell) => cell.sample === sample);
    const references = ofSample.filter(({ codec }) => codec === yardstick);
    return codecs.map((codec) => {
      const own = ofSample.filter((cell) => cell.codec === codec);
      return { sample, codec, ...summarizeOne(own, references) };
    });
  });
}

function summarizeOne(
  own: readonly CodecCell[],
  references: readonly CodecCell[],
): Omit<CodecSummary, "sample" | "codec"> {
  const measured = own.flatMap(({ measurement }) => measurement ?? []);
  const valuesOf = (way: Way): Spread | undefined => spreadOf(measured.map((measurement) => measurement[way]));
  const ratiosOf = (way: Way): Spread | undefined =>
    spreadOf(
      own.flatMap(({ round, measurement }) => {
        const reference = references.find((cell) => cell.round === round)?.measurement;
        return measurement === undefined || reference === undefined ? [] : reference[way] / measurement[way];
      }),
    );
  return {
    failures: own.length - measured.length,
    bytes: measured[0]?.bytes,
    encodeNs: valuesOf("encodeNs"),
    encodeRatio: ratiosOf("encodeNs"),
    decodeNs: valuesOf("decodeNs"),
    decodeRatio: ratiosOf("decodeNs"),
  };
}

/** One table for each sample. */
export function codecReport(summaries: readonly CodecSummary[], samples: readonly Sample[], yardstick: string): string {
  const head = ["", "bytes", "encode, us", "encode, speed", "decode, us", "decode, speed"];
  const tables = samples.map(({ name, title }) => {
    const rows = summaries.filter(({ sample }) => sample === name).map(row);
    return `${title[0]!.toUpperCase()}${title.slice(1)}:\n\n${markdownTable(head, rows)}\n`;
  });
  const legend = `Codecs alone, each in a fresh process: time of CPU, all threads. Speed is relative to ${yardstick}: median of the rounds (min..max).\n`;
  return [legend, ...tables].join("\n");
}

function row(summary: CodecSummary): readonly string[] {
  if (summary.bytes === undefined) return [summary.codec, "fails", "", "", "", ""];
  const { codec, bytes, encodeNs, encodeRatio, decodeNs, decodeRatio, failures } = summary;
  const microseconds = (spread: Spread | undefined): string =>
    spread === undefined ? "" : formatQuantity(spread.median / 1000);
  const ratio = (spread: Spread | undefined): string => spreadText(spread, (value) => value.toFixed(2));
  return [
    failures === 0 ? codec : `${codec} (failed ${failures} x)`,
    formatQuantity(bytes),
    microseconds(encodeNs),
    ratio(encodeRatio),
    microseconds(decodeNs),
    ratio(decodeRatio),
  ];
}
