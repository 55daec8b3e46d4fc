import { tmpdir } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { MsgPackCodec, connect, withOptions, type Connection } from "@colloquy/rpc";
import { formatQuantity } from "@colloquy/bench/markdown-table";
import { Subprocess } from "@colloquy/bench/subprocess";
import type { FaultsQuestion, Victim } from "./cell.ts";
import { shown, type Outcome, type Size } from "./row.ts";

const program = new URL("cell.js", import.meta.url);
const limits = { pingIntervalMs: 100, pingTimeoutMs: 300 };
const callTimeoutMs = 80;
const callCount = 50;
const stalledMs = { full: [100, 300, 1000, 3000, 10_000, 60_000], smoke: [100, 500] };

/** What stalls of this process have shown. */
interface Stalls {
  readonly calls: number;
  /** Calls that were answered in time, and failed with `DEADLINE_EXCEEDED`. */
  readonly falseTimeouts: number;
  /** Connections to a living peer that were given up. */
  readonly falseDeaths: number;
}

/** Stalls this process for each of these times while answers lie in the socket, and pings are due. */
async function stallsOf(milliseconds: readonly number[]): Promise<Stalls> {
  const peer = new Subprocess(program);
  let [falseTimeouts, falseDeaths] = [0, 0];
  try {
    const notes = `${tmpdir()}/colloquy-stalls-${process.pid}`;
    const address = await peer.ask<string>({ notes, lastCall: -1 } satisfies FaultsQuestion);
    let connection = await connectTo(address);
    for (const stalled of milliseconds) {
      // As the next ping is due.
      await sleep(limits.pingIntervalMs);
      falseTimeouts += await timeoutsIn(connection, stalled);
      await sleep(limits.pingIntervalMs + limits.pingTimeoutMs);
      if (connection.usable) continue;
      falseDeaths++;
      connection = await connectTo(address);
    }
    await connection.close({ graceMs: 0 });
  } finally {
    await peer.end();
  }
  return { calls: callCount * milliseconds.length, falseTimeouts, falseDeaths };
}

async function connectTo(address: string): Promise<Connection<Victim>> {
  return connect<Victim>(address, { codec: MsgPackCodec, limits });
}

async function timeoutsIn({ remote }: Connection<Victim>, milliseconds: number): Promise<number> {
  const echo = withOptions(remote.echo, { timeout: callTimeoutMs });
  const calls = Array.from({ length: callCount }, (_, index) => echo(index).catch(({ code }) => code as unknown));
  // The requests leave; the answers come while this process does something else.
  await new Promise((resolve) => setImmediate(resolve));
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
  return (await Promise.all(calls)).filter((result) => result === "DEADLINE_EXCEEDED").length;
}

/** This process does something else for a while, as answers come and pings are due. */
export async function stalls(size: Size): Promise<Outcome> {
  const milliseconds = stalledMs[size];
  const { calls, falseTimeouts, falseDeaths } = await stallsOf(milliseconds);
  const most = formatQuantity(Math.max(...milliseconds));
  const figure = `up to ${most} ms: ${calls} calls, ${falseTimeouts} false timeouts, ${falseDeaths} false deaths`;
  return shown(figure, falseTimeouts + falseDeaths === 0);
}
