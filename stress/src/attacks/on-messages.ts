// What one message, or many, can do to a server.
import { encode } from "@msgpack/msgpack";
import {
  LARGEST_WINDOW_BITS,
  brotliBomb,
  floods,
  greeted,
  isRefused,
  numbered,
  outcomeOf,
  reference,
  sends,
  sendsFirst,
  wait,
} from "./attack.ts";
import type { Field, Outcome, ServerAttack } from "./attack.ts";
import { MEETING_NUMBERS, meetingTexts } from "./meeting-keys.ts";
import { frame, message, notification, request } from "./raw-peer.ts";
import { BOMB_BYTES, MEBIBYTE, MESSAGE_BYTES, MOST_TEXT, UNPACKING_BYTES, VICTIM_LIMITS } from "./victim-limits.ts";

const SMALL = MEBIBYTE;
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
/** The start of request 1. */
const PACKED_REQUEST = Buffer.from([0x93, 0x00, 0x01]);

/** A request in MsgPack, behind a hello in it, whose content is these bytes. */
function packed(content: Buffer): ServerAttack["round"] {
  // [0, 0, ["$/hello", [{"protocol": 1}], {}]]
  const hello = Buffer.from("93000093a7242f68656c6c6f9181a870726f746f636f6c0180", "hex");
  return async (field) => {
    const peer = await field.dial();
    await peer.send(frame(hello));
    await peer.next();
    await peer.send(frame(Buffer.concat([PACKED_REQUEST, content])));
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

async function explodes(field: Field, bomb: Buffer): Promise<Outcome> {
  const peer = await field.dial();
  const hello = '[0,0,["$/hello",[{"protocol":1,"codec":"json+brotli"}],{}]]';
  await peer.send(frame(Buffer.concat([Buffer.from([0]), Buffer.from(hello)])));
  await peer.next();
  await peer.send(bomb);
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

export const messageAttacks: readonly ServerAttack[] = [
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
    name: "numbers that meet in a Set",
    end: "served",
    bytes: MESSAGE_BYTES,
    round: (field) => isRefused([["take", [extended(-6, MEETING_NUMBERS)]]])(field),
  },
  {
    row: "T9",
    name: "numbers that meet in a Map, in MsgPack",
    end: "served",
    bytes: MESSAGE_BYTES,
    round: (field) => {
      const entries = MEETING_NUMBERS.flatMap((number) => [number, 0]);
      return packed(Buffer.from(encode(["take", [extended(-5, entries)], {}])))(field);
    },
  },
  {
    row: "T9",
    name: "long texts that meet, as keys and in a Set",
    end: "served",
    bytes: 2 * MESSAGE_BYTES,
    round: (field) => {
      const texts = meetingTexts(60);
      const map = Object.fromEntries(texts.map((text) => [text, 0]));
      return isRefused([
        ["take", [map]],
        ["take", [extended(-6, texts)]],
      ])(field);
    },
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
    end: "ended",
    bytes: MESSAGE_BYTES + UNPACKING_BYTES,
    victim: { codec: "brotli" },
    round: (field) => explodes(field, brotliBomb(BOMB_BYTES, MEBIBYTE - 1)),
  },
  {
    row: "T11",
    name: "a bomb of brotli that looks back too far",
    end: "ended",
    bytes: SMALL,
    victim: { codec: "brotli" },
    round: (field) => explodes(field, brotliBomb(BOMB_BYTES, MEBIBYTE - 1, LARGEST_WINDOW_BITS)),
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
];
