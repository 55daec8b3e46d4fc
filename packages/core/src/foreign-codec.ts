import type { Codec } from "./codec.ts";
import { PACKED_HEADS, PLAIN_HEAD, compressed } from "./compressed.ts";
import { ProtocolError } from "./errors.ts";
import { HELLO_PATH } from "./hello.ts";
import { BY_FIRST_BYTE } from "./known-codecs.ts";
import { limitsBeforeHello } from "./early-limits.ts";
import type { Limits } from "./limits.ts";
import { REQUEST } from "./message.ts";
import type { Message } from "./message.ts";

/** For a peer to read that it speaks another codec, and to end the connection itself. */
export const REFUSAL_GRACE_MS = 1000;

/** The first message of a peer that speaks another codec than this side. */
export interface ForeignStart {
  /** Says what each side speaks. */
  readonly error: ProtocolError;
  /** The codec to answer in, where the message is a request that can be answered. */
  readonly answer: { readonly codec: Codec; readonly id: number; readonly knowsHello: boolean } | undefined;
}

/**
 * Looks at the first payload of a peer, which this side could not read. Undefined where it is of no other codec that is known. `own`
 * is the name of this side's codec, or several.
 */
export function readForeignStart(payload: Buffer, own: string, limits: Limits): ForeignStart | undefined {
  const first = payload[0] ?? -1;
  const packed = Object.entries(PACKED_HEADS).find(([, head]) => head === first)?.[0];
  if (packed !== undefined) {
    if (own.endsWith(`+${packed}`)) return undefined;
    return { error: mismatch(own, `a codec compressed with ${packed}`, true), answer: undefined };
  }
  const isWrapped = first === PLAIN_HEAD;
  const plain = BY_FIRST_BYTE.get((isWrapped ? payload[1] : first) ?? -1);
  if (plain === undefined) return undefined;
  const { name } = new plain();
  if (isWrapped ? own.startsWith(`${name}+`) : own === name) return undefined;
  // What isn't packed says nothing of the algorithm, and is written the same way with each.
  const codec = new (isWrapped ? compressed(plain, { algorithm: "deflate" }) : plain)();
  const theirs = isWrapped ? `compressed ${name}` : name;
  const message = readHeader(codec, payload, limits);
  if (message?.type !== REQUEST) return { error: mismatch(own, theirs, message === undefined), answer: undefined };
  const { id, content } = message;
  const knowsHello = Array.isArray(content) && content[0] === HELLO_PATH;
  return { error: mismatch(own, theirs, true), answer: { codec, id, knowsHello } };
}

function readHeader(codec: Codec, payload: Buffer, limits: Limits): Message | undefined {
  const message: Message = { type: -1, id: -1, content: undefined, error: undefined };
  codec.limits = limitsBeforeHello(limits);
  try {
    const later = codec.decodeMessage(payload, 0, payload.length, message);
    if (later === undefined) return message;
    later.catch(() => {});
  } catch {
    // It only looked like one.
  }
  return undefined;
}

/** The side that asks is the client. */
function mismatch(own: string, theirs: string, isClient: boolean): ProtocolError {
  const sides = isClient
    ? `the server speaks ${own}, the client seems to speak ${theirs}`
    : `the client speaks ${own}, the server seems to speak ${theirs}`;
  return new ProtocolError(`${sides}; both take the same codec`, { executed: "no" });
}
