import { describe, expect, it, vi } from "vitest";
import { warn } from "../src/warn.ts";

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

  it.each([["text"], [undefined], [Object.create(null)]])("takes whatever was thrown: %o", (thrown) => {
    const [text, name] = warningOf(thrown);
    expect(text).toMatch(/^the kettle failed: ColloquyError: thrown: /);
    expect(name).toBe("ColloquyWarning");
  });
});
