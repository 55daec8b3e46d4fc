import { setTimeout as sleep } from "node:timers/promises";
import type { Timing } from "../measure.ts";
import { Subprocess } from "../subprocess.ts";
import type { GrowthQuestion, Mark } from "./cell.ts";
import type { Point } from "./points.ts";

/** What the calls of a point cost. */
export interface Cost {
  readonly callsPerSecond: number;
  /** Time of CPU a call; it stays what it is when others use the machine, too. */
  readonly clientUs: number;
  readonly serverUs: number;
}

/** Where calls are counted the window is short, so that it ends long before the next point of the series. */
const countedWindowShare = 5;
const program = new URL("cell.js", import.meta.url);

/** Measures one point in two fresh processes, which are gone when it settles. */
export async function runPoint(point: Point, timing: Timing, command: readonly string[]): Promise<Cost> {
  const server = new Subprocess(program, command);
  const client = new Subprocess(program, command);
  try {
    const addresses = await ask<readonly string[]>(server, { kind: "offer", point });
    await ask(client, { kind: "start", point, addresses });
    if (point.callsBefore === undefined) await sleep(timing.warmUpMs);
    else await ask(client, { kind: "until", completed: point.callsBefore });
    const before = await markBoth(client, server);
    await sleep(point.callsBefore === undefined ? timing.timedMs : timing.timedMs / countedWindowShare);
    const after = await markBoth(client, server);
    await ask(client, { kind: "stop" });
    return costBetween(before, after);
  } finally {
    await client.end();
    await server.end();
  }
}

type Marks = readonly [client: Mark, server: Mark];

function markBoth(client: Subprocess, server: Subprocess): Promise<Marks> {
  return Promise.all([ask<Mark>(client, { kind: "mark" }), ask<Mark>(server, { kind: "mark" })]);
}

function ask<T>(process: Subprocess, question: GrowthQuestion): Promise<T> {
  return process.ask<T>(question);
}

function costBetween([client, server]: Marks, [laterClient, laterServer]: Marks): Cost {
  const calls = laterClient.completed - client.completed;
  if (calls === 0) throw new Error("no call ended within the timed window");
  const serverShare = (laterClient.ms - client.ms) / (laterServer.ms - server.ms);
  return {
    callsPerSecond: calls / ((laterClient.ms - client.ms) / 1000),
    clientUs: (laterClient.cpuUs - client.cpuUs) / calls,
    serverUs: ((laterServer.cpuUs - server.cpuUs) * serverShare) / calls,
  };
}
