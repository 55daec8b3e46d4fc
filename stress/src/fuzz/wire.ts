import { encode } from "@msgpack/msgpack";

/** What hostile peers speak. */
export const wireCodecs = ["json", "msgpack", "structured-clone", "msgpack-blosc"] as const;

export type WireCodec = (typeof wireCodecs)[number];

const extendedBit = 0x8000_0000;
const bloscHeaderBytes = 16;

/** A message as a peer of another implementation writes it, which looks at nothing. */
export function wireMessage(codec: WireCodec, message: unknown): Buffer {
  if (codec === "json") return Buffer.from(JSON.stringify(message) ?? "null");
  const packed = Buffer.from(encode(message, { ignoreUndefined: false, maxDepth: 300 }));
  if (codec === "structured-clone") return Buffer.concat([Buffer.from([0xc1]), packed]);
  return codec === "msgpack" ? packed : inBlosc(packed);
}

/** Bytes that stand there as they are. */
function inBlosc(plain: Buffer): Buffer {
  const header = Buffer.from("02011308000000000000000000000000", "hex");
  header.writeUInt32LE(plain.length, 4);
  header.writeUInt32LE(plain.length, 8);
  header.writeUInt32LE(plain.length + bloscHeaderBytes, 12);
  return Buffer.concat([header, plain]);
}

export function frameOf(payload: Buffer, isExtended = false): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt32BE((payload.length | (isExtended ? extendedBit : 0)) >>> 0);
  return Buffer.concat([header, payload]);
}

/** What hello says, of either side. */
export const helloMap: Readonly<Record<string, unknown>> = {
  root: "fuzzer",
  protocol: 1,
  software: "fuzzer",
  limits: { maxMessageBytes: 1_048_576, maxReferenceCount: 1000, maxSegmentBytes: 1_048_576 },
  segments: true,
  receiptBytes: 16_384,
  shapes: 16,
};
