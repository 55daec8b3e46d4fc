// What servers that attack their clients have in common.
import { decode, encode } from "@msgpack/msgpack";
import type { ClientAttack } from "./attack.ts";
import { frame, message, request } from "./raw-peer.ts";
import type { RawPeer } from "./raw-peer.ts";

export type Message = readonly [type: number, id: number, content: any];

/** How messages are written in a codec. */
export interface Wire {
  /** A message in its frame. */
  write(type: number, id: number, content: unknown): Buffer;
  read(payload: Buffer): Message;
  /** What hello says of it. */
  readonly fields?: object;
}

export const JSON_WIRE: Wire = {
  write: message,
  read: (payload) => JSON.parse(payload.toString()) as Message,
};

export const MSGPACK_WIRE: Wire = {
  write: (type, id, content) => frame(encode([type, id, content])),
  read: (payload) => decode(payload) as Message,
  fields: { codec: "msgpack", shapes: 256 },
};

/** Small messages follow a zero byte as they are. */
const AS_IT_IS = Buffer.from([0]);

export const BROTLI_WIRE: Wire = {
  write: (type, id, content) =>
    frame(Buffer.concat([AS_IT_IS, Buffer.from(JSON.stringify([type, id, content]), "utf8")])),
  read: (payload) => JSON_WIRE.read(payload.subarray(AS_IT_IS.length)),
  fields: { codec: "json+brotli" },
};

/** A function of the server, as it crosses in JSON. */
export function reference(number: number): string {
  return `{"__type__":[-2,"$/ref/${number}"]}`;
}

/** The next message of this type; undefined: the connection has ended. */
export async function nextOf(peer: RawPeer, wanted: number, wire = JSON_WIRE): Promise<Message | undefined> {
  for (;;) {
    const payload = await peer.next();
    if (payload === undefined) return undefined;
    const read = wire.read(payload);
    if (read[0] === wanted) return read;
  }
}

export async function greet(peer: RawPeer, wire = JSON_WIRE): Promise<void> {
  await peer.next();
  await peer.send(wire.write(1, 0, { protocol: 1, segments: true, ...wire.fields }));
}

/** Says hello back, and answers each request with what is made of its id. */
export function answers(make: (id: number) => Buffer, wire = JSON_WIRE): ClientAttack["serve"] {
  return async (peer) => {
    await greet(peer, wire);
    for (;;) {
      const asked = await nextOf(peer, 0, wire);
      if (asked === undefined) return;
      await peer.send(make(asked[1]));
    }
  };
}

/** Says hello back, does this once the client has made its two calls, and answers them. */
export function meanwhile(act: (peer: RawPeer) => Promise<void>): ClientAttack["serve"] {
  return async (peer) => {
    await greet(peer);
    const [first, second] = [await nextOf(peer, 0), await nextOf(peer, 0)];
    if (first === undefined || second === undefined) return;
    await act(peer);
    await peer.send(message(1, first[1], 1), message(1, second[1], 1));
    await peer.end();
  };
}

/** A result in JSON, as text. */
export function result(text: string): (id: number) => Buffer {
  return (id) => frame(`[1,${id},${text}]`);
}

/** Calls the client, and holds the answer against this. */
export async function asks(
  peer: RawPeer,
  id: number,
  [path, args = []]: readonly [path: string, args?: readonly unknown[]],
  isRight: (type: number, content: any) => boolean,
): Promise<void> {
  await peer.send(request(id, path, args));
  const answer = await peer.message();
  if (answer === undefined) return;
  const [type, of, content] = answer;
  if (of !== id || !isRight(type, content))
    throw new Error(`${path} was answered with ${JSON.stringify([type, of, content])}`);
}

/** Calls to the client that it has to refuse. */
export function refuses(calls: readonly (readonly [path: string, args?: readonly unknown[]])[]): ClientAttack["serve"] {
  return meanwhile(async (peer) => {
    for (const [index, call] of calls.entries()) await asks(peer, index + 1, call, (type) => type === 2);
  });
}
