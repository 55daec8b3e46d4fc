// Sets up what is missing, builds, and runs the first example with the arguments given here.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { build, install, root } from "./workspace.mjs";

if ((await install()) && (await build())) {
  const main = join(root, "examples", "dist", "word-count", "main.js");
  const child = spawn(process.execPath, [main, ...process.argv.slice(2)], { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
  child.on("close", (code) => {
    process.exitCode = code ?? 1;
  });
} else {
  process.exitCode = 1;
}
