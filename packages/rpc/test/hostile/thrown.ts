import { ColloquyError } from "@colloquy/core";

function getting(error: Error, name: string): Error {
  const get = (): never => {
    throw new Error(`getter of ${name}`);
  };
  return Object.defineProperty(error, name, { get, enumerable: true });
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

/** Has each trap throw. */
function trapped(): object {
  const handler = new Proxy(
    {},
    {
      get: () => {
        throw new Error("a trap");
      },
    },
  );
  return new Proxy({}, handler);
}

const cyclic = new Error("cyclic");
cyclic.cause = cyclic;

/** May be looked at once. */
function readOnce(error: Error): Error {
  let count = 0;
  const get = (): string => {
    if (count++ > 0) throw new Error("the second look");
    return "first";
  };
  return Object.defineProperty(error, "message", { get });
}

/** What may be thrown, and makes trouble to who looks at it. */
export const THROWN: Readonly<Record<string, () => unknown>> = {
  "a revoked proxy": revoked,
  "a proxy whose traps throw": trapped,
  ...Object.fromEntries(
    ["name", "message", "stack", "cause", "code", "executed", "limit", "errors", "data"].flatMap((name) => [
      [`an error whose ${name} throws`, () => getting(new Error("x"), name)],
      [`an error of this library whose ${name} throws`, () => getting(new ColloquyError("NOT_FOUND", "x"), name)],
    ]),
  ),
  "an error whose message can be read once": () => readOnce(new Error("x")),
  "an error of this library whose message can be read once": () => readOnce(new ColloquyError("NOT_FOUND", "x")),
  null: () => null,
  undefined: () => undefined,
  "a symbol": () => Symbol("thrown"),
  "a function": () => () => 1,
  "a frozen error": () => Object.freeze(new ColloquyError("NOT_FOUND", "frozen", { executed: "no" })),
  "its own cause": () => cyclic,
  "many errors": () => new AggregateError([getting(new Error("x"), "message"), revoked(), cyclic, 5], "many"),
  "what throws as a text": () => ({
    toString: () => {
      throw new Error("toString");
    },
  }),
  "a `then`": () => ({ then: (resolve: (value: unknown) => void) => resolve(1) }),
};
