// The program of a child process: one target, which is fed in blocks. The parent watches it, and ends it where it hangs.
import { ftruncateSync, openSync, writeSync } from "node:fs";
import { answerQuestions } from "@colloquy/bench/subprocess";
import { explore, type Exploration } from "./explore.ts";
import { FuzzLoop, type FoundInput, type Slice, type SliceLimits } from "./loop.ts";
import { targetFactories } from "./targets.ts";

/** What the parent asks; `notes` is a file for what is about to run. */
export type FuzzQuestion = { readonly target: string; readonly notes: string } & (
  | ({ readonly kind: "slice" } & SliceLimits)
  | { readonly kind: "carefully"; readonly seed: string; readonly block: number }
  | { readonly kind: "replay"; readonly hex: string }
  | { readonly kind: "explore"; readonly seed: string; readonly milliseconds: number }
);

export type FuzzAnswer = Slice | readonly FoundInput[] | Exploration;

let loop: FuzzLoop | undefined;

/** One target for each process. */
async function loopOf({ target, notes }: FuzzQuestion): Promise<FuzzLoop> {
  if (loop !== undefined) return loop;
  const file = openSync(notes, "w");
  const write = (text: string): void => {
    ftruncateSync(file);
    writeSync(file, text, 0);
  };
  const made = await targetFactories[target]!();
  loop = new FuzzLoop(made, {
    block: (block) => write(`block ${block}`),
    input: (input) => write(input.toString("hex")),
  });
  return loop;
}

async function answer(question: FuzzQuestion): Promise<FuzzAnswer> {
  if (question.kind === "explore") return explore(await targetFactories[question.target]!(), question);
  const feeding = await loopOf(question);
  if (question.kind === "slice") return feeding.run(question);
  if (question.kind === "carefully") return feeding.runCarefully(question.seed, question.block);
  await feeding.runAlone(Buffer.from(question.hex, "hex"));
  return feeding.findings;
}

if (process.send !== undefined) answerQuestions(answer);
