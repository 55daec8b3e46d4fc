/** A word: letters, digits and underscores of any script, in lower case. */
const WORD = /[\p{L}\p{N}_]+/gu;
const WORD_AT_END = /[\p{L}\p{N}_]+$/u;

/** Words with their counts. A Map: words such as `constructor` are words like all others. */
export type Frequencies = Map<string, number>;

/** Adds the words of `text` to `frequencies`; returns how many there are. */
export function countWords(text: string, frequencies: Frequencies): number {
  let count = 0;
  for (const [word] of text.matchAll(WORD)) {
    const key = word.toLowerCase();
    frequencies.set(key, (frequencies.get(key) ?? 0) + 1);
    count++;
  }
  return count;
}

/** Cuts off the word that may go on behind the end of `text`. */
export function splitBeforeLastWord(text: string): [whole: string, rest: string] {
  const start = text.search(WORD_AT_END);
  return start < 0 ? [text, ""] : [text.slice(0, start), text.slice(start)];
}

/** The most frequent words first; equal ones in the order of their characters. */
export function sorted(frequencies: Frequencies): [word: string, count: number][] {
  return [...frequencies].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
}
