import { readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { MsgPackCodec, connect, type ColloquyError, type Connection } from "@colloquy/rpc";
import { formatQuantity } from "@colloquy/bench/markdown-table";
import { quantile } from "@colloquy/bench/statistics";
import { Subprocess } from "@colloquy/bench/subprocess";
import type { FaultsQuestion, Victim } from "./cell.ts";
import { shown, type Outcome, type Size } from "./row.ts";
import { wallMs } from "./wall.ts";

const program = new URL("cell.js", import.meta.url);
const mostCalls = 3000;
const perTurn = 40;
const mostUnderWay = 400;
/** Fewer than all, so that others go on where a slow server takes many turns. */
const mostHanging = 200;
const mostP99Ms = 1000;
/** Servers that start while one is called. */
const preparedAhead = 1;
let preparedCount = 0;

/** What the end of one server has shown. */
interface KillRound {
  readonly calls: number;
  readonly settled: number;
  readonly failures: readonly ColloquyError[];
  /** Calls that settled twice, ran twice, or whose `executed`, or result, is wrong. */
  readonly wrong: readonly string[];
  /** From its death to the end of each call that had to fail. */
  readonly lateMs: readonly number[];
}

interface End {
  count: number;
  atMs: number;
  error?: ColloquyError;
}

/** A server that ends at a random call, in the turn in which that runs. */
class Prepared {
  readonly #process = new Subprocess(program);
  readonly #notes = join(tmpdir(), `colloquy-faults-${process.pid}-${preparedCount++}`);
  readonly #address: Promise<string>;

  constructor(ending: FaultsQuestion["ending"]) {
    const lastCall = Math.floor(Math.random() * mostCalls);
    const question: FaultsQuestion = { notes: this.#notes, lastCall, ...(ending === undefined ? {} : { ending }) };
    this.#address = this.#process.ask<string>(question);
    this.#address.catch(() => {});
  }

  /** Calls until the server is gone, and looks at what becomes of all calls. */
  async round(): Promise<KillRound> {
    try {
      const connection = await connect<Victim>(await this.#address, { codec: MsgPackCodec });
      const ends = await callUntilLost(connection);
      await this.#process.end();
      return judged(ends, readFileSync(this.#notes, "utf8").split("\n"));
    } finally {
      await this.end();
    }
  }

  async end(): Promise<void> {
    await this.#process.end();
    rmSync(this.#notes, { force: true });
  }
}

/** Many servers, one after the other; the next ones start meanwhile. */
async function rounds(count: number, ending?: "close"): Promise<readonly KillRound[]> {
  const [done, ready] = [[] as KillRound[], [] as Prepared[]];
  try {
    while (done.length < count) {
      while (ready.length < Math.min(preparedAhead + 1, count - done.length)) ready.push(new Prepared(ending));
      done.push(await ready.shift()!.round());
      if (done.length % 100 === 0) process.stderr.write(`${done.length} of ${count}\n`);
    }
    return done;
  } finally {
    await Promise.all(ready.map((one) => one.end()));
  }
}

/** Servers that are killed in the middle of calls. */
export async function kills(size: Size): Promise<Outcome> {
  const all = await rounds(size === "full" ? 1000 : 2);
  const late = Float64Array.from(all.flatMap(({ lateMs }) => lateMs)).toSorted();
  const p99 = quantile(late, 0.99);
  const codes = wrongCodes(all, ["CONNECTION_LOST"]);
  return outcomeOf(all, `p99 ${formatQuantity(p99)} ms after the death`, p99 <= mostP99Ms, codes);
}

/** Servers that close while calls come. */
export async function shutdowns(size: Size): Promise<Outcome> {
  const all = await rounds(size === "full" ? 100 : 1, "close");
  const isHonest = all.every(({ failures }) => failures.every(({ executed }) => executed !== undefined));
  const without = wrongCodes(all, ["CONNECTION_LOST", "UNAVAILABLE"]);
  return outcomeOf(all, "none without executed", isHonest, without);
}

function wrongCodes(all: readonly KillRound[], allowed: readonly string[]): readonly string[] {
  const found = new Set(all.flatMap(({ failures }) => failures.map(({ code }) => code)));
  return [...found].filter((code) => !allowed.includes(code)).map((code) => `calls failed with ${code}`);
}

function outcomeOf(all: readonly KillRound[], figure: string, isGood: boolean, more: readonly string[]): Outcome {
  const sum = (of: (round: KillRound) => number): number => all.reduce((total, round) => total + of(round), 0);
  const [calls, settled] = [sum((round) => round.calls), sum((round) => round.settled)];
  const failed = sum(({ failures }) => failures.length);
  const text = `${all.length} servers, ${formatQuantity(calls)} calls, ${formatQuantity(settled)} settled, ${formatQuantity(failed)} failed, ${figure}`;
  return shown(text, isGood && calls === settled, [...all.flatMap(({ wrong }) => wrong), ...more]);
}

async function callUntilLost(connection: Connection<Victim>): Promise<readonly End[]> {
  const ends: End[] = [];
  const calls: Promise<void>[] = [];
  const watch = (call: (id: number) => Promise<unknown>): void => {
    const end: End = { count: 0, atMs: 0 };
    const id = ends.push(end) - 1;
    const settle = (error?: ColloquyError): void => {
      end.count++;
      end.atMs = wallMs();
      if (error !== undefined) end.error = error;
    };
    calls.push(call(id).then(() => settle(), settle));
  };
  const { remote } = connection;
  let turnCount = 0;
  while (connection.usable) {
    // Those that hang are under way, too.
    for (let count = 0; count < perTurn && connection.stats().pending < mostUnderWay; count++)
      watch((id) => remote.run(id));
    if (turnCount++ % 10 === 0 && turnCount < mostHanging * 10) watch((id) => remote.hang(id));
    await turn();
  }
  watch((id) => remote.run(id));
  await Promise.all(calls);
  await connection.closed;
  return ends;
}

function judged(ends: readonly End[], notes: readonly string[]): KillRound {
  const runs = new Map<number, number>();
  let diedMs = Number.NaN;
  for (const note of notes) {
    if (note.startsWith("died ")) diedMs = Number(note.slice(5));
    else if (note !== "") runs.set(Number(note), (runs.get(Number(note)) ?? 0) + 1);
  }
  const wrong: string[] = [];
  for (const [id, { count, error }] of ends.entries()) {
    const ran = runs.get(id) ?? 0;
    if (count !== 1) wrong.push(`call ${id} settled ${count} times`);
    if (ran > 1) wrong.push(`call ${id} ran ${ran} times`);
    if (error === undefined && ran === 0) wrong.push(`call ${id} has a result and did not run`);
    if (error?.executed === "no" && ran > 0) wrong.push(`call ${id} ran, and its error says that it didn't`);
  }
  const failed = ends.filter(({ error }) => error !== undefined);
  return {
    failures: failed.map(({ error }) => error!),
    calls: ends.length,
    settled: ends.reduce((sum, { count }) => sum + count, 0),
    wrong,
    lateMs: failed.map(({ atMs }) => atMs - diedMs),
  };
}
