import { OPTION, oneOf } from "@colloquy/core";
import type { OptionKind } from "@colloquy/core";

/** One of another copy of the package, too. */
function isClock(value: unknown): boolean {
  const { time, sleep } = Object(value) as { readonly time?: unknown; readonly sleep?: unknown };
  return typeof time === "function" && typeof sleep === "function";
}

type CreateOption =
  | "codec"
  | "extraSerializers"
  | "clock"
  | "tls"
  | "dangerouslyAllowPlaintext"
  | "advertise"
  | "limits"
  | "dialect"
  | "onMethodFailure"
  | "errors"
  | "interceptors"
  | "authenticate"
  | "credentials"
  | "onTaskFailure"
  | "onGiveUp"
  | "readyWhen"
  | "coordinated"
  | "network"
  | "rootName";

const CREATE: Readonly<Record<CreateOption, OptionKind>> = {
  codec: OPTION.any,
  extraSerializers: OPTION.any,
  clock: { takes: "a Clock", accepts: isClock },
  tls: OPTION.any,
  dangerouslyAllowPlaintext: OPTION.flag,
  advertise: OPTION.text,
  limits: OPTION.any,
  dialect: oneOf("auto", "aiomas", "mosaik"),
  onMethodFailure: OPTION.function,
  errors: OPTION.any,
  interceptors: OPTION.any,
  authenticate: OPTION.any,
  credentials: OPTION.any,
  onTaskFailure: OPTION.function,
  onGiveUp: OPTION.function,
  coordinated: OPTION.flag,
  network: OPTION.any,
  rootName: OPTION.text,
  readyWhen: { takes: "a promise", accepts: (value) => value instanceof Promise },
};

/** How long a step of several clocks may take in real time. */
export const STEP_TIMEOUT: OptionKind = Object.freeze({
  takes: "milliseconds, more than 0, or Infinity",
  accepts: (value: unknown) => typeof value === "number" && value > 0,
});
export const STEP_TIMEOUT_MS = 30_000;

/** What the functions of containers and clocks take. Of what is anything here `serve` and `connect` check more. */
export const OPTION_KINDS: {
  readonly create: Readonly<Record<CreateOption, OptionKind>>;
  readonly connect: Readonly<Record<"timeout" | "signal", OptionKind>>;
  readonly externalClock: Readonly<Record<"initTime", OptionKind>>;
} = Object.freeze({
  create: CREATE,
  connect: { timeout: OPTION.milliseconds, signal: OPTION.signal },
  externalClock: { initTime: OPTION.any },
});
