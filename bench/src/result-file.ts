import { mkdir, writeFile } from "node:fs/promises";
import { arch, cpus, platform, release, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import type { Options } from "./options.ts";
import type { Cell, Summary } from "./summary.ts";

const folder = new URL("../results/", import.meta.url);

/** Writes a run with all that is needed to judge it into `results/<date>.json` and returns the file's path. */
export async function writeResults(
  options: Options,
  isPinned: boolean,
  cells: readonly Cell[],
  summaries: readonly Summary[],
): Promise<string> {
  const date = new Date();
  const versions = Object.assign({}, ...cells.map(({ outcome }) => (outcome.ok ? outcome.versions : {}))) as object;
  const content = {
    date: date.toISOString(),
    node: process.version,
    versions,
    machine: {
      cpu: cpus()[0]?.model ?? "unknown",
      cpuCount: cpus().length,
      memoryBytes: totalmem(),
      system: `${platform()} ${release()} ${arch()}`,
    },
    run: { rounds: options.rounds, ...options.timing, isLatencyPinned: isPinned },
    workloads: options.workloads.map(({ name, title, kind, inFlight }) => ({ name, title, kind, inFlight })),
    summaries,
    cells,
  };
  await mkdir(folder, { recursive: true });
  const name = date.toISOString().slice(0, 19).replaceAll(":", "-");
  const path = fileURLToPath(new URL(`${name}.json`, folder));
  await writeFile(path, `${JSON.stringify(content, undefined, 2)}\n`);
  return path;
}
