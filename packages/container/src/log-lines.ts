/** Where a line was printed. */
export type LogStream = "stdout" | "stderr";

/** Takes a line that a child has printed, without its end. */
export type LogListener = (line: string, stream: LogStream) => void;

/** Longer lines come in pieces. */
export const MAX_LOG_LINE_BYTES = 65_536;

const NEW_LINE = 0x0a;

/** Makes lines of the chunks of one stream, however they are cut. It keeps no more than one line, up to its bound. */
export class LogLines {
  readonly #listener: (line: string) => void;
  #parts: Uint8Array[] = [];
  #size = 0;

  constructor(listener: (line: string) => void) {
    this.#listener = listener;
  }

  push(chunk: Uint8Array): void {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(NEW_LINE, start);
      this.#keep(chunk.subarray(start, end === -1 ? undefined : end));
      if (end === -1) return;
      this.#tell(this.#take());
      start = end + 1;
    }
  }

  /** Tells the last line, where it has no end. */
  end(): void {
    if (this.#size > 0) this.#tell(this.#take());
  }

  #keep(part: Uint8Array): void {
    if (part.length === 0) return;
    this.#parts.push(part);
    this.#size += part.length;
    if (this.#size <= MAX_LOG_LINE_BYTES) return;
    let rest = this.#take();
    while (rest.length > MAX_LOG_LINE_BYTES) {
      const cut = characterStart(rest, MAX_LOG_LINE_BYTES);
      this.#tell(rest.subarray(0, cut));
      rest = rest.subarray(cut);
    }
    this.#keep(rest);
  }

  #take(): Buffer {
    const all = Buffer.concat(this.#parts);
    this.#parts = [];
    this.#size = 0;
    return all;
  }

  #tell(line: Buffer): void {
    const text = line.toString("utf8");
    this.#listener(text.endsWith("\r") ? text.slice(0, -1) : text);
  }
}

/** The nearest place at or before `index` where a character of UTF-8 begins. */
function characterStart(bytes: Uint8Array, index: number): number {
  for (let start = index; start > index - 4; start--) {
    if ((bytes[start]! & 0xc0) !== 0x80) return start;
  }
  return index;
}
