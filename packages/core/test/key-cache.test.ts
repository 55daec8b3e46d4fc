import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { KeyCache } from "../src/key-cache.ts";

/** Reads a text in the middle of other bytes. */
function read(cache: KeyCache, text: string | Buffer): string | undefined {
  const content = Buffer.from(text as string);
  return cache.read(Buffer.concat([Buffer.from("<<"), content, Buffer.from(">>>>")]), 2, content.length);
}

describe("KeyCache", () => {
  it("reads short ASCII, again and again, whatever came before under the same hash", () => {
    const cache = new KeyCache();
    const ascii = fc.string({ unit: "binary-ascii", maxLength: 32 });
    fc.assert(
      fc.property(fc.array(ascii, { minLength: 1, maxLength: 100 }), (texts) => {
        for (const text of [...texts, ...texts, ...texts]) expect(read(cache, text)).toBe(text);
      }),
      { numRuns: 200 },
    );
    // Far more than it has places.
    for (let index = 0; index < 20_000; index++) {
      for (let count = 0; count < 3; count++) expect(read(cache, `agents/${index}/run`)).toBe(`agents/${index}/run`);
    }
  });

  it.each([0, 1, 2, 3, 4, 5, 6, 7, 31, 32])(
    "reads texts of %i bytes, which may end where the memory ends",
    (length) => {
      const cache = new KeyCache();
      const text = "abcdefghijklmnopqrstuvwxyz0123456789".slice(0, length);
      const bytes = Buffer.from(text);
      for (let count = 0; count < 3; count++) expect(cache.read(bytes, 0, length)).toBe(text);
    },
  );

  it("leaves what is longer, or not all ASCII, to others", () => {
    const cache = new KeyCache();
    expect(read(cache, "x".repeat(33))).toBeUndefined();
    for (const text of ["ä", "aä", "日本", "a😀b", Buffer.from([0x80]), Buffer.from([0x61, 0xff])]) {
      for (let count = 0; count < 3; count++) expect(read(cache, text)).toBeUndefined();
    }
  });

  it("tells texts apart that differ in any one byte", () => {
    const cache = new KeyCache();
    for (const length of [1, 2, 5, 8, 32]) {
      const base = "m".repeat(length);
      for (let place = 0; place < length; place++) {
        const other = `${base.slice(0, place)}n${base.slice(place + 1)}`;
        expect([read(cache, base), read(cache, other), read(cache, base)]).toStrictEqual([base, other, base]);
      }
    }
  });
});
