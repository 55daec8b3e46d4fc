import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Collections take at most one part in so many of the process's time. */
const TIME_SHARE = 20;
/** Where they are urgent. */
const URGENT_TIME_SHARE = 4;
const COLLECTIONS: unique symbol = Symbol.for("colloquy.collections") as never;

/** When the last collection began, and when the next one may. */
interface Collections {
  readonly last: number;
  readonly next: number;
  /** When an urgent one may. */
  readonly nextUrgent?: number;
}

/**
 * Sees to it that the engine collects garbage at `wantedAt` or later, a time of `performance.now()`: references of another
 * process are small here and may be large there, so it has no reason of its own to look. Returns 0 where it has done so, also
 * for somebody else, or where the engine doesn't offer it; otherwise the milliseconds after which to ask again.
 *
 * The process has one heap, whoever asks: the times of collections hang on the global object. `isUrgent`: its share of the time is larger, but
 * it has one: peers decide how many references come.
 */
export function collectGarbage(wantedAt: number, isUrgent = false): number {
  const place = globalThis as { [COLLECTIONS]?: Collections };
  const { last, next: calm, nextUrgent: urgent = calm } = place[COLLECTIONS] ?? { last: -Infinity, next: -Infinity };
  if (last >= wantedAt) return 0;
  const start = performance.now();
  const earliest = isUrgent ? urgent : calm;
  if (start < earliest) return earliest - start;
  collector()?.();
  const duration = performance.now() - start;
  const [next, nextUrgent] = [start + duration * TIME_SHARE, start + duration * URGENT_TIME_SHARE];
  place[COLLECTIONS] = { last: start, next, nextUrgent };
  return 0;
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
