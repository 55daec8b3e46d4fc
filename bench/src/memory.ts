import { setTimeout as sleep } from "node:timers/promises";

/** Resident bytes of this process, after garbage collection where Node exposes that. */
export async function settledMemory(settleMs: number): Promise<number> {
  globalThis.gc?.();
  await sleep(settleMs);
  globalThis.gc?.();
  return process.memoryUsage.rss();
}
