import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Collections take at most one part in so many of the process's time. */
const TIME_SHARE = 20;
const GATE: unique symbol = Symbol.for("colloquy.collection") as never;

/**
 * Asks the engine to collect garbage now: references of another process are small here and may be large there, so it has no
 * reason of its own to look. Returns the milliseconds until it is worth asking again. Does nothing where that time isn't over,
 * or where the engine doesn't offer it.
 *
 * The process has one heap, whoever asks: the time of the next collection hangs on the global object.
 */
export function collectGarbage(): number {
  const place = globalThis as { [GATE]?: number };
  const start = performance.now();
  const wait = (place[GATE] ?? 0) - start;
  if (wait > 0) return wait;
  collector()?.();
  const duration = performance.now() - start;
  place[GATE] = start + duration * TIME_SHARE;
  return duration * TIME_SHARE;
}

function collector(): (() => void) | undefined {
  const given = (globalThis as { gc?: () => void }).gc;
  if (given !== undefined) return given;
  try {
    setFlagsFromString("--expose-gc");
    return runInNewContext("gc") as () => void;
  } catch {
    // Another engine than V8: its own collections remain.
    return undefined;
  }
}
