import { afterEach, beforeEach, expect, test } from "vitest";
import { PublicError, RemoteError, connect } from "../../src/index.ts";
import { newAddress, wireServer } from "../support.ts";
import type { Connection } from "../../src/index.ts";
import type { WirePeer, WireServer } from "../support.ts";

class Known extends PublicError {
  readonly amount: number = 0;
  static made = 0;

  constructor() {
    super("made here");
    Known.made++;
  }
  refund(): string {
    return "refunded";
  }
  get twice(): number {
    return this.amount * 2;
  }
  set guarded(_value: unknown) {
    throw new Error("a setter was called");
  }
}

let server: WireServer;
let connection: Connection<any>;
let wire: WirePeer;

beforeEach(async () => {
  server = await wireServer(newAddress());
  const connecting = connect<any>(server.address, { errors: { known: [Known] } });
  wire = await server.accepted();
  const [, id] = await wire.next();
  wire.send([1, id, { protocol: 1 }]);
  connection = await connecting;
});

afterEach(async () => {
  connection.destroy();
  await server[Symbol.asyncDispose]();
});

/** What a call rejects with that the peer answers with this exception. */
async function rejectedWith(content: unknown): Promise<any> {
  const call: Promise<unknown> = connection.remote.ask();
  const [, id] = await wire.next();
  wire.send([2, id, content]);
  return call.then(
    () => Promise.reject(new Error("resolved")),
    (error: unknown) => error,
  );
}

const reference = { __type__: [-2, "$/ref/1"] };
const own = ["stack", "name", "message", "cause", "constructor", "toString", "valueOf", "hasOwnProperty"];

test.each(own)("a field named %s replaces nothing of an error", async (key) => {
  for (const value of ["evil", { prototype: 1 }, reference, null]) {
    const error = await rejectedWith({ name: "Known", message: "text", data: { [key]: value, amount: 5 } });
    // A map with such a `constructor` is refused as a whole.
    if (error.code === "SERIALIZATION_ERROR") continue;
    expect(error).toBeInstanceOf(Known);
    expect(error).toMatchObject({ name: "Known", message: "text", amount: 5, twice: 10 });
    expect(error.constructor).toBe(Known);
    expect(String(error)).toBe("Known: text");
    expect(error.stack).toMatch(/^Known: text\n/);
  }
});

test("a field replaces no method of the class, calls no setter, and isn't called", async () => {
  const data = {
    refund: reference,
    twice: 7,
    guarded: 1,
    executed: "no",
    remoteStack: "x",
    method: reference,
    amount: 5,
  };
  const error = await rejectedWith({ name: "Known", message: "text", executed: "yes", data });
  expect(error).toBeInstanceOf(Known);
  expect(error.refund()).toBe("refunded");
  expect(error).toMatchObject({ twice: 10, amount: 5, executed: "yes" });
  expect(Object.keys(error)).toEqual(["amount"]);
  expect(Known.made).toBe(0);
  expect((await wire.rest()).filter(([type]) => type === 0)).toEqual([]);
});

test.each(["__proto__", "then", "toJSON"])(
  "a field named %s pollutes nothing, and no function of that name arrives",
  async (key) => {
    const error = await rejectedWith({
      name: "Known",
      message: "m",
      data: JSON.parse(`{"${key}": {"__type__": [-2, "$/ref/1"]}}`),
    });
    expect(error).toMatchObject({ code: "SERIALIZATION_ERROR", executed: "unknown" });
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect(Object.getPrototypeOf({})).toBe(Object.prototype);
    const plain = await rejectedWith({ name: "Known", message: "m", data: { then: "text", toJSON: 5 } });
    expect(plain).toMatchObject({ then: "text", toJSON: 5 });
  },
);

test.each([
  "Object",
  "Function",
  "toString",
  "__proto__",
  "constructor",
  "hasOwnProperty",
  "Error",
  "PublicError",
  "known",
])("the name %s reaches no class that wasn't listed", async (name) => {
  const error = await rejectedWith({ name, message: "m", data: { a: 1 } });
  expect(Object.getPrototypeOf(error)).toBe(RemoteError.prototype);
  expect(error).toMatchObject({ remoteName: name, fields: { a: 1 } });
});

test("malformed maps are errors all the same", async () => {
  const service = { __type__: [0, "$/ref/3"] };
  for (const content of [
    {},
    { name: 5, message: {}, code: [], executed: 1, stack: [], cause: "x", errors: "x", data: 5 },
    { name: "Known", data: "text", errors: [1, null, "x", []] },
    { name: "Known", data: [1], stack: 5, cause: [] },
    { name: "Known", data: service, cause: service, errors: [service] },
    { name: "Known", thrown: { __type__: [-1, null] }, data: { amount: 1 } },
    service,
    [],
    5,
    null,
  ]) {
    const error = await rejectedWith(content);
    expect(error).toBeInstanceOf(Error);
    expect(["yes", "no", "unknown"]).toContain(error.executed);
  }
  expect(connection.usable).toBe(true);
});

test("a refusal is never taken for an error of a known class", async () => {
  const error = await rejectedWith({
    name: "Known",
    message: "m",
    code: "NOT_FOUND",
    executed: "no",
    data: { amount: 1 },
  });
  expect(error).not.toBeInstanceOf(Known);
  expect(error).toMatchObject({ code: "NOT_FOUND", executed: "no" });
});

test("an exception that is too deep fails its call, and no other", async () => {
  let cause: object = { name: "E", message: "m" };
  for (let level = 0; level < 200; level++) cause = { name: "E", message: "m", cause };
  expect(await rejectedWith(cause)).toMatchObject({ code: "SERIALIZATION_ERROR", executed: "unknown" });
  expect(await rejectedWith({ name: "E", message: "next" })).toMatchObject({ message: "next" });
});
