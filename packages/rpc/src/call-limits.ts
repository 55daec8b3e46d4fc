import { ColloquyError, describeType, isMap, quoted } from "@colloquy/core";

/** @throws ColloquyError `INVALID_ARGUMENT` for a time or a signal that is none. */
export function checkCallLimits({ timeout, signal }: { readonly timeout?: unknown; readonly signal?: unknown }): void {
  if (timeout !== undefined && !(typeof timeout === "number" && timeout >= 0)) {
    throw new ColloquyError(
      "INVALID_ARGUMENT",
      `timeout is ${typeof timeout === "number" ? timeout : describeType(timeout)}; it takes milliseconds`,
    );
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new ColloquyError("INVALID_ARGUMENT", "signal is no AbortSignal");
  }
}

/** The signals that give a call with these options up. */
export function signalsOf({ signal, context }: CallSignals = {}): readonly AbortSignal[] {
  return [signal, context?.signal].filter((given) => given !== undefined);
}

interface CallSignals {
  readonly signal?: AbortSignal | undefined;
  readonly context?: { readonly signal: AbortSignal } | undefined;
}

const NAMES = ["timeout", "signal", "context", "kwargs", "metadata", "trace", "retries", "idempotent", "whileAway"];

/** @throws ColloquyError `INVALID_ARGUMENT` for what are no options of a call, and for a context or keyword arguments that are none. */
export function checkCallOptions(options: unknown): void {
  if (!isMap(options)) throw invalid(`options of a call are ${describeType(options)}; they are an object`);
  const unknown = Object.keys(options).find((name) => !NAMES.includes(name));
  if (unknown !== undefined) throw invalid(`unknown option ${quoted(unknown)}; the options are ${NAMES.join(", ")}`);
  const { context, kwargs } = options;
  if (kwargs !== undefined && !isMap(kwargs)) throw invalid(`kwargs is ${describeType(kwargs)}; it takes an object`);
  if (context === undefined) return;
  const isContext =
    isMap(context) && context["signal"] instanceof AbortSignal && typeof (context["hops"] ?? 0) === "number";
  if (!isContext) throw invalid("context is none: it takes that of the call which this one is made for");
}

function invalid(message: string): ColloquyError {
  return new ColloquyError("INVALID_ARGUMENT", message);
}
