import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The version of an installed package, from the nearest package.json above its entry that bears its name. */
export function packageVersion(name: string): string {
  let folder = new URL("./", import.meta.resolve(name));
  while (folder.pathname !== "/") {
    const manifest = readManifest(new URL("package.json", folder));
    if (manifest?.name === name) return manifest.version ?? "unknown";
    folder = new URL("../", folder);
  }
  throw new Error(`no package.json of ${name} found`);
}

function readManifest(url: URL): { name?: string; version?: string } | undefined {
  try {
    return JSON.parse(readFileSync(fileURLToPath(url), "utf8")) as { name?: string; version?: string };
  } catch {
    return undefined;
  }
}
