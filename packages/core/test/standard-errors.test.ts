import { describe, expect, it } from "vitest";
import { ColloquyError, ProtocolError, RemoteError, SerializationError } from "../src/errors.ts";
import { JsonCodec } from "../src/json-codec.ts";
import { MsgPackCodec } from "../src/msgpack-codec.ts";
import type { SerializerFactory } from "../src/serializers.ts";
import { Stranger, expectSame, greeted, thrownBy } from "./support.ts";

type ErrorWithFields = Error & Record<string, unknown>;

describe.each([
  ["JSON", JsonCodec],
  ["MsgPack", MsgPackCodec],
])("errors as values in %s", (_name, Codec) => {
  const crossed = (value: unknown, ...factories: SerializerFactory[]): any =>
    greeted(new Codec(factories)).decode(greeted(new Codec(factories)).encode(value));

  it("arrive as what their name stands for, whatever their class was", () => {
    class NotFound extends Error {
      override name = "NotFound";
    }
    class Unnamed extends TypeError {}
    for (const type of [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError]) {
      const error: Error = crossed(new type("text"));
      expect(Object.getPrototypeOf(error)).toBe(type.prototype);
      expect(error).toMatchObject({ name: type.name, message: "text" });
    }
    const notFound: Error = crossed(new NotFound("x"));
    expect(Object.getPrototypeOf(notFound)).toBe(Error.prototype);
    expect(String(notFound)).toBe("NotFound: x");
    expect(crossed(new Unnamed("x"))).toBeInstanceOf(TypeError);
    const named = crossed(Object.assign(new Error("x"), { name: "RangeError" }));
    expect(named).toBeInstanceOf(RangeError);
  });

  it("leave their stack at home, and have none from where they were decoded", () => {
    const error = new Error("text", { cause: new Error("inner") });
    const payload = Buffer.from(greeted(new Codec()).encode(error)).toString("latin1");
    expect(payload).not.toContain("standard-errors");
    expect(payload).not.toContain("stack");
    const found: Error = crossed(error);
    expect(found.stack).toBe("Error: text");
    expect((found.cause as Error).stack).toBe("Error: inner");
    const enumerable = Object.defineProperty(new Error("x"), "stack", { value: "secret place", enumerable: true });
    expect(JSON.stringify(Buffer.from(greeted(new Codec()).encode(enumerable)).toString("latin1"))).not.toContain(
      "secret",
    );
  });

  it("keep own fields, a cause of any kind, and what an AggregateError gathers", () => {
    const error = Object.assign(new RangeError("text", { cause: { code: 1, at: new Date(5) } }), {
      code: "ENOENT",
      details: new Map([["path", ["a", 1n]]]),
    });
    const found: ErrorWithFields = crossed(error);
    expect(Object.keys(found)).toStrictEqual(["code", "details"]);
    expectSame(found.cause, { code: 1, at: new Date(5) });
    expectSame(found["details"], error.details);
    expect(Object.keys(crossed(new Error("x", { cause: 1 })))).toStrictEqual([]);
    expect("cause" in crossed(new Error("x"))).toBe(false);
    expect("cause" in crossed(new Error("x", { cause: undefined }))).toBe(true);
    const gathered: AggregateError = crossed(new AggregateError([new TypeError("a"), "b", undefined], "two"));
    expect(gathered).toBeInstanceOf(AggregateError);
    expect(gathered.message).toBe("two");
    expect(gathered.errors).toHaveLength(3);
    expect(gathered.errors[0]).toBeInstanceOf(TypeError);
    expect(gathered.errors.slice(1)).toStrictEqual(["b", undefined]);
    expect(Object.keys(gathered)).toStrictEqual([]);
    expect(crossed(Object.assign(new Error("x"), { errors: [1] }))).toMatchObject({ name: "Error", errors: [1] });
  });

  it("carry a DOMException and what an aborted signal has as its reason by their name", () => {
    const aborted: Error = crossed(AbortSignal.abort().reason);
    expect(aborted).toBeInstanceOf(Error);
    expect(aborted).toMatchObject({ name: "AbortError", message: "This operation was aborted" });
    expect(crossed(new DOMException("late", "TimeoutError"))).toMatchObject({ name: "TimeoutError", message: "late" });
  });

  it("keep class, code and executed of this library's own", () => {
    const cause = new Error("why");
    const lost: ColloquyError = crossed(new ColloquyError("CONNECTION_LOST", "gone", { executed: "unknown", cause }));
    expect(Object.getPrototypeOf(lost)).toBe(ColloquyError.prototype);
    expect(lost).toMatchObject({
      name: "ColloquyError",
      code: "CONNECTION_LOST",
      executed: "unknown",
      message: "gone",
    });
    expect((lost.cause as Error).message).toBe("why");
    const remote = new RemoteError("KeyError", "x", { fields: { a: new Date(1) }, remoteStack: "Traceback" });
    const found: RemoteError = crossed(remote);
    expect(found).toBeInstanceOf(RemoteError);
    expect(found).toMatchObject({ code: "REMOTE_ERROR", executed: "yes", remoteName: "KeyError", message: "x" });
    expectSame(found.fields, { a: new Date(1) });
    expect(found.remoteStack).toBeUndefined();
    const serialization = new SerializationError("no serializer for X", { place: ["a", 1] });
    expect(crossed(serialization)).toBeInstanceOf(SerializationError);
    expect(crossed(serialization).message).toBe("no serializer for X, at a[1]");
    expect(crossed(new ProtocolError("bad"))).toMatchObject({ code: "PROTOCOL_ERROR", executed: "unknown" });
    class Refusal extends ColloquyError {
      override name = "Refusal";
      readonly reason = "closed";
    }
    const refusal: ErrorWithFields = crossed(new Refusal("UNAVAILABLE", "x"));
    expect(refusal).not.toBeInstanceOf(ColloquyError);
    expect(refusal).toMatchObject({ name: "Refusal", code: "UNAVAILABLE", executed: "no", reason: "closed" });
  });

  it("are cut as exceptions are: name, message, and levels of errors", () => {
    const long = Object.assign(new Error("m".repeat(5000)), { name: "n".repeat(300) });
    const found: Error = crossed(long);
    expect(found.name).toBe("n".repeat(256));
    expect(found.message).toBe(`${"m".repeat(4096)}...`);
    expect(crossed(Object.assign(new Error("\ud800"), { name: "\udc00" }))).toMatchObject({
      name: "\ufffd",
      message: "\ufffd",
    });
    expect(crossed(Object.assign(new Error("x"), { name: 5, message: {} }))).toMatchObject({
      name: "Error",
      message: "",
    });
    let chain = new Error("level 0");
    for (let level = 1; level < 12; level++) chain = new Error(`level ${level}`, { cause: chain });
    const messages: string[] = [];
    for (let error = crossed(chain); error !== undefined; error = error.cause) messages.push(error.message);
    expect(messages).toStrictEqual([11, 10, 9, 8, 7, 6, 5, 4, 3].map((level) => `level ${level}`));
  });

  it("end where they are their own cause, field or part", () => {
    const error = new AggregateError([], "round") as AggregateError & { self?: unknown };
    error.cause = error;
    let depth = 0;
    for (let found = crossed(error); found !== undefined; found = found.cause) depth++;
    expect(depth).toBe(9);
    delete error.cause;
    error.self = error;
    depth = 0;
    for (let found = crossed(error); found !== undefined; found = found.self) depth++;
    expect(depth).toBe(9);
    delete error.self;
    error.errors.push(error);
    depth = 0;
    for (let found = crossed(error); found !== undefined; found = found.errors[0]) depth++;
    expect(depth).toBe(9);
    const [one, other] = [new Error("one"), new Error("other")];
    one.cause = { other };
    other.cause = { one };
    expect(thrownBy(() => crossed(one)).message).toContain("or cyclic");
  });

  it("are refused where a field can't be read or sent, with its place", () => {
    const getter = (key: string): Error =>
      Object.defineProperty(new Error("x"), key, {
        get: () => {
          throw new Error("not now");
        },
        enumerable: true,
      });
    for (const key of ["name", "message", "cause", "detail"])
      expect(thrownBy(() => crossed([getter(key)]))).toMatchObject({
        message: `"${key}" of Error can't be read: not now, at [0]`,
        code: "SERIALIZATION_ERROR",
        cause: { message: "not now" },
      });
    const error = Object.assign(new Error("x"), { socket: new Stranger() });
    expect(thrownBy(() => crossed([error])).message).toBe(
      "no serializer for Stranger; see extraSerializers, at [0].fields.socket",
    );
    const shadowed = Object.defineProperty(new Error("x"), "__proto__", { value: { polluted: 1 }, enumerable: true });
    expect(crossed(shadowed).polluted).toBeUndefined();
    const marked = Object.assign(new Error("x"), { __type__: [0, 1] });
    expect(thrownBy(() => crossed(marked)).message).toContain('can\'t have the key "__type__"');
  });

  it("don't carry what every error has from its class", () => {
    const error = Object.assign(new Error("x"), { constructor: { prototype: {} }, toString: "text", valueOf: 1 });
    const found: Error = crossed(error);
    expect(Object.keys(found)).toStrictEqual([]);
    expect(String(found)).toBe("Error: x");
  });

  it("go by the user's serializer where their class has one, as a cause too", () => {
    class Denied extends Error {
      readonly by: string;
      constructor(by: string) {
        super("denied");
        this.by = by;
      }
    }
    const denied: SerializerFactory<Denied> = () => [Denied, ({ by }) => by, (by: string) => new Denied(by)];
    const found: Error & { list?: unknown } = crossed(new Error("x", { cause: new Denied("me") }), denied);
    expect(found.cause).toBeInstanceOf(Denied);
    expect(found.cause).toMatchObject({ by: "me" });
    expect(crossed([new Denied("you")], denied)[0]).toBeInstanceOf(Denied);
    expect(crossed([new Denied("you")])[0]).toMatchObject({ name: "Error", message: "denied", by: "you" });
  });
});
