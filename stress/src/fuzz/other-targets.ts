import { isDeepStrictEqual } from "node:util";
import { decode as decodeMsgPack } from "@msgpack/msgpack";
import {
  JsonCodec,
  MsgPackBloscCodec,
  MsgPackCodec,
  PublicError,
  StandardTypes,
  StructuredCloneCodec,
  compressed,
  readException,
  resolveErrors,
  type Codec,
} from "@colloquy/core";
import { storedInputs } from "./corpus.ts";
import { check, orRefused, type Target } from "./target.ts";
import { Choices, plainValue, richValue } from "./values.ts";
import { msgpackWords, plainWords } from "./words.ts";

class OutOfStock extends PublicError {}

class Refused extends Error {
  readonly fields: unknown;

  constructor(fields: unknown) {
    super("refused");
    this.fields = fields;
  }

  static fromRemote(fields: unknown, message: string): Refused {
    if (message === "odd") throw new TypeError("odd");
    return new Refused(fields);
  }
}

const mostErrors = 64;

/** Contents of exceptions, as MsgPack brings them. */
export class ExceptionTarget implements Target {
  readonly maxBytes = 1024;
  readonly atOnce = 1;
  readonly words = [...msgpackWords, Buffer.from("aaOutOfStock"), Buffer.from("a7Refused")];
  readonly seeds: readonly Buffer[];
  readonly #codec = new MsgPackCodec();
  readonly #rules = resolveErrors({ known: [OutOfStock, Refused] });

  constructor() {
    const inner = { name: "TypeError", message: "why", code: "REMOTE_ERROR", executed: "yes" };
    const contents: unknown[] = [
      "ValueError: text",
      'Traceback (most recent call last):\n  File "a.py", line 1\nmath.Error: text',
      ["Name", "message", "line 1\n", "line 2\n"],
      { ...inner, cause: { ...inner, cause: inner }, data: { a: 1, code: 7 }, stack: "Error: why\n  at x" },
      { name: "AggregateError", message: "all", errors: [inner, inner, "no map"], executed: "no", code: "UNAVAILABLE" },
      { name: "OutOfStock", message: "none", data: { article: "a", name: "b", stack: "c" } },
      { name: "Refused", message: "odd", data: { article: "a" } },
      { name: "Error", message: "m", thrown: { then: 1, x: [1] }, executed: "yes" },
      7,
    ];
    this.seeds = [
      ...contents.map((content) => Buffer.from(this.#codec.encode(content))),
      ...storedInputs("exceptions"),
    ];
  }

  run(input: Buffer): void {
    const content = orRefused(() => this.#codec.decode(input));
    const error = readException(content, this.#rules);
    check(error instanceof Error, "an exception that becomes no error");
    check(countOf(error) <= mostErrors, `more than ${mostErrors} errors in one`);
    // Some are put together when they are asked for.
    check(typeof `${error.name} ${error.message} ${error.stack}` === "string", "a text that is none");
  }
}

function countOf(error: unknown): number {
  if (!(error instanceof Error)) return 0;
  const gathered = (error as { errors?: unknown }).errors;
  const errors = Array.isArray(gathered) ? gathered : [];
  // What an application's own class has as its cause is a value.
  return 1 + countOf(error.cause) + errors.reduce((sum: number, one) => sum + countOf(one), 0);
}

/** What is encoded is decoded to the same, also by other implementations: inputs are decisions, from which a value is built. */
export class RoundTripTarget implements Target {
  readonly maxBytes = 512;
  readonly atOnce = 1;
  readonly words = plainWords;
  readonly seeds: readonly Buffer[] = [
    ...Array.from({ length: 64 }, (_, index) =>
      Buffer.from(Array.from({ length: 200 }, (_, at) => (at * at * (index + 3) + index * 31) & 255)),
    ),
    ...storedInputs("round-trips"),
  ];
  readonly #codecs: readonly Codec[] = [
    new JsonCodec(),
    new MsgPackCodec(),
    new StructuredCloneCodec(),
    new MsgPackBloscCodec(),
    new (compressed(MsgPackCodec, { algorithm: "deflate", threshold: 64 }))(),
  ];

  constructor() {
    for (const codec of this.#codecs) codec.setBuiltins(new StandardTypes(codec, "standard"));
    for (const codec of this.#codecs) (codec.table.builtins as StandardTypes).expected = true;
  }

  run(input: Buffer): void {
    const choices = new Choices(input);
    const number = choices.below(16);
    const codec = this.#codecs[number < 4 ? 0 : number < 9 ? 1 : number < 14 ? 2 : number < 15 ? 3 : 4]!;
    const isRich = choices.below(2) === 1;
    const value = isRich ? richValue(choices, 4) : plainValue(choices, 4);
    const bytes = orRefused(() => codec.encode(value));
    if (!(bytes instanceof Uint8Array)) return;
    check(isDeepStrictEqual(codec.decode(bytes), value), `${codec.name} gives back something else`);
    if (!isRich)
      check(isDeepStrictEqual(othersValue(codec, bytes, value), value), `${codec.name} isn't read by others`);
  }
}

/** What other implementations make of the same; the value itself where there is none. */
function othersValue(codec: Codec, bytes: Uint8Array, value: unknown): unknown {
  if (codec.name === "json") return JSON.parse(Buffer.from(bytes).toString());
  if (codec.name === "msgpack") return decodeMsgPack(bytes);
  if (codec.name !== "structured-clone") return value;
  const linked: Record<string, unknown> = { value, again: [value] };
  linked["self"] = linked;
  const cloned = codec.decode(codec.encode(linked) as Uint8Array);
  check(isDeepStrictEqual(cloned, structuredClone(linked)), "references that differ from those of structuredClone");
  return value;
}
