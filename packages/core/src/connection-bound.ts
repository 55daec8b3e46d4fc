import { readFileSync } from "node:fs";
import type { Server } from "node:net";
import { ColloquyError } from "./errors.ts";
import { seldomWarn } from "./warn.ts";

/** Of the descriptors that the process may have: the rest is for its files and its own connections. */
const DESCRIPTOR_SHARE = 0.8;

/**
 * Has a server take `maxCount` sockets at a time, and no more than the process can have. One more is closed as it is accepted: a
 * process without descriptors can't even do that, nor open a file.
 */
export function boundConnections(server: Server, maxCount: number = Infinity): void {
  const most = Math.min(maxCount, Math.max(1, Math.floor(DESCRIPTOR_SHARE * maxDescriptorCount())));
  const warnSeldom = seldomWarn();
  server.maxConnections = most;
  server.on("drop", () => {
    const reason = new ColloquyError("RESOURCE_EXHAUSTED", `${most} clients are connected (maxConnectionCount)`);
    warnSeldom("a client was turned away", reason);
  });
}

/** As many descriptors as the process may have, where the system tells. Node has raised it to the most that is allowed. */
function maxDescriptorCount(): number {
  try {
    const [, count] = /^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    return count === undefined ? Infinity : Number(count);
  } catch {
    return Infinity;
  }
}
