import {
  readable,
  ColloquyError,
  Deferred,
  RemoteError,
  SerializationError,
  describeType,
  estimateBytes,
  quoted,
  timerMs,
} from "@colloquy/core";
import type { Dialect, Limits } from "@colloquy/core";
import type { CallerConnection } from "./context.ts";
import type { OutgoingHost } from "./outgoing-interceptors.ts";
import { RemoteNode } from "./proxy.ts";
import type { Caller } from "./proxy.ts";
import type { SilentFailures } from "./silent-failures.ts";

/**
 * Checks what a client has shown and returns who it is, or a promise of that: any value but undefined, null and false, which refuse as
 * what it throws does. The client learns the reason only where that is a `ColloquyError`.
 */
export type Authenticate = (credentials: unknown, connection: CallerConnection) => unknown;

/** What a client shows: plain values, or a function that gets them anew for each connection. */
export type Credentials = unknown;

/** Messages before hello are bounded, and credentials travel in one of them. In bytes as they are estimated. */
export const MAX_CREDENTIALS_BYTES = 32_768;

/** How the two sides of a connection know each other, where they ask for it. */
export interface Entrance {
  /** Of a server: who may call it. */
  readonly authentication?: Authentication | undefined;
  /** Of a client: what it shows. */
  readonly credentials?: Credentials;
  /** What it calls the connection. */
  readonly link?: string | undefined;
}

/** Who the other side of one connection is, where this side asks for it. */
export class Authentication {
  identity: unknown;
  readonly #authenticate: Authenticate;
  readonly #connection: CallerConnection;
  readonly #silent: SilentFailures;
  readonly #timeoutMs: number;
  #isUnderWay = false;

  constructor(authenticate: Authenticate, connection: CallerConnection, silent: SilentFailures, timeoutMs: number) {
    this.#authenticate = authenticate;
    this.#connection = connection;
    this.#silent = silent;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Sets the identity. Rejects with what the client is told, and leaves the identity as it was: `UNAUTHENTICATED` or the `ColloquyError`
   * of `authenticate`, `UNAVAILABLE` where that takes too long, `RESOURCE_EXHAUSTED` while one attempt is under way.
   */
  async check(credentials: unknown): Promise<void> {
    if (this.#isUnderWay) {
      const reason = "the credentials of this connection are being checked already: one attempt at a time";
      throw new ColloquyError("RESOURCE_EXHAUSTED", reason);
    }
    this.#isUnderWay = true;
    const late = new Deferred<never>();
    const timer = setTimeout(() => late.reject(tooLate(this.#timeoutMs)), timerMs(this.#timeoutMs));
    try {
      this.identity = await Promise.race([this.#identityOf(credentials), late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #identityOf(credentials: unknown): Promise<unknown> {
    try {
      const identity = await this.#authenticate(credentials, this.#connection);
      if (identity === undefined || identity === null || identity === false) throw refused(credentials);
      return identity;
    } catch (thrown) {
      const error = readable(thrown);
      // What another service has answered isn't meant for a stranger.
      if (!(error instanceof ColloquyError) || error instanceof RemoteError) {
        this.#silent.onAuthenticate(thrown);
        throw refused(credentials);
      }
      // Its cause, and whether a call of its own ran, are no business of the client's.
      throw new ColloquyError(error.code, error.message);
    } finally {
      // An attempt that takes too long is one until it has ended.
      this.#isUnderWay = false;
    }
  }
}

/** What a client without credentials, or with wrong ones, is told. */
export function refused(credentials: unknown): ColloquyError {
  const reason = "this side takes no calls without credentials: connect with { credentials }";
  return new ColloquyError("UNAUTHENTICATED", credentials === undefined ? reason : "the credentials were refused");
}

export function tooLate(milliseconds: number): ColloquyError {
  const reason = `the credentials could not be checked within ${milliseconds} ms (helloTimeoutMs)`;
  return new ColloquyError("UNAVAILABLE", reason, { limit: "helloTimeoutMs" });
}

/** This side has got no credentials to show. Unlike the server's refusal that may be otherwise the next time. */
export class CredentialsFailure extends ColloquyError {
  constructor(cause: unknown) {
    super("UNAUTHENTICATED", "the credentials could not be got: their function has failed", { cause });
  }
}

/**
 * The credentials to show now. Rejects with `CredentialsFailure` where the function that gets them throws, `INVALID_ARGUMENT` for what is
 * too large to be shown.
 */
export async function currentCredentials(given: Credentials): Promise<unknown> {
  let credentials: unknown = given;
  if (typeof given === "function") {
    try {
      credentials = await (given as () => unknown)();
    } catch (cause) {
      throw new CredentialsFailure(cause);
    }
  }
  if (typeof credentials === "function")
    throw new ColloquyError(
      "INVALID_ARGUMENT",
      `credentials are a ${describeType(credentials)}; they are plain values`,
    );
  if (estimateBytes(credentials, MAX_CREDENTIALS_BYTES) > MAX_CREDENTIALS_BYTES)
    throw new ColloquyError("INVALID_ARGUMENT", `credentials take more than ${MAX_CREDENTIALS_BYTES} bytes`);
  return credentials;
}

/** What connecting fails with where the credentials can't be encoded; `depth`: how far down they stand in the message. */
export function unsendable(credentials: Credentials, cause: SerializationError, depth: number): SerializationError {
  const place = cause.place.slice(depth);
  const { limit } = cause;
  if (limit !== undefined) return new SerializationError(`the credentials: ${cause.reason}`, { place, cause, limit });
  let value = credentials;
  for (const step of place) value = typeof step === "object" ? undefined : (value as Record<string, unknown>)?.[step];
  const type = value === undefined ? "" : `${describeType(value)}: `;
  const reason = `${type}credentials are texts, numbers, booleans, null, arrays and plain objects of them`;
  return new SerializationError(reason, { place: ["credentials", ...place], cause });
}

/** @throws ColloquyError `INVALID_ARGUMENT` for credentials, or for who asks for them, without hello; `authenticate` is a function. */
export function checkDialect(option: "authenticate" | "credentials", given: unknown, dialect: Dialect): void {
  if (given === undefined) return;
  if (option === "authenticate" && typeof given !== "function")
    throw new ColloquyError("INVALID_ARGUMENT", `authenticate is ${describeType(given)}; it takes a function`);
  if (dialect === "auto") return;
  const reason = `${option} with dialect ${quoted(dialect)}: that says no hello, which credentials travel in; use "auto"`;
  throw new ColloquyError("INVALID_ARGUMENT", reason);
}

/** Shows new credentials on a living connection. */
export async function reauthenticate(
  caller: Caller & Pick<OutgoingHost, "send">,
  credentials: Credentials,
): Promise<void> {
  const shown = await currentCredentials(credentials);
  try {
    await caller.send(new RemoteNode(caller, "$/auth", undefined, false), [shown], undefined);
  } catch (error) {
    throw error instanceof SerializationError && error.executed === "no" ? unsendable(shown, error, 0) : error;
  }
}

interface EntranceSetup {
  readonly authenticate?: Authenticate | undefined;
  readonly credentials?: Credentials;
  readonly link?: string | undefined;
  readonly limits: Limits;
}

/** What a connection is made with that says who its sides are. */
export function entranceOf(
  { authenticate, credentials, link, limits }: EntranceSetup,
  connection: CallerConnection,
  silent: SilentFailures,
): Entrance | undefined {
  if (authenticate === undefined)
    return credentials === undefined && link === undefined ? undefined : { credentials, link };
  return { authentication: new Authentication(authenticate, connection, silent, limits.helloTimeoutMs), credentials };
}
