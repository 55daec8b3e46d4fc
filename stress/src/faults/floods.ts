import { formatQuantity } from "@colloquy/bench/markdown-table";
import { Subprocess } from "@colloquy/bench/subprocess";
import { Namespace, whyNoNamespaces } from "../network/namespace.ts";
import type { PeerQuestion } from "./peer-cell.ts";
import { shown, skipped, type Outcome, type Size } from "./row.ts";

const program = new URL("peer-cell.js", import.meta.url);
const socketBytes = 4096;
const bytes = 65_536;
const limitMs = 60_000;

/** Two processes send each other more than all memory between them holds, before either reads an answer. */
export async function floods(size: Size): Promise<Outcome> {
  const reason = whyNoNamespaces();
  if (reason !== undefined) return skipped(reason);
  using network = new Namespace("flood");
  network.limitSockets(socketBytes);
  const [server, client] = [new Subprocess(program, network.command), new Subprocess(program, network.command)];
  try {
    const address = await server.ask<string>({ kind: "serve", host: "127.0.0.1" } satisfies PeerQuestion);
    const count = size === "full" ? 400 : 20;
    const start = performance.now();
    const right = await client.ask<number>({ kind: "flood", address, count, bytes } satisfies PeerQuestion, limitMs);
    const seconds = (performance.now() - start) / 1000;
    const mebibytes = (3 * count * bytes) / 2 ** 20;
    const figure = `${formatQuantity(mebibytes)} MiB in ${formatQuantity(2 * count)} calls, ${formatQuantity(right)} right, ${seconds.toFixed(1)} s`;
    return shown(figure, right === 2 * count);
  } finally {
    await Promise.all([client.end(), server.end()]);
  }
}
