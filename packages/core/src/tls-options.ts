import { ColloquyError } from "./errors.ts";
import { OPTION, checkOptions } from "./options.ts";
import type { OptionKind } from "./options.ts";

type Pem = string | Uint8Array | readonly (string | Uint8Array)[];

/**
 * Certificates in PEM form (their content, not their paths). Both sides present one and check the other's against `ca`; a
 * client checks the host name as well.
 */
export interface TlsOptions {
  /** Certificates of the authorities that are trusted, in place of the system's. */
  readonly ca: Pem;
  /** This side's certificate; a client may leave it out where the server takes anonymous clients. */
  readonly cert?: Pem;
  /** The key of `cert`. */
  readonly key?: Pem;
  /** Passphrase of the key. */
  readonly passphrase?: string;
  /** Name to check a server's certificate against; default: the host of the address. */
  readonly serverName?: string;
  /** Accepts clients without a certificate. Default: false. */
  readonly dangerouslyAllowAnonymousClients?: boolean;
  /** Accepts servers whose certificate can't be verified. Default: false. */
  readonly dangerouslyAllowUnverifiedServers?: boolean;
}

const OPTIONS: Readonly<Record<keyof TlsOptions, OptionKind>> = {
  ca: OPTION.any,
  cert: OPTION.any,
  key: OPTION.any,
  passphrase: OPTION.secretText,
  serverName: OPTION.text,
  dangerouslyAllowAnonymousClients: OPTION.flag,
  dangerouslyAllowUnverifiedServers: OPTION.flag,
};

/** @throws ColloquyError `INVALID_ARGUMENT` for unknown names and values of other kinds; certificates are checked where they are used. */
export function checkTls(options: TlsOptions | undefined): void {
  checkOptions("tls", options, OPTIONS);
}

/** What `tls` settles: verification, certificates, versions, algorithms. More than Node's names for them would weaken it. */
const SETTLED = [
  "ca",
  "cert",
  "key",
  "pfx",
  "passphrase",
  "rejectUnauthorized",
  "requestCert",
  "checkServerIdentity",
  "secureContext",
  "servername",
  "minVersion",
  "maxVersion",
  "secureProtocol",
  "secureOptions",
  "ciphers",
  "sigalgs",
  "ecdhCurve",
  "minDHSize",
  "allowPartialTrustChain",
  "session",
  "socket",
  "pskCallback",
  "enableTrace",
];

/**
 * @throws ColloquyError `INVALID_ARGUMENT` where the options of the socket have what `tls` is for: it is weakened by its `dangerously...`
 * options or not at all.
 */
export function checkTlsAlone(socket: object | undefined): void {
  const name = SETTLED.find((one) => socket !== undefined && one in socket);
  if (name !== undefined)
    throw new ColloquyError(
      "INVALID_ARGUMENT",
      `socket.${name}: with TLS that is up to tls, and to Node's defaults where that has no option`,
    );
}

const MIN_VERSION = "TLSv1.2" as const;

/** `tls.checkServerIdentity`. */
type NameCheck = (name: string, certificate: never) => Error | undefined;

/** Options of `tls.connect`. */
export function tlsClientOptions(
  options: TlsOptions | undefined,
  host: string | undefined,
  checkName: NameCheck,
): object {
  const anonymous = options?.cert === undefined && options?.key === undefined;
  const given = checked(options, anonymous ? ["ca"] : ["ca", "cert", "key"]);
  return {
    ...credentials(given),
    minVersion: MIN_VERSION,
    rejectUnauthorized: given.dangerouslyAllowUnverifiedServers !== true,
    ...(given.serverName === undefined ? hostName(host) : serverName(given.serverName, checkName)),
  };
}

/** Options of `tls.createServer`. */
export function tlsServerOptions(options: TlsOptions | undefined): object {
  const given = checked(options, ["ca", "cert", "key"]);
  const verify = given.dangerouslyAllowAnonymousClients !== true;
  return { ...credentials(given), minVersion: MIN_VERSION, requestCert: verify, rejectUnauthorized: verify };
}

function credentials(options: TlsOptions): object {
  const passphrase = options.passphrase === undefined ? {} : { passphrase: options.passphrase };
  const own = options.cert === undefined ? {} : { cert: options.cert, key: options.key };
  return { ca: options.ca, ...own, ...passphrase };
}

/** An IP address is no server name, and Node checks the host that it connects to instead. */
function serverName(name: string, checkName: NameCheck): object {
  if (!isIp(name)) return { servername: name };
  return { checkServerIdentity: (_host: string, certificate: never) => checkName(name, certificate) };
}

function hostName(host: string | undefined): object {
  return host === undefined || isIp(host) ? {} : { servername: host };
}

function isIp(name: string): boolean {
  return /^[\d.]+$|:/.test(name);
}

function checked(options: TlsOptions | undefined, names: readonly ("ca" | "cert" | "key")[]): TlsOptions {
  for (const name of names) {
    const value: unknown = options?.[name];
    if (value === undefined)
      throw new ColloquyError("INVALID_ARGUMENT", `tls.${name} is missing; it takes the content of a PEM file`);
    const first: unknown = Array.isArray(value) ? value[0] : value;
    const text = first instanceof Uint8Array ? Buffer.from(first).toString("latin1") : first;
    if (typeof text === "string" && text.includes("-----BEGIN")) continue;
    throw new ColloquyError(
      "INVALID_ARGUMENT",
      `tls.${name} is not PEM text; it takes the content of the file, not its path`,
    );
  }
  return options as TlsOptions;
}
