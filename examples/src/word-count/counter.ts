import { Agent, Container } from "@colloquy/container";
import type { LaunchContext } from "@colloquy/container";
import { MsgPackCodec, expose } from "@colloquy/rpc";
import { countWords } from "./words.ts";
import type { Frequencies } from "./words.ts";

const REPORTED_CHARACTERS = 16_384;

/** Called by the agent while it works: how many characters more it has read, and how many words were in them. */
export type ProgressListener = (characters: number, words: number) => Promise<void>;

/** Counts words. It lives in a process of its own and calls back into the one that gave it the text. */
export class Counter extends Agent {
  @expose
  async count(text: string, progress: ProgressListener): Promise<[word: string, count: number][]> {
    const frequencies: Frequencies = new Map();
    for (let start = 0; start < text.length;) {
      const end = endOfPiece(text, start);
      const words = countWords(text.slice(start, end), frequencies);
      await progress(end - start, words);
      start = end;
    }
    return [...frequencies];
  }
}

/** A place behind `start` where no word is cut. */
function endOfPiece(text: string, start: number): number {
  const end = text.indexOf("\n", start + REPORTED_CHARACTERS);
  return end < 0 ? text.length : end + 1;
}

/** What `launch` runs in the new process: a container with one agent. */
export default async function main({ args }: LaunchContext): Promise<Container> {
  const { address } = args as { address: string };
  const container = await Container.create(address, { codec: MsgPackCodec });
  await container.spawn(new Counter());
  return container;
}
