import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const main = fileURLToPath(new URL("../examples/dist/chat/main.js", import.meta.url));
const script = readFileSync(new URL("../examples/src/chat/script.txt", import.meta.url), "utf8");

/** What the script means, played on a list. */
function played(): string[] {
  const output: string[] = [];
  const present = new Map<string, { name: string; hears: boolean; heard: string[] }>();
  const all: { name: string; hears: boolean; heard: string[] }[] = [];
  const note = (name: string, how: string): void => {
    const count = [...present.values()].filter(({ hears }) => hears).length;
    output.push(`        (${name} ${how}, ${count} listen)`);
  };
  const act = (name: string, verb: string, text: string): void => {
    const member = present.get(name);
    if (verb === "joins") {
      present.set(name, { name, hears: true, heard: [] });
      all.push(present.get(name)!);
      note(name, "has joined");
    } else if (verb === "says") {
      output.push(`${name.padStart(6)}: ${text}`);
      for (const other of present.values())
        if (other.name !== name && other.hears) other.heard.push(`${name}: ${text.split(" ")[0]}`);
    } else if (verb === "stops listening") {
      member!.hears = false;
      note(name, "doesn't listen any more");
    } else {
      present.delete(name);
      if (member!.hears) note(name, verb === "drops" ? "was lost" : "has left");
    }
  };
  for (const line of script.split("\n").filter((text) => text !== "" && !text.startsWith("#"))) {
    const [, name, verb, text] = /^(\w+) (joins|says|drops|leaves|stops listening) ?(.*)$/.exec(line)!;
    act(name!, verb!, text!);
  }
  for (const name of present.keys()) act(name, "leaves", "");
  output.push("nobody is left, and 0 listeners");
  return [...output, ...all.map(({ name, heard }) => `${name} has heard ${heard.join(", ")}`)];
}

test("the chat example forgets those who leave, however they do, and lets them come again", async () => {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [main], { timeout: 30_000 });
  expect(stderr).toBe("");
  expect(stdout.trimEnd().split("\n")).toEqual(played());
}, 40_000);
