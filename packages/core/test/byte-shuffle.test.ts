import { describe, expect, it } from "vitest";
import { unshuffleBits } from "../src/bit-unshuffle.ts";
import { shuffleBytes, unshuffleBytes } from "../src/byte-shuffle.ts";
import { bytes, hex } from "./support.ts";

describe("byte shuffle", () => {
  it.each([
    [1, "010203", "010203"],
    [2, "0102 0304 0506", "010305 020406"],
    [3, "010203 040506 07", "0104 0205 0306 07"],
    [4, "01020304 05060708 0a0b", "0105 0206 0307 0408 0a0b"],
    [8, "0102030405060708 1112131415161718 2122", "0111 0212 0313 0414 0515 0616 0717 0818 2122"],
    [16, "0102", "0102"],
  ])("of elements of %i bytes makes planes, and back", (itemBytes, plain, shuffled) => {
    const target = Buffer.alloc(bytes(plain).length);
    shuffleBytes(bytes(plain), target, itemBytes);
    expect(hex(target)).toBe(hex(bytes(shuffled)));
    unshuffleBytes(bytes(shuffled), target, itemBytes);
    expect(hex(target)).toBe(hex(bytes(plain)));
  });
});

describe("bit shuffle", () => {
  it("is undone bit by bit", () => {
    const plain = Buffer.from(Array.from({ length: 24 * 3 }, (_, index) => (index * 37) & 0xff));
    const [count, itemBytes] = [24, 3];
    const shuffled = Buffer.alloc(plain.length);
    for (let element = 0; element < count; element++) {
      for (let bit = 0; bit < itemBytes * 8; bit++) {
        const isSet = (plain[element * itemBytes + (bit >> 3)]! >> (bit & 7)) & 1;
        shuffled[bit * (count / 8) + (element >> 3)]! |= isSet << (element & 7);
      }
    }
    const target = Buffer.alloc(plain.length);
    unshuffleBits(shuffled, target, itemBytes);
    expect(hex(target)).toBe(hex(plain));
  });

  it("leaves alone what is no multiple of eight elements", () => {
    const target = Buffer.alloc(7);
    unshuffleBits(bytes("01020304050607"), target, 1);
    expect(hex(target)).toBe("01020304050607");
  });
});
