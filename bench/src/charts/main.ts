import { mkdir, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { markdownTable, spreadText } from "../markdown-table.ts";
import { yardstick } from "../peers/table.ts";
import { comparedIn, newestResult, readResult, type ChartedSummary, type Result } from "./result.ts";
import { barChart, formatRatio } from "./svg.ts";

const defaultFolder = fileURLToPath(new URL("../../../docs/charts/", import.meta.url));

const usage = `Usage: pnpm bench charts [file] [options]

Draws a result of pnpm bench (default: the newest) as SVG, one chart for each workload, and prints it as Markdown.

  --out folder        where the charts go (docs/charts)
  --smoke             draws a made-up result and writes nothing; only the exit code counts
  --help
`;

const sample: Result = {
  date: "2000-01-01T00:00:00.000Z",
  node: "v20",
  workloads: [{ name: "W0", title: "a < b & `c`" }],
  summaries: [
    { workload: "W0", peer: yardstick, ratio: { median: 1, min: 1, max: 1 } },
    { workload: "W0", peer: "colloquy", ratio: { median: 1.5, min: 1.2, max: 2.5 } },
    { workload: "W0", peer: "slow", ratio: { median: 0.012, min: 0.008, max: 0.02 } },
    { workload: "W0", peer: "broken" },
  ],
};

interface Chart {
  readonly name: string;
  readonly svg: string;
}

function chartsOf(result: Result): readonly Chart[] {
  return result.workloads.flatMap((figure) => {
    const compared = comparedIn(figure, result);
    if (!compared.some(({ ratio }) => ratio !== undefined)) return [];
    const name = `${figure.name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")}.svg`;
    return { name, svg: barChart(figure, compared, yardstick, (peer) => peer.startsWith("colloquy")) };
  });
}

/** Peers down and figures across; empty where a peer doesn't take part. */
function markdownOf(result: Result): string {
  const { date, node, workloads, summaries } = result;
  const columns = workloads.map((figure) => comparedIn(figure, result));
  const peers = [...new Set(summaries.map(({ peer }) => peer))];
  const rows = peers.map((peer) => [peer, ...columns.map((compared) => cell(compared, peer))]);
  const legend = `Relative to ${yardstick}, more is better; ${date.slice(0, 10)}, Node ${node}: median of the rounds (min..max).`;
  return `${legend}\n\n${markdownTable(["", ...workloads.map(({ name }) => name)], rows)}\n`;
}

function cell(compared: readonly ChartedSummary[], peer: string): string {
  const summary = compared.find((candidate) => candidate.peer === peer);
  if (summary === undefined) return "";
  return summary.ratio === undefined ? "fails" : spreadText(summary.ratio, formatRatio);
}

/** Draws a result. Resolves with the exit code. */
export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      out: { type: "string", default: defaultFolder },
      smoke: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return 0;
  }
  if (values.smoke) {
    const count = chartsOf(sample).length;
    process.stdout.write(`${count} of 1 charts drawn\n`);
    return count === 1 ? 0 : 1;
  }
  const result = await readResult(positionals[0] ?? (await newestResult()));
  await mkdir(values.out, { recursive: true });
  for (const { name, svg } of chartsOf(result)) {
    const path = join(values.out, name);
    await writeFile(path, svg);
    process.stderr.write(`written to ${relative(process.cwd(), path)}\n`);
  }
  process.stdout.write(markdownOf(result));
  return 0;
}
