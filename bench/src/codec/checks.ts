import { markdownTable, spreadText } from "../markdown-table.ts";
import { spreadOf, type Spread } from "../statistics.ts";
import type { CodecMeasurement } from "./measure.ts";
import type { CodecCell } from "./report.ts";

/** Codecs with all their checks, each beside one of the same format that has none. */
const pairs: readonly (readonly [checked: string, bare: string])[] = [
  ["colloquy MsgPack", "msgpackr"],
  ["colloquy JSON", "JSON"],
];
/** Small ones, of which most calls consist. */
const checkedSamples: readonly string[] = ["agent-request", "payload"];

/** What checks leave of the speed of bare codecs. Empty where none of these samples was measured. */
export function checksReport(cells: readonly CodecCell[]): string {
  const rows = checkedSamples.flatMap((sample) =>
    pairs.flatMap(([checked, bare]) => {
      const rounds = bothOf(cells, sample, checked, bare);
      return rounds.length === 0 ? [] : [[`${sample}: ${checked} beside ${bare}`, ...speeds(rounds)]];
    }),
  );
  if (rows.length === 0) return "";
  const head = ["", "encode", "decode", "both", "checks in decoding"];
  const legend =
    "With all checks on: speed relative to the bare codec, and the part of the time for decoding that it doesn't take; median of the rounds (min..max).";
  return `${legend}\n\n${markdownTable(head, rows)}\n`;
}

type Both = readonly [checked: CodecMeasurement, bare: CodecMeasurement];

/** What both measured, round by round. */
function bothOf(cells: readonly CodecCell[], sample: string, checked: string, bare: string): readonly Both[] {
  const of = (codec: string, round: number): CodecMeasurement | undefined =>
    cells.find((cell) => cell.sample === sample && cell.codec === codec && cell.round === round)?.measurement;
  const rounds = [...new Set(cells.map(({ round }) => round))];
  return rounds.flatMap((round): readonly Both[] => {
    const [own, reference] = [of(checked, round), of(bare, round)];
    return own === undefined || reference === undefined ? [] : [[own, reference]];
  });
}

function speeds(rounds: readonly Both[]): readonly string[] {
  const text = (values: readonly number[]): string => shown(spreadOf(values));
  const total = ({ encodeNs, decodeNs }: CodecMeasurement): number => encodeNs + decodeNs;
  return [
    text(rounds.map(([own, bare]) => bare.encodeNs / own.encodeNs)),
    text(rounds.map(([own, bare]) => bare.decodeNs / own.decodeNs)),
    text(rounds.map(([own, bare]) => total(bare) / total(own))),
    text(rounds.map(([own, bare]) => Math.max(0, 1 - bare.decodeNs / own.decodeNs))),
  ];
}

function shown(spread: Spread | undefined): string {
  return spreadText(spread, (value) => value.toFixed(2));
}
