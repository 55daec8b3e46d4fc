/**
 * Counts words with agents in child processes, which report their progress by calling back. See `USAGE` in options.ts.
 */
import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { Container, launch } from "@colloquy/container";
import type { LaunchedContainer } from "@colloquy/container";
import { MsgPackCodec } from "@colloquy/rpc";
import type { Remote } from "@colloquy/rpc";
import type { Counter } from "./counter.ts";
import { inspect, readChunks, reasonOf } from "./input.ts";
import type { InputFile } from "./input.ts";
import { USAGE, readOptions } from "./options.ts";
import type { Options } from "./options.ts";
import { Progress } from "./progress.ts";
import { countWords, sorted } from "./words.ts";
import type { Frequencies } from "./words.ts";

/** What the run has done, for its last lines. */
interface Tally {
  calls: number;
  callbacks: number;
  words: number;
  readonly frequencies: Frequencies;
  /** The same text counted in this process, to hold the result against. */
  readonly expected: Frequencies;
  readonly problems: string[];
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (options === "help") {
    console.log(USAGE);
    return 0;
  }
  const { files, problems } = await inspect(options.files);
  for (const problem of problems) console.error(`error: ${problem}`);
  if (files.length === 0) return 1;
  // Now, and not after the work: the place may not be writable.
  const out = options.out === undefined ? undefined : await open(options.out, "w");
  const tally: Tally = { calls: 0, callbacks: 0, words: 0, frequencies: new Map(), expected: new Map(), problems };

  await using container = await Container.create("tcp://127.0.0.1:0", { codec: MsgPackCodec });
  const processes = await startProcesses(options.processes);
  try {
    const pids = processes.map(({ pid, address }) => `${address} (pid ${pid})`);
    console.log(`${files.length} files, ${processes.length} processes: ${pids.join(", ")}`);
    const counters = await Promise.all(processes.map(({ address }) => container.connect<Counter>(`${address}/0`)));
    await countFiles(files, counters, tally);
    report(tally, options, container);
    if (out !== undefined) await writeAll(out, tally);
  } finally {
    await Promise.all(processes.map((launched) => launched.stop()));
  }
  return problems.length > 0 || !isSame(tally) ? 1 : 0;
}

async function startProcesses(count: number): Promise<LaunchedContainer[]> {
  const entry = new URL(import.meta.url.endsWith(".ts") ? "./counter.ts" : "./counter.js", import.meta.url);
  const starts = Array.from({ length: count }, () => launch({ entry, args: { address: "tcp://127.0.0.1:0" } }));
  const settled = await Promise.allSettled(starts);
  const started = settled.filter((start) => start.status === "fulfilled").map((start) => start.value);
  const failed = settled.find((start) => start.status === "rejected");
  if (failed === undefined) return started;
  await Promise.all(started.map((launched) => launched.stop()));
  throw failed.reason;
}

/** Each counter takes the next piece of text as soon as it is done with one: a slow one holds nobody up. */
async function countFiles(
  files: readonly InputFile[],
  counters: readonly Remote<Counter>[],
  tally: Tally,
): Promise<void> {
  const total = files.reduce((sum, file) => sum + file.bytes, 0);
  const progress = new Progress(total, process.stdout);
  const pieces = readAll(files, tally);
  await Promise.all(counters.map((counter) => countPieces(counter, pieces, progress, tally)));
  progress.finish();
}

async function countPieces(
  counter: Remote<Counter>,
  pieces: AsyncGenerator<string, void, undefined>,
  progress: Progress,
  tally: Tally,
): Promise<void> {
  for (let piece = await pieces.next(); piece.done !== true; piece = await pieces.next()) {
    const text = piece.value;
    const bytesPerCharacter = Buffer.byteLength(text) / text.length;
    tally.calls++;
    const counted = await counter.count(text, (characters, words) => {
      tally.callbacks++;
      tally.words += words;
      progress.add(characters * bytesPerCharacter, words);
    });
    for (const [word, count] of counted) tally.frequencies.set(word, (tally.frequencies.get(word) ?? 0) + count);
  }
}

/** The text of all files; one that fails on the way is a problem, and the rest is read. */
async function* readAll(files: readonly InputFile[], tally: Tally): AsyncGenerator<string, void, undefined> {
  for (const { path } of files) {
    try {
      for await (const text of readChunks(path)) {
        countWords(text, tally.expected);
        yield text;
      }
    } catch (error) {
      const problem = `${path}: ${reasonOf(error)}`;
      tally.problems.push(problem);
      console.error(`error: ${problem}`);
    }
  }
}

function report(tally: Tally, { top }: Options, container: Container): void {
  for (const [word, count] of sorted(tally.frequencies).slice(0, top))
    console.log(`${String(count).padStart(8)}  ${word}`);
  const distinct = tally.frequencies.size;
  const verdict = isSame(tally) ? "the same as counted in one process" : "NOT the same as counted in one process";
  console.log(`${tally.words} words, ${distinct} different ones: ${verdict}`);
  const stats = container.connections.map((connection) => connection.stats());
  const sent = stats.reduce((sum, one) => sum + one.sentBytes, 0);
  const received = stats.reduce((sum, one) => sum + one.receivedBytes, 0);
  console.log(`${tally.calls} calls, ${tally.callbacks} callbacks, ${sent} bytes sent, ${received} bytes received`);
}

function isSame({ frequencies, expected }: Tally): boolean {
  if (frequencies.size !== expected.size) return false;
  for (const [word, count] of expected) if (frequencies.get(word) !== count) return false;
  return true;
}

async function writeAll(file: FileHandle, { frequencies }: Tally): Promise<void> {
  const lines = sorted(frequencies).map(([word, count]) => `${count}\t${word}\n`);
  await file.writeFile(lines.join(""));
  await file.close();
}

// Whoever reads the output may stop early, as `head` does.
process.stdout.on("error", () => process.exit(1));

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
