import { parseArgs } from "node:util";
import { ColloquyError, JsonCodec, quoted, resolveLimits, shownAddress, toError } from "@colloquy/core";
import { connect, serve } from "@colloquy/rpc";
import type { Limits, MethodFailureListener } from "@colloquy/rpc";
import { wrong } from "./mosaik-meta.ts";
import { SimulatorSession, lost } from "./mosaik-session.ts";
import type { SimulatorEnding } from "./mosaik-session.ts";
import type { Simulator } from "./mosaik-simulator.ts";
import type { SimulatorMeta } from "./mosaik-types.ts";

export interface StartOptions {
  /** mosaik listens there, `host:port`: it has started this program by `cmd`, with `%(addr)s` among the arguments. */
  readonly connect?: string | undefined;
  /** mosaik will come to this address, `host:port`: its configuration says `connect`. Port 0: the system chooses. */
  readonly listen?: string | undefined;
  /** Milliseconds to keep trying to reach mosaik. Default: 0, one attempt. */
  readonly timeout?: number | undefined;
  /**
   * mosaik speaks no TLS: an address beyond this host needs this, and a network that nobody else is on. Default: false.
   */
  readonly dangerouslyAllowPlaintext?: boolean | undefined;
  readonly limits?: Partial<Limits> | undefined;
  /** Told of what the simulator's methods have thrown, with the name that mosaik calls. mosaik gets it in any case. */
  readonly onMethodFailure?: MethodFailureListener | undefined;
}

/** A simulator that takes part in a run of mosaik, or waits for it. */
export interface RunningSimulator extends AsyncDisposable {
  /** `host:port`, as mosaik's configuration takes it: where this side listens, or where mosaik does. */
  readonly address: string;
  /** Resolves when the run is over, with how it has ended. Never rejects. */
  readonly ended: Promise<SimulatorEnding>;
  /** Ends it from this side: `stop` of the simulator runs, calls under way have `closeGraceMs` to finish, the connection closes. */
  stop(): Promise<SimulatorEnding>;
}

const OPTIONS = ["connect", "listen", "timeout", "dangerouslyAllowPlaintext", "limits", "onMethodFailure"];

/**
 * Takes part in a run of mosaik, which begins with its `init`; the one that calls it first is mosaik. Resolves when mosaik is reached,
 * or can reach this side. mosaik's `stop` and the loss of mosaik end the run.
 *
 * Rejects with `INVALID_ARGUMENT` for options and addresses that are wrong, and a simulator that was started before; `UNAVAILABLE`
 * where the address can't be reached or had.
 */
export async function startSimulator<M extends SimulatorMeta>(
  simulator: Simulator<M>,
  options: StartOptions,
): Promise<RunningSimulator> {
  const unknown = Object.keys(options).find((name) => !OPTIONS.includes(name));
  if (unknown !== undefined)
    throw wrong(`unknown option ${quoted(unknown)} of startSimulator; the options are ${OPTIONS.join(", ")}`);
  if ((options.connect === undefined) === (options.listen === undefined))
    throw wrong("startSimulator takes one of connect and listen");
  const { limits, onMethodFailure, dangerouslyAllowPlaintext } = options;
  const { closeGraceMs } = resolveLimits(limits);
  // It is the same people's program: mosaik shows where a step has failed.
  const given = { dangerouslyAllowPlaintext, limits, onMethodFailure };
  const common = { codec: JsonCodec, dialect: "mosaik", errors: { stacks: true }, ...given } as const;
  if (options.listen !== undefined) {
    const address = tcpAddress(options.listen, "listen");
    const session = new SimulatorSession(simulator as unknown as Simulator, closeGraceMs);
    const server = await serve(address, session.root, common);
    return running(session, server.address, () => server.close());
  }
  const address = tcpAddress(options.connect!, "connect");
  const session = new SimulatorSession(simulator as unknown as Simulator, closeGraceMs);
  const { timeout } = options;
  const connection = await connect(address, { ...common, service: session.root, timeout });
  // Also before init.
  connection.onClose(() => void session.finish({ reason: "error", error: lost(connection.remoteAddress) }));
  return running(session, address, () => connection.close());
}

function running(session: SimulatorSession, address: string, close: () => Promise<void>): RunningSimulator {
  // The answer to `stop` still leaves: closing lets it finish.
  const ended = session.ended.then(async (ending) => {
    await close();
    return ending;
  });
  const stop = async (): Promise<SimulatorEnding> => {
    await session.finish({ reason: "shutdown" });
    return ended;
  };
  const dispose = async (): Promise<void> => {
    await stop();
  };
  return { address: address.slice("tcp://".length), ended, stop, [Symbol.asyncDispose]: dispose };
}

/** mosaik writes addresses without a scheme. */
function tcpAddress(text: string, option: string): string {
  const bare = text.trim().replace(/^tcp:\/\//, "");
  if (/^(?:\[[0-9A-Fa-f:.%\w]+\]|[^\s:/[\]]+):\d{1,5}$/.test(bare)) return `tcp://${bare}`;
  throw wrong(`${option} takes host:port, not ${shownAddress(text)}`);
}

const USAGE = "usage: [--remote] [--log-level LEVEL] HOST:PORT (--remote: listen there, and mosaik connects)";

/**
 * A simulator as a program: takes the command line that mosaik starts it with, `HOST:PORT`, or `--remote HOST:PORT` to listen
 * there. Resolves when mosaik has stopped it.
 *
 * Rejects as `startSimulator` does, with `INVALID_ARGUMENT` and the usage for other command lines, with `CONNECTION_LOST` where
 * mosaik is lost, and with what `stop` throws.
 */
export async function runSimulator<M extends SimulatorMeta>(
  simulator: Simulator<M>,
  argv: readonly string[],
  options: Omit<StartOptions, "connect" | "listen"> = {},
): Promise<void> {
  const { address, remote } = commandLine(argv);
  const run = await startSimulator(simulator, { ...options, ...(remote ? { listen: address } : { connect: address }) });
  const { error } = await run.ended;
  if (error !== undefined) throw error;
}

function commandLine(argv: readonly string[]): { readonly address: string; readonly remote: boolean } {
  try {
    const { values, positionals } = parseArgs({
      args: argv.slice(2),
      allowPositionals: true,
      options: {
        remote: { type: "boolean", short: "r", default: false },
        // Scenarios that were written for other simulators say it.
        "log-level": { type: "string", short: "l" },
      },
    });
    if (positionals.length !== 1) throw wrong(`${positionals.length} addresses`);
    return { address: positionals[0]!, remote: values.remote };
  } catch (error) {
    throw new ColloquyError("INVALID_ARGUMENT", `${toError(error).message}; ${USAGE}`, { cause: error });
  }
}
