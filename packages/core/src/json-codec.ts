import { ByteWriter, writeByte } from "./byte-writer.ts";
import { Codec, encodeAlone } from "./codec.ts";
import { CostBudget } from "./decoded-cost.ts";
import { ProtocolError, SerializationError, quoted } from "./errors.ts";
import { MOST_COST_OF_BYTE, checkJson, mayBeCostly, mayBeDeep, mayHaveLongKey, mayHaveMeaning } from "./json-check.ts";
import { JsonEncoder, writeJsonNumber } from "./json-encoder.ts";
import { checkDepth, explained, lift, located } from "./lower-lift.ts";
import { readMessage, setHeader } from "./message.ts";
import type { Message } from "./message.ts";
import { asBuffer, readUtf8 } from "./utf8.ts";

const NOWHERE = new ByteWriter();
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
/** `[type, id,` of a message whose content is broken. */
const HEADER = /^\s*\[\s*([0-3])\s*,\s*(\d{1,10})\s*,/;

/**
 * JSON in UTF-8, the default. By itself it carries what JSON carries and refuses the rest: NaN, the infinities, `undefined`, bytes;
 * a connection adds the built-in types towards peers that said hello, `undefined` and bytes among them. -0 stays -0. Integers beyond 2^53-1 from other languages lose digits, as everywhere with `JSON.parse`.
 */
export class JsonCodec extends Codec {
  readonly #encoder: JsonEncoder = new JsonEncoder(this.table, NOWHERE);
  /** A getter of what is sent may encode with this codec. */
  #alone: JsonEncoder | undefined;

  override get name(): string {
    return "json";
  }

  override encode(value: unknown): Uint8Array {
    const encoder = (this.#alone ??= new JsonEncoder(this.table, NOWHERE));
    return this.segments.apart(() =>
      encodeAlone((writer) => {
        encoder.writer = writer;
        encoder.write(value, this.limits.maxDepth);
      }),
    );
  }

  override decode(bytes: Uint8Array): unknown {
    const buffer = asBuffer(bytes);
    try {
      return this.segments.apart(() => this.#parse(buffer, 0, buffer.length, 0));
    } catch (error) {
      throw located(error);
    }
  }

  override encodeMessage(writer: ByteWriter, type: number, id: number, content: unknown): void {
    writeByte(writer, 0x5b);
    writeJsonNumber(writer, type);
    writeByte(writer, 0x2c);
    writeJsonNumber(writer, id);
    writeByte(writer, 0x2c);
    this.#encoder.writer = writer;
    this.#encoder.write(content, this.limits.maxDepth);
    writeByte(writer, 0x5d);
  }

  override get mostCostOfByte(): number {
    return MOST_COST_OF_BYTE;
  }

  override decodeMessage(bytes: Buffer, start: number, end: number, message: Message): void {
    const before = this.table.arrivals;
    let parsed: unknown;
    try {
      parsed = this.#parse(bytes, start, end, 1);
    } catch (thrown) {
      const error = explained(thrown);
      if (!(error instanceof SerializationError)) throw error;
      this.#failContent(bytes, start, end, message, error);
      this.table.rescueReferences(before, () => void this.#parse(bytes, start, end, 1));
      return;
    }
    readMessage(parsed, message);
  }

  override inlineBytes(bytes: Uint8Array): string {
    return asBuffer(bytes).toString("base64");
  }

  override bytesInline(data: unknown): Uint8Array {
    if (typeof data !== "string" || data.length % 4 !== 0 || !BASE64.test(data))
      throw new SerializationError("bytes that are no base64 text");
    const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(data, "base64"));
    bytes.write(data, "base64");
    return bytes;
  }

  /** `outerDepth` is 1 where the value is a message, whose own array doesn't count. */
  #parse(bytes: Buffer, start: number, end: number, outerDepth: number): unknown {
    const depth = this.limits.maxDepth + outerDepth;
    const { maxDecodedCost } = this.limits;
    const isChecked = mayBeCostly(end - start, maxDecodedCost) || mayHaveLongKey(bytes, start, end);
    const cost = isChecked ? checkJson(bytes, start, end, depth, maxDecodedCost) : 0;
    const text = readUtf8(bytes, start, end);
    const plain = parseJson(text);
    if (mayHaveMeaning(text)) return lift(plain, this.table, depth, new CostBudget(maxDecodedCost - cost));
    // Engines parse any depth; what is small takes little memory at it.
    if (!isChecked && mayBeDeep(text, depth)) checkDepth(plain, depth);
    return plain;
  }

  #failContent(bytes: Buffer, start: number, end: number, message: Message, error: SerializationError): void {
    const header = HEADER.exec(bytes.toString("latin1", start, Math.min(end, start + 64)));
    if (header === null) throw new ProtocolError(`not a message in JSON: ${error.message}`, { cause: error });
    setHeader(message, Number(header[1]), Number(header[2]));
    message.content = undefined;
    message.error = error.place[0] === 2 ? error.at(error.place.slice(1)) : error;
  }
}

/** What the engine says, up to where it quotes from the text: that may be anybody's password. */
function reasonOf({ message }: SyntaxError): string {
  const [reason] = message.split(/(?:, )?(?:\.\.\.)?(?<!')"/);
  return reason === "" ? "" : `: ${quoted(reason!.trimEnd()).slice(1, -1)}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new SerializationError(`not JSON${reasonOf(error as SyntaxError)}`);
  }
}
