// Runs every `check:*` script of package.json, one line each, and fails when one of them does.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { install, lanesPass, root } from "./workspace.mjs";

const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const checks = Object.keys(scripts).filter((name) => name.startsWith("check:"));
const build = checks.indexOf("check:types");

/** Side by side: what reads sources alone, and the build with what reads its output. */
const lanes = [checks.slice(0, build), checks.slice(build)].map((names) => names.map((name) => [name, scripts[name]]));

if (!(await install()) || !(await lanesPass(lanes))) process.exitCode = 1;
