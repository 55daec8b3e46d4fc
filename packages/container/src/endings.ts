import { ColloquyError } from "@colloquy/core";

/**
 * How something that lives has ended: by itself or by `stop()` of its own, because somebody above took it down, or by a failure.
 */
export type EndReason = "normal" | "shutdown" | "error";

/** The end of an agent, a process, a supervisor. */
export interface Ending {
  readonly reason: EndReason;
  /** What it failed with, or why a supervisor gave up. */
  readonly error?: unknown;
  /** It isn't restarted, whatever its `restart` says: what it lives in is shutting down. Default: false. */
  readonly final?: boolean | undefined;
}

/**
 * What is restarted after its end, in the words of Erlang/OTP: always, only after a failure, or never.
 */
export type RestartType = "permanent" | "transient" | "temporary";

/** Whether an end is followed by a restart. */
export function isRestarted(restart: RestartType, { reason, final = false }: Ending): boolean {
  if (final || restart === "temporary") return false;
  return restart === "permanent" || reason === "error";
}

/** What a call fails with that comes to an agent which has ended, or waits for it. */
export function stoppedBeforeCall(agent: string): ColloquyError {
  return new ColloquyError("UNAVAILABLE", `${agent} was stopped before the call started`);
}
