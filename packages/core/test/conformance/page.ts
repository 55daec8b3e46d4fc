import { readFileSync } from "node:fs";

const text = readFileSync(new URL("../../../../docs/conformance.md", import.meta.url), "utf8");

/** A section of docs/conformance.md. */
export function section(title: string): string {
  const found = text.split(/^## /m).find((part) => part.startsWith(`${title}\n`));
  if (found === undefined) throw new Error(`docs/conformance.md has no section "${title}"`);
  return found;
}

/** What the page says of each case in its lists: the first word of the item that names it. */
export function listed(title: string): ReadonlyMap<string, string> {
  const items = section(title)
    .split(/^- /m)
    .slice(1)
    .map((item) => item.split("\n\n")[0]!);
  const entries = items.flatMap((item) =>
    [...item.matchAll(/`([a-z]_[^`]+)`/g)].map(([, name]) => [name!, /^\w+/.exec(item)![0]] as const),
  );
  if (new Set(entries.map(([name]) => name)).size < entries.length) throw new Error("a case stands there twice");
  return new Map(entries);
}
