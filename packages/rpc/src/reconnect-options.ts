import { OPTION, checkOptions, wrongOption } from "@colloquy/core";
import type { OptionKind } from "@colloquy/core";
import { Backoff } from "./backoff.ts";
import type { BackoffOptions } from "./backoff.ts";
import { checkWhileAway } from "./proxy.ts";
import type { WhileAway } from "./proxy.ts";

/** How a connection is opened again that was lost. The waits between attempts are drawn between 0 and their bound. */
export interface ReconnectOptions extends BackoffOptions {
  /** What calls do while there is no connection, where they say nothing else. Default: `"wait"`. */
  readonly whileAway?: WhileAway;
  /** Milliseconds without a connection after which no more attempts are made. Default: Infinity. */
  readonly giveUpAfterMs?: number;
}

/** The same, checked. */
export interface ReconnectPolicy {
  readonly backoff: Backoff;
  readonly whileAway: WhileAway;
  readonly giveUpAfterMs: number;
}

const OPTIONS: Readonly<Record<keyof ReconnectOptions, OptionKind>> = {
  minMs: OPTION.any,
  maxMs: OPTION.any,
  factor: OPTION.any,
  whileAway: OPTION.any,
  giveUpAfterMs: {
    takes: "milliseconds above 0, or Infinity",
    accepts: (value) => typeof value === "number" && value > 0,
  },
};

/** @throws ColloquyError `INVALID_ARGUMENT` that says what is wrong. */
export function reconnectPolicy(given: unknown): ReconnectPolicy {
  if (given !== true && (typeof given !== "object" || given === null))
    throw wrongOption("connect", "reconnect", given, "true, false or an object");
  checkOptions("reconnect", given === true ? undefined : given, OPTIONS);
  const {
    whileAway = "wait",
    giveUpAfterMs = Infinity,
    ...backoff
  } = (given === true ? {} : given) as ReconnectOptions;
  checkWhileAway(whileAway);
  return { backoff: new Backoff(backoff), whileAway, giveUpAfterMs };
}
