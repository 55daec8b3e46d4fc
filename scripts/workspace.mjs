// What the scripts share: running a command quietly, and setting the workspace up.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of the repository, without a slash at its end. */
export const root = fileURLToPath(new URL("..", import.meta.url)).replace(/[\\/]$/, "");

const binaries = join(root, "node_modules", ".bin");
const lockfile = join(root, "pnpm-lock.yaml");
const stamp = join(root, "node_modules", ".setup-stamp");

/**
 * Runs a shell command in the repository and resolves to `{ code, output }`; it never rejects.
 * With `live` the output goes straight through, and `output` stays empty.
 */
export function run(command, { args = [], live = false, env = {} } = {}) {
  return new Promise((resolve) => {
    const child = spawn([command, ...args.map(quote)].join(" "), {
      cwd: root,
      shell: true,
      stdio: live ? ["ignore", "inherit", "inherit"] : ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...env, PATH: `${binaries}${delimiter}${process.env.PATH ?? ""}` },
    });
    const chunks = [];
    child.stdout?.on("data", (chunk) => chunks.push(chunk));
    child.stderr?.on("data", (chunk) => chunks.push(chunk));
    const output = () => Buffer.concat(chunks).toString("utf8");
    child.on("error", (error) => resolve({ code: 1, output: `${output()}${error.message}\n` }));
    child.on("close", (code) => resolve({ code: code ?? 1, output: output() }));
  });
}

/** Runs a command as one named step: a line with its time, and its output only when it fails. Says whether it passed. */
export async function step(name, command, options) {
  const start = performance.now();
  const { code, output } = await run(command, options);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${name}: ${code === 0 ? "ok" : "failed"} (${seconds} s)`);
  if (code !== 0) console.log(output.trimEnd());
  return code === 0;
}

/** Runs lanes of steps side by side, whatever becomes of them. Says whether all passed. */
export async function lanesPass(lanes) {
  return !(await Promise.all(lanes.map(lanePasses))).includes(false);
}

/** Runs steps, each a name and a command, one after the other. */
async function lanePasses(steps) {
  let passed = true;
  for (const [name, command] of steps) {
    if (!(await step(name, command))) passed = false;
  }
  return passed;
}

/** Installs the dependencies when they are missing or older than the lockfile. Says whether they are there. */
export async function install() {
  if (isInstalled()) return true;
  const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  // CI keeps the package manager from asking questions.
  const done = await step("install", `npx --yes ${packageManager} install --frozen-lockfile`, { env: { CI: "true" } });
  if (done) writeFileSync(stamp, lockfileHash());
  return done;
}

/** Compiles the packages and the examples. Says whether that worked. */
export function build() {
  return step("build", "npm run --silent build");
}

function isInstalled() {
  const modules = join(root, "node_modules", ".modules.yaml");
  if (!existsSync(modules)) return false;
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === lockfileHash()) return true;
  return statSync(modules).mtimeMs >= statSync(lockfile).mtimeMs;
}

function lockfileHash() {
  return createHash("sha256").update(readFileSync(lockfile)).digest("hex");
}

function quote(argument) {
  if (process.platform === "win32") return `"${argument.replaceAll('"', '\\"')}"`;
  return `'${argument.replaceAll("'", `'\\''`)}'`;
}
