// Runs every peer and every command of the bench, and those that put stress on everything, once and very shortly: whether all works,
// not how fast it is. Needs a build.
import { install, lanesPass, step } from "./workspace.mjs";

const bench = "node bench/dist/main.js";
const stress = "node stress/dist/main.js";
const some = "batched-loop,colloquy,colloquy-agents";

/** What runs side by side: most of the time one of them leaves a core free. None of it is timed. */
const lanes = [
  [
    ["fuzz", `${stress} fuzz --minutes 1 --workers 1`],
    ["simulate", `${stress} simulate --smoke`],
  ],
  [
    ["bench of all peers", `${bench} --smoke --only W2`],
    ["bench of all workloads", `${bench} --smoke --peers ${some}`],
    ...[
      "arrays",
      "codec",
      "codecs",
      "growth",
      "hooks",
      "references",
      "simulated-time",
      "soak",
      "streams",
      "charts",
    ].map((name) => [`bench ${name}`, `${bench} ${name} --smoke`]),
    ["attacks", `${stress} attacks --smoke`],
    ["faults", `${stress} faults --smoke`],
    ["soak", `${stress} soak --smoke`],
  ],
];

const ready = (await install()) && (await step("bench and stress build", "tsc -b stress"));
if (!ready || !(await lanesPass(lanes))) process.exitCode = 1;
