import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LogLines, MAX_LOG_LINE_BYTES } from "../src/log-lines.ts";

/** The lines of a text that comes in pieces, cut at these places. */
function linesOf(text: string, cuts: readonly number[]): string[] {
  const bytes = Buffer.from(text);
  const lines: string[] = [];
  const log = new LogLines((line) => lines.push(line));
  let start = 0;
  for (const cut of [...cuts.map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length]) {
    log.push(bytes.subarray(start, cut));
    start = cut;
  }
  log.end();
  return lines;
}

describe("LogLines", () => {
  it("makes the same lines of any cuts, in the middle of characters too", () => {
    const line = fc.string({ unit: "binary" }).map((text) => text.replaceAll(/[\r\n\uFEFF]/g, "ü"));
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.nat()), (lines, cuts) => {
        const told = linesOf(lines.map((text) => `${text}\n`).join(""), cuts);
        expect(told).toEqual(lines.map((text) => Buffer.from(text).toString()));
      }),
    );
  });

  it("tells a last line without an end, and no empty one", () => {
    expect(linesOf("a\nb", [])).toEqual(["a", "b"]);
    expect(linesOf("a\n", [])).toEqual(["a"]);
    expect(linesOf("", [])).toEqual([]);
  });

  it("takes \\r\\n for the end of a line", () => {
    expect(linesOf("a\r\nb\rc\r\n", [2])).toEqual(["a", "b\rc"]);
  });

  it.each([-1, 0, 1, MAX_LOG_LINE_BYTES])("cuts lines over its bound, here by %i bytes", (over) => {
    const text = "x".repeat(MAX_LOG_LINE_BYTES + over);
    const lines = linesOf(`${text}\nnext`, [5, 70_000]);
    expect(lines.map(({ length }) => length)).toEqual(
      over <= 0 ? [MAX_LOG_LINE_BYTES + over, 4] : [MAX_LOG_LINE_BYTES, over, 4],
    );
  });

  it.each([0, 1, 2, 3])("cuts between characters (%i bytes before)", (shift) => {
    const text = `${"x".repeat(shift)}${"😀".repeat(MAX_LOG_LINE_BYTES / 4)}`;
    const lines = linesOf(text, [1, 65_535, 65_536, 65_537]);
    expect(lines.join("")).toBe(text);
    expect(lines.join("")).not.toContain("\uFFFD");
  });

  it("keeps no more than a line, whatever comes without an end", () => {
    let told = 0;
    const log = new LogLines((line) => (told += line.length));
    for (let index = 0; index < 1000; index++) log.push(Buffer.alloc(1000, "y"));
    expect(told).toBeGreaterThan(1_000_000 - MAX_LOG_LINE_BYTES - 1);
    log.end();
    expect(told).toBe(1_000_000);
  });
});
