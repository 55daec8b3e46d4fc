import { readFileSync, readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { newAddress } from "./support.ts";
import { RUNS_ONCE } from "./ways.ts";

const folder = new URL("./", import.meta.url);
const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".test.ts"));
const sources = new Map(files.map((name) => [name, readFileSync(new URL(name, folder), "utf8")]));

describe("a test that runs one way only", () => {
  test.each([...RUNS_ONCE.withoutConnection, ...RUNS_ONCE.ownSockets])("is in a file that there is: %s", (name) => {
    expect(files).toContain(name);
  });

  test.each([...RUNS_ONCE.ownSocket, ...RUNS_ONCE.inProcess])("is one that there is: %s", (name) => {
    const title = name.replace(/ over (local|tcp)$/, "");
    const found = [...sources].filter(([file, text]) => file !== "ways.test.ts" && text.includes(title));
    expect(found).toHaveLength(1);
  });

  test.each(RUNS_ONCE.withoutConnection)("makes no connection: %s", (name) => {
    expect(sources.get(name)).not.toMatch(/newAddress|pair\(|wireServer|\bconnect\(/);
  });
});

test("each run has connections of its own kind", () => {
  const isTcp = process.env["COLLOQUY_TEST_TRANSPORT"] === "tcp";
  expect(newAddress()).toMatch(isTcp ? /^tcp:\/\/127\./ : /^local:/);
});
