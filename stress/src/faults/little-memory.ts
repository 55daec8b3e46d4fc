import { existsSync } from "node:fs";
import { formatQuantity } from "@colloquy/bench/markdown-table";
import { Subprocess } from "@colloquy/bench/subprocess";
import { VICTIM_FLAGS, VICTIM_LIMITS } from "../attacks/victim-limits.ts";
import type { Crowded, MemoryQuestion } from "./memory-cell.ts";
import { shown, skipped, type Outcome, type Size } from "./row.ts";

const program = new URL("memory-cell.js", import.meta.url);
const mebibyte = 1_048_576;
/** All that the process may write to: most of it are its heap, the stacks of its threads, and what the engine lets stand before it collects. */
const dataBytes = 320 * mebibyte;
const connectionCount = 3;
/** Three connections share the heap. */
const limits = { ...VICTIM_LIMITS, maxHeldBytes: 8 * mebibyte };

export const memoryBar: string = `${dataBytes / mebibyte} MiB, crash: 0, settled: called, answers after`;

/** A process with a small heap that may write to so much memory: the system refuses more. */
function confined(): Subprocess {
  const node = `"${process.execPath}" ${VICTIM_FLAGS.join(" ")}`;
  return new Subprocess(program, ["/bin/sh", "-c", `ulimit -d ${dataBytes / 1024} && exec ${node} "$0"`]);
}

/** Why a process can't be confined on this machine: one that takes more has to end. */
async function whyNotConfined(): Promise<string | undefined> {
  if (!existsSync("/proc/self/status")) return "needs Linux: elsewhere ulimit -d limits no memory that is mapped";
  const control = confined();
  try {
    await control.ask({ ask: "fill", bytes: dataBytes } satisfies MemoryQuestion);
    return "ulimit -d limits nothing here";
  } catch {
    return undefined;
  } finally {
    await control.end();
  }
}

/** A server whose memory is limited by the system, and peers that send and ask for as much as its own limits allow. */
export async function littleMemory(size: Size): Promise<Outcome> {
  const reason = await whyNotConfined();
  if (reason !== undefined) return skipped(reason);
  const [server, peers] = [confined(), new Subprocess(program)];
  const ask = <T>(process: Subprocess, question: MemoryQuestion): Promise<T> => process.ask<T>(question);
  try {
    const address = await ask<string>(server, { ask: "serve", limits });
    const seconds = size === "full" ? 15 : 1;
    const crowded = await ask<Crowded>(peers, { ask: "crowd", address, count: connectionCount, seconds });
    const { calls, settled, right, failures } = crowded;
    const wrong = Object.entries(failures)
      .filter(([code]) => code !== "RESOURCE_EXHAUSTED")
      .map(([code, count]) => `${count} calls failed with ${code}`);
    if (settled < calls) wrong.push(`${calls - settled} calls have not settled`);
    if (right === 0) wrong.push("no call has had its result");
    const after = await ask<string>(peers, { ask: "echo", address }).catch(String);
    if (after !== "here") wrong.push(`afterwards: ${after}`);
    const most = await ask<number>(server, { ask: "most" }).catch((error: unknown) => void wrong.push(String(error)));
    const figure = `${formatQuantity(calls)} calls, ${formatQuantity(right)} with results, ${formatQuantity(calls - right)} refused; ${Math.round((most ?? 0) / mebibyte)} MiB at most`;
    return shown(figure, true, wrong);
  } finally {
    await Promise.all([server.end(), peers.end()]);
  }
}
