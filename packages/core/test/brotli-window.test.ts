import { brotliCompressSync, constants } from "node:zlib";
import { describe, expect, it } from "vitest";
import { checkBrotliWindow } from "../src/brotli-window.ts";
import { compressed } from "../src/compressed.ts";
import { JsonCodec } from "../src/json-codec.ts";
import { rejectionOf } from "./support.ts";

const Packed = compressed(JsonCodec, { algorithm: "brotli" });
const BROTLI_HEAD = 0x13;

/** A payload with a window of `bits` that holds a text of `plainBytes` bytes as JSON. */
function payloadOf(plainBytes: number, bits: number): Buffer {
  const params = { [constants.BROTLI_PARAM_QUALITY]: 1, [constants.BROTLI_PARAM_LGWIN]: bits };
  const packed = brotliCompressSync(JSON.stringify("x".repeat(plainBytes - 2)), { params });
  const head = Buffer.from([BROTLI_HEAD, 0, 0, 0, 0]);
  head.writeUInt32BE(plainBytes, 1);
  return Buffer.concat([head, packed]);
}

/** What a window of so many bits looks back. */
function windowBytes(bits: number): number {
  return 2 ** bits - 16;
}

describe("the window of brotli", () => {
  it("is taken up to 22 bits, however little it is for", async () => {
    for (const bits of [10, 11, 15, 16, 17, 18, 21, 22])
      for (const plainBytes of [100, 50_000])
        expect(await new Packed().decode(payloadOf(plainBytes, bits)), `${bits} bits`).toHaveLength(plainBytes - 2);
  });

  it.each([23, 24])("of %i bits takes as many bytes as a smaller one can't look back to", async (bits) => {
    const most = windowBytes(bits - 1);
    for (const plainBytes of [100, 50_000, most]) {
      const error = await rejectionOf((async () => new Packed().decode(payloadOf(plainBytes, bits)))());
      expect(error, `${plainBytes} bytes`).toMatchObject({ code: "SERIALIZATION_ERROR" });
      expect((error as Error).message).toContain(`a window of ${bits} bits for ${plainBytes} bytes`);
    }
    expect(await new Packed().decode(payloadOf(most + 1, bits))).toHaveLength(most - 1);
  });

  it("is read from each head that encoders write", () => {
    // Of 10 to 22 bits, as RFC 7932 section 9.1 lists them.
    for (const head of [0x21, 0x31, 0x41, 0x51, 0x61, 0x71, 0x00, 0x01, 0x03, 0x05, 0x07, 0x09, 0x0b])
      expect(() => checkBrotliWindow(Buffer.of(head), 1)).not.toThrow();
    for (const [head, bits] of [
      [0x0d, 23],
      [0x0f, 24],
    ] as const)
      expect(() => checkBrotliWindow(Buffer.of(head), 1)).toThrow(`${bits} bits`);
  });
});
