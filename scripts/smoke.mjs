// Runs every peer and every command of the bench, and those that put stress on everything, once and very shortly: whether all works,
// not how fast it is. Needs a build.
import { install, step } from "./workspace.mjs";

const main = "node bench/dist/main.js";
const some = "batched-loop,colloquy,colloquy-agents";

let passed = (await install()) && (await step("bench and stress build", "tsc -b stress"));
if (passed) {
  for (const [name, command] of [
    ["bench of all peers", `${main} --smoke --only W2`],
    ["bench of all workloads", `${main} --smoke --peers ${some}`],
    ...["arrays", "codec", "codecs", "growth", "references", "simulated-time", "soak", "streams", "charts"].map(
      (name) => [`bench ${name}`, `${main} ${name} --smoke`],
    ),
    ["attacks", "node stress/dist/main.js attacks --smoke"],
    ["faults", "node stress/dist/main.js faults --smoke"],
    ["fuzz", "node stress/dist/main.js fuzz --minutes 1"],
    ["simulate", "node stress/dist/main.js simulate --smoke"],
    ["soak", "node stress/dist/main.js soak --smoke"],
  ]) {
    if (!(await step(name, command))) passed = false;
  }
}
if (!passed) process.exitCode = 1;
