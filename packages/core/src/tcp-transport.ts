import { lstatSync, unlinkSync } from "node:fs";
import net from "node:net";
import { hostname } from "node:os";
import tls from "node:tls";
import { formatAddress } from "./address.ts";
import type { Address } from "./address.ts";
import type { AttemptLimit } from "./attempt-limit.ts";
import { ConnectionBound } from "./connection-bound.ts";
import type { BoundOptions } from "./connection-bound.ts";
import { ColloquyError } from "./errors.ts";
import { timerMs } from "./limits.ts";
import { Queue } from "./queue.ts";
import { adopt, byEvents, connectRead } from "./socket-reader.ts";
import type { ReadSocket } from "./socket-reader.ts";
import { tlsClientOptions, tlsServerOptions } from "./tls-options.ts";
import type { TlsOptions } from "./tls-options.ts";
import type { Listener, Transport, TransportReceiver } from "./transport.ts";
import { seldomWarn } from "./warn.ts";

export type SocketAddress = Exclude<Address, { kind: "local" }>;

/** What a socket gets at a time. */
const PIECE_BYTES = 262_144;

/** A TCP or TLS socket, or a Unix socket, as a transport. */
class SocketTransport implements Transport {
  readonly remoteAddress: string;
  readonly #socket: net.Socket;
  readonly #reader: ReadSocket["reader"];
  #receiver: TransportReceiver | undefined;
  #ended = false;
  /** A `write` has returned false, and `onDrain` is to follow. */
  #full = false;
  /** Written and not given to the socket yet: it gets a piece at a time, so that one can see whether they leave. */
  #rest: Queue<Uint8Array> | undefined;
  #restBytes = 0;
  readonly #onWritten = (): void => {
    this.#feed();
    if (!this.#full || this.queuedBytes > 0) return;
    this.#full = false;
    this.#receiver?.onDrain();
  };

  constructor({ socket, reader }: ReadSocket, remoteAddress: string) {
    this.#socket = socket;
    this.#reader = reader;
    this.remoteAddress = remoteAddress;
    socket.setNoDelay(true);
    socket.on("error", ignore);
  }

  get queuedBytes(): number {
    return this.#socket.writableLength + this.#restBytes;
  }

  open(receiver: TransportReceiver): void {
    this.#receiver = receiver;
    const socket = this.#socket;
    socket.on("close", () => this.#closed());
    // First, so that a receiver may pause at what has come already.
    socket.resume();
    if (!this.#reader.isAsked) socket.on("data", (chunk: Buffer) => this.#reader.push(chunk) || socket.pause());
    this.#reader.open(receiver);
    if (socket.destroyed) queueMicrotask(() => this.#closed());
  }

  write(bytes: Uint8Array): boolean {
    // A socket whose end was sent takes no more; answers to requests that cross it are lost with the connection.
    if (this.#ended) return true;
    if (this.#restBytes === 0 && bytes.length <= PIECE_BYTES) this.#socket.write(bytes, this.#onWritten);
    else {
      this.#rest ??= new Queue();
      for (let from = 0; from < bytes.length; from += PIECE_BYTES)
        this.#rest.push(bytes.subarray(from, from + PIECE_BYTES));
      this.#restBytes += bytes.length;
      this.#feed();
    }
    if (this.queuedBytes === 0) return true;
    this.#full = true;
    return false;
  }

  writePiece(head: Uint8Array, piece: Uint8Array, onLeft: () => void): void {
    if (this.#ended) return;
    const socket = this.#socket;
    // Nothing is queued: corked, both go to the system at once, which knows address and length of the piece from then on.
    socket.cork();
    socket.write(head);
    socket.write(piece, (error) => {
      // What a destroyed socket drops is told without an error.
      if ((error !== undefined && error !== null) || socket.destroyed) return;
      onLeft();
      this.#onWritten();
    });
    socket.uncork();
  }

  pause(): void {
    this.#reader.pause();
    this.#socket.pause();
  }

  resume(): void {
    if (this.#reader.resume()) this.#socket.resume();
  }

  end(): void {
    this.#ended = true;
    if (this.#restBytes === 0) this.#socket.end();
  }

  destroy(): void {
    this.#ended = true;
    this.#restBytes = 0;
    this.#reader.close();
    this.#socket.destroy();
  }

  #feed(): void {
    if (this.#restBytes === 0) return;
    while (this.#restBytes > 0 && this.#socket.writableLength < PIECE_BYTES) {
      const bytes = this.#rest!.shift()!;
      this.#restBytes -= bytes.length;
      this.#socket.write(bytes, this.#onWritten);
    }
    if (this.#ended && this.#restBytes === 0) this.#socket.end();
  }

  #closed(): void {
    this.#reader.finish();
    const receiver = this.#receiver;
    this.#receiver = undefined;
    receiver?.onClose(this.#socket.errored ?? undefined);
  }
}

export interface ConnectSocketOptions {
  readonly tls?: TlsOptions | undefined;
  /** More options of `net.connect` and `tls.connect`. */
  readonly socket?: net.TcpNetConnectOpts | object | undefined;
}

/** One attempt to connect. Rejects with the error of the system, or the reason of the limit. */
export async function connectSocket(
  address: SocketAddress,
  options: ConnectSocketOptions,
  limit: AttemptLimit,
): Promise<Transport> {
  const where = address.kind === "tcp" ? { host: address.host, port: address.port } : { path: address.path };
  const extra = { ...options.socket, path: undefined, ...where };
  const secure = options.tls !== undefined;
  const host = address.kind === "tcp" ? address.host : undefined;
  const read = secure
    ? byEvents(usable(() => tls.connect({ ...tlsClientOptions(options.tls, host, tls.checkServerIdentity), ...extra })))
    : connectRead(extra);
  const { socket } = read;
  return new Promise((resolve, reject) => {
    const failed = (error: unknown): void => {
      limit.whenEnded(undefined);
      socket.destroy();
      reject(error);
    };
    limit.whenEnded(() => failed(limit.reason));
    socket.once("error", failed);
    socket.once(secure ? "secureConnect" : "connect", () => {
      limit.whenEnded(undefined);
      socket.removeListener("error", failed);
      resolve(new SocketTransport(read, formatAddress(address)));
    });
  });
}

export interface ServerLimits extends BoundOptions {
  /** Time for the TLS handshake. */
  readonly handshakeTimeoutMs: number;
}

export interface ListenSocketOptions extends ServerLimits {
  readonly tls?: TlsOptions | undefined;
  /** Host name to put into the address instead of the one that was listened on. */
  readonly advertise?: string | undefined;
  /** More options of `server.listen`. */
  readonly socket?: net.ListenOptions | object | undefined;
}

/**
 * Listens, and calls `onTransport` for each connection that is ready, with TLS after the handshake.
 *
 * Rejects with `UNAVAILABLE` where the address can't be had.
 */
export async function listenSocket(
  address: SocketAddress,
  onTransport: (transport: Transport) => void,
  options: ListenSocketOptions,
): Promise<Listener> {
  const bound = new ConnectionBound(options);
  const accept = (socket: net.Socket): void => {
    const remote = socket.remoteAddress === undefined ? formatAddress(address) : remoteOf(socket);
    if (options.tls !== undefined) return onTransport(new SocketTransport(byEvents(socket), remote));
    if (!bound.takes(socket)) return;
    const read = adopt(socket);
    bound.count(read.socket);
    onTransport(new SocketTransport(read, remote));
  };
  // Paused: a socket begins to read when its connection is opened.
  const server =
    options.tls === undefined
      ? net.createServer({ pauseOnConnect: true }, accept)
      : tlsServer(options.tls, accept, options, bound);
  await listen(server, address, options);
  return {
    address: advertised(server, address, options.advertise),
    close: async () => {
      // Doesn't wait for connections: those are the channels' to close.
      server.close();
      server.emit("stop");
    },
  };
}

function tlsServer(
  tlsOptions: TlsOptions,
  accept: (socket: net.Socket) => void,
  options: ListenSocketOptions,
  bound: ConnectionBound,
): net.Server {
  const shaking = new Map<string, net.Socket>();
  const handshakeTimeout = timerMs(options.handshakeTimeoutMs);
  const server = usable(() => tls.createServer({ ...tlsServerOptions(tlsOptions), handshakeTimeout }));
  server.on("connection", (socket: net.Socket) => {
    const remote = remoteOf(socket);
    if (!bound.takes(socket)) return;
    bound.count(socket);
    shaking.set(remote, socket);
    socket.once("close", () => shaking.delete(remote));
  });
  const warnSeldom = seldomWarn();
  // A failed handshake, one that takes too long too, ends that connection only. Node reports it and leaves the socket open.
  server.on("tlsClientError", (error: NodeJS.ErrnoException, socket) => {
    // Who has hung up, such as a check whether the port is open, is none to help.
    if (error.code !== "ECONNRESET") warnSeldom(`the TLS handshake with ${remoteOf(socket)} failed`, error);
    socket.destroy();
  });
  server.on("secureConnection", (socket) => {
    shaking.delete(remoteOf(socket));
    accept(socket);
  });
  server.on("stop", () => {
    for (const socket of shaking.values()) socket.destroy();
  });
  return server;
}

async function listen(server: net.Server, address: SocketAddress, options: ListenSocketOptions): Promise<void> {
  const where =
    address.kind === "tcp"
      ? { host: address.host === "" ? "::" : address.host, port: address.port }
      : { path: address.path };
  // With a port, also one that is undefined, Node looks at no path.
  const { port: _port, ...extra }: net.ListenOptions = { ...options.socket };
  const attempt = (): Promise<void> =>
    new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen({ ...extra, ...where }, () => {
        server.removeListener("error", reject);
        server.on("error", ignore);
        resolve();
      });
    });
  try {
    await attempt().catch(async (error: NodeJS.ErrnoException) => {
      const isTaken = address.kind === "ipc" && error.code === "EADDRINUSE";
      if (!isTaken || !(await isStale(address.path))) throw error;
      unlinkSync(address.path);
      await attempt();
    });
  } catch (error) {
    const reason = (error as Error).message;
    throw new ColloquyError("UNAVAILABLE", `can't listen on ${formatAddress(address)}: ${reason}`, { cause: error });
  }
}

/** A Unix socket that a crashed process has left: it is there and nobody listens. */
async function isStale(path: string): Promise<boolean> {
  // To connect to an ordinary file is refused in the same way; that one is not ours to remove.
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return false;
  return new Promise((resolve) => {
    const probe = net.connect({ path });
    probe.once("connect", () => {
      probe.destroy();
      resolve(false);
    });
    probe.once("error", (error: NodeJS.ErrnoException) => resolve(error.code === "ECONNREFUSED"));
  });
}

function advertised(server: net.Server, address: SocketAddress, advertise: string | undefined): string {
  if (address.kind === "ipc") return formatAddress(address);
  const { port } = server.address() as net.AddressInfo;
  const everywhere = address.host === "" || address.host === "0.0.0.0" || address.host === "::";
  return formatAddress({ kind: "tcp", host: advertise ?? (everywhere ? hostname() : address.host), port });
}

function remoteOf(socket: net.Socket): string {
  return formatAddress({ kind: "tcp", host: socket.remoteAddress ?? "", port: socket.remotePort ?? 0 });
}

/** Certificates and keys that can't be read, or don't belong together, are refused by the TLS library as it starts. */
function usable<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof ColloquyError) throw error;
    throw new ColloquyError("INVALID_ARGUMENT", `the TLS options can't be used: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function ignore(): void {}
