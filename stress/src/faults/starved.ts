import { setTimeout as sleep } from "node:timers/promises";
import { Subprocess } from "@colloquy/bench/subprocess";
import type { Opened, PeerQuestion } from "./peer-cell.ts";
import { shown, skipped, type Outcome } from "./row.ts";

const program = new URL("peer-cell.js", import.meta.url);
/** Modules are loaded many at once, so that the process takes up most of what it may have afterwards. */
const descriptors = 256;
const held = 170;
const attempts = 100;
const afterwards = 10;
const pauseMs = 500;

/** A process that may open few descriptors more. */
async function starved(): Promise<Subprocess> {
  const process = newStarved();
  await process.ask({ kind: "hold", count: held } satisfies PeerQuestion);
  return process;
}

function newStarved(): Subprocess {
  return new Subprocess(program, ["/bin/sh", "-c", `ulimit -n ${descriptors} && exec "${process.execPath}" "$0"`]);
}

/** What is wrong with a process that has run out of descriptors, in words. */
async function crowd(client: Subprocess, address: string, who: string): Promise<{ opened: number; wrong: string[] }> {
  const ask = <T>(question: PeerQuestion): Promise<T> => client.ask<T>(question);
  const { count: opened, codes } = await ask<Opened>({ kind: "open", address, count: attempts });
  const wrong = codes.filter((code) => code !== "UNAVAILABLE" && code !== "CONNECTION_LOST");
  await ask({ kind: "close" });
  await sleep(pauseMs);
  const { count: again } = await ask<Opened>({ kind: "open", address, count: afterwards });
  await ask({ kind: "close" });
  return {
    opened,
    wrong: [
      ...wrong.map((code) => `${who}: an attempt failed with ${code}`),
      ...(opened === 0 || opened === attempts ? [`${who}: ${opened} connections of ${attempts}`] : []),
      ...(again === afterwards ? [] : [`${who}: only ${again} connections of ${afterwards} once there was room`]),
    ],
  };
}

/** More connections than descriptors, to a server that has few and from a client that has few. */
export async function starvedProcesses(): Promise<Outcome> {
  if (process.platform === "win32") return skipped("needs ulimit");
  const [fewServer, fewClient] = await Promise.all([starved(), starved()]);
  const [client, server] = [new Subprocess(program), new Subprocess(program)];
  const serve: PeerQuestion = { kind: "serve", host: "127.0.0.1" };
  try {
    const one = await crowd(client, await fewServer.ask<string>(serve), "server");
    const other = await crowd(fewClient, await server.ask<string>(serve), "client");
    const figure = `of ${attempts} connections ${one.opened} to a server, ${other.opened} from a client; both recover`;
    return shown(figure, true, [...one.wrong, ...other.wrong]);
  } finally {
    await Promise.all([fewServer, client, server, fewClient].map((each) => each.end()));
  }
}
