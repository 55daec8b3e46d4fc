// What the order of messages, their number, and connections can do to a server.
import { randomBytes } from "node:crypto";
import {
  flood,
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
import { frame, message, notification, request } from "./raw-peer.ts";
import { SECRET } from "./victim-secret.ts";
import { MEBIBYTE } from "./victim-limits.ts";

const SMALL = MEBIBYTE;

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

export const connectionAttacks: readonly ServerAttack[] = [
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
    // It is read so slowly that its last answer may come after minutes.
    round: async (field) => {
      const peer = await greeted(field);
      await flood(peer, 500, (first) =>
        numbered(300, (one) => Buffer.concat([request(first * 1000 + one, "$/ping"), notification("$/cancel", [7])])),
      );
      if (peer.ended) return "ended";
      peer.drop();
      return "served";
    },
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
