import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { formatQuantity, markdownTable } from "@colloquy/bench/markdown-table";
import type { TargetRun } from "./schedule.ts";

const crashes = fileURLToPath(new URL("../../crashes/", import.meta.url));
const shownHexLength = 4096;

/** Writes what has failed to files, and tells of it at once. */
export function reportFindings({ target, findings }: TargetRun, seed: string): void {
  for (const { hex, report } of findings) {
    mkdirSync(crashes, { recursive: true });
    const name = `${target}-${seed}-${createHash("sha256")
      .update(hex + report)
      .digest("hex")
      .slice(0, 8)}`;
    writeFileSync(`${crashes}${name}.bin`, Buffer.from(hex, "hex"));
    writeFileSync(`${crashes}${name}.txt`, `${report}\n`);
    process.stdout.write(
      `${target} with the seed ${seed}: ${report}\ninput: ${hex.slice(0, shownHexLength)}\n` +
        `again: pnpm fuzz --target ${target} --input ${crashes}${name}.bin\n\n`,
    );
  }
}

/** The table of all targets. */
export function report(runs: readonly TargetRun[], seed: string): string {
  const rows = runs.map(({ target, executions, ms, slowest, findings }) => [
    target,
    formatQuantity(executions),
    formatQuantity(Math.round((executions * 1000) / ms)),
    `${slowest.ms.toFixed(1)} ms`,
    String(findings.length),
  ]);
  const total = runs.reduce((sum, { executions }) => sum + executions, 0);
  const head = ["target", "executions", "per second", "slowest input", "failures"];
  return `${markdownTable(head, rows)}\n\n${formatQuantity(total)} executions with the seed ${seed}\n`;
}
