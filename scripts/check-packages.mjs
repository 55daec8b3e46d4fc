// Packs the three packages as they would be published, and holds each against publint and attw. Needs a build.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packages } from "../floors.mjs";
import { root, step } from "./workspace.mjs";

const folder = mkdtempSync(join(tmpdir(), "colloquy-pack-"));
try {
  for (const name of Object.keys(packages)) {
    if (!(await checkPackage(name))) process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function checkPackage(name) {
  const { version } = JSON.parse(readFileSync(join(root, "packages", name, "package.json"), "utf8"));
  const tarball = join(folder, `colloquy-${name}-${version}.tgz`);
  const packing = { args: [`./packages/${name}`, "--ignore-scripts", "--pack-destination", folder] };
  if (!(await step(`pack ${name}`, "npm pack", packing))) return false;
  const published = await step(`publint ${name}`, "publint run --strict", { args: [tarball] });
  const typed = await step(`attw ${name}`, "attw --profile esm-only", { args: [tarball] });
  return published && typed;
}
