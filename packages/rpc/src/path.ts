/** Joins the parts of a path. */
export function joinPath(path: string, name: string): string {
  return path === "" ? name : `${path}/${name}`;
}

const REFERENCE = /^\$\/ref\/([1-9]\d{0,9}|0)(?:\/(.*))?$/s;

/** Path of a function or service that was handed out under a number. */
export function referencePath(id: number): string {
  return `$/ref/${id}`;
}

/** True for names of the `$` service; references hang below it, too, and are none. */
export function isControlPath(path: string): boolean {
  return path.startsWith("$/") && !path.startsWith("$/ref/");
}

/** Number and rest of a path below `$/ref`, or undefined for another path. */
export function parseReferencePath(path: string): { readonly id: number; readonly rest: string } | undefined {
  if (!path.startsWith("$/ref/")) return undefined;
  const match = REFERENCE.exec(path);
  return match === null ? undefined : { id: Number(match[1]), rest: match[2] ?? "" };
}
