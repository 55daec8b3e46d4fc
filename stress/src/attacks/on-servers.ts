import { randomBytes } from "node:crypto";
import { brotliCompressSync } from "node:zlib";
import { flood, greeted, isRefused, outcomeOf, sends, sendsFirst } from "./attack.ts";
import type { Field, Outcome, ServerAttack } from "./attack.ts";
import { frame, message, notification, request } from "./raw-peer.ts";
import { SECRET } from "./victim-secret.ts";
import { MEBIBYTE, MESSAGE_BYTES, VICTIM_LIMITS } from "./victim-limits.ts";

const SMALL = MEBIBYTE;
/** As long as a message may be, with room for its head. */
const MOST_TEXT = VICTIM_LIMITS.maxMessageBytes - 100;
const NAMES = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "then",
  "hidden",
  "add/call",
  "wrong",
];
const OLD_MSGPACK = Buffer.from([0x93, 0x00, 0x01]);

/** A request in MsgPack, behind a hello in it, whose content is these bytes. */
function packed(content: Buffer): ServerAttack["round"] {
  // [0, 0, ["$/hello", [{"protocol": 1}], {}]]
  const hello = Buffer.from("93000093a7242f68656c6c6f9181a870726f746f636f6c0180", "hex");
  return async (field) => {
    const peer = await field.dial();
    await peer.send(frame(hello));
    await peer.next();
    await peer.send(frame(Buffer.concat([OLD_MSGPACK, content])));
    const answer = await peer.next();
    peer.drop();
    if (answer === undefined) return "ended";
    if (answer[1] !== 2) throw new Error("was answered with a result");
    return "served";
  };
}

function extended(type: number, data: unknown): object {
  return { __type__: [type, data] };
}

function reference(number: number): object {
  return { __type__: [-2, `$/ref/${number}`] };
}

function numbered(count: number, make: (number: number) => Buffer): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, number) => make(number)));
}

async function wait(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Many connections that do the same: all have to be ended. */
async function allEnd(
  field: Field,
  count: number,
  begin: (field: Field) => Promise<{ end(): Promise<void> }>,
): Promise<Outcome> {
  const peers = await Promise.all(Array.from({ length: count }, () => begin(field)));
  await Promise.all(peers.map((peer) => peer.end()));
  return "ended";
}

async function floods(field: Field, batch: (first: number) => Buffer, milliseconds = 300): Promise<Outcome> {
  const peer = await greeted(field);
  await flood(peer, milliseconds, batch);
  return outcomeOf(peer);
}

async function shows(field: Field): Promise<Outcome> {
  const peer = await greeted(field);
  await peer.send(request(1, "fail"));
  const text = JSON.stringify(await peer.message());
  if (text.includes(SECRET) || text.includes(".ts:") || text.includes(".js:")) throw new Error(`it told ${text}`);
  return outcomeOf(peer);
}

async function guesses(field: Field): Promise<Outcome> {
  for (const auth of ["", "x", "the toke", "the token!", null, ["the token"], { toString: "the token" }]) {
    const peer = await field.dial();
    await peer.send(request(0, "$/hello", [{ protocol: 1, auth }]), request(1, "add", [1, 2]));
    for (const [type] of await peer.messages(2)) if (type !== 2) throw new Error(`${JSON.stringify(auth)} was let in`);
    await peer.end();
  }
  return "ended";
}

/** Reads nothing, and asks for more than there is room for. */
async function neverReads(field: Field): Promise<Outcome> {
  const peer = await greeted(field);
  peer.socket.pause();
  const text = "x".repeat(50_000);
  for (let id = 1; id < 400 && !peer.ended; id++) void peer.socket.write(request(id, "echo", [text]));
  const isOver = new Promise<void>((resolve) => peer.socket.once("close", () => resolve()));
  await Promise.race([isOver, wait(2500)]);
  peer.socket.resume();
  await peer.end();
  return "ended";
}

async function drips(field: Field): Promise<Outcome> {
  const peers = await Promise.all(Array.from({ length: 20 }, () => greeted(field)));
  for (const peer of peers) await peer.send(Buffer.from([0, 0x0f, 0xff, 0xff]));
  for (let sent = 0; sent < 30; sent++) {
    for (const peer of peers) await peer.send(Buffer.from("["));
    await wait(10);
  }
  for (const peer of peers.slice(1)) peer.drop();
  await peers[0]!.end();
  return "ended";
}

async function loops(field: Field): Promise<Outcome> {
  const peer = await greeted(field);
  await peer.send(request(1, "callBack", [reference(1)]));
  for (let id = 2; id < 600; id++) {
    const asked = await peer.message();
    if (asked === undefined) return "ended";
    if (asked[0] === 0) await peer.send(request(id, "callBack", [reference(1)]));
    else break;
  }
  return outcomeOf(peer);
}

export const serverAttacks: readonly ServerAttack[] = [
  {
    row: "T1",
    name: "names of prototypes",
    end: "served",
    bytes: SMALL,
    round: isRefused(NAMES.flatMap((name) => [[name], [`${name}/${name}`], [`$/${name}`], [`$/ref/${name}`]])),
  },
  {
    row: "T2",
    name: "keys of prototypes",
    end: "served",
    bytes: SMALL,
    round: sends(
      ...["__proto__", "constructor"].map((key, id) =>
        frame(`[0,${id + 1},["take",[{"${key}":{"prototype":{"polluted":1}}}],{"${key}":1}]]`),
      ),
    ),
  },
  {
    row: "T3",
    name: "functions as then",
    end: "served",
    bytes: SMALL,
    round: isRefused([
      ["take", [{ then: reference(1) }]],
      ["take", [{ a: [{ then: reference(1) }] }]],
    ]),
  },
  {
    row: "T4",
    name: "verbs that aren't there",
    end: "served",
    bytes: SMALL,
    round: isRefused([
      ["$/get", ["wrong"]],
      ["$/set", ["wrong", 1]],
      ["$/eval", ["1"]],
      ["$/describe"],
      ["$/import", ["node:fs"]],
      ["Root"],
    ]),
  },
  {
    row: "T4",
    name: "types of messages that aren't there",
    end: "ended",
    bytes: SMALL,
    round: sends(message(4, 1, ["add", [1, 2], {}])),
  },
  {
    row: "T5",
    name: "built-in types of any shape",
    end: "served",
    bytes: SMALL,
    // Some of it is a value.
    round: sends(
      ...[-4, -5, -6, -7, -8, -9, -10, -11, -12, -13, -14, -15, -16, -17, 5, 1e9].flatMap((type) =>
        [{}, [[[]]], "x".repeat(9)].map((data, index) =>
          request(index + 3 * (20 + (type % 1000)), "take", [extended(type, data)]),
        ),
      ),
    ),
  },
  {
    row: "T6",
    name: "ever new names, keys and shapes",
    end: "served",
    bytes: 4 * MEBIBYTE,
    round: (field) =>
      floods(field, (first) =>
        numbered(50, (one) =>
          Buffer.concat([
            request(first * 100 + one + 1, `a/${first}/${one}`, [{ [`key${first}.${one}`]: 1 }]),
            notification("$/shapes", [[[one, [`shape${first}.${one}`]]]]),
          ]),
        ),
      ),
  },
  {
    row: "T7",
    name: "depth in JSON",
    end: "served",
    bytes: MESSAGE_BYTES,
    round: sends(frame(`[0,1,["take",[${"[".repeat(MOST_TEXT / 2)}${"]".repeat(MOST_TEXT / 2 - 20)}`)),
  },
  {
    row: "T7",
    name: "depth in MsgPack",
    end: "served",
    bytes: MESSAGE_BYTES,
    round: packed(Buffer.alloc(MOST_TEXT, 0x91)),
  },
  {
    row: "T8",
    name: "counts above the data",
    end: "served",
    bytes: SMALL,
    round: packed(Buffer.from("ddffffffff", "hex")),
  },
  { row: "T8", name: "a length of 2 GiB", end: "ended", bytes: SMALL, round: sends(Buffer.from("7fffffff", "hex")) },
  {
    row: "T9",
    name: "tiny containers in JSON",
    end: "served",
    bytes: MESSAGE_BYTES,
    round: sends(frame(`[0,1,["take",[[${"[],".repeat(MOST_TEXT / 3)}0]],{}]]`)),
  },
  {
    row: "T9",
    name: "tiny containers in MsgPack",
    end: "served",
    bytes: MESSAGE_BYTES,
    round: packed(Buffer.concat([Buffer.from("dd000ffff0", "hex"), Buffer.alloc(0xf_fff0, 0x90)])),
  },
  {
    row: "T9",
    name: "keys that are numbers",
    end: "served",
    bytes: MESSAGE_BYTES,
    round: sends(frame(`[0,1,["take",[[${'{"1000":0},'.repeat(MOST_TEXT / 11)}0]],{}]]`)),
  },
  {
    row: "T9",
    name: "large arguments of calls that run",
    end: "served",
    bytes: VICTIM_LIMITS.maxHeldBytes + 2 * MESSAGE_BYTES,
    round: async (field) => {
      const peer = await greeted(field);
      const text = "x".repeat(MOST_TEXT);
      for (let id = 1; id < 60; id++) await peer.send(request(id, "hold", [text]));
      return outcomeOf(peer);
    },
  },
  { row: "T10", name: "drips", end: "ended", bytes: SMALL, round: drips },
  {
    row: "T10",
    name: "a message of pieces of one byte",
    end: "served",
    bytes: SMALL,
    round: async (field) => {
      const peer = await greeted(field);
      for (const byte of request(1, "add", [1, 2])) await peer.send(Buffer.from([byte]));
      return outcomeOf(peer);
    },
  },
  {
    row: "T11",
    name: "a bomb of brotli",
    end: "served",
    bytes: MESSAGE_BYTES,
    victim: { codec: "brotli" },
    round: async (field) => {
      const peer = await field.dial();
      const bomb = brotliCompressSync(Buffer.alloc(64 * MEBIBYTE, "["));
      const head = Buffer.from([13, 0, 0x0f, 0xff, 0xff]);
      await peer.send(
        frame(
          Buffer.concat([Buffer.from([0]), Buffer.from('[0,0,["$/hello",[{"protocol":1,"codec":"json+brotli"}],{}]]')]),
        ),
      );
      await peer.next();
      await peer.send(frame(Buffer.concat([head, bomb])));
      await peer.end();
      return "served";
    },
  },
  {
    row: "T11",
    name: "a Blosc container that lies",
    end: "ended",
    bytes: SMALL,
    round: sendsFirst(
      frame(
        Buffer.concat([
          Buffer.from("02010101", "hex"),
          Buffer.from("0000004000000040ffff0000", "hex"),
          Buffer.alloc(60_000),
        ]),
      ),
    ),
  },
  {
    row: "T14",
    name: "calls that are cancelled at once",
    end: "served",
    bytes: 4 * MEBIBYTE,
    round: (field) =>
      floods(field, (first) =>
        numbered(200, (one) =>
          Buffer.concat([request(first * 1000 + one, "hold"), notification("$/cancel", [first * 1000 + one])]),
        ),
      ),
  },
  {
    row: "T14",
    name: "pings and cancels of nothing",
    end: "served",
    bytes: 4 * MEBIBYTE,
    round: (field) =>
      floods(
        field,
        (first) =>
          numbered(300, (one) => Buffer.concat([request(first * 1000 + one, "$/ping"), notification("$/cancel", [7])])),
        500,
      ),
  },
  {
    row: "T16",
    name: "references by the thousand",
    end: "served",
    bytes: 8 * MEBIBYTE,
    round: (field) =>
      floods(field, (first) =>
        request(first, "take", [Array.from({ length: 500 }, (_, one) => reference(first + one))]),
      ),
  },
  {
    row: "T16",
    name: "forged references",
    end: "served",
    bytes: SMALL,
    round: isRefused([
      ["$/ref/0"],
      ["$/ref/1"],
      ["$/ref/4294967295"],
      ["$/ref/1/hidden"],
      ["take", [{ __type__: [-3, "$/ref/1"] }]],
      ["take", [{ __type__: [-3, "hidden"] }]],
    ]),
  },
  {
    row: "T17",
    name: "releases that are too many",
    end: "served",
    bytes: SMALL,
    round: (field) =>
      floods(field, (first) =>
        notification("$/release", [Array.from({ length: 300 }, (_, one) => [first + one, 1e9])]),
      ),
  },
  { row: "T18", name: "an answer to nothing", end: "ended", bytes: SMALL, round: sends(message(1, 77, 0)) },
  { row: "T18", name: "an id twice", end: "ended", bytes: SMALL, round: sends(request(1, "hold"), request(1, "hold")) },
  {
    row: "T18",
    name: "an id that is a text",
    end: "ended",
    bytes: SMALL,
    round: sends(message(0, "1", ["add", [1, 2], {}])),
  },
  {
    row: "T19",
    name: "nonsense",
    end: "ended",
    bytes: SMALL,
    round: async (field) => sends(frame(randomBytes(1000)))(field),
  },
  {
    row: "T19",
    name: "connections that are reset",
    end: "ended",
    bytes: 4 * MEBIBYTE,
    round: async (field) => {
      for (let count = 0; count < 20; count++) {
        const peer = await greeted(field);
        void peer.send(request(1, "hold"), request(2, "echo", ["x".repeat(count * 1000)]), Buffer.from([0, 0]));
        peer.drop();
      }
      return "ended";
    },
  },
  { row: "T20", name: "answers that nobody reads", end: "ended", bytes: 4 * MEBIBYTE, round: neverReads },
  { row: "T22", name: "calls that call back", end: "served", bytes: 4 * MEBIBYTE, round: loops },
  {
    row: "T22",
    name: "too many hops",
    end: "served",
    bytes: SMALL,
    round: async (field) => {
      const peer = await greeted(field);
      await peer.send(request(1, "add", [1, 2], {}, { hops: 1e9 }), request(2, "add", [1, 2], {}, { hops: 33 }));
      for (const [type] of await peer.messages(2)) if (type !== 2) throw new Error("it was carried out");
      return outcomeOf(peer);
    },
  },
  {
    row: "T23",
    name: "a large first message",
    end: "ended",
    bytes: SMALL,
    round: sendsFirst(frame(`[0,0,["take",["${"x".repeat(70_000)}"],{}]]`)),
  },
  {
    row: "T23",
    name: "notifications before hello",
    end: "served",
    bytes: SMALL,
    round: sendsFirst(numbered(2000, () => notification("hold"))),
  },
  {
    row: "T24",
    name: "clients that say nothing",
    end: "ended",
    bytes: 8 * MEBIBYTE,
    round: (field) => allEnd(field, 100, (one) => one.dial()),
  },
  {
    row: "T24",
    name: "clients that begin no handshake",
    end: "ended",
    bytes: 8 * MEBIBYTE,
    tls: true,
    round: (field) => allEnd(field, 100, (one) => one.dialPlain()),
  },
  {
    row: "T24",
    name: "more clients than are taken",
    end: "ended",
    bytes: 8 * MEBIBYTE,
    tls: false,
    round: (field) => allEnd(field, 300, (one) => one.dial()),
  },
  {
    row: "T25",
    name: "no TLS",
    end: "ended",
    bytes: SMALL,
    tls: true,
    round: async (field) => {
      const peer = await field.dialPlain();
      await peer.send(request(0, "add", [1, 2]));
      await peer.end();
      return "ended";
    },
  },
  {
    row: "T25",
    name: "a certificate of somebody else",
    end: "ended",
    bytes: 4 * MEBIBYTE,
    tls: true,
    round: async (field) => {
      const peer = await field.dialStranger();
      await peer.send(request(0, "add", [1, 2]));
      if ((await peer.next()) !== undefined) throw new Error("it was let in");
      return "ended";
    },
  },
  {
    row: "T26",
    name: "tokens that are guessed",
    end: "ended",
    bytes: 2 * MEBIBYTE,
    victim: { token: "the token" },
    round: guesses,
  },
  { row: "T27", name: "errors with secrets", end: "served", bytes: SMALL, round: shows },
  {
    row: "T28",
    name: "texts for logs",
    end: "served",
    bytes: SMALL,
    round: async (field) => {
      const peer = await greeted(field, { software: "\u001b[2J\u202e".repeat(1000), link: "\r\n" });
      await peer.send(
        request(1, "\u001b[2J\u202e\n", []),
        notification("\u0007\n"),
        request(2, "take", ["\u001b"], { "\u001b\r": 1 }),
      );
      return outcomeOf(peer);
    },
  },
];
