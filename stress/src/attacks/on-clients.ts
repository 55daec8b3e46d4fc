// What one message of a server can do to a client that calls it.
import { ExtData } from "@msgpack/msgpack";
import { LARGEST_WINDOW_BITS, brotliBomb, numbered } from "./attack.ts";
import type { ClientAttack } from "./attack.ts";
import { BROTLI_WIRE, MSGPACK_WIRE, answers, refuses, reference, result } from "./hostile-server.ts";
import { MEETING_NUMBERS, meetingTexts } from "./meeting-keys.ts";
import { frame, message, notification, request } from "./raw-peer.ts";
import { BOMB_BYTES, MEBIBYTE, MESSAGE_BYTES, MOST_TEXT, UNPACKING_BYTES } from "./victim-limits.ts";

const SMALL = MEBIBYTE;
const REMOTE = "REMOTE_ERROR";
const LOST = "CONNECTION_LOST";
const SERIALIZATION = "SERIALIZATION_ERROR";
const SHAPE_EXTENSION = 1;

let seen = 0;

/** Names, keys and shapes that no client has seen before, and the result behind them. */
function ever(id: number): Buffer {
  const first = (seen += 1000);
  const maps = Array.from({ length: 1000 }, (_, one) => ({ [`key${first + one}`]: 1, [`other${first + one}`]: 2 }));
  const names = numbered(200, (one) =>
    Buffer.concat([request(one + 1, `a/${first + one}`), notification(`b/${first + one}`)]),
  );
  return Buffer.concat([names, message(1, id, maps)]);
}

/** New shapes, each of which comes often enough to be compiled. */
function everShaped(id: number): Buffer {
  const first = (seen += 1000);
  const shapes = Array.from({ length: 100 }, (_, one) => [(id % 2) * 100 + one, [`key${first + one}`, "x"]] as const);
  const maps = shapes.flatMap(([number]) =>
    Array.from({ length: 300 }, () => [new ExtData(SHAPE_EXTENSION, Uint8Array.of(number)), 1, 2]),
  );
  return Buffer.concat([MSGPACK_WIRE.write(3, 0, ["$/shapes", [shapes], {}]), MSGPACK_WIRE.write(1, id, maps)]);
}

export const messageAttacksOnClients: readonly ClientAttack[] = [
  {
    row: "T1",
    name: "calls to names of prototypes",
    bytes: SMALL,
    codes: ["fulfilled"],
    serve: refuses([["__proto__"], ["constructor"], ["hidden"], ["toString/call"], ["$/ref/constructor"]]),
  },
  {
    row: "T2",
    name: "keys of prototypes in results",
    bytes: SMALL,
    codes: [SERIALIZATION],
    serve: answers(result('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}')),
  },
  {
    row: "T3",
    name: "results with functions as then",
    bytes: SMALL,
    codes: [SERIALIZATION],
    serve: answers(result(`{"then":${reference(1)}}`)),
  },
  {
    row: "T4",
    name: "verbs that aren't there",
    bytes: SMALL,
    codes: ["fulfilled"],
    serve: refuses([
      ["$/get", ["wrong"]],
      ["$/set", ["wrong", 1]],
      ["$/eval", ["1"]],
      ["$/describe"],
      ["$/import", ["node:fs"]],
      ["wrong"],
      ["Root"],
    ]),
  },
  {
    row: "T4",
    name: "types of messages that aren't there",
    bytes: SMALL,
    codes: [LOST],
    serve: answers((id) => Buffer.concat([message(4, 1, ["add", [1, 2], {}]), message(1, id, 1)])),
  },
  {
    row: "T5",
    name: "built-in types of any shape",
    bytes: SMALL,
    codes: [SERIALIZATION],
    serve: answers(result('[{"__type__":[-10,["Float64Array","AAA="]]},{"__type__":[99,0]}]')),
  },
  {
    row: "T6",
    name: "ever new names and keys",
    bytes: MESSAGE_BYTES,
    codes: ["fulfilled"],
    serve: answers(ever),
  },
  {
    row: "T6",
    name: "ever new shapes",
    bytes: MESSAGE_BYTES,
    victim: { codec: "msgpack" },
    codes: ["fulfilled"],
    serve: answers(everShaped, MSGPACK_WIRE),
  },
  {
    row: "T7",
    name: "depth",
    bytes: MESSAGE_BYTES,
    codes: [SERIALIZATION],
    serve: answers((id) => frame(`[1,${id},${"[".repeat(MOST_TEXT / 2)}`)),
  },
  {
    row: "T8",
    name: "a length of 2 GiB",
    bytes: SMALL,
    codes: [LOST],
    serve: answers(() => Buffer.from("7fffffff", "hex")),
  },
  {
    row: "T9",
    name: "tiny containers",
    bytes: MESSAGE_BYTES,
    codes: [SERIALIZATION],
    serve: answers(result(`[${"[],".repeat(MOST_TEXT / 3)}0]`)),
  },
  {
    row: "T9",
    name: "numbers that meet in a Set",
    bytes: MESSAGE_BYTES,
    codes: [SERIALIZATION],
    serve: answers((id) => message(1, id, { __type__: [-6, MEETING_NUMBERS] })),
  },
  {
    row: "T9",
    name: "long keys that meet",
    bytes: MESSAGE_BYTES,
    codes: [SERIALIZATION],
    serve: answers((id) => message(1, id, Object.fromEntries(meetingTexts(60).map((text) => [text, 0])))),
  },
  {
    row: "T10",
    name: "half an answer",
    bytes: SMALL,
    codes: [LOST],
    serve: answers(() => Buffer.from([0, 0, 9, 9, 0x5b])),
  },
  {
    row: "T11",
    name: "a bomb of brotli",
    bytes: MESSAGE_BYTES + UNPACKING_BYTES,
    victim: { codec: "brotli" },
    codes: [LOST],
    serve: answers(() => brotliBomb(BOMB_BYTES, MEBIBYTE - 1), BROTLI_WIRE),
  },
  {
    row: "T11",
    name: "a bomb of brotli that looks back too far",
    bytes: SMALL,
    victim: { codec: "brotli" },
    codes: [LOST],
    serve: answers(() => brotliBomb(BOMB_BYTES, MEBIBYTE - 1, LARGEST_WINDOW_BITS), BROTLI_WIRE),
  },
  {
    row: "T11",
    name: "a bomb of brotli that says so",
    bytes: SMALL,
    victim: { codec: "brotli" },
    codes: [LOST],
    serve: answers(() => brotliBomb(BOMB_BYTES, BOMB_BYTES), BROTLI_WIRE),
  },
  {
    row: "T27",
    name: "exceptions that pretend to be more",
    bytes: SMALL,
    codes: [REMOTE],
    serve: answers((id) =>
      message(2, id, {
        name: "x".repeat(5000),
        message: "y".repeat(90_000),
        code: "constructor",
        executed: 1,
        data: { stack: "z", constructor: 1, code: "EVIL" },
        cause: { cause: { name: 1 } },
        stack: "w".repeat(200_000),
      }),
    ),
  },
  {
    row: "T28",
    name: "texts for logs",
    bytes: SMALL,
    codes: [REMOTE],
    serve: answers((id) =>
      Buffer.concat([
        notification("\u001b[2J\u202e\n"),
        message(2, id, { name: "\u001b[2J", message: "\u202e\r\n\u0007" }),
      ]),
    ),
  },
];
