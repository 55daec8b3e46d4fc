import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const run = promisify(execFile);
const main = fileURLToPath(new URL("../examples/dist/contract-net/main.js", import.meta.url));

function rows(name: string): string[][] {
  const text = readFileSync(new URL(`../examples/src/contract-net/${name}`, import.meta.url), "utf8");
  return text
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => line.split(","));
}

const trucks = new Map(
  rows("trucks.csv").map(([name, most, perPallet, thinks, breaks]) => [
    name!,
    {
      most: Number(most),
      perPallet: Number(perPallet),
      thinks: Number(thinks),
      breaks: breaks === "" ? Infinity : Number(breaks),
    },
  ]),
);
const tasks = new Map(
  rows("tasks.csv").map(([name, pallets, , , announced, deadline]) => [
    name!,
    { pallets: Number(pallets), announced: Number(announced), deadline: Number(deadline) },
  ]),
);

interface Line {
  readonly time: number;
  readonly task: string;
  readonly text: string;
}

interface Round {
  readonly task: string;
  readonly announced: number;
  readonly asked: number;
  readonly lines: Line[];
}

/** A round of bidding for each announcement. */
function roundsOf(lines: readonly Line[]): Round[] {
  const rounds: Round[] = [];
  for (const line of lines) {
    const asked = /is announced to (\d+)$/.exec(line.text)?.[1];
    if (asked !== undefined) rounds.push({ task: line.task, announced: line.time, asked: Number(asked), lines: [] });
    else rounds.findLast(({ task }) => task === line.task)!.lines.push(line);
  }
  return rounds;
}

const near = (a: number, b: number): boolean => Math.abs(a - b) < 0.11;

test("the example of a contract net keeps its rules, and is the same each time", async () => {
  const { stdout, stderr } = await run(process.execPath, [main], { timeout: 30_000 });
  expect(stderr).toBe("");
  expect((await run(process.execPath, [main], { timeout: 30_000 })).stdout).toBe(stdout);
  const lines = [...stdout.matchAll(/^ *([\d.]+) s {2}((T\d+).*)$/gm)].map(([, time, text, task]): Line => ({
    time: Number(time),
    task: task!,
    text: text!,
  }));
  // Until when each truck is busy, by what it was awarded.
  const busyUntil = (truck: string, time: number): number =>
    Math.max(
      0,
      ...lines.flatMap((line) => {
        const award = new RegExp(`awarded to ${truck}, done in ([\\d.]+) s`).exec(line.text);
        return award !== null && line.time < time ? [line.time + Number(award[1])] : [];
      }),
    );
  const rounds = roundsOf(lines);
  expect(new Set(rounds.map(({ task }) => task))).toEqual(new Set(tasks.keys()));
  for (const { task, announced, asked, lines: told } of rounds) {
    const { pallets, deadline } = tasks.get(task)!;
    const bids = told.flatMap((line) => {
      const bid = /: (\w+) bids ([\d.]+) s$/.exec(line.text);
      return bid === null ? [] : [{ truck: bid[1]!, seconds: Number(bid[2]), time: line.time }];
    });
    const refusals = told.filter(({ text }) => / refuses, /.test(text));
    const late = told.flatMap(({ text, time }) => {
      const found = /: (\w+) is too late$/.exec(text);
      return found === null ? [] : [{ truck: found[1]!, time }];
    });
    expect(bids.length + refusals.length + late.length, `${task}: each truck answers once`).toBe(asked);
    const decided = told.find(({ text }) => /is awarded to|is given to nobody/.test(text))!;
    expect(decided.time - announced).toBeLessThanOrEqual(deadline + 0.01);
    for (const { truck, seconds, time } of bids) {
      const { most, perPallet, thinks } = trucks.get(truck)!;
      expect(pallets, `${truck} carries ${task}`).toBeLessThanOrEqual(most);
      expect(near(time, announced + thinks)).toBe(true);
      expect(near(seconds, Math.max(0, busyUntil(truck, time) - time) + pallets * perPallet), `${task}: ${truck}`).toBe(
        true,
      );
      expect(time).toBeLessThanOrEqual(decided.time);
    }
    for (const { truck, time } of late) {
      expect(near(time, announced + trucks.get(truck)!.thinks)).toBe(true);
      expect(time).toBeGreaterThanOrEqual(announced + deadline);
    }
    const best = bids.toSorted((a, b) => a.seconds - b.seconds || (a.truck < b.truck ? -1 : 1))[0];
    if (best === undefined) {
      expect(decided.text).toBe(`${task} is given to nobody`);
      continue;
    }
    expect(decided.text).toBe(`${task} is awarded to ${best.truck}, done in ${best.seconds} s`);
    const done = decided.time + best.seconds;
    const end = told.find(({ text }) => / is done by | has failed: /.test(text))!;
    const { breaks } = trucks.get(best.truck)!;
    expect(end.text.includes("has failed: BrokenDown")).toBe(done >= breaks);
    expect(near(end.time, done < breaks ? done : Math.max(breaks, decided.time + 1))).toBe(true);
  }
  const doneCount = lines.filter(({ text }) => text.includes(" is done by ")).length;
  expect(stdout.trimEnd().split("\n").at(-1)).toBe(`${doneCount} of 12 tasks are done`);
  // What the tables were made for happens.
  expect(stdout).toContain("T07 is given to nobody");
  expect(stdout).toContain("T10 has failed: BrokenDown: emil has broken down with T10");
  expect(stdout).toContain("T03: ben is too late");
}, 60_000);
