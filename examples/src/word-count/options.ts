import { readdirSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

export interface Options {
  readonly files: readonly string[];
  readonly processes: number;
  readonly top: number;
  /** Where all words go with their counts, if anywhere. */
  readonly out: string | undefined;
}

export const USAGE = `usage: quickstart [--processes N] [--top N] [--out FILE] [FILE ...]
Counts the words of the files with agents in N child processes (default 2) and shows the most frequent ones (default 10).
--out writes all of them as "count<tab>word". Without files: the pages and sources of this repository.`;

/** Reads the command line. @throws Error that says what is wrong. */
export function readOptions(argv: readonly string[]): Options | "help" {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      processes: { type: "string", default: "2" },
      top: { type: "string", default: "10" },
      out: { type: "string" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help === true) return "help";
  // npm runs scripts in the repository's root; relative names are those of the shell it was called from.
  const from = process.env["INIT_CWD"] ?? process.cwd();
  return {
    files: positionals.length > 0 ? positionals.map((file) => resolve(from, file)) : ownTexts(),
    processes: count(values.processes, "--processes", 64),
    top: count(values.top, "--top", 1_000_000),
    out: values.out === undefined ? undefined : resolve(from, values.out),
  };
}

function count(text: string, name: string, most: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw new Error(`${name} takes a number from 1 to ${most}, not "${text}"`);
}

/** The pages and sources of this repository. */
function ownTexts(): string[] {
  const root = fileURLToPath(new URL("../../../", import.meta.url));
  const folders = ["docs", "packages/core/src", "packages/rpc/src", "packages/container/src", "examples/src"];
  const below = folders.flatMap((folder) => textsBelow(join(root, folder)));
  return [...textsBelow(root, false), ...below].map((file) => relative(process.cwd(), file));
}

function textsBelow(folder: string, recursive = true): string[] {
  try {
    const names = readdirSync(folder, { recursive, encoding: "utf8" });
    return names.filter((name) => /\.(?:md|ts)$/.test(name)).map((name) => join(folder, name));
  } catch {
    return [];
  }
}
