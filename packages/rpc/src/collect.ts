import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

type Collector = () => void;

/**
 * Asks the engine to collect garbage now. References of another process are small here and may be large there, so the
 * engine has no reason of its own to look. Does nothing where the engine doesn't offer it.
 */
export function collectGarbage(): void {
  const given = (globalThis as { gc?: Collector }).gc;
  if (given !== undefined) return given();
  try {
    setFlagsFromString("--expose-gc");
    (runInNewContext("gc") as Collector)();
  } catch {
    // Another engine than V8: its own collections remain.
  }
}
