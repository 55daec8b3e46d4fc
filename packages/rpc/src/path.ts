import { SerializationError } from "@colloquy/core";

/** Joins the parts of a path. */
export function joinPath(path: string, name: string): string {
  return path === "" ? name : `${path}/${name}`;
}

/** The path of what is below another one, or of that itself where `rest` is "". */
export function pathBelow(path: string, rest: string): string {
  return rest === "" ? path : joinPath(path, rest);
}

interface CutPath {
  readonly path: string;
  readonly names: readonly string[];
}

const SLOT_COUNT = 8192;
/** Paths that were cut into names, for all connections: one for each hash. */
const cut: (CutPath | undefined)[] = Array.from<CutPath | undefined>({ length: SLOT_COUNT }).fill(undefined);
/** Hashes of the paths that weren't there last: one that comes once isn't kept. */
const missed = new Int32Array(SLOT_COUNT);

/** The names in a path. Those of a path that comes again and again are the same strings, whose hashes are known. */
export function namesOf(path: string): readonly string[] {
  const { length } = path;
  const middle = length >> 1;
  let hash = length * 17 + path.charCodeAt(length - 1) * 7 + path.charCodeAt(middle) * 131;
  if (length > 4) hash += path.charCodeAt(middle + 1) * 1031 + path.charCodeAt(middle + 2) * 4099;
  if (length > 8) hash += path.charCodeAt(middle - 1) * 521 + path.charCodeAt(middle + 3) * 2053;
  const slot = (hash ^ (hash >>> 13)) & (SLOT_COUNT - 1);
  const known = cut[slot];
  if (known !== undefined && known.path === path) return known.names;
  const names = path.split("/");
  if (missed[slot] === hash) cut[slot] = { path, names };
  missed[slot] = hash;
  return names;
}

const DOLLAR = 36;
const SLASH = 47;
const REFERENCES = "$/ref/";
const RESULTS = "$/result/";
const NUMBER = /^(?:[1-9]\d{0,9}|0)$/;

/** Path of a function or service that was handed out under a number. */
export function referencePath(id: number): string {
  return REFERENCES + id;
}

/** True for names of the `$` service; references and results hang below it, too, and are none. */
export function isControlPath(path: string): boolean {
  return (
    path.charCodeAt(0) === DOLLAR && path.startsWith("$/") && !path.startsWith(REFERENCES) && !path.startsWith(RESULTS)
  );
}

/**
 * True for a path whose first part is `$`: it means something else on each connection. Nothing that a peer has sent becomes one on
 * another connection.
 */
export function isReservedPath(path: string): boolean {
  return path.charCodeAt(0) === DOLLAR && (path.length === 1 || path.charCodeAt(1) === SLASH);
}

/** Path of the result of a request, which may not be there yet. */
export function resultPath(id: number): string {
  return RESULTS + id;
}

/** A path below what has a number. */
export interface NumberedPath {
  readonly id: number;
  readonly rest: string;
}

/** Number and rest of a path below `$/ref`, or undefined for another path. */
export function parseReferencePath(path: string): NumberedPath | undefined {
  return path.charCodeAt(0) === DOLLAR ? numberBelow(REFERENCES, path) : undefined;
}

/** The same below `$/result`. */
export function parseResultPath(path: string): NumberedPath | undefined {
  return path.charCodeAt(0) === DOLLAR ? numberBelow(RESULTS, path) : undefined;
}

function numberBelow(start: string, path: string): NumberedPath | undefined {
  if (!path.startsWith(start)) return undefined;
  const slash = path.indexOf("/", start.length);
  const end = slash < 0 ? path.length : slash;
  const number = path.slice(start.length, end);
  return NUMBER.test(number) ? { id: Number(number), rest: path.slice(end + 1) } : undefined;
}

/** @throws SerializationError for what is no path of a reference. */
export function referenceNumber(data: unknown, what: string): number {
  const reference = typeof data === "string" ? parseReferencePath(data) : undefined;
  if (reference !== undefined && reference.rest === "") return reference.id;
  throw new SerializationError(`${what} is no path $/ref/<number>`);
}
