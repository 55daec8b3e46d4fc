import { mkdir, writeFile } from "node:fs/promises";
import { arch, cpus, platform, release, totalmem } from "node:os";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";

const folder = new URL("../results/", import.meta.url);

/** Writes `content` with date and machine into `results/<kind>-<date>.json`; resolves with the path from here. */
export async function writeResult(kind: string, content: object): Promise<string> {
  const date = new Date();
  const machine = {
    cpu: cpus()[0]?.model ?? "unknown",
    cpuCount: cpus().length,
    memoryBytes: totalmem(),
    system: `${platform()} ${release()} ${arch()}`,
  };
  const result = { kind, date: date.toISOString(), node: process.version, machine, ...content };
  await mkdir(folder, { recursive: true });
  const name = `${kind}-${date.toISOString().slice(0, 19).replaceAll(":", "-")}.json`;
  const path = fileURLToPath(new URL(name, folder));
  await writeFile(path, `${JSON.stringify(result, undefined, 2)}\n`);
  return relative(process.cwd(), path);
}
