import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Attacks that have hit systems like this one, by the number that the names of tests begin with: `T7: ...`. */
const ATTACKS: Readonly<Record<number, string>> = {
  1: "a name from the wire walks a prototype",
  2: "keys of decoded maps reach a prototype",
  3: "a function as `then` is called by an await",
  4: "attributes, classes and modules by name",
  5: "extended values of unknown ids and wrong shapes",
  6: "caches that grow with what a peer says",
  7: "depth",
  8: "declared lengths and counts above the data",
  9: "many tiny containers",
  10: "huge lengths, slow drips, tiny chunks",
  11: "compression bombs",
  14: "floods of cancelled calls",
  16: "forged references, and too many",
  17: "a release that overtakes a reply",
  18: "unknown answers, ids twice, ids of the wrong type",
  19: "one bad message ends the process",
  20: "a peer that doesn't read",
  22: "loops of calls",
  23: "cost before authentication",
  24: "absent or slow TLS and hello",
  25: "misuse of TLS",
  26: "comparison of tokens by time or length",
  27: "stacks and fields of errors on the wire",
  28: "texts that a log shows",
};

const sources = ["packages/core/test", "packages/rpc/test", "packages/container/test", "test"].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => readFileSync(join(root, folder, name), "utf8")),
);
const commands = ["on-messages.ts", "on-connections.ts", "on-clients.ts"].map((name) =>
  readFileSync(join(root, "stress/src/attacks", name), "utf8"),
);

describe("attacks", () => {
  test.each(Object.entries(ATTACKS))("%i has a test whose name begins with it: %s", (number) => {
    const name = new RegExp(String.raw`\(\s*["\`]T${number}: `);
    expect(sources.some((source) => name.test(source))).toBe(true);
  });

  test.each(Object.entries(ATTACKS))("%i is made by the command `attacks`, too: %s", (number) => {
    expect(commands.some((source) => source.includes(`row: "T${number}"`))).toBe(true);
  });
});
