import { parseArgs } from "node:util";
import { markdownTable } from "@colloquy/bench/markdown-table";
import { chosenNames } from "@colloquy/bench/numeric-options";
import type { Outcome, Row, Size } from "./row.ts";
import { rows } from "./rows.ts";

const usage = `Usage: pnpm faults [options]

Makes faults between real processes and sockets, one row of the table after the other, and holds what comes of each against its bar.
Exit code 1 where one is broken. What this machine can't do is skipped, with the reason.

  --rows F1,F8        rows to run (of ${rows.map(({ name }) => name).join(", ")})
  --smoke             a little of each
  --help
`;

const shownCount = 5;
const told = { ok: "ok", failed: "failed", skipped: "skipped" } as const;

interface Ended {
  readonly row: Row;
  readonly outcome: Outcome;
  readonly seconds: number;
}

async function ended(row: Row, size: Size): Promise<Ended> {
  const start = performance.now();
  const failure = (error: unknown): Outcome => ({
    kind: "shown",
    figure: "it did not end",
    isGood: false,
    wrong: [error instanceof Error ? (error.stack ?? error.message) : String(error)],
  });
  const outcome = await row.run(size).catch(failure);
  return { row, outcome, seconds: (performance.now() - start) / 1000 };
}

function wordOf(outcome: Outcome): string {
  if (outcome.kind === "skipped") return told.skipped;
  return outcome.isGood ? told.ok : told.failed;
}

function table(all: readonly Ended[]): string {
  const cells = all.map(({ row: { name, fault, bar }, outcome, seconds }) => {
    const figure = outcome.kind === "skipped" ? outcome.reason : outcome.figure;
    return [name, fault, figure, bar, wordOf(outcome), seconds.toFixed(1)];
  });
  return markdownTable(["row", "fault", "figure", "bar", "", "s"], cells);
}

/** Rejections that nobody handles, and what is thrown where nobody catches it, are faults of their own. */
function watchProcess(): readonly string[] {
  const strays: string[] = [];
  const note = (error: unknown): void => void strays.push(error instanceof Error ? String(error.stack) : String(error));
  process.on("unhandledRejection", note);
  process.on("uncaughtException", note);
  return strays;
}

/** Resolves with the exit code. */
export async function run(args: readonly string[]): Promise<number> {
  const flag = { type: "boolean", default: false } as const;
  const { values } = parseArgs({ args: [...args], options: { rows: { type: "string" }, smoke: flag, help: flag } });
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  const names = chosenNames(
    "--rows",
    values.rows,
    rows.map(({ name }) => name),
  );
  const strays = watchProcess();
  const all: Ended[] = [];
  for (const row of rows) {
    if (!names.includes(row.name)) continue;
    const one = await ended(row, values.smoke ? "smoke" : "full");
    process.stderr.write(`${row.name}: ${wordOf(one.outcome)} in ${one.seconds.toFixed(1)} s\n`);
    all.push(one);
  }
  process.stdout.write(`${table(all)}\n`);
  for (const { row, outcome } of all)
    for (const text of (outcome.kind === "shown" ? (outcome.wrong ?? []) : []).slice(0, shownCount))
      process.stdout.write(`${row.name}: ${text}\n`);
  for (const text of strays.slice(0, shownCount)) process.stdout.write(`nobody handled: ${text}\n`);
  const isGood = all.every(({ outcome }) => outcome.kind === "skipped" || outcome.isGood);
  return isGood && strays.length === 0 ? 0 : 1;
}
