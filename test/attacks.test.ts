import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { onClients, onServers } from "../stress/src/attacks/attacks.ts";

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
const byCommand = { servers: onServers, clients: onClients };

/** Attacks that have no meaning for one of the two, and why. */
const MEANINGLESS: Readonly<Partial<Record<number, Readonly<Partial<Record<keyof typeof byCommand, string>>>>>> = {
  26: { clients: "a client compares no tokens: it shows one" },
};

describe("attacks", () => {
  test.each(Object.entries(ATTACKS))("%i has a test whose name begins with it: %s", (number) => {
    const name = new RegExp(String.raw`\(\s*["\`]T${number}: `);
    expect(sources.some((source) => name.test(source))).toBe(true);
  });

  describe.each(["servers", "clients"] as const)("of the command `attacks` on %s", (victims) => {
    const made = new Set(byCommand[victims].map(({ row }) => row));

    test.each(Object.entries(ATTACKS))("%i is made: %s", (number) => {
      const isMeaningless = MEANINGLESS[Number(number)]?.[victims] !== undefined;
      expect(made.has(`T${number}`)).toBe(!isMeaningless);
    });
  });
});
