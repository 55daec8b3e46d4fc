import { describe, expect, it } from "vitest";
import {
  ColloquyError,
  ProtocolError,
  RemoteError,
  SerializationError,
  describeType,
  formatPlace,
  quoted,
  toError,
} from "../src/errors.ts";

describe("errors", () => {
  it("are restated with every field and a stack of their own", () => {
    const cause = new Error("cause");
    for (const error of [
      new ColloquyError("CANCELLED", "a", { cause, executed: "unknown" }),
      new SerializationError("b", { place: [1, "x"], cause }),
      new ProtocolError("c"),
      new RemoteError("KeyError", "d", { remoteStack: "there", fields: { a: 1 }, code: "NOT_FOUND" }),
    ]) {
      const copy = error.restated();
      expect(copy).not.toBe(error);
      expect(copy).toStrictEqual(error);
      expect(Object.getPrototypeOf(copy)).toBe(Object.getPrototypeOf(error));
      expect(copy.cause).toBe(error.cause);
      expect(String(copy)).toBe(String(error));
    }
  });

  it("say no cause where none was given", () => {
    expect("cause" in new ColloquyError("INTERNAL", "x")).toBe(false);
    expect("cause" in new SerializationError("x").within("a")).toBe(false);
    expect("cause" in new SerializationError("x", { cause: undefined }).within("a")).toBe(true);
  });

  it("gather their place from the inside out", () => {
    const error = new SerializationError("no serializer for Date").within("when").within(3).within("a b");
    expect(error.place).toStrictEqual(["a b", 3, "when"]);
    expect(error.message).toBe('no serializer for Date, at ["a b"][3].when');
    expect(error.reason).toBe("no serializer for Date");
  });

  it("write places as one would type them", () => {
    expect(formatPlace(["a", 0, "b c", "$d", "0"])).toBe('a[0]["b c"].$d["0"]');
    expect(formatPlace([1])).toBe("[1]");
  });

  it("T28: show a peer's text in quotes, cut and without characters that move the cursor", () => {
    expect(quoted('a"b\n\u001b[31m\u202e\u0085\u200b')).toBe('"a\\"b\\n\\u001b[31m\\u202e\\u0085\\u200b"');
    expect(quoted("x".repeat(300))).toBe(`"${"x".repeat(256)}..."`);
    expect(quoted("x".repeat(256))).toBe(`"${"x".repeat(256)}"`);
  });

  it("name a class only by a text that it has as its name, cut, and run nothing for it", () => {
    class Method {
      static name() {
        return "secret";
      }
    }
    class Unreadable {
      static get name(): string {
        throw new Error("was run");
      }
    }
    class Marked {
      static readonly name = Symbol("mark");
    }
    class Given {
      static readonly name = "GivenName";
    }
    class Long {
      static readonly name = "n".repeat(1000);
    }
    const refusing = {
      getOwnPropertyDescriptor: () => {
        throw new Error("refuses");
      },
    };
    const hidden: unknown = Object.create({ constructor: new Proxy(class Hidden {}, refusing) });
    for (const value of [new Method(), new Unreadable(), new Marked(), hidden])
      expect(describeType(value)).toBe("object of an unnamed class");
    expect(describeType(new Given())).toBe("GivenName");
    expect(describeType(new Long())).toHaveLength(256);
  });

  it("name the types of values", () => {
    class Named {}
    const values = [
      null,
      undefined,
      1,
      "x",
      new Named(),
      Object.create(null),
      [],
      () => 1,
      Object.create({ constructor: 5 }),
      1n,
    ];
    expect(values.map((value) => describeType(value))).toStrictEqual([
      "null",
      "undefined",
      "number",
      "string",
      "Named",
      "object without a prototype",
      "Array",
      "function",
      "object of an unnamed class",
      "bigint",
    ]);
  });

  it("are made of whatever was thrown", () => {
    const error = new TypeError("x");
    expect(toError(error)).toBe(error);
    for (const thrown of [undefined, null, 0, "text", Symbol("x"), Object.create(null)]) {
      expect(toError(thrown)).toMatchObject({ code: "INTERNAL", cause: thrown });
    }
  });
});
