import { setTimeout as sleep } from "node:timers/promises";
import { formatQuantity } from "@colloquy/bench/markdown-table";
import { Subprocess } from "@colloquy/bench/subprocess";
import { ByteProxy } from "../network/byte-proxy.ts";
import { Cable, whyNoNamespaces } from "../network/namespace.ts";
import type { Loss, PeerQuestion } from "./peer-cell.ts";
import { shown, skipped, type Outcome, type Size } from "./row.ts";
import { until } from "./stage.ts";
import { wallMs } from "./wall.ts";

const program = new URL("peer-cell.js", import.meta.url);
/** Each is longer than what is allowed beyond them: with one of them doubled it would show. */
const limits = { pingIntervalMs: 1500, pingTimeoutMs: 3000 };
const slackMs = 1000;
const mostMs = limits.pingIntervalMs + limits.pingTimeoutMs + slackMs;
const callCount = 20;

export const detectionBar = `interval + timeout + 1 s: ${formatQuantity(mostMs)} ms, all calls settle`;

/** A client, whose calls are under way, and what it has noticed. */
class Watcher {
  readonly #process: Subprocess;

  constructor(command: readonly string[] = []) {
    this.#process = new Subprocess(program, command);
  }

  async watch(address: string): Promise<void> {
    await this.#process.ask({ kind: "watch", address, limits, calls: callCount } satisfies PeerQuestion);
  }

  lost(): Promise<Loss> {
    return this.#process.ask<Loss>({ kind: "lost" } satisfies PeerQuestion, 10 * mostMs);
  }

  end(): Promise<void> {
    return this.#process.end();
  }
}

async function server(command: readonly string[] = [], host = "127.0.0.1"): Promise<[Subprocess, string]> {
  const process = new Subprocess(program, command);
  try {
    return [process, await process.ask<string>({ kind: "serve", host, limits } satisfies PeerQuestion)];
  } catch (error) {
    await process.end();
    throw error;
  }
}

function judged(losses: readonly Loss[], startMs: number): Outcome {
  const late = losses.map(({ atMs }) => atMs - startMs);
  const wrong = losses.flatMap(({ code, failed }) => [
    ...(code === "CONNECTION_LOST" ? [] : [`the connection ended with ${code}`]),
    ...(failed === callCount ? [] : [`${callCount - failed} calls have not failed with CONNECTION_LOST`]),
  ]);
  const most = Math.max(...late);
  return shown(
    `${losses.length} peers lost, noticed within ${Math.round(Math.min(...late))} to ${Math.round(most)} ms`,
    most <= mostMs,
    wrong,
  );
}

async function watched(address: string, count: number, strike: () => void): Promise<Outcome> {
  const watchers = Array.from({ length: count }, () => new Watcher());
  try {
    await Promise.all(watchers.map((one) => one.watch(address)));
    await sleep(limits.pingIntervalMs * Math.random());
    const startMs = wallMs();
    strike();
    return judged(await Promise.all(watchers.map((one) => one.lost())), startMs);
  } finally {
    await Promise.all(watchers.map((one) => one.end()));
  }
}

/** All bytes vanish in a proxy. The server has to notice, too. */
export async function blackHoles(size: Size): Promise<Outcome> {
  const [process, address] = await server();
  const proxy = await ByteProxy.open(address);
  try {
    let swallowedAtMs = 0;
    const swallow = (): void => {
      swallowedAtMs = wallMs();
      for (const link of proxy.links) link.swallow();
    };
    const outcome = await watched(proxy.address, size === "full" ? 6 : 1, swallow);
    // What the server ends itself is all that ends a link here.
    const leftMs = Math.max(swallowedAtMs + mostMs - wallMs(), 0);
    if (await until(() => proxy.links.size === 0, leftMs)) return outcome;
    return shown("the server keeps connections", false);
  } finally {
    await process.end();
    await proxy.close();
  }
}

/** Packets vanish between two network namespaces. */
export async function cutCables(): Promise<Outcome> {
  const reason = whyNoNamespaces();
  if (reason !== undefined) return skipped(reason);
  using cable = new Cable();
  const [process, address] = await server(cable.right.command, cable.host);
  const watcher = new Watcher(cable.left.command);
  try {
    await watcher.watch(address);
    const startMs = wallMs();
    cable.drop();
    return judged([await watcher.lost()], startMs);
  } finally {
    await Promise.all([watcher.end(), process.end()]);
  }
}

/** The server's process is stopped. */
export async function frozenPeers(size: Size): Promise<Outcome> {
  const [process, address] = await server();
  try {
    return await watched(address, size === "full" ? 6 : 1, () => process.kill("SIGSTOP"));
  } finally {
    process.kill("SIGCONT");
    await process.end();
  }
}
