import { brotliCompressSync, constants } from "node:zlib";
import type { RawPeer } from "./raw-peer.ts";
import { frame, request } from "./raw-peer.ts";
import type { VictimOptions, VisitOptions } from "./victim.ts";

/** Whether the attacked connection still serves at the end of a round, or the victim has ended it. */
export type Outcome = "served" | "ended";

/** Where a round takes place. */
export interface Field {
  /** Opens a connection and says nothing. */
  dial(): Promise<RawPeer>;
  /** The same without TLS in any case. */
  dialPlain(): Promise<RawPeer>;
  /** One with TLS, and a certificate of another authority. */
  dialStranger(): Promise<RawPeer>;
}

/** An attack on a server. */
export interface ServerAttack {
  /** Of the list of attacks. */
  readonly row: string;
  readonly name: string;
  /** How every round has to end. */
  readonly end: Outcome;
  /** What it may make the victim take, by its limits, beyond what its engine takes. */
  readonly bytes: number;
  /** Default: without TLS, and with it. */
  readonly tls?: boolean;
  readonly victim?: VictimOptions;
  /** One round. Throws where the victim does what it must not. */
  readonly round: (field: Field) => Promise<Outcome>;
}

/** An attack on a client: what a server does with each connection once it has the client's hello. */
export interface ClientAttack {
  readonly row: string;
  readonly name: string;
  readonly bytes: number;
  readonly tls?: boolean;
  /** How the server differs from one that is to be trusted: it has no TLS, or a certificate of another authority. */
  readonly identity?: "plain" | "stranger";
  readonly victim?: VisitOptions;
  /** Codes that calls of the victim may end with; `fulfilled` where they may return. */
  readonly codes: readonly string[];
  readonly serve: (peer: RawPeer) => Promise<void>;
}

const LAST_ID = 0xffff_fff0;

/** Whether a connection still answers, behind what was sent before. */
export async function outcomeOf(peer: RawPeer): Promise<Outcome> {
  await peer.send(request(LAST_ID, "add", [1, 2]));
  for (;;) {
    const answer = await peer.message();
    if (answer === undefined) return "ended";
    if (answer[1] === LAST_ID && answer[0] !== 0) {
      peer.drop();
      if (answer[0] === 1 && answer[2] !== 3) throw new Error(`1 + 2 was ${String(answer[2])}`);
      return "served";
    }
  }
}

export async function greeted(field: Field, fields?: object): Promise<RawPeer> {
  const peer = await field.dial();
  await peer.hello(fields);
  return peer;
}

/** Sends what is written, each time on a new connection that has said hello, and looks how it ends. */
export function sends(...bytes: readonly Buffer[]): ServerAttack["round"] {
  return async (field) => {
    const peer = await greeted(field);
    await peer.send(...bytes);
    return outcomeOf(peer);
  };
}

/** The same before hello. */
export function sendsFirst(...bytes: readonly Buffer[]): ServerAttack["round"] {
  return async (field) => {
    const peer = await field.dial();
    await peer.send(...bytes);
    return outcomeOf(peer);
  };
}

/** Sends requests of these contents, each of which has to be answered with an exception. */
export function isRefused(
  contents: readonly (readonly [path: unknown, args?: unknown, kwargs?: unknown])[],
): ServerAttack["round"] {
  return async (field) => {
    const peer = await greeted(field);
    await peer.send(...contents.map(([path, args, kwargs], index) => request(index + 1, path, args, kwargs)));
    for (const [type, id, content] of await peer.messages(contents.length)) {
      if (type !== 2)
        throw new Error(`${JSON.stringify(contents[id - 1])} was answered with ${JSON.stringify(content)}`);
    }
    return outcomeOf(peer);
  };
}

/** Goes on with a batch of frames for a while; answers are read and dropped. */
export async function flood(
  peer: RawPeer,
  milliseconds: number,
  batch: (first: number) => Buffer,
): Promise<"taken" | "slowed"> {
  const end = performance.now() + milliseconds;
  for (let first = 1; performance.now() < end && !peer.ended; first += 1000) {
    const sent = peer.send(batch(first)).then(() => true);
    sent.catch(() => undefined);
    const isTaken = await Promise.race([sent, wait(end - performance.now()).then(() => false)]);
    if (!isTaken) return "slowed";
    peer.payloads.length = 0;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return "taken";
}

const BROTLI = 0x13;
const USUAL_WINDOW_BITS = 22;
/** For a bomb that looks back over more than it says it has. */
export const LARGEST_WINDOW_BITS = 24;
const bombs = new Map<string, Buffer>();

/** A frame in brotli whose head claims so many bytes, and which has `bytes` once it is unpacked. */
export function brotliBomb(bytes: number, claimed: number, windowBits = USUAL_WINDOW_BITS): Buffer {
  const params = { [constants.BROTLI_PARAM_QUALITY]: 1, [constants.BROTLI_PARAM_LGWIN]: windowBits };
  const key = `${bytes} ${windowBits}`;
  const packed = bombs.get(key) ?? brotliCompressSync(Buffer.alloc(bytes, "["), { params });
  bombs.set(key, packed);
  const head = Buffer.from([BROTLI, 0, 0, 0, 0]);
  head.writeUInt32BE(claimed, 1);
  return frame(Buffer.concat([head, packed]));
}

/** A function of the peer, as it crosses in JSON. */
export function reference(number: number): object {
  return { __type__: [-2, `$/ref/${number}`] };
}

/** Frames, one after the other, by their numbers. */
export function numbered(count: number, make: (number: number) => Buffer): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, number) => make(number)));
}

export async function wait(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** A flood on a new connection, which has to be as good as before. */
export async function floods(field: Field, batch: (first: number) => Buffer, milliseconds = 300): Promise<Outcome> {
  const peer = await greeted(field);
  if ((await flood(peer, milliseconds, batch)) === "taken") return outcomeOf(peer);
  // What is read so slowly has its last answer after minutes.
  peer.drop();
  return "served";
}
