import { tooCostly } from "./decoded-cost.ts";
import { SerializationError } from "./errors.ts";
import { indexKeyCost, indexOfKey } from "./index-key-cost.ts";
import { KeyCache } from "./key-cache.ts";
import type { Limits } from "./limits.ts";
import { LONGEST_KEY, TYPE_KEY, checkDecodedEntry, checkKey, tooDeep, within } from "./lower-lift.ts";
import { newArray } from "./message-decoder.ts";
import type { MessageDecoder } from "./message-decoder.ts";
import type { SerializerTable } from "./serializers.ts";
import { checkMsgPack, mayBeCostly } from "./msgpack-check.ts";
import { forgetMemory, readFloat32, readFloat64, readSigned64, readUnsigned64 } from "./msgpack-reading.ts";
import { SHAPE_EXTENSION } from "./msgpack-writing.ts";
import type { Shapes } from "./shapes.ts";
import { readUtf8 } from "./utf8.ts";

const NO_BYTES = Buffer.alloc(0);
/** What all connections read again and again: names of methods, keys, words. */
const texts = new KeyCache();
/** Shorter ones are made as literals. */
const LITERAL_ARRAY_LENGTH = 3;

/**
 * Reads MsgPack in place. A declared count is held against the bytes that are left before anything is made for it; depth
 * and the memory of what is decoded are bounded (`Limits.maxDepth`, `Limits.maxDecodedCost`).
 */
export class MsgPackDecoder implements MessageDecoder {
  readonly #table: SerializerTable;
  readonly #shapes: Shapes;
  #bytes: Buffer = NO_BYTES;
  #position = 0;
  #end = 0;
  /** What may be declared and spent yet. */
  #undeclared = 0;
  #budget = 0;
  #isChecked = false;

  constructor(table: SerializerTable, shapes: Shapes) {
    this.#table = table;
    this.#shapes = shapes;
  }

  /** Starts with `bytes[start..end)`. The bytes are read during the calls that follow and not kept. */
  open(bytes: Buffer, start: number, end: number, limits: Limits): void {
    this.#bytes = bytes;
    this.#position = start;
    this.#end = end;
    this.#undeclared = end - start;
    this.#budget = limits.maxDecodedCost;
    this.#isChecked = false;
  }

  /**
   * Reads the one value that is left, of at most `depth` levels. One that may take more memory than is allowed is checked as a whole
   * before anything is made of it.
   *
   * @throws SerializationError with the place in the value; also where bytes are left.
   */
  readLast(depth: number): unknown {
    if (mayBeCostly(this.#end - this.#position, this.#budget)) {
      this.#budget -= checkMsgPack(this.#bytes, this.#position, this.#end, depth, this.#budget);
      this.#isChecked = true;
    }
    const value = this.read(depth);
    const left = this.#end - this.#position;
    if (left > 0) throw new SerializationError(`${left} bytes after the end of the value`);
    return value;
  }

  /**
   * Reads one value of at most `depth` levels.
   *
   * @throws SerializationError with the place in the value.
   */
  read(depth: number): unknown {
    const head = this.#byte();
    if (head < 0x80) return head;
    if (head >= 0xe0) return head - 0x100;
    if (head < 0x90) return this.#map(head & 0x0f, depth);
    if (head < 0xa0) return this.#array(head & 0x0f, depth);
    if (head < 0xc0) return this.#text(head & 0x1f);
    return this.#long(head, depth);
  }

  /** For functions of shapes. */
  within(error: unknown, key: string): unknown {
    return within(error, key);
  }

  /** Lets go of the bytes: an idle connection keeps no message. */
  close(): void {
    this.#bytes = NO_BYTES;
    forgetMemory();
  }

  readMessageHead(): boolean {
    return this.#byte() === 0x93;
  }

  #long(head: number, depth: number): unknown {
    switch (head) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#binary(this.#unsigned(1 << (head - 0xc4)));
      case 0xca:
        return readFloat32(this.#bytes, this.#advance(4));
      case 0xcb:
        return readFloat64(this.#bytes, this.#advance(8));
      case 0xcc:
        return this.#byte();
      case 0xcd:
      case 0xce:
        return this.#unsigned(1 << (head - 0xcc));
      case 0xcf:
        return readUnsigned64(this.#bytes, this.#advance(8));
      case 0xd0:
        return (this.#byte() << 24) >> 24;
      case 0xd1:
        return (this.#unsigned(2) << 16) >> 16;
      case 0xd2:
        return this.#unsigned(4) | 0;
      case 0xd3:
        return readSigned64(this.#bytes, this.#advance(8));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#unsigned(1 << (head - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.#array(this.#unsigned(2 << (head - 0xdc)), depth);
      case 0xde:
      case 0xdf:
        return this.#map(this.#unsigned(2 << (head - 0xde)), depth);
      default:
        throw new SerializationError(
          `MsgPack byte 0x${head.toString(16)}: extension types are not part of the protocol`,
        );
    }
  }

  #array(count: number, depth: number): unknown {
    if (depth <= 0) throw tooDeep();
    this.#declare(count, "elements");
    if (count > 1 && this.#bytes[this.#position] === 0xd4 && this.#bytes[this.#position + 1] === SHAPE_EXTENSION)
      return this.#shaped(count - 1, depth);
    return count <= LITERAL_ARRAY_LENGTH ? this.#fewElements(count, depth - 1) : this.#elements(count, depth - 1);
  }

  #elements(count: number, depth: number): unknown[] {
    // An empty array that is given a length takes four times as long, and more memory.
    const result = newArray(count);
    let index = 0;
    try {
      for (; index < count; index++) result[index] = this.read(depth);
    } catch (error) {
      throw within(error, index);
    }
    return result;
  }

  /** Literals are made in one step. Requests consist of such arrays. */
  #fewElements(count: number, depth: number): unknown[] {
    let index = 0;
    try {
      if (count === 0) return [];
      const first = this.read(depth);
      if (count === 1) return [first];
      index = 1;
      const second = this.read(depth);
      if (count === 2) return [first, second];
      index = 2;
      return [first, second, this.read(depth)];
    } catch (error) {
      throw within(error, index);
    }
  }

  /** A map whose keys the peer has told before. */
  #shaped(keyCount: number, depth: number): object {
    const id = this.#bytes[this.#advance(3) + 2]!;
    const read = this.#shapes.reader(id, keyCount);
    return read(this, depth - 1);
  }

  #map(count: number, depth: number): unknown {
    if (depth <= 0) throw tooDeep();
    this.#declare(count * 2, "keys and values");
    const result: Record<string, unknown> = {};
    let key: string | undefined;
    let highestIndex = -1;
    try {
      for (let entry = 0; entry < count; entry++) {
        key = undefined;
        key = this.#key();
        const index = indexOfKey(key);
        if (index >= 0) {
          if (!this.#isChecked) this.spend(indexKeyCost(index, highestIndex));
          highestIndex = Math.max(index, highestIndex);
        }
        if (key.charCodeAt(0) === 95 || key.length > LONGEST_KEY) {
          if (key === TYPE_KEY && count === 1) return this.#extended(depth - 1);
          checkKey(key);
        }
        const value = this.read(depth - 1);
        if (key === "then" || key === "toJSON" || key === "constructor") checkDecodedEntry(key, value);
        result[key] = value;
      }
    } catch (error) {
      throw key === undefined || key === TYPE_KEY ? error : within(error, key);
    }
    return result;
  }

  #key(): string {
    const head = this.#byte();
    let length: number;
    if (head >= 0xa0 && head < 0xc0) length = head & 0x1f;
    else if (head >= 0xd9 && head <= 0xdb) length = this.#unsigned(1 << (head - 0xd9));
    else throw new SerializationError("a key of a map is no string");
    this.#expect(length, "bytes");
    const start = this.#position;
    this.#position += length;
    return texts.read(this.#bytes, start, length) ?? readUtf8(this.#bytes, start, start + length);
  }

  #extended(depth: number): unknown {
    if (depth <= 0) throw tooDeep();
    if (this.#byte() !== 0x92) throw new SerializationError(`malformed extended value: "${TYPE_KEY}" takes [id, data]`);
    const typeId = this.read(0);
    const data = this.read(depth - 1);
    if (typeof typeId === "number" && this.#table.isSelfContained(typeId))
      return this.#table.decode(typeId, data, this);
    // A deserializer may decode with this codec on its own account.
    const [bytes, position, end] = [this.#bytes, this.#position, this.#end];
    const [undeclared, budget, isChecked] = [this.#undeclared, this.#budget, this.#isChecked];
    const value = this.#table.decode(typeId, data, this);
    this.#bytes = bytes;
    this.#position = position;
    this.#end = end;
    this.#budget = budget;
    this.#isChecked = isChecked;
    this.#undeclared = undeclared;
    return value;
  }

  #text(length: number): string {
    this.#expect(length, "bytes");
    const start = this.#position;
    this.#position += length;
    return texts.read(this.#bytes, start, length) ?? readUtf8(this.#bytes, start, start + length);
  }

  #binary(length: number): Uint8Array {
    const start = this.#advance(length);
    const result = new Uint8Array(length);
    result.set(this.#bytes.subarray(start, start + length));
    return result;
  }

  /** An unsigned integer of 1, 2 or 4 bytes. */
  #unsigned(size: number): number {
    const start = this.#advance(size);
    const bytes = this.#bytes;
    let value = bytes[start]!;
    for (let index = 1; index < size; index++) value = (value << 8) | bytes[start + index]!;
    return value >>> 0;
  }

  #byte(): number {
    if (this.#position >= this.#end) throw new SerializationError("MsgPack ends in the middle of a value");
    return this.#bytes[this.#position++]!;
  }

  #advance(count: number): number {
    this.#expect(count, "bytes");
    const start = this.#position;
    this.#position += count;
    return start;
  }

  #expect(count: number, what: string): void {
    const left = this.#end - this.#position;
    if (count > left) throw new SerializationError(`MsgPack declares ${count} ${what}, ${left} bytes are left`);
  }

  /** Each declared value has a byte of its own: all that is declared in a message isn't more than it has. */
  #declare(count: number, what: string): void {
    this.#expect(count, what);
    this.#undeclared -= count;
    if (this.#undeclared < 0) throw new SerializationError(`MsgPack declares more ${what} than there are bytes`);
  }

  /** For built-in types, whose cost beyond their data is counted as they are made. */
  spend(cost: number): void {
    this.#budget -= cost;
    if (this.#budget < 0) throw tooCostly();
  }
}
