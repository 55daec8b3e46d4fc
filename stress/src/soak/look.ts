import { readdirSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { ConnectionStats } from "@colloquy/rpc";
import { countersOf } from "../simulation/watch.ts";

/** What a process holds when nothing is under way. */
export interface Look {
  readonly heapBytes: number;
  /** Memory of buffers outside of the heap. */
  readonly externalBytes: number;
  readonly residentBytes: number;
  readonly handles: number;
  /** 0 where the system doesn't list them. */
  readonly descriptors: number;
  readonly connections: number;
  /** Entries in the tables of all connections. */
  readonly entries: number;
  /** The same by connection and table: what there is. */
  readonly found: string;
}

/** Results are kept until the next ones come, or the connection ends; connections that follow each other are counted. */
const LASTING: ReadonlySet<string> = new Set(["keptResults", "reconnects"]);

function tablesOf(stats: ConnectionStats): (keyof ConnectionStats)[] {
  return countersOf(stats).filter((table) => !LASTING.has(table));
}

const collections = 4;
const pauseMs = 20;
const patienceMs = 3000;

/** Collects garbage until the tables are empty, or for a while, and looks. */
export async function look(allStats: () => readonly ConnectionStats[]): Promise<Look> {
  const entries = (): number =>
    allStats().reduce((sum, stats) => sum + tablesOf(stats).reduce((some, table) => some + stats[table], 0), 0);
  const end = performance.now() + patienceMs;
  do {
    // Finalizers run between collections, and free more.
    for (let time = 0; time < collections; time++) {
      globalThis.gc?.();
      await sleep(pauseMs);
    }
  } while (entries() > 0 && performance.now() < end);
  const { heapUsed, external, rss } = process.memoryUsage();
  return {
    heapBytes: heapUsed,
    externalBytes: external,
    residentBytes: rss,
    handles: process.getActiveResourcesInfo().length,
    descriptors: descriptorCount(),
    connections: allStats().length,
    entries: entries(),
    found: allStats().map(foundIn).join("; "),
  };
}

function foundIn(stats: ConnectionStats): string {
  return (
    tablesOf(stats)
      .flatMap((table) => (stats[table] > 0 ? [`${table} ${stats[table]}`] : []))
      .join(", ") || "nothing"
  );
}

function descriptorCount(): number {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return 0;
  }
}
