import { describe, expect, test } from "vitest";
import { joinPath, namesOf, parseReferencePath, referencePath } from "../src/path.ts";

describe("paths", () => {
  test("are joined without a slash at either end", () => {
    expect(joinPath("", "a")).toBe("a");
    expect(joinPath("a", "b")).toBe("a/b");
    expect(joinPath("a/b", "c")).toBe("a/b/c");
  });

  test("of references have a number and perhaps a rest", () => {
    expect(referencePath(7)).toBe("$/ref/7");
    expect(parseReferencePath("$/ref/7")).toEqual({ id: 7, rest: "" });
    expect(parseReferencePath("$/ref/4294967295/a/b")).toEqual({ id: 4294967295, rest: "a/b" });
    expect(parseReferencePath("$/ref/0//")).toEqual({ id: 0, rest: "/" });
    expect(parseReferencePath("$/ref/7/")).toEqual({ id: 7, rest: "" });
    expect(parseReferencePath("$/ref/7/a\nb")).toEqual({ id: 7, rest: "a\nb" });
  });

  test.each([
    "",
    "a",
    "ref/7",
    "$/ref",
    "$/ref/",
    "$/ref/x",
    "$/ref/-1",
    "$/ref/1x",
    "$/ref/12345678901",
    "/$/ref/1",
    "$/ref/1 ",
    "$/ref/1\n",
    "$/ref/01",
    "$/ref//1",
  ])("of anything else are none of a reference: %j", (path) => {
    expect(parseReferencePath(path)).toBeUndefined();
  });

  test("are cut at each slash, and once where they come again and again", () => {
    expect(namesOf("a")).toEqual(["a"]);
    expect(namesOf("a/b c/\u{1f600}")).toEqual(["a", "b c", "\u{1f600}"]);
    expect(namesOf("")).toEqual([""]);
    expect(namesOf("/")).toEqual(["", ""]);
    expect(namesOf("a//b/")).toEqual(["a", "", "b", ""]);
    expect(namesOf("agents/7/run")).toEqual(namesOf("agents/7/run"));
    expect(namesOf(["agents", "7", "run"].join("/"))).toBe(namesOf("agents/7/run"));
  });

  test("that share a place among those that were cut are never taken for each other", () => {
    for (let round = 0; round < 2; round++) {
      for (let index = 0; index < 10_000; index++) {
        expect(namesOf(`agents/${index}/run`)[1]).toBe(String(index));
        expect(namesOf(`${index}/x`)).toEqual([String(index), "x"]);
      }
    }
  });
});
