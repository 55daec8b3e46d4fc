import net from "node:net";
import type { TransportReceiver } from "./transport.ts";

const READ_BYTES = 65_536;
/** What sockets read into: one piece of memory for all, since what has come is taken before the next read. */
let shared: Buffer | undefined;

/**
 * Reads a socket without memory of its own: into a buffer that all share, or straight into the place of a large message. Node
 * takes it as `onread` when a socket is made, and asks for memory then; the others deliver their `data` events to `push`. What
 * comes before there is a receiver waits.
 */
export class SocketReader {
  #receiver: TransportReceiver | undefined;
  /** What came before there was a receiver, or after a pause. */
  #kept: Buffer[] | undefined;
  #paused = false;
  #closed = false;
  #asked = false;
  #room: Buffer | undefined;

  /** For the options of the socket. */
  onread(): net.OnReadOpts {
    return { buffer: () => this.#place(), callback: (count, bytes) => this.#take(count, bytes) };
  }

  /** False: the socket doesn't read by `onread`. */
  get isAsked(): boolean {
    return this.#asked;
  }

  /** Takes a chunk of a socket that delivers `data` events. False: it had to be kept, and the socket should pause. */
  push(chunk: Buffer): boolean {
    return this.#take(chunk.length, chunk);
  }

  /** Delivers to `receiver` from now on. */
  open(receiver: TransportReceiver): void {
    if (this.#closed) return;
    this.#receiver = receiver;
    this.#deliverKept();
  }

  /** Keeps what comes: a socket that was resumed a moment ago may read once more. */
  pause(): void {
    this.#paused = true;
  }

  /** False: what was kept has led to another pause. */
  resume(): boolean {
    this.#paused = false;
    this.#deliverKept();
    return !this.#paused;
  }

  /** The socket has ended: delivers what was kept, after a pause too, and nothing any more. */
  finish(): void {
    const kept = this.#kept;
    this.#kept = undefined;
    for (const chunk of kept ?? []) this.#receiver?.onChunk(chunk);
    this.close();
  }

  /** Delivers nothing any more, what was kept neither. */
  close(): void {
    this.#closed = true;
    this.#receiver = undefined;
    this.#kept = undefined;
  }

  #deliverKept(): void {
    while (!this.#paused && this.#receiver !== undefined && this.#kept !== undefined) {
      const chunk = this.#kept.shift();
      if (chunk === undefined) this.#kept = undefined;
      else this.#receiver.onChunk(chunk);
    }
  }

  #place(): Buffer {
    this.#asked = true;
    // What is kept moves the place of a large message when it is delivered.
    this.#room = this.#paused ? undefined : this.#receiver?.room?.();
    return this.#room ?? (shared ??= Buffer.allocUnsafeSlow(READ_BYTES));
  }

  /** False stops reading. */
  #take(count: number, bytes: Uint8Array): boolean {
    if (this.#closed) return false;
    const receiver = this.#receiver;
    const chunk = (bytes as Buffer).subarray(0, count);
    if (receiver === undefined || this.#paused) {
      (this.#kept ??= []).push(Buffer.from(chunk));
      return false;
    }
    if (this.#room === undefined) receiver.onChunk(chunk);
    else receiver.onFilled!(count);
    return true;
  }
}

/** A socket, and what reads it. */
export interface ReadSocket {
  readonly socket: net.Socket;
  readonly reader: SocketReader;
}

/** A socket that delivers `data` events. */
export function byEvents(socket: net.Socket): ReadSocket {
  return { socket, reader: new SocketReader() };
}

/** A socket that connects. Throws what `net.connect` throws. */
export function connectRead(options: net.NetConnectOpts): ReadSocket {
  return readSocket((onread) => net.connect({ ...options, ...onread }));
}

/** The parts of a socket that `adopt` needs; Node has them, other runtimes may not. */
interface Inner {
  _handle?: { useUserBuffer?: unknown } | null;
}

/**
 * The connection of `accepted`, to be read by `onread` where the runtime can do that: servers make their sockets themselves and
 * have no option for it. `accepted` must not have begun to read, and is of no use afterwards but where it is what is returned.
 */
export function adopt(accepted: net.Socket): ReadSocket {
  const inner = accepted as Inner;
  const handle = inner._handle;
  if (typeof handle?.useUserBuffer !== "function") return byEvents(accepted);
  const options = { handle, pauseOnCreate: true, allowHalfOpen: accepted.allowHalfOpen };
  try {
    const read = readSocket((onread) => new net.Socket({ ...options, ...onread }));
    if ((read.socket as Inner)._handle !== handle) return byEvents(accepted);
    inner._handle = null;
    return read;
  } catch {
    return byEvents(accepted);
  }
}

/** Without `onread` where the runtime fails at it: what comes are `data` events then. */
function readSocket(make: (options: { readonly onread?: net.OnReadOpts }) => net.Socket): ReadSocket {
  const reader = new SocketReader();
  try {
    return { socket: make({ onread: reader.onread() }), reader };
  } catch {
    // Another reader, for the first may have been asked for memory, and a whole socket in place of the half-made one.
    return byEvents(make({}));
  }
}
