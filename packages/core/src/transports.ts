import { formatAddress, parseAddress, staysOnHost } from "./address.ts";
import type { Address } from "./address.ts";
import { AttemptLimit } from "./attempt-limit.ts";
import { ColloquyError, quoted } from "./errors.ts";
import { timerMs } from "./limits.ts";
import { LocalNetwork } from "./local-transport.ts";
import { OPTION, wrongOption } from "./options.ts";
import type { OptionKind } from "./options.ts";
import { connectSocket, listenSocket } from "./tcp-transport.ts";
import type { ServerLimits, SocketAddress } from "./tcp-transport.ts";
import { checkTls, checkTlsAlone } from "./tls-options.ts";
import type { TlsOptions } from "./tls-options.ts";
import type { Listener, Transport } from "./transport.ts";

const FIRST_RETRY_MS = 10;
const LONGEST_RETRY_MS = 250;
const SINGLE_ATTEMPT_MS = 10_000;
const RETRIED: ReadonlySet<unknown> = new Set(["ECONNREFUSED", "ENOENT"]);

/** Options of connecting and listening. */
export interface TransportOptions {
  /** Switches TLS on, with certificates on both sides. Default: none. `local://` has none. */
  readonly tls?: TlsOptions | undefined;
  /**
   * Lets TCP leave this host without `tls`: whoever is on the way can read and change what is sent, and pretend to be the other side.
   * Default: false, addresses other than loopback ones need `tls`.
   */
  readonly dangerouslyAllowPlaintext?: boolean | undefined;
  /** More options for `node:net`: `localAddress`, `keepAlive`, `backlog`, ... Default: Node's, without delay (`noDelay`). */
  readonly socket?: object | undefined;
  /** Where `local://` names live, or all addresses (`everyAddress`); default: one network for the process. */
  readonly network?: LocalNetwork | undefined;
}

/** Options of the side that connects. */
export interface ConnectOptions extends TransportOptions {
  /**
   * Milliseconds. 0, the default: one attempt. Above: new attempts for that long while the connection is refused or the Unix
   * socket isn't there. Infinity: for ever.
   */
  readonly timeout?: number | undefined;
  /** How the other side of a `local://` connection, and its network, are to know this side. Default: by no name. */
  readonly localName?: string | undefined;
  /** Gives up the attempts. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of the side that listens. */
export interface ListenOptions extends TransportOptions {
  /** Host name for the server's address, where that of the listening socket isn't what clients reach. */
  readonly advertise?: string | undefined;
}

const TRANSPORT_OPTIONS: Readonly<Record<keyof TransportOptions, OptionKind>> = {
  tls: OPTION.any,
  dangerouslyAllowPlaintext: OPTION.flag,
  socket: OPTION.object,
  network: { takes: "a LocalNetwork", accepts: isNetwork },
};

/** @internal What functions that connect take of theirs. */
export const CONNECT_OPTIONS: Readonly<Record<keyof ConnectOptions, OptionKind>> = Object.freeze({
  ...TRANSPORT_OPTIONS,
  localName: OPTION.text,
  timeout: OPTION.milliseconds,
  signal: OPTION.signal,
});

/** @internal What functions that listen take of theirs. */
export const LISTEN_OPTIONS: Readonly<Record<keyof ListenOptions, OptionKind>> = Object.freeze({
  ...TRANSPORT_OPTIONS,
  advertise: OPTION.text,
});

/** One of another copy of the package, too. */
function isNetwork(value: unknown): boolean {
  const { listen, connect } = Object(value) as Partial<LocalNetwork>;
  return typeof listen === "function" && typeof connect === "function";
}

/**
 * Connects to an address.
 *
 * Rejects with `INVALID_ARGUMENT` for a malformed one, `UNAVAILABLE` (the cause is the system's last error) where nobody
 * answers in time, `CANCELLED` on the signal.
 */
export async function connectTransport(text: string, options: ConnectOptions): Promise<Transport> {
  const address = parseAddress(text);
  if (address.kind === "tcp" && address.host === "") {
    throw new ColloquyError("INVALID_ARGUMENT", `address ${quoted(text)} has no host to connect to`);
  }
  checkTransport(address, options);
  const timeout = options.timeout ?? 0;
  const { takes, accepts } = OPTION.milliseconds;
  if (!accepts(timeout)) throw wrongOption("connect", "timeout", timeout, takes);
  const start = performance.now();
  const limit = new AttemptLimit(options.signal);
  const timer =
    timeout === Infinity
      ? undefined
      : setTimeout(() => limit.end(timedOut(timeout)), timerMs(timeout || SINGLE_ATTEMPT_MS));
  let last: unknown;
  try {
    for (let pause = FIRST_RETRY_MS; ; pause = Math.min(pause * 2, LONGEST_RETRY_MS)) {
      try {
        return await attempt(address, options, limit);
      } catch (error) {
        const left = timeout - (performance.now() - start);
        // An attempt that the end of the time cut short says less than the one before.
        if (limit.ended) throw last ?? error;
        if (left <= 0 || !RETRIED.has((error as NodeJS.ErrnoException).code)) throw error;
        last = error;
        await wait(Math.min(pause, left), limit, error);
      }
    }
  } catch (error) {
    throw failure(address, error, options.signal);
  } finally {
    clearTimeout(timer);
    limit.close();
  }
}

/** Listens on an address. Rejects with `INVALID_ARGUMENT` for a malformed one, `UNAVAILABLE` where it can't be had. */
export async function listenTransport(
  text: string,
  onTransport: (transport: Transport) => void,
  options: ListenOptions & ServerLimits,
): Promise<Listener> {
  const address = parseAddress(text);
  checkTransport(address, options);
  const place = placeOf(address, options);
  if (place !== undefined) return place.network.listen(place.name, onTransport);
  return listenSocket(address as SocketAddress, onTransport, options);
}

/** @throws ColloquyError `INVALID_ARGUMENT` for TLS options that are wrong, and for what would leave this host in plain text. */
function checkTransport(address: Address, options: TransportOptions): void {
  checkTls(options.tls);
  if (options.tls !== undefined) return checkTlsAlone(options.socket);
  if (options.dangerouslyAllowPlaintext === true || placeOf(address, options) !== undefined) return;
  const reason = leavesHost(address, options.socket);
  if (reason === undefined) return;
  const advice = "set tls, or dangerouslyAllowPlaintext: true where nobody else is on that network";
  throw new ColloquyError("INVALID_ARGUMENT", `${reason}, and nothing is encrypted there without tls: ${advice}`);
}

/** Options of sockets that take the place of the address. */
const LEADING_ELSEWHERE = ["fd", "handle", "_handle", "lookup"];

/** Why what is sent to an address may leave this host. */
function leavesHost(address: Address, socket: object = {}): string | undefined {
  if (!staysOnHost(address)) return `${formatAddress(address)} is not of this host alone`;
  // The name says nothing then.
  const leading = LEADING_ELSEWHERE.find((name) => Reflect.get(socket, name) !== undefined);
  if (leading === undefined || (leading === "lookup" && address.kind !== "tcp")) return undefined;
  return `socket.${leading} may lead ${formatAddress(address)} to another host`;
}

async function attempt(address: Address, options: ConnectOptions, limit: AttemptLimit): Promise<Transport> {
  if (limit.ended) throw limit.reason;
  const place = placeOf(address, options);
  if (place === undefined) return connectSocket(address as SocketAddress, options, limit);
  const transport = place.network.connect(place.name, options.localName);
  if (transport !== undefined) return transport;
  throw Object.assign(new Error(`nobody listens on ${formatAddress(address)}`), { code: "ENOENT" });
}

/** Where an address stands that takes no socket. */
function placeOf(address: Address, options: TransportOptions): { network: LocalNetwork; name: string } | undefined {
  const { network } = options;
  if (network?.everyAddress === true) return { network, name: formatAddress(address) };
  return address.kind === "local" ? { network: networkOf(options), name: address.name } : undefined;
}

/** Rejects early with `last`, the error of the attempt before, where the time is up. */
async function wait(milliseconds: number, limit: AttemptLimit, last: unknown): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(done, milliseconds);
    function done(): void {
      clearTimeout(timer);
      limit.whenEnded(undefined);
      if (limit.ended) reject(last);
      else resolve();
    }
    limit.whenEnded(done);
  });
}

function failure(address: Address, error: unknown, signal: AbortSignal | undefined): ColloquyError {
  const where = formatAddress(address);
  if (signal?.aborted === true) {
    return new ColloquyError("CANCELLED", `connecting to ${where} was cancelled`, { cause: signal.reason });
  }
  if (error instanceof ColloquyError && error.code === "INVALID_ARGUMENT") return error;
  // Several addresses of one name fail with one AggregateError, whose own message is empty.
  const { message, code } = error as NodeJS.ErrnoException;
  // What a server says, in whose port there is no TLS, is no handshake.
  const noTls = message.includes("secure TLS connection") ? " (it may not use TLS, or want another certificate)" : "";
  return new ColloquyError("UNAVAILABLE", `can't connect to ${where}: ${message === "" ? code : message}${noTls}`, {
    cause: error,
  });
}

function timedOut(timeout: number): Error {
  return new Error(`no connection within ${timeout || SINGLE_ATTEMPT_MS} ms`);
}

const NETWORK: unique symbol = Symbol.for("colloquy.localNetwork") as never;

/**
 * Names of `local://` are the process's: two modules find each other without passing anything on, also where the package
 * is loaded twice. So the default network hangs on the global object, not on this module.
 */
function networkOf(options: TransportOptions): LocalNetwork {
  if (options.network !== undefined) return options.network;
  const place = globalThis as { [NETWORK]?: LocalNetwork };
  place[NETWORK] ??= new LocalNetwork();
  return place[NETWORK];
}
