import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { shown, skipped, type Outcome, type Size } from "./row.ts";

const inBench = "the bench's own smoke run has it";
const bench = fileURLToPath(new URL("../../../bench/dist/main.js", import.meta.url));

/** Runs a command of the bench, which has its own bar: the last line of its output that `line` finds is the figure. */
async function ofBench(args: readonly string[], line: RegExp): Promise<Outcome> {
  const child = spawn(process.execPath, [bench, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let [output, errors] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  const [code] = (await once(child, "close")) as [number | null];
  const found = output.split("\n").flatMap((text) => line.exec(text)?.[1] ?? []);
  return shown(found.join("; "), code === 0, code === 0 ? [] : [errors.trim() || output.trim()]);
}

/** A stream whose reader sleeps, beside small calls. */
export async function slowConsumers(size: Size): Promise<Outcome> {
  if (size === "smoke") return skipped(inBench);
  return ofBench(["streams", "--rounds", "3", "--count", "100000"], /^\| p99 of small calls .*\| ([^|]+) \|$/);
}

/** References in great numbers, released by hand or not. */
export async function manyReferences(size: Size): Promise<Outcome> {
  if (size === "smoke") return skipped(inBench);
  return ofBench(["references", "--count", "500000"], /^heap slope: (.*) \(at most/);
}
