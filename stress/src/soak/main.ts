import { parseArgs } from "node:util";
import { formatQuantity, markdownTable } from "@colloquy/bench/markdown-table";
import { positiveInteger, positiveNumber } from "@colloquy/bench/numeric-options";
import { soak, type Growth, type SoakOptions, type SoakResult } from "./soak.ts";

const usage = `Usage: pnpm soak [options]

Calls of all kinds between processes, over connections that are cut, stalled and swallowed, while peers are killed, frozen and replaced.
A client and a server live all the time: heap, memory, handles, descriptors and tables of both are looked at while nothing is under
way, and must not grow in the second half by more than noise: a run with fewer than nine looks can't tell, and says so. All calls have
to settle, none with a wrong result. Else the exit code is 1.

  --minutes n         how long (60)
  --sample s          seconds between two looks (10)
  --seed n            of the faults and the calls; times differ all the same (random)
  --verbose           prints each look
  --smoke             5 seconds
  --help
`;

const mostSeed = 1_000_000_000;
const smoke = { minutes: 5 / 60, sampleMs: 2000 };
const shownCount = 20;

function readOptions(args: readonly string[]): (SoakOptions & { readonly isVerbose: boolean }) | undefined {
  const flag = { type: "boolean", default: false } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: "string", default: "60" },
      sample: { type: "string", default: "10" },
      seed: { type: "string", default: String(1 + Math.floor(Math.random() * mostSeed)) },
      verbose: flag,
      smoke: flag,
      help: flag,
    },
  });
  if (values.help) return undefined;
  const common = { seed: positiveInteger("--seed", values.seed), isVerbose: values.verbose };
  if (values.smoke) return { ...smoke, ...common };
  const minutes = positiveNumber("--minutes", values.minutes);
  return { minutes, sampleMs: positiveNumber("--sample", values.sample) * 1000, ...common };
}

function growthTable(growths: readonly Growth[]): string {
  const rows = growths.map(({ name, last, slope, mostPerHour, verdict }) => [
    name,
    formatQuantity(last),
    ...(slope === undefined
      ? ["-", "-", "-"]
      : [signed(slope.perHour), formatQuantity(slope.margin), formatQuantity(mostPerHour)]),
    verdict,
  ]);
  return markdownTable(["", "at the end", "per hour", "±", "noise", ""], rows);
}

function signed(value: number): string {
  return value < 0 ? `-${formatQuantity(-value)}` : formatQuantity(value);
}

function summary({ books, troubles, samples }: SoakResult): string {
  const sum = (key: "calls" | "settled" | "succeeded" | "wrongCount" | "reconnects"): string =>
    formatQuantity(books.reduce((total, book) => total + book[key], 0));
  const failures = books.flatMap((book) => book.failures);
  const codes = [...new Set(failures.map(([code]) => code))].map((code) => {
    const count = failures.reduce((total, [other, some]) => total + (other === code ? some : 0), 0);
    return `${code} ${formatQuantity(count)}`;
  });
  return [
    `${samples} looks; faults: ${[...troubles].map(([name, count]) => `${name} ${count}`).join(", ")}`,
    `${sum("calls")} operations, ${sum("settled")} settled, ${sum("succeeded")} succeeded, ${sum("wrongCount")} wrong, ${sum("reconnects")} reconnects`,
    `failed: ${codes.join(", ")}`,
  ].join("\n");
}

/** Resolves with the exit code. */
export async function run(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  if (options === undefined) {
    process.stdout.write(usage);
    return 0;
  }
  process.stdout.write(`seed ${options.seed}\n`);
  const onSample = (text: string): void => void (options.isVerbose && process.stdout.write(`${text}\n`));
  const result = await soak(options, onSample);
  process.stdout.write(`${summary(result)}\n\n${growthTable(result.growths)}\n`);
  for (const fault of result.faults.slice(0, shownCount)) process.stdout.write(`${fault}\n`);
  return result.faults.length === 0 && result.growths.every(({ verdict }) => verdict !== "grows") ? 0 : 1;
}
