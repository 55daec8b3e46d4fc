/** Joins the parts of a path. */
export function joinPath(path: string, name: string): string {
  return path === "" ? name : `${path}/${name}`;
}

/** Paths that were cut into names, for all connections; it starts anew when it is full. */
const cut = new Map<string, readonly string[]>();
const MAX_CUT_COUNT = 1024;

/** The names in a path. Those of a path that comes again are the same strings, whose hashes are known. */
export function namesOf(path: string): readonly string[] {
  const known = cut.get(path);
  if (known !== undefined) return known;
  if (cut.size >= MAX_CUT_COUNT) cut.clear();
  const names = path.split("/");
  cut.set(path, names);
  return names;
}

const DOLLAR = 36;
const REFERENCE = /^\$\/ref\/([1-9]\d{0,9}|0)(?:\/(.*))?$/s;

/** Path of a function or service that was handed out under a number. */
export function referencePath(id: number): string {
  return `$/ref/${id}`;
}

/** True for names of the `$` service; references hang below it, too, and are none. */
export function isControlPath(path: string): boolean {
  return path.charCodeAt(0) === DOLLAR && path.startsWith("$/") && !path.startsWith("$/ref/");
}

/** Number and rest of a path below `$/ref`, or undefined for another path. */
export function parseReferencePath(path: string): { readonly id: number; readonly rest: string } | undefined {
  if (path.charCodeAt(0) !== DOLLAR || !path.startsWith("$/ref/")) return undefined;
  const match = REFERENCE.exec(path);
  return match === null ? undefined : { id: Number(match[1]), rest: match[2] ?? "" };
}
