// What the order of a server's messages, their number, and its connections can do to a client.
import { randomBytes } from "node:crypto";
import { flood, numbered, wait } from "./attack.ts";
import type { ClientAttack } from "./attack.ts";
import { answers, asks, greet, meanwhile, reference, result } from "./hostile-server.ts";
import { frame, message, notification, request } from "./raw-peer.ts";
import type { RawPeer } from "./raw-peer.ts";
import { MEBIBYTE } from "./victim-limits.ts";

const SMALL = MEBIBYTE;
const LOST = "CONNECTION_LOST";

/** Calls that it cancels at once, as many as the socket takes. */
async function cancels(peer: RawPeer): Promise<void> {
  await greet(peer);
  await peer.next();
  await flood(peer, 300, (first) =>
    numbered(200, (one) =>
      Buffer.concat([request(first * 1000 + one, "hold"), notification("$/cancel", [first * 1000 + one])]),
    ),
  );
  peer.drop();
}

/** Lets go of two functions of the client, of one before it calls it, more often than it got them, and of others. */
async function releases(peer: RawPeer): Promise<void> {
  const isReleased = (type: number, content: any): boolean => type === 2 && content.code === "REFERENCE_RELEASED";
  await peer.send(notification("$/release", [[[1, 1]]]));
  await asks(peer, 1, ["$/ref/1"], isReleased);
  await asks(peer, 2, ["$/ref/2"], (type, content) => type === 1 && content === 2);
  await peer.send(
    notification("$/release", [
      [
        [1, 1e9],
        [2, 1e9],
        [2, 1],
        [77, 1],
        [3, 0],
      ],
    ]),
  );
  for (const [index, number] of [1, 2, 3, 77].entries()) await asks(peer, 3 + index, [`$/ref/${number}`], isReleased);
}

/** Reads nothing from the first call on; until then it has sent this. */
async function neverReads(peer: RawPeer, sent: Buffer): Promise<void> {
  await greet(peer);
  await peer.next();
  peer.socket.pause();
  void peer.socket.write(sent);
  const isOver = new Promise<void>((resolve) => peer.socket.once("close", () => resolve()));
  await Promise.race([isOver, wait(2500)]);
  peer.socket.resume();
  await peer.end();
}

export const connectionAttacksOnClients: readonly ClientAttack[] = [
  { row: "T14", name: "calls that are cancelled at once", bytes: 4 * MEBIBYTE, codes: [LOST], serve: cancels },
  {
    row: "T16",
    name: "results with thousands of references",
    bytes: 4 * MEBIBYTE,
    codes: ["SERIALIZATION_ERROR"],
    serve: answers(result(`[${Array.from({ length: 3000 }, (_, one) => reference(one + 1)).join()}]`)),
  },
  {
    row: "T17",
    name: "releases before use, and too many",
    bytes: SMALL,
    victim: { calls: "functions" },
    codes: ["fulfilled"],
    serve: meanwhile(releases),
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
    row: "T20",
    name: "calls that nobody reads",
    bytes: 4 * MEBIBYTE,
    victim: { calls: "large" },
    codes: [LOST],
    serve: (peer) => neverReads(peer, Buffer.alloc(0)),
  },
  {
    row: "T20",
    name: "answers that nobody reads",
    bytes: 4 * MEBIBYTE,
    codes: [LOST],
    serve: (peer) =>
      neverReads(
        peer,
        numbered(400, (id) => request(id + 1, "echo", ["x".repeat(50_000)])),
      ),
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
  {
    row: "T25",
    name: "no TLS",
    bytes: SMALL,
    tls: true,
    identity: "plain",
    codes: ["UNAVAILABLE", LOST],
    serve: async () => {},
  },
  {
    row: "T25",
    name: "a certificate of somebody else",
    bytes: 4 * MEBIBYTE,
    tls: true,
    identity: "stranger",
    codes: ["UNAVAILABLE"],
    serve: async (peer) => {
      if ((await peer.next()) !== undefined) throw new Error("it was told hello");
    },
  },
];
