import { randomBytes } from "node:crypto";
import type { ClientAttack } from "./attack.ts";
import { frame, message, notification, request } from "./raw-peer.ts";
import type { RawPeer } from "./raw-peer.ts";
import { MEBIBYTE, MESSAGE_BYTES, MOST_TEXT } from "./victim-limits.ts";

const SMALL = MEBIBYTE;
const REMOTE = "REMOTE_ERROR";
const LOST = "CONNECTION_LOST";

/** Says hello back, and answers each request with what is made of its id. */
function answers(make: (id: number) => Buffer): ClientAttack["serve"] {
  return async (peer) => {
    await greet(peer);
    for (;;) {
      const asked = await peer.message();
      if (asked === undefined) return;
      if (asked[0] === 0) await peer.send(make(asked[1]));
    }
  };
}

async function greet(peer: RawPeer, fields: object = {}): Promise<void> {
  await peer.message();
  await peer.send(message(1, 0, { protocol: 1, segments: true, ...fields }));
}

/** A result in JSON, as text. */
function result(text: string): (id: number) => Buffer {
  return (id) => frame(`[1,${id},${text}]`);
}

function reference(number: number): string {
  return `{"__type__":[-2,"$/ref/${number}"]}`;
}

const SERIALIZATION = "SERIALIZATION_ERROR";

export const clientAttacks: readonly ClientAttack[] = [
  {
    row: "T1",
    name: "calls to names of prototypes",
    bytes: SMALL,
    codes: ["fulfilled"],
    serve: answers((id) =>
      Buffer.concat([
        ...["__proto__", "constructor", "hidden", "toString/call", "$/ref/constructor"].map((path, index) =>
          request(id * 10 + index, path),
        ),
        message(1, id, 1),
      ]),
    ),
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
    row: "T5",
    name: "built-in types of any shape",
    bytes: SMALL,
    codes: [SERIALIZATION],
    serve: answers(result('[{"__type__":[-10,["Float64Array","AAA="]]},{"__type__":[99,0]}]')),
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
    row: "T10",
    name: "half an answer",
    bytes: SMALL,
    codes: [LOST],
    serve: answers(() => Buffer.from([0, 0, 9, 9, 0x5b])),
  },
  {
    row: "T16",
    name: "results with thousands of references",
    bytes: 4 * MEBIBYTE,
    codes: [SERIALIZATION],
    serve: answers(result(`[${Array.from({ length: 3000 }, (_, one) => reference(one + 1)).join()}]`)),
  },
  {
    row: "T18",
    name: "answers to nothing",
    bytes: SMALL,
    codes: [LOST],
    serve: answers((id) => message(1, id + 77, 0)),
  },
  {
    row: "T18",
    name: "answers twice",
    bytes: SMALL,
    codes: ["fulfilled", LOST],
    serve: answers((id) => Buffer.concat([message(1, id, 0), message(1, id, 0)])),
  },
  { row: "T19", name: "nonsense", bytes: SMALL, codes: [LOST], serve: answers(() => frame(randomBytes(500))) },
  {
    row: "T19",
    name: "a reset",
    bytes: SMALL,
    codes: [LOST, "UNAVAILABLE"],
    serve: async (peer) => {
      await greet(peer);
      await peer.message();
      peer.drop();
    },
  },
  {
    row: "T22",
    name: "calls within calls",
    bytes: SMALL,
    codes: ["fulfilled"],
    serve: answers((id) => Buffer.concat([request(id, "add", [1, 2], {}, { hops: 1e9 }), message(1, id, 1)])),
  },
  {
    row: "T23",
    name: "an answer to hello that is too large",
    bytes: SMALL,
    codes: ["PROTOCOL_ERROR", LOST, "UNAVAILABLE"],
    serve: async (peer) => {
      await peer.message();
      await peer.send(frame(`[1,0,{"protocol":1,"software":"${"x".repeat(70_000)}"}]`));
    },
  },
  { row: "T24", name: "no answer to hello", bytes: SMALL, codes: ["UNAVAILABLE", LOST], serve: async () => {} },
  { row: "T25", name: "no TLS", bytes: SMALL, tls: true, codes: ["UNAVAILABLE", LOST], serve: async () => {} },
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
