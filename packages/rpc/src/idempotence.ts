import { isMap, quoted, refusal } from "@colloquy/core";
import type { Exposed } from "./members.ts";

/**
 * Refuses a call whose caller may send it again, where the method isn't exposed for that. Before it runs: the caller learns of it
 * with the first call, not when a connection is lost.
 *
 * @throws ColloquyError `INVALID_ARGUMENT`
 */
export function checkIdempotence(exposed: Exposed, path: string, meta: unknown): void {
  if (exposed.options.idempotent === true || !isStatedIdempotent(meta)) return;
  const advice = "expose({ idempotent: true }) says that running it twice does no harm, or leave idempotent out";
  throw refusal("INVALID_ARGUMENT", `${quoted(path)} isn't exposed as idempotent: ${advice}`);
}

/** The caller of a request says that the method may run twice. */
export function isStatedIdempotent(meta: unknown): boolean {
  return isMap(meta) && meta["idempotent"] === true;
}
