import { describe, expect, it, vi } from "vitest";
import { ColloquyError } from "../src/errors.ts";
import { seldomWarn, warn } from "../src/warn.ts";

function warningOf(thrown: unknown): [text: unknown, name: unknown] {
  const spy = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
  warn("the kettle failed", thrown);
  expect(spy).toHaveBeenCalledTimes(1);
  return spy.mock.calls[0] as unknown as [unknown, unknown];
}

describe("warn", () => {
  it("tells what has failed, and the stack of the error", () => {
    const error = new RangeError("too hot");
    expect(warningOf(error)).toEqual([`the kettle failed: ${error.stack}`, "ColloquyWarning"]);
  });

  it("tells the message of an error without a stack", () => {
    const error = Object.defineProperty(new Error("no stack"), "stack", { value: undefined });
    expect(warningOf(error)).toEqual(["the kettle failed: no stack", "ColloquyWarning"]);
  });

  it("forges no line of a log, and no command to a terminal", () => {
    const escape = String.fromCharCode(27);
    const override = String.fromCodePoint(0x202e);
    for (const ending of ["", "\nsecond line"]) {
      for (const error of [
        new ColloquyError("REMOTE_ERROR", `a ${escape}[2J ${override}b${ending}`),
        new Error(`c ${escape}[2J ${override}`),
      ]) {
        const [text] = warningOf(error);
        expect(text).not.toContain(escape);
        expect(text).not.toContain(override);
        vi.restoreAllMocks();
      }
    }
  });

  it.each([["text"], [undefined], [Object.create(null)]])("takes whatever was thrown: %o", (thrown) => {
    const [text, name] = warningOf(thrown);
    expect(text).toMatch(/^the kettle failed: ColloquyError: thrown: /);
    expect(name).toBe("ColloquyWarning");
  });
});

describe("seldomWarn", () => {
  it("tells one failure a minute, and how many others there were", () => {
    const spy = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
    const now = vi.spyOn(performance, "now");
    const warnSeldom = seldomWarn();
    for (const time of [5, 6, 60_004, 60_005, 60_006, 120_005, 120_006]) {
      now.mockReturnValue(time);
      warnSeldom(`at ${time}`, new Error("x"));
    }
    now.mockRestore();
    const told = spy.mock.calls.map(([text]) => String(text).split(": Error")[0]);
    expect(told).toEqual([
      "at 5",
      "at 60005 (2 more since the last warning)",
      "at 120005 (1 more since the last warning)",
    ]);
  });

  it("counts for each who makes one", () => {
    const spy = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
    seldomWarn()("a", new Error("x"));
    seldomWarn()("b", new Error("x"));
    expect(spy).toHaveBeenCalledTimes(2);
  });
});
