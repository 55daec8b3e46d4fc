import { ColloquyError, describeType, quoted } from "./errors.ts";

/** A parsed address of a server. */
export type Address =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "ipc"; readonly path: string }
  | { readonly kind: "local"; readonly name: string };

const TCP = /^tcp:\/\/(?:\[([0-9A-Fa-f:.%\w]*)\]|([^\s/[\]:@?#]*)):(\d+)\/?$/;
const IPC = /^ipc:\/\/(?:\[([^\]\0]+)\]|([^[\]\0]+?))\/?$/;
/** What the system's socket addresses hold; longer paths would be cut without a word. */
const MAX_IPC_PATH_BYTES = process.platform === "darwin" ? 103 : 107;
const MAX_PORT = 65_535;
const LOCAL = /^local:\/\/([^\s/]+)\/?$/;
/** What agents of a container have, one level below its own. */
const AGENT = /^(?:(?:tcp|local):\/\/[^\s/]+|ipc:\/\/\[[^\]]+\])\/[^\s/]+$/;

/**
 * Reads `tcp://host:port`, `tcp://[::1]:port`, `ipc://[/path]` (or `ipc:///path`) and `local://name`.
 *
 * @throws ColloquyError `INVALID_ARGUMENT` that shows the forms.
 */
export function parseAddress(text: string): Address {
  const given: unknown = text;
  if (typeof given === "string") {
    const tcp = TCP.exec(text);
    if (tcp !== null && Number(tcp[3]) > MAX_PORT) throw portTooLarge(text);
    if (tcp !== null) return { kind: "tcp", host: tcp[1] ?? tcp[2] ?? "", port: Number(tcp[3]) };
    const ipc = IPC.exec(text);
    if (ipc !== null) return { kind: "ipc", path: checkedPath((ipc[1] ?? ipc[2]) as string) };
    const local = LOCAL.exec(text);
    if (local !== null) return { kind: "local", name: local[1] as string };
  }
  const shown = typeof given === "string" ? shownAddress(text) : describeType(given);
  const forms = "it is written tcp://host:port, tcp://[::1]:port, ipc://[/path] or local://name";
  const hint = typeof given === "string" && AGENT.test(text) ? "; an agent's address is for container.connect" : "";
  throw new ColloquyError("INVALID_ARGUMENT", `cannot parse address ${shown}; ${forms}${hint}`);
}

const OCTET = String.raw`(?:25[0-5]|2[0-4]\d|1?\d?\d)`;
const LOOPBACK = new RegExp(String.raw`^(?:(?:::ffff:)?127(?:\.${OCTET}){3}|(?:0{0,4}:){2,7}0{0,3}1|localhost)$`, "i");

/**
 * True where what is sent to the address stays on this host: Unix sockets, names within the process, and TCP on the loopback
 * addresses and `localhost`, as the system resolves it. No other name counts, whatever it is resolved to.
 */
export function staysOnHost(address: Address): boolean {
  return address.kind !== "tcp" || LOOPBACK.test(address.host);
}

/**
 * What was given as an address, for a message. Addresses have no place for passwords and tokens; what stands where other URLs have
 * them is left out.
 */
export function shownAddress(text: string): string {
  return quoted(text.replace(/^([a-z]+:\/\/)?.*@/is, "$1...@").replace(/[?#].*$/s, (rest) => `${rest[0]}...`));
}

function portTooLarge(text: string): ColloquyError {
  return new ColloquyError(
    "INVALID_ARGUMENT",
    `cannot parse address ${shownAddress(text)}: ports go up to ${MAX_PORT}`,
  );
}

function checkedPath(path: string): string {
  const size = Buffer.byteLength(path);
  if (size <= MAX_IPC_PATH_BYTES) return path;
  const reason = `its path has ${size} bytes; sockets take ${MAX_IPC_PATH_BYTES} at most`;
  throw new ColloquyError("INVALID_ARGUMENT", `address ipc://[${quoted(path, 40).slice(1, -1)}]: ${reason}`);
}

/** The canonical text of an address. */
export function formatAddress(address: Address): string {
  return flat(textOf(address));
}

/** The same text in one piece: each connection keeps its own. */
function flat(text: string): string {
  return Buffer.from(text).toString();
}

function textOf(address: Address): string {
  switch (address.kind) {
    case "tcp":
      return address.host.includes(":")
        ? `tcp://[${address.host}]:${address.port}`
        : `tcp://${address.host}:${address.port}`;
    case "ipc":
      return `ipc://[${address.path}]`;
    case "local":
      return `local://${address.name}`;
  }
}
