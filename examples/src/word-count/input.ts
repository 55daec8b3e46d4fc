import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { splitBeforeLastWord } from "./words.ts";

const CHUNK_BYTES = 262_144;
/** A text without a place to cut it must not grow for ever. */
const MAX_WORD_LENGTH = 1_048_576;

export interface InputFile {
  readonly path: string;
  readonly bytes: number;
}

/** The files that can be read, and a line for each that can't. */
export async function inspect(paths: readonly string[]): Promise<{ files: InputFile[]; problems: string[] }> {
  const files: InputFile[] = [];
  const problems: string[] = [];
  for (const path of paths) {
    try {
      const found = await stat(path);
      if (found.isDirectory()) problems.push(`${path}: is a directory, not a file`);
      else files.push({ path, bytes: found.size });
    } catch (error) {
      problems.push(`${path}: ${reasonOf(error)}`);
    }
  }
  return { files, problems };
}

/** A file's text in pieces that end between two words. Rejects where it can't be read. */
export async function* readChunks(path: string): AsyncGenerator<string, void, undefined> {
  let rest = "";
  for await (const text of createReadStream(path, { encoding: "utf8", highWaterMark: CHUNK_BYTES })) {
    const [whole, begun] = splitBeforeLastWord(rest + (text as string));
    rest = begun;
    if (rest.length > MAX_WORD_LENGTH)
      throw new Error(`a word of more than ${MAX_WORD_LENGTH} characters: this is no text`);
    if (whole !== "") yield whole;
  }
  if (rest !== "") yield rest;
}

/** What went wrong, in words. */
export function reasonOf(error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case "ENOENT":
      return "no such file";
    case "EACCES":
    case "EPERM":
      return "no permission to read it";
    case "EISDIR":
      return "is a directory, not a file";
    default:
      return error instanceof Error ? error.message : String(error);
  }
}
