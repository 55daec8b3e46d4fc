import type { Codec, CodecChooser, CodecClass } from "./codec.ts";
import { ProtocolError } from "./errors.ts";
import { JsonCodec } from "./json-codec.ts";
import { MsgPackCodec } from "./msgpack-codec.ts";
import type { SerializerFactory } from "./serializers.ts";

const FIRST_JSON_BYTE = 0x5b;
const FIRST_MSGPACK_BYTE = 0x93;

/** A class of codecs, or `"auto"` on a server: what the first message of each connection shows. */
export type CodecOption = CodecClass | "auto";

/** The codec of one connection, or what makes it once the first byte is there. */
export function codecFor(option: CodecOption, serializers: Iterable<SerializerFactory>): Codec | CodecChooser {
  if (option !== "auto") return new option(serializers);
  return (firstByte) => {
    if (firstByte === FIRST_JSON_BYTE) return new JsonCodec(serializers);
    if (firstByte === FIRST_MSGPACK_BYTE) return new MsgPackCodec(serializers);
    throw new ProtocolError(`the first byte, ${firstByte}, is neither that of JSON nor of MsgPack`);
  };
}
