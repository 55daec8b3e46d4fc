// Runs every peer and every command of the bench once and very shortly: whether all works, not how fast it is. Needs a build.
import { install, step } from "./workspace.mjs";

const main = "node bench/dist/main.js";
const ours = "batched-loop,hand-tuned,batched-early,batched-json,naive-loop,colloquy,colloquy-json,colloquy-agents";

let passed = (await install()) && (await step("bench build", "tsc -b bench"));
if (passed) {
  for (const [name, command] of [
    ["bench of all peers", `${main} --smoke --only W2,W5`],
    ["bench of all workloads", `${main} --smoke --peers ${ours}`],
    ...["arrays", "codec", "codecs", "faults", "growth", "references", "soak", "streams", "charts"].map((name) => [
      `bench ${name}`,
      `${main} ${name} --smoke`,
    ]),
  ]) {
    if (!(await step(name, command))) passed = false;
  }
}
if (!passed) process.exitCode = 1;
