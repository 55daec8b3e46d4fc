import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** What is to be moved. */
export interface Task {
  readonly name: string;
  readonly pallets: number;
  readonly from: string;
  readonly to: string;
  /** Seconds on the clock. */
  readonly announcedAt: number;
  /** Seconds that bidders have. */
  readonly deadline: number;
}

/** A truck, with its habits. */
export interface TruckTraits {
  readonly name: string;
  /** The most that it carries. */
  readonly pallets: number;
  readonly secondsPerPallet: number;
  /** How long it thinks about a bid. */
  readonly answersAfter: number;
  /** From when on it fails, if it does. */
  readonly breaksDownAt: number | undefined;
}

export function readTasks(): Task[] {
  return rows("tasks.csv").map(([name, pallets, from, to, announcedAt, deadline]) => ({
    name: name!,
    pallets: Number(pallets),
    from: from!,
    to: to!,
    announcedAt: Number(announcedAt),
    deadline: Number(deadline),
  }));
}

export function readTrucks(): TruckTraits[] {
  return rows("trucks.csv").map(([name, pallets, secondsPerPallet, answersAfter, breaksDownAt]) => ({
    name: name!,
    pallets: Number(pallets),
    secondsPerPallet: Number(secondsPerPallet),
    answersAfter: Number(answersAfter),
    breaksDownAt: breaksDownAt === "" ? undefined : Number(breaksDownAt),
  }));
}

function rows(name: string): string[][] {
  const file = fileURLToPath(new URL(`../../src/contract-net/${name}`, import.meta.url));
  const lines = readFileSync(file, "utf8").trim().split("\n");
  return lines.slice(1).map((line) => line.split(","));
}
