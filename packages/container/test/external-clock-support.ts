import { DateTime } from "luxon";
import { expect } from "vitest";
import { ExternalClock } from "../src/external-clock.ts";

/** The `utcStart` of all clocks in these tests. */
export const START = "2020-01-01T00:00:00.000Z";
export const startDate = DateTime.fromISO(START, { zone: "utc" });

export function clockAt(initTime = 0): ExternalClock {
  return new ExternalClock(START, { initTime });
}

export function invalidArgument(message: string | RegExp): object {
  return expect.objectContaining({
    code: "INVALID_ARGUMENT",
    message: typeof message === "string" ? message : expect.stringMatching(message),
  });
}

export function caught(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}
