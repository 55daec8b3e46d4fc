// Runs every `check:*` script of package.json, one line each, and fails when one of them does.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { install, root, step } from "./workspace.mjs";

const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const checks = Object.keys(scripts).filter((name) => name.startsWith("check:"));

let passed = await install();
if (passed) {
  for (const name of checks) {
    if (!(await step(name, scripts[name]))) passed = false;
  }
}
if (!passed) process.exitCode = 1;
