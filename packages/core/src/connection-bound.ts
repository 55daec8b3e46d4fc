import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { ColloquyError } from "./errors.ts";
import { seldomWarn } from "./warn.ts";
import type { warn } from "./warn.ts";

/** Of the descriptors that the process may have: the rest is for its files and its own connections. */
const DESCRIPTOR_SHARE = 0.8;

/**
 * Bounds the sockets of a server by a number, and by what the process can have: without descriptors it can't even accept one to close
 * it, nor open a file. The server's own `maxConnections` counts no sockets that were adopted.
 */
export class ConnectionBound {
  readonly #most: number;
  readonly #warnSeldom: typeof warn = seldomWarn();
  #count = 0;

  constructor(maxCount: number = Infinity) {
    this.#most = Math.min(maxCount, Math.max(1, Math.floor(DESCRIPTOR_SHARE * maxDescriptorCount())));
  }

  /** False: there are too many, and the socket is closed. */
  takes(socket: Socket): boolean {
    if (this.#count < this.#most) return true;
    socket.destroy();
    const reason = `${this.#most} clients are connected (maxConnectionCount)`;
    const error = new ColloquyError("RESOURCE_EXHAUSTED", reason, { limit: "maxConnectionCount" });
    this.#warnSeldom("a client was turned away", error);
    return false;
  }

  /** Counts a socket as long as it is open. */
  count(socket: Socket): void {
    this.#count++;
    socket.once("close", () => this.#count--);
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
