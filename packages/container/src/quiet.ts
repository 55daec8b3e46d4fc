import { nextTurn } from "./system-clock.ts";

/** Most turns that a chain of immediates gets: one without an end has to be told of as busy work. */
const MAX_TURNS = 1000;
/** Turns for what the engine doesn't tell of. */
const BLIND_TURNS = 8;

/**
 * Resolves when all promise continuations that can run have run, and all immediates, with what follows from them; after two turns
 * of the event loop at the least, so that what has come in sockets is read.
 */
export async function quiet(): Promise<void> {
  await nextTurn();
  await nextTurn();
  for (let turn = 0; turn < MAX_TURNS && hasImmediates(turn); turn++) await nextTurn();
}

function hasImmediates(turn: number): boolean {
  // Bun and Deno may have none of it.
  if (typeof process.getActiveResourcesInfo !== "function") return turn < BLIND_TURNS;
  return process.getActiveResourcesInfo().includes("Immediate");
}
