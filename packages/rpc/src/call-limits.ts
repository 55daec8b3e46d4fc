import { ColloquyError, OPTION, checkOptions, describeType, isMap, wrongOption } from "@colloquy/core";
import type { OptionKind } from "@colloquy/core";

/** @throws ColloquyError `INVALID_ARGUMENT` for a time or a signal that is none, of `owner`. */
export function checkCallLimits(
  owner: string,
  { timeout, signal }: { readonly timeout?: unknown; readonly signal?: unknown },
): void {
  const { milliseconds, signal: signals } = OPTION;
  if (timeout !== undefined && !milliseconds.accepts(timeout))
    throw wrongOption(owner, "timeout", timeout, milliseconds.takes);
  if (signal !== undefined && !signals.accepts(signal)) throw wrongOption(owner, "signal", signal, signals.takes);
}

/** The signals that give a call with these options up. */
export function signalsOf({ signal, context }: CallSignals = {}): readonly AbortSignal[] {
  return [signal, context?.signal].filter((given) => given !== undefined);
}

/** Options of a call that has waited so long before it is sent: its time counts from when it was made. What waited in time is sent. */
export function optionsAfter<O extends { readonly timeout?: number | undefined }>(
  passedMs: number,
  options: O | undefined,
): O | undefined {
  if (options?.timeout === undefined) return options;
  return { ...options, timeout: Math.max(options.timeout - passedMs, 1) };
}

interface CallSignals {
  readonly signal?: AbortSignal | undefined;
  readonly context?: { readonly signal: AbortSignal } | undefined;
}

/** Of those that are anything other code checks them. */
const KINDS: Readonly<Record<string, OptionKind>> = {
  timeout: OPTION.milliseconds,
  signal: OPTION.signal,
  context: OPTION.any,
  kwargs: OPTION.object,
  metadata: OPTION.any,
  trace: OPTION.any,
  retries: {
    takes: "a whole number from 0 on, or Infinity",
    accepts: (value) => value === Infinity || (Number.isSafeInteger(value) && (value as number) >= 0),
  },
  idempotent: OPTION.flag,
  whileAway: OPTION.any,
};

/** @throws ColloquyError `INVALID_ARGUMENT` for what are no options of a call, and for a context that is none. */
export function checkCallOptions(options: unknown): void {
  if (options === undefined) throw invalid(`withOptions takes an object of options, not ${describeType(options)}`);
  checkOptions("withOptions", options, KINDS);
  const { context } = options as { readonly context?: unknown };
  if (context === undefined) return;
  const isContext =
    isMap(context) && context["signal"] instanceof AbortSignal && typeof (context["hops"] ?? 0) === "number";
  if (!isContext)
    throw wrongOption("withOptions", "context", context, "the context of the call that this one is made for");
}

function invalid(message: string): ColloquyError {
  return new ColloquyError("INVALID_ARGUMENT", message);
}
