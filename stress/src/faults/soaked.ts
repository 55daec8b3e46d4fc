import { formatQuantity } from "@colloquy/bench/markdown-table";
import { soak } from "../soak/soak.ts";
import { shown, skipped, type Outcome, type Size } from "./row.ts";

const mostSeed = 1_000_000_000;
const minutes = 2;
const sampleMs = 4000;

/** Two minutes of `pnpm soak`. */
export async function soaked(size: Size): Promise<Outcome> {
  const seed = 1 + Math.floor(Math.random() * mostSeed);
  if (size === "smoke") return skipped("`pnpm soak --smoke` has it");
  const { growths, books, faults } = await soak({ minutes, seed, sampleMs });
  const calls = books.reduce((sum, book) => sum + book.calls, 0);
  const growing = growths
    .filter(({ verdict }) => verdict !== "ok")
    .map(({ name, verdict }) => `${name}: ${verdict} (seed ${seed})`);
  const figure = `${minutes} min, ${formatQuantity(calls)} operations, ${faults.length} wrong, ${growing.length} of ${growths.length} figures not ok`;
  return shown(figure, true, [...faults, ...growing]);
}
