import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const page = readFileSync(join(root, "docs/promises.md"), "utf8");
const [stated = "", notPromised = ""] = page.split("## Not promised");

interface Reference {
  readonly file: string;
  readonly name: string;
}

const REFERENCE = /(core|rpc|container)\/([\w/-]+):\s+"([^"]+)"/g;

function referencesIn(text: string): Reference[] {
  return [...text.matchAll(REFERENCE)].map(([, folder, file, name]) => ({
    file: `packages/${folder}/test/${file}.test.ts`,
    name: name!,
  }));
}

/** The items of the page, each with its lines. */
const promises = stated
  .split(/\n(?=- |## )/)
  .filter((item) => item.startsWith("- "))
  .map((item) => item.replaceAll(/\s+/g, " ").trim());

/** A test of that name, or a row of one for each of several; not one that is skipped, nor the name elsewhere. */
function hasTest(source: string, name: string): boolean {
  return ['"', "`", "'"].some((quote) => {
    const at = source.indexOf(`${quote}${name}${quote}`);
    return at >= 0 && /(?<![.\w])(test|it)\($|\)\($|^\s*\[$/m.test(source.slice(0, at).trimEnd().split("\n").at(-1)!);
  });
}

describe("docs/promises.md", () => {
  test("has promises, and says what isn't promised", () => {
    expect(promises.length).toBeGreaterThan(25);
    expect(notPromised.trim()).not.toBe("");
  });

  test.each(promises)("%s", (promise) => {
    const references = referencesIn(promise);
    if (!promise.startsWith("- Nothing is promised")) expect(references).not.toEqual([]);
    for (const { file, name } of references) {
      const source = readFileSync(join(root, file), "utf8");
      expect(hasTest(source, name) ? name : `${file} has no test "${name}" that runs`).toBe(name);
    }
  });
});
