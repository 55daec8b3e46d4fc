import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ByteWriter } from "../src/byte-writer.ts";
import { FrameWriter } from "../src/frame-writer.ts";
import { REQUEST } from "../src/message.ts";
import { MsgPackCodec } from "../src/msgpack-codec.ts";
import { Shipment } from "../src/shipment.ts";
import { StandardTypes } from "../src/standard-types.ts";
import { receipt, release, resizable, striped } from "./segment-support.ts";
import { HandTransport } from "./sending-support.ts";
import { bytes, hex } from "./support.ts";

function shipment(...segments: Uint8Array[]): Shipment {
  return new Shipment({
    type: REQUEST,
    id: 4,
    payload: Buffer.from("hi"),
    segments: segments.map((bytes) => ({ bytes, itemBytes: 1 })),
    takeBack: undefined,
  });
}

function announced(sent: Shipment, handle = 7): string {
  const transport = new HandTransport();
  const frames = new FrameWriter(transport, 1000, { onWritten: () => {} });
  sent.announce(frames, handle);
  frames.flush();
  return hex(transport.taken());
}

describe("Shipment", () => {
  it("is announced with its handle, the lengths of its segments and its payload", () => {
    const sent = shipment(striped(3), striped(40_000));
    expect(sent.handle).toBe(-1);
    expect(announced(sent)).toBe(
      hex(bytes("8000002b01000000070000000200000000000000030000000000000000000000000000 9c4000000000000000006869")),
    );
    expect(sent.handle).toBe(7);
    // The payload isn't needed any more.
    expect(announced(sent)).toHaveLength(2 * 45);
  });

  it("hands out its segments one after another, in pieces of the size that is asked for", () => {
    const sent = shipment(Buffer.from("abcde"), Buffer.from("fg"));
    announced(sent);
    const pieces: string[] = [];
    for (const size of [2, 9, 1, 5]) {
      expect(sent.isSent).toBe(false);
      const { head, bytes } = sent.take(size)!;
      pieces.push(`${hex(head)} ${Buffer.from(bytes).toString()}`);
    }
    expect(pieces).toStrictEqual([
      "8000000b020000000700000000 ab",
      "8000000c020000000700000000 cde",
      "8000000a020000000700000001 f",
      "8000000a020000000700000001 g",
    ]);
    expect(sent.isSent).toBe(true);
  });

  it("hands out the memory itself, not a copy", () => {
    const mine = Buffer.from("before");
    const sent = shipment(mine);
    announced(sent);
    const piece = sent.take(100)!;
    mine.write("after!");
    expect(Buffer.from(piece.bytes).toString()).toBe("after!");
    expect(piece.bytes.buffer).toBe(mine.buffer);
  });

  it("hands out a copy of what lies in a buffer that may shrink", () => {
    const buffer = resizable(10, 20);
    const sent = shipment(new Uint8Array(buffer).fill(1));
    announced(sent);
    const { bytes } = sent.take(100)!;
    buffer.resize(0);
    expect(bytes).toStrictEqual(new Uint8Array(10).fill(1));
  });

  it("ends where it ended when it was made, though its view grows with its buffer", () => {
    const buffer = resizable(10, 20);
    const sent = shipment(new Uint8Array(buffer));
    announced(sent);
    buffer.resize(20);
    expect(sent.take(100)!.bytes).toHaveLength(10);
    expect(sent.isSent).toBe(true);
  });

  it("counts its segments, and what it has beside them", () => {
    expect(shipment(striped(3), striped(4))).toMatchObject({ segmentBytes: 7, bytesBeside: 2 + 2 * 512 });
  });

  it("has no piece where its memory was given away, or is shorter", () => {
    const mine = new Uint8Array(10);
    const sent = shipment(striped(2), mine);
    announced(sent);
    expect(sent.isIntact).toBe(true);
    structuredClone(mine.buffer, { transfer: [mine.buffer] });
    expect(sent.isIntact).toBe(false);
    expect(sent.take(2)).toBeDefined();
    expect(sent.take(2)).toBeUndefined();
    expect(sent.isSent).toBe(false);
  });

  it("sends what a codec has made of a segment, where it has and where the peer has room for both", () => {
    const sent = shipment(Buffer.from("long text"), Buffer.from("x"));
    sent.pack([Buffer.from("short"), undefined], 14);
    expect(sent.segmentBytes).toBe(10);
    sent.pack([Buffer.from("short"), undefined], 15);
    expect(sent.segmentBytes).toBe(15);
    expect(announced(sent)).toContain(
      hex(bytes("0000000000000005 0000000000000009 0000000000000001 0000000000000000")),
    );
    expect(Buffer.from(sent.take(100)!.bytes).toString()).toBe("short");
    expect(Buffer.from(sent.take(100)!.bytes).toString()).toBe("x");
    expect(sent.isSent).toBe(true);
  });

  it("is sent at once where it has no bytes", () => {
    const none = new Uint8Array();
    expect(shipment(none, none).isSent).toBe(true);
    const packed = shipment(striped(5));
    expect(packed.isSent).toBe(false);
    packed.pack([none], 100);
    expect(packed.isSent).toBe(true);
  });

  it("tells that it has left, also who asks later, and holds none of its memory then", async () => {
    const early = shipment(striped(5));
    const left = early.left;
    early.settle();
    await left;
    await early.left;
    const late = shipment(striped(5));
    late.settle();
    await late.left;
    expect(late.segments).toStrictEqual([]);
    expect(late.isIntact).toBe(true);
  });
});

describe("the example of the protocol page", () => {
  const page = readFileSync(new URL("../../../docs/protocol.md", import.meta.url), "utf8");
  const blocks = page
    .slice(page.indexOf("## 8. Segments"))
    .split("```\n")
    .filter((block) => block.startsWith("80 00"))
    .map((block) =>
      block
        .split("\n")
        .map((line) => /^ *((?:[0-9a-f]{2} ?)+)(?: |$)/.exec(line)?.[1] ?? "")
        .join(" "),
    );

  it("is what is sent", () => {
    const codec = new MsgPackCodec();
    codec.segments.support = "segments";
    codec.setBuiltins(new StandardTypes(codec, "standard"));
    codec.segments.begin();
    const writer = new ByteWriter();
    const array = new Float64Array(5000);
    codec.encodeMessage(writer, REQUEST, 1, ["sum", [array], {}]);
    const segments = codec.segments.take();
    const payload = Buffer.from(writer.take());
    const sent = new Shipment({ type: REQUEST, id: 1, payload, segments, takeBack: undefined });
    const frames = announced(sent, 0);
    const { head, bytes: piece } = sent.take(1_000_000)!;
    expect(frames + hex(head)).toBe(hex(bytes(blocks[0]!)));
    expect([piece.buffer, piece.length]).toStrictEqual([array.buffer, 40_000]);
  });

  it("is what is answered", () => {
    expect(hex(Buffer.concat([receipt(40_000), release(0)]))).toBe(hex(bytes(blocks[1]!)));
  });
});
