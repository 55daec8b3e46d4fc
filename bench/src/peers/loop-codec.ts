import { Encoder } from "msgpackr";

/** How a loop turns messages into bytes. */
export interface LoopCodec {
  encode(message: unknown): Buffer;
  /** The message that stands in `source` from `start` to `end`. */
  decode(source: Buffer, start: number, end: number): unknown;
}

/** MsgPack as msgpackr writes it for readers that know nothing of its records. */
export function msgpackCodec(): LoopCodec {
  const encoder = new Encoder({ useRecords: false });
  return {
    encode: (message) => encoder.encode(message),
    decode: (source, start, end) => encoder.decode(source, { start, end }),
  };
}

/** JSON in UTF-8. */
export function jsonCodec(): LoopCodec {
  return {
    encode: (message) => Buffer.from(JSON.stringify(message)),
    decode: (source, start, end) => JSON.parse(source.toString("utf8", start, end)),
  };
}
