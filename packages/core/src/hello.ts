import type { Codec } from "./codec.ts";
import { ColloquyError, quoted } from "./errors.ts";
import type { Limits } from "./limits.ts";
import { MOST_RECEIPT_BYTES } from "./extended-frames.ts";
import { RECEIPT_BYTES } from "./incoming-segments.ts";
import { isMap } from "./lower-lift.ts";
import { MAX_SHAPE_COUNT } from "./shapes.ts";

/** Path of the request that says hello between peers with services. */
export const HELLO_PATH = "$/hello";
/** Hello between channels, which have no other paths. */
export const CHANNEL_HELLO_PATH = "$/channel";
/** Requests always have keyword arguments; most have none. */
export const NO_KWARGS: Readonly<Record<string, unknown>> = Object.freeze({});
export const PROTOCOL_VERSION = 1;

/** Which protocol a connection speaks. `"auto"`: hello, and the base protocol with peers that don't know it. */
export type Dialect = "auto" | "aiomas" | "mosaik";

/** What each side tells of itself, `docs/protocol.md` section 4. */
export interface Hello {
  readonly protocol: number;
  readonly software: string;
  readonly codec: string;
  /** Names of the extra serializers, in the order of their type ids. */
  readonly serializers: readonly string[];
  readonly limits: Readonly<Record<string, number>>;
  readonly segments: boolean;
  /** Bytes of pieces after which this side sends a receipt. */
  readonly receiptBytes: number;
  /** How many shapes of maps this side takes. */
  readonly shapes: number;
  /** Name of the root that this side serves on all its connections: a proxy from one of them goes home over another. */
  readonly root?: string;
  /** What the side that opens the connection calls it: with its root, a name for the connection that both sides know. */
  readonly link?: string;
  /** What the client shows to be let in: a plain value, as its server's `authenticate` takes it. */
  readonly auth?: unknown;
}

/** This side's hello. `serializers` are those that the user has added. */
export function makeHello(codec: Codec, limits: Limits, serializers: readonly string[], root?: string): Hello {
  const { maxMessageBytes, maxReferenceCount, maxSegmentBytes } = limits;
  return {
    ...(root === undefined ? {} : { root }),
    protocol: PROTOCOL_VERSION,
    software: "colloquy",
    codec: codec.name,
    serializers,
    limits: stated({ maxMessageBytes, maxReferenceCount, maxSegmentBytes }),
    segments: true,
    receiptBytes: RECEIPT_BYTES,
    shapes: codec.shapes !== undefined && takesDefinitions(limits) ? MAX_SHAPE_COUNT : 0,
  };
}

/** The same for a channel, which has neither references nor shapes. */
export function makeChannelHello(codec: Codec, limits: Limits): Hello {
  const { maxMessageBytes, maxSegmentBytes } = limits;
  const hello = makeHello(codec, limits, codec.serializerNames);
  return { ...hello, limits: stated({ maxMessageBytes, maxSegmentBytes }), shapes: 0 };
}

/** JSON has no form of Infinity; what isn't stated has no limit. */
function stated(limits: Readonly<Record<string, number>>): Record<string, number> {
  const finite: Record<string, number> = {};
  for (const name of Object.keys(limits)) if (limits[name] !== Infinity) finite[name] = limits[name]!;
  return finite;
}

/** A definition is five levels deep and may have 64 keys. */
function takesDefinitions(limits: Limits): boolean {
  return limits.maxDepth >= 5 && limits.maxDecodedCost >= 16_384;
}

/** What this side has to know of the other. */
export interface PeerTraits {
  readonly software: string;
  readonly maxMessageBytes: number;
  readonly maxReferenceCount: number;
  /** How many bytes of segments it takes at a time; 0 where it takes none. */
  readonly maxSegmentBytes: number;
  /** Bytes of pieces after which it sends a receipt. */
  readonly receiptBytes: number;
  readonly root: string | undefined;
  readonly link: string | undefined;
  /** How many shapes of maps it takes; 0 where it knows none. */
  readonly shapeCount: number;
}

/** Who has said hello: in rpc the client does, between channels either side may. */
export type HelloSide = "client" | "server" | "asking" | "asked";

/**
 * Reads the other side's hello.
 *
 * @throws ColloquyError `PROTOCOL_ERROR` for one that is malformed, of another version, or that doesn't fit ours.
 */
export function readHello(received: unknown, own: Hello, from: HelloSide): PeerTraits {
  if (!isMap(received)) throw new ColloquyError("PROTOCOL_ERROR", "hello is no map");
  const hello: Partial<Record<keyof Hello, unknown>> = received;
  if (hello.protocol !== PROTOCOL_VERSION) {
    const version = typeof hello.protocol === "number" ? hello.protocol : "no number";
    throw new ColloquyError(
      "PROTOCOL_ERROR",
      `the peer speaks version ${version} of the protocol, this side ${PROTOCOL_VERSION}`,
    );
  }
  if (typeof hello.codec === "string") checkCodecs(hello.codec, own.codec, from);
  if (hello.serializers !== undefined) checkSerializers(hello.serializers, own.serializers, from);
  const software = typeof hello.software === "string" ? hello.software.slice(0, 256) : "unknown";
  return {
    software,
    maxMessageBytes: readLimit(hello.limits, "maxMessageBytes", from),
    maxReferenceCount: readLimit(hello.limits, "maxReferenceCount", from),
    maxSegmentBytes: hello.segments === true ? readLimit(hello.limits, "maxSegmentBytes", from) : 0,
    receiptBytes: readReceiptBytes(hello.receiptBytes),
    shapeCount: typeof hello.shapes === "number" ? hello.shapes : 0,
    root: typeof hello.root === "string" ? hello.root.slice(0, 64) : undefined,
    link: typeof hello.link === "string" ? hello.link.slice(0, 64) : undefined,
  };
}

/** Peers in other languages may name a codec as they like. One that compresses says so behind a plus; small messages don't tell. */
function checkCodecs(theirs: string, ours: string, from: HelloSide): void {
  if (theirs === ours || !(theirs.includes("+") || ours.includes("+"))) return;
  const names = bySide(ours, quoted(theirs, 64).slice(1, -1), from);
  throw new ColloquyError("PROTOCOL_ERROR", `the two sides have different codecs: ${names}; both take the same one`);
}

/** Who of the two has what. */
function bySide(ours: string, theirs: string, from: HelloSide): string {
  const [first, second] = from === "client" || from === "asking" ? [theirs, ours] : [ours, theirs];
  return from === "asking" || from === "asked"
    ? `${first} at the side that said hello, ${second} at the other`
    : `${first} at the client, ${second} at the server`;
}

function checkSerializers(theirs: unknown, ours: readonly string[], from: HelloSide): void {
  const same =
    Array.isArray(theirs) && theirs.length === ours.length && ours.every((name, index) => name === theirs[index]);
  if (same) return;
  const names = Array.isArray(theirs)
    ? theirs.slice(0, 32).map((name) => (typeof name === "string" ? quoted(name) : "?"))
    : ["?"];
  const own = ours.map((name) => quoted(name)).join(", ");
  const [here, there] = [`[${own}]`, `[${names.join(", ")}]`];
  const lists = bySide(here, there, from);
  throw new ColloquyError(
    "PROTOCOL_ERROR",
    `the two sides have different serializers: ${lists}; both add the same in the same order`,
  );
}

function readReceiptBytes(value: unknown): number {
  return typeof value === "number" && value > 0 ? Math.min(value, MOST_RECEIPT_BYTES) : MOST_RECEIPT_BYTES;
}

/** Control messages of the protocol have to fit. */
const LEAST_LIMITS = { maxMessageBytes: 1024, maxReferenceCount: 1, maxSegmentBytes: 0 } as const;

function readLimit(limits: unknown, name: keyof typeof LEAST_LIMITS, from: HelloSide): number {
  const value =
    typeof limits === "object" && limits !== null ? (limits as Partial<Record<string, unknown>>)[name] : undefined;
  if (typeof value !== "number") return Infinity;
  if (value >= LEAST_LIMITS[name]) return value;
  // The side whose limit it is reads this, too.
  const place = {
    client: "the client",
    server: "the server",
    asking: "the side that said hello",
    asked: "the other side",
  };
  const reason = `limits.${name} is ${value} at ${place[from]}; it is ${LEAST_LIMITS[name]} at least`;
  throw new ColloquyError("PROTOCOL_ERROR", reason);
}
