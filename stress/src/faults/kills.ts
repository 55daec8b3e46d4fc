import { readFileSync, rmSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import { MsgPackCodec, connect, type ColloquyError, type Connection } from "@colloquy/rpc";
import { Subprocess } from "@colloquy/bench/subprocess";
import { wallMs, type FaultsQuestion, type Victim } from "./cell.ts";

const program = new URL("cell.js", import.meta.url);
const mostCalls = 3000;
const perTurn = 40;
const mostUnderWay = 400;

/** What one peer that was killed has shown. */
export interface KillRound {
  readonly calls: number;
  readonly settled: number;
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

/** Kills a server at a random call, the turn in which it runs, and looks at what becomes of all calls. */
export async function killRound(notes: string, random: number): Promise<KillRound> {
  const victim = new Subprocess(program);
  const lastCall = Math.floor(random * mostCalls);
  try {
    const address = await victim.ask<string>({ notes, lastCall } satisfies FaultsQuestion);
    const connection = await connect<Victim>(address, { codec: MsgPackCodec });
    const ends = await callUntilLost(connection);
    return judged(ends, readFileSync(notes, "utf8").split("\n"));
  } finally {
    await victim.end();
    rmSync(notes, { force: true });
  }
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
    if (turnCount++ % 10 === 0) watch((id) => remote.hang(id));
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
    if (error !== undefined && error.code !== "CONNECTION_LOST") wrong.push(`call ${id} failed with ${error.code}`);
  }
  const failed = ends.filter(({ error }) => error !== undefined);
  return {
    calls: ends.length,
    settled: ends.reduce((sum, { count }) => sum + count, 0),
    wrong,
    lateMs: failed.map(({ atMs }) => atMs - diedMs),
  };
}
