import { answerQuestions } from "@colloquy/bench/subprocess";
import { plantFault, runBatch, type Batch } from "./batch.ts";

/** What a worker is asked. */
export interface CellQuestion extends Batch {
  /** The name of a fault, the same with every question. */
  readonly plant: string | undefined;
}

let isPlanted = false;

if (process.send !== undefined)
  answerQuestions(({ plant, ...batch }: CellQuestion) => {
    if (plant !== undefined && !isPlanted) plantFault(plant);
    isPlanted = true;
    return runBatch(batch);
  });
