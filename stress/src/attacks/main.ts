import { formatQuantity, markdownTable } from "@colloquy/bench/markdown-table";
import { chosenNames, positiveNumber } from "@colloquy/bench/numeric-options";
import { parseArgs } from "node:util";
import { onClients, onServers } from "./attacks.ts";
import { attackClient, attackServer } from "./cells.ts";
import type { Cell } from "./cells.ts";
import { makeCredentials } from "./credentials.ts";
import { MEBIBYTE } from "./victim-limits.ts";

const usage = `Usage: pnpm attacks [options]

Attacks a server, and a client, in a process whose heap has 64 MiB, without TLS and with it, by peers that send what they like. All
the while an honest peer of it calls on a connection of its own: every call has to succeed, and the 99th percentile of their times
may double, and be 15 ms beyond, on a machine that does nothing else. The memory of the process may grow by twice what its limits allow. Exit code 1 where that isn't so.

  --rows a,b          these rows alone (T1,T7; none: no attacks, but others that want much, to compare with)
  --seconds n         for each attack, and for the calls before it (2)
  --smoke             some of them, shortly; times and memory are shown and not judged
  --help
`;

/** What an attack may add to the time of a call beside doubling it: the largest message, which is decoded as a whole, and a collection. */
const FLOOR_MS = 15;
const SMOKE_SECONDS = 0.1;

interface Options {
  readonly rows: readonly string[];
  readonly seconds: number;
  readonly smoke: boolean;
}

function readOptions(args: readonly string[]): Options | undefined {
  const flag = { type: "boolean", default: false } as const;
  const { values } = parseArgs({
    args: [...args],
    options: { rows: { type: "string" }, seconds: { type: "string", default: "2" }, smoke: flag, help: flag },
  });
  if (values.help) return undefined;
  const known = [...new Set([...onServers, ...onClients].map(({ row }) => row))];
  const seconds = values.smoke ? SMOKE_SECONDS : positiveNumber("--seconds", values.seconds);
  return { rows: chosenNames("--rows", values.rows, known), seconds, smoke: values.smoke };
}

/** With TLS, without, or both. */
function kindsOf({ tls }: { readonly tls?: boolean }, index: number, smoke: boolean): readonly boolean[] {
  if (tls !== undefined) return [tls];
  return smoke ? [index % 2 === 1] : [false, true];
}

/** Of its row. */
function isFirst(attacks: readonly { readonly row: string }[], index: number): boolean {
  return attacks.findIndex(({ row }) => row === attacks[index]!.row) === index;
}

async function cellsOf({ rows, seconds, smoke }: Options): Promise<Cell[]> {
  const keys = { own: await makeCredentials(), stranger: await makeCredentials() };
  const cells: Cell[] = [];
  const add = (cell: Cell): void => {
    cells.push(cell);
    const { row, name, role, tls } = cell;
    process.stderr.write(
      `${row} ${name}, ${role}${tls ? ", TLS" : ""}: ${verdictsOf(cell, smoke).join("; ") || "good"}\n`,
    );
  };
  const chosen = <A extends { readonly row: string }>(attacks: readonly A[]): readonly A[] =>
    attacks.filter(({ row }, index) => rows.includes(row) && (!smoke || isFirst(attacks, index)));
  for (const [index, attack] of chosen(onServers).entries()) {
    if (smoke && index % 3 !== 0) continue;
    for (const tls of kindsOf(attack, index, smoke)) add(await attackServer(attack, tls, seconds, keys));
  }
  for (const [index, attack] of chosen(onClients).entries()) {
    if (smoke && index % 6 !== 0) continue;
    for (const tls of kindsOf(attack, index, smoke)) add(await attackClient(attack, tls, seconds, keys));
  }
  return cells;
}

/** What isn't as it has to be. */
export function verdictsOf(cell: Cell, smoke: boolean): readonly string[] {
  const wrong = [...new Set(cell.wrong)];
  if (smoke) return wrong;
  if (cell.p99Under > 2 * cell.p99Before + FLOOR_MS) wrong.push("honest calls are slow");
  if (cell.grownBytes > 2 * cell.budgetBytes) wrong.push("too much memory");
  return wrong;
}

function mebibytes(bytes: number): string {
  return formatQuantity(Math.max(0, bytes) / MEBIBYTE);
}

function report(cells: readonly Cell[]): void {
  const head = [
    "row",
    "attack",
    "role",
    "TLS",
    "ends",
    "rounds",
    "honest calls",
    "p99 ms before",
    "under",
    "MiB grown",
    "allowed",
  ];
  const lines = cells.map((cell) => [
    cell.row,
    cell.name,
    cell.role,
    cell.tls ? "yes" : "no",
    cell.ends,
    formatQuantity(cell.rounds),
    formatQuantity(cell.calls),
    formatQuantity(cell.p99Before),
    formatQuantity(cell.p99Under),
    mebibytes(cell.grownBytes),
    mebibytes(2 * cell.budgetBytes),
  ]);
  process.stdout.write(`${markdownTable(head, lines)}\n`);
}

/** Resolves with the exit code. */
export async function run(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  if (options === undefined) {
    process.stdout.write(usage);
    return 0;
  }
  const cells = await cellsOf(options);
  report(cells);
  return cells.every((cell) => verdictsOf(cell, options.smoke).length === 0) ? 0 : 1;
}
