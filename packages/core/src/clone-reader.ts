import { checkClone } from "./clone-check.ts";
import { tooCostly } from "./decoded-cost.ts";
import { SerializationError } from "./errors.ts";
import type { Limits } from "./limits.ts";
import { mayBeCostly } from "./msgpack-check.ts";
import type { DecodingBudget } from "./serializers.ts";
import { HASHED_ENTRY_COST } from "./standard-values.ts";
import { readUtf8 } from "./utf8.ts";

const NO_BYTES = Buffer.alloc(0);

/** Reads heads, numbers and texts of MsgPack, held against the bytes that are left and the budget of memory. */
export class CloneReader implements DecodingBudget {
  #bytes: Buffer = NO_BYTES;
  #position = 0;
  #end = 0;
  /** What may be declared and spent yet. */
  #undeclared = 0;
  #budget = 0;

  /** Starts with `bytes[start..end)`. The bytes are read during the calls that follow and not kept. */
  open(bytes: Buffer, start: number, end: number, limits: Limits): void {
    this.#bytes = bytes;
    this.#position = start;
    this.#end = end;
    this.#undeclared = end - start;
    this.#budget = limits.maxDecodedCost;
  }

  /** Checks what is left as a whole where it may take more memory than is allowed. True where it does so. */
  check(maxDepth: number): boolean {
    if (!mayBeCostly(this.#end - this.#position, this.#budget)) return false;
    this.#budget -= checkClone(this.#bytes, this.#position, this.#end, maxDepth, this.#budget);
    return true;
  }

  close(): void {
    this.#bytes = NO_BYTES;
  }

  /** @throws SerializationError where bytes are left. */
  finish(): void {
    const left = this.#end - this.#position;
    if (left > 0) throw new SerializationError(`${left} bytes after the end of the value`);
  }

  spend(cost: number): void {
    this.#budget -= cost;
    if (this.#budget < 0) throw tooCostly();
  }

  byte(): number {
    if (this.#position >= this.#end) throw new SerializationError("structured clone ends in the middle of a value");
    return this.#bytes[this.#position++]!;
  }

  /** An unsigned integer of 1, 2 or 4 bytes. */
  unsigned(size: number): number {
    const start = this.#advance(size);
    return this.#bytes.readUIntBE(start, size);
  }

  /** A count of things of which each has `leastBytes` bytes, and that is one. */
  checkCount(count: number, leastBytes: number, what: string): number {
    const left = this.#end - this.#position;
    if (Number.isInteger(count) && count >= 0 && count * leastBytes <= left) return count;
    throw new SerializationError(`structured clone declares ${count} ${what}, ${left} bytes are left`);
  }

  /** A count of values: each has a byte of its own, so all that is declared in a message isn't more than it has. */
  declare(count: number, leastBytes: number, what: string): number {
    this.checkCount(count, leastBytes, what);
    this.#undeclared -= count * leastBytes;
    if (this.#undeclared < 0)
      throw new SerializationError(`structured clone declares more ${what} than there are bytes`);
    return count;
  }

  /** How many entries, of so many values each, `what` has, which is a table of hashes. */
  hashedCount(what: string, valueCount: number, values: string): number {
    const count = this.declare(this.numberValue(`the size of ${what}`), valueCount, values);
    this.spend(count * HASHED_ENTRY_COST);
    return count;
  }

  /** A copy of the next bytes, in memory of their own. */
  bytes(length: number): Uint8Array<ArrayBuffer> {
    this.checkCount(length, 1, "bytes");
    const start = this.#advance(length);
    const result = new Uint8Array(length);
    result.set(this.#bytes.subarray(start, start + length));
    return result;
  }

  text(length: number): string {
    this.checkCount(length, 1, "bytes");
    const start = this.#advance(length);
    return readUtf8(this.#bytes, start, start + length);
  }

  /** A text; anything else is refused. */
  textValue(): string {
    const length = this.textLength(this.byte());
    if (length < 0) throw new SerializationError("structured clone in which a key or text is none");
    return this.text(length);
  }

  /** A number; `what` names it where anything else stands there, which is refused. */
  numberValue(what: string): number {
    const value = this.number(this.byte());
    if (value === undefined) throw new SerializationError(`structured clone in which ${what} is no number`);
    return value;
  }

  /** The number whose head was read; undefined where it is the head of none. */
  number(head: number): number | undefined {
    if (head < 0x80) return head;
    if (head >= 0xe0) return head - 0x100;
    if (head === 0xcb) return this.#bytes.readDoubleBE(this.#advance(8));
    if (head >= 0xcc && head <= 0xce) return this.unsigned(1 << (head - 0xcc));
    if (head >= 0xd0 && head <= 0xd2) {
      const size = 1 << (head - 0xd0);
      return this.#bytes.readIntBE(this.#advance(size), size);
    }
    if (head !== 0xcf && head !== 0xd3) return undefined;
    const start = this.#advance(8);
    const wide = head === 0xcf ? this.#bytes.readBigUInt64BE(start) : this.#bytes.readBigInt64BE(start);
    const value = Number(wide);
    if (!Number.isSafeInteger(value)) throw new SerializationError("structured clone with an integer beyond 2^53-1");
    return value;
  }

  /** Length of the text whose head was read; -1 where it is the head of none. */
  textLength(head: number): number {
    if (head >= 0xa0 && head < 0xc0) return head & 0x1f;
    return head >= 0xd9 && head <= 0xdb ? this.unsigned(1 << (head - 0xd9)) : -1;
  }

  #advance(count: number): number {
    if (count > this.#end - this.#position) this.checkCount(count, 1, "bytes");
    const start = this.#position;
    this.#position += count;
    return start;
  }
}
