import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { ColloquyError } from "./errors.ts";
import { seldomWarn } from "./warn.ts";
import type { warn } from "./warn.ts";

/** Of the descriptors that the process may have: the rest is for its files and its own connections. */
const DESCRIPTOR_SHARE = 0.8;

/** How many sockets a server takes, and who is told of one that it doesn't. */
export interface BoundOptions {
  /** Sockets that are open at the same time, with those whose handshake isn't over. Default: no bound but the process's. */
  readonly maxConnectionCount?: number | undefined;
  readonly onTurnedAway?: ((error: ColloquyError) => void) | undefined;
}

/** Open sockets of all servers of the process: they share its descriptors. */
let openCount = 0;

/**
 * Bounds the sockets of a server by a number, and by what the process can have: without descriptors it can't even accept one to close
 * it, nor open a file. The server's own `maxConnections` counts no sockets that were adopted.
 */
export class ConnectionBound {
  readonly #maxCount: number;
  /** Of all servers together. */
  readonly #maxOpenCount: number;
  readonly #onTurnedAway: BoundOptions["onTurnedAway"];
  readonly #warnSeldom: typeof warn = seldomWarn();
  #count = 0;

  constructor({ maxConnectionCount = Infinity, onTurnedAway }: BoundOptions = {}) {
    this.#maxCount = maxConnectionCount;
    this.#onTurnedAway = onTurnedAway;
    this.#maxOpenCount = Math.max(1, Math.floor(DESCRIPTOR_SHARE * maxDescriptorCount()));
  }

  /** False: there are too many, and the socket is closed. */
  takes(socket: Socket): boolean {
    const isFull = this.#count >= this.#maxCount;
    if (!isFull && openCount < this.#maxOpenCount) return true;
    socket.destroy();
    const reason = isFull
      ? `${this.#maxCount} clients are connected (maxConnectionCount)`
      : `${this.#maxOpenCount} clients of all servers are connected: four fifths of the descriptors of this process (ulimit -n)`;
    const error = new ColloquyError("RESOURCE_EXHAUSTED", reason, { limit: "maxConnectionCount" });
    this.#warnSeldom("a client was turned away", error);
    this.#onTurnedAway?.(error);
    return false;
  }

  /** Counts a socket as long as it is open. */
  count(socket: Socket): void {
    this.#count++;
    openCount++;
    socket.once("close", () => {
      this.#count--;
      openCount--;
    });
  }
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
