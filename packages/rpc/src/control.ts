import { refusal } from "@colloquy/core";
import type { RequestContent } from "./request-content.ts";

/** What the `$` service of a connection does. */
export interface ControlActions {
  /** Answers request `id`. */
  reply(id: number, value: unknown): void;
  /** Answers request `id`, a ping. */
  pong(id: number): void;
  /** The caller has given request `id` up, because its time is over where that is known. */
  cancel(id: number, isLate: boolean): void;
  release(id: number, count: number): void;
  goAway(): void;
  /** A signal of the peer has fired, or never will. */
  abort(signal: number, fired: boolean, reason: unknown): void;
  /** Takes the definition of a shape. False: it is malformed, or there are none here. */
  shape(id: unknown, keys: unknown): boolean;
  stats(): object;
  /** Answers request `id` once the credentials are checked. */
  authenticate(id: number, credentials: unknown): void;
  /** Answers request `id` with items of a stream. */
  pull(id: number, stream: number, maxCount: number, maxBytes: number): void;
}

const COUNTERS = /^(?:(?:sent|received)(?:Messages|Bytes)|pending|running|(?:exported|imported)References)$/;

/**
 * Answers request `id` on `$`, at once or later.
 *
 * @throws ColloquyError `NOT_FOUND` for a name that `$` doesn't have, `INVALID_ARGUMENT` for arguments that are malformed.
 */
export function answerControl(id: number, [path, args]: RequestContent, actions: ControlActions): void {
  switch (path) {
    case "$/ping":
      return actions.pong(id);
    case "$/stats":
      return actions.reply(
        id,
        Object.fromEntries(Object.entries(actions.stats()).filter(([name]) => COUNTERS.test(name))),
      );
    case "$/pull": {
      const [stream, maxCount, maxBytes] = args;
      if (!isCount(stream) || !isCount(maxCount) || !isCount(maxBytes) || maxCount === 0)
        throw refusal("INVALID_ARGUMENT", "$/pull takes a reference and numbers of items and bytes");
      return actions.pull(id, stream, maxCount, maxBytes);
    }
    case "$/auth":
      return actions.authenticate(id, args[0]);
    case "$/hello":
      throw refusal("PROTOCOL_ERROR", "hello comes first on a connection, and once");
    default:
      throw refusal("NOT_FOUND", "no such name in $");
  }
}

/** Carries out a notification on `$`. False: there is none of that name, or its arguments are malformed. */
export function noticeControl([path, args]: RequestContent, actions: ControlActions): boolean {
  switch (path) {
    case "$/cancel":
      if (!isCount(args[0])) return false;
      actions.cancel(args[0], args[1] === "DEADLINE_EXCEEDED");
      return true;
    case "$/release":
      return Array.isArray(args[0]) && args[0].every((pair) => releaseOne(pair, actions));
    case "$/shapes":
      return Array.isArray(args[0]) && defineAll(args[0], actions);
    case "$/abort":
      if (!isCount(args[0])) return false;
      actions.abort(args[0], args.length > 1, args[1]);
      return true;
    case "$/goaway":
      actions.goAway();
      return true;
    default:
      return false;
  }
}

function releaseOne(pair: unknown, actions: ControlActions): boolean {
  if (!Array.isArray(pair)) return false;
  const [id, count] = pair as [unknown, unknown];
  if (!isCount(id) || !isCount(count)) return false;
  actions.release(id, count);
  return true;
}

/** Each counts for itself: one that is refused takes no other with it. False where there was one. */
function defineAll(pairs: readonly unknown[], actions: ControlActions): boolean {
  let taken = true;
  for (const pair of pairs) {
    if (!Array.isArray(pair) || !actions.shape(pair[0], pair[1])) taken = false;
  }
  return taken;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
