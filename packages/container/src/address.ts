import { ColloquyError, formatAddress, parseAddress, shownAddress } from "@colloquy/core";

/** Where an agent is: the address of its container and its id there. */
export interface AgentAddress {
  /** Canonical address of the container. */
  readonly base: string;
  readonly id: string;
}

const AGENT_URL = /^((?:tcp|local):\/\/[^/]*|ipc:\/\/\[[^\]]*\])\/([^/]+)$/;
const BARE_IPV6 = /^tcp:\/\/((?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f.]*(?:%\w+)?):(\d+)$/;

/**
 * Reads `tcp://host:port/id` (IPv6 hosts with or without brackets), `ipc://[/path]/id` and `local://name/id`.
 *
 * @throws ColloquyError `INVALID_ARGUMENT`, "cannot parse agent URL".
 */
export function parseAgentAddress(url: string): AgentAddress {
  const given: unknown = url;
  const match = typeof given === "string" ? AGENT_URL.exec(url) : null;
  let why = "it is written tcp://host:port/id, ipc://[/path]/id or local://name/id";
  if (match !== null) {
    try {
      const base = match[1]!.replace(BARE_IPV6, "tcp://[$1]:$2");
      return { base: formatAddress(parseAddress(base)), id: match[2]! };
    } catch (error) {
      // Else the message below shows the forms of agents' addresses.
      why = /ports go up to \d+$/.exec((error as Error).message)?.[0] ?? why;
    }
  }
  const shown = typeof given === "string" ? shownAddress(url) : typeof given;
  throw new ColloquyError("INVALID_ARGUMENT", `cannot parse agent URL ${shown}; ${why}`);
}
