import { parseArgs } from "node:util";
import type { ConnectionStats } from "@colloquy/rpc";
import { formatQuantity, markdownTable } from "../markdown-table.ts";
import { positiveInteger, positiveNumber } from "../numeric-options.ts";
import { Subprocess } from "../subprocess.ts";
import type { Look, SoakQuestion } from "./cell.ts";

interface Options {
  readonly calls: number;
  readonly warmUpCalls: number;
  readonly boundBytes: number;
}

const usage = `Usage: pnpm bench soak [options]

Makes many calls between two processes and checks that neither holds more memory afterwards, and that no table of the
connection holds anything. Exit code 1 where that isn't so.

  --calls n           calls between the two looks (1000000)
  --warm-up n         calls before the first look (100000)
  --bound mb          by how many MB heap and buffers of a side may grow (1)
  --smoke             2,000 calls after 1,000, by 10 MB
  --help
`;

const megabyte = 1_000_000;
const smoke: Options = { calls: 2_000, warmUpCalls: 1_000, boundBytes: 10 * megabyte };
const program = new URL("cell.js", import.meta.url);
const callLimitMs = 3_600_000;

/** What is 0 when nothing is under way. */
const tables = [
  "pending",
  "running",
  "waiting",
  "queuedBytes",
  "exportedReferences",
  "importedReferences",
] as const satisfies readonly (keyof ConnectionStats)[];

function readOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      calls: { type: "string", default: "1000000" },
      "warm-up": { type: "string", default: "100000" },
      bound: { type: "string", default: "1" },
      smoke: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  if (values.smoke) return smoke;
  return {
    calls: positiveInteger("--calls", values.calls),
    warmUpCalls: positiveInteger("--warm-up", values["warm-up"]),
    boundBytes: positiveNumber("--bound", values.bound) * megabyte,
  };
}

/** What one side held before and after. */
interface Side {
  readonly name: string;
  readonly before: Look;
  readonly after: Look;
}

async function soak({ calls, warmUpCalls }: Options): Promise<readonly Side[]> {
  const command = [process.execPath, "--expose-gc"];
  const server = new Subprocess(program, command);
  const client = new Subprocess(program, command);
  const ask = <T>(side: Subprocess, question: SoakQuestion): Promise<T> => side.ask<T>(question, callLimitMs);
  try {
    const address = await ask<string>(server, { kind: "serve" });
    await ask(client, { kind: "connect", address });
    await ask(client, { kind: "call", count: warmUpCalls });
    const before = [await ask<Look>(client, { kind: "look" }), await ask<Look>(server, { kind: "look" })] as const;
    const start = performance.now();
    await ask(client, { kind: "call", count: calls });
    const seconds = (performance.now() - start) / 1000;
    process.stdout.write(`${formatQuantity(calls)} calls in ${formatQuantity(seconds)} s\n\n`);
    const after = [await ask<Look>(client, { kind: "look" }), await ask<Look>(server, { kind: "look" })] as const;
    return [
      { name: "client", before: before[0], after: after[0] },
      { name: "server", before: before[1], after: after[1] },
    ];
  } finally {
    await client.end();
    await server.end();
  }
}

type Memory = "heapBytes" | "externalBytes" | "residentBytes";

function memoryTable(sides: readonly Side[]): string {
  const row = ({ name, before, after }: Side, what: string, memory: Memory): readonly string[] => [
    `${name}, ${what}`,
    formatQuantity(before[memory] / 1000),
    formatQuantity(after[memory] / 1000),
    Math.round((after[memory] - before[memory]) / 1000).toLocaleString("en-US"),
  ];
  const rows = sides.flatMap((side) => [
    row(side, "heap", "heapBytes"),
    row(side, "buffers", "externalBytes"),
    row(side, "resident", "residentBytes"),
  ]);
  return markdownTable(["", "before, kB", "after, kB", "growth, kB"], rows);
}

/** What is wrong with a side, in words. */
function faultsOf({ name, before, after }: Side, boundBytes: number): readonly string[] {
  const grown = after.heapBytes - before.heapBytes + after.externalBytes - before.externalBytes;
  const left = tables.filter((table) => after.stats[table] !== 0);
  const { failedFunctionCalls, failedNotifications } = after.stats;
  return [
    ...(grown > boundBytes ? [`heap and buffers of the ${name} grew by ${formatQuantity(grown / 1000)} kB`] : []),
    ...left.map((table) => `${table} of the ${name} is ${after.stats[table]}`),
    ...(failedFunctionCalls + failedNotifications > 0 ? [`calls of the ${name} were lost`] : []),
  ];
}

/** Makes many calls and looks what stays. Resolves with the exit code. */
export async function run(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  if (options === undefined) {
    process.stdout.write(usage);
    return 0;
  }
  const sides = await soak(options);
  const faults = sides.flatMap((side) => faultsOf(side, options.boundBytes));
  process.stdout.write(`${memoryTable(sides)}\n\n`);
  process.stdout.write(faults.length === 0 ? "Nothing grew, all tables are empty.\n" : `${faults.join("\n")}\n`);
  return faults.length === 0 ? 0 : 1;
}
