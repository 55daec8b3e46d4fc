import { describe, expect, it, vi } from "vitest";
import { checkJson } from "../../src/json-check.ts";
import { JsonCodec } from "../../src/json-codec.ts";
import { serveChannels } from "../../src/serve-channels.ts";
import { RawPeer, frame } from "../support.ts";

const MEBIBYTE = 2 ** 20;
const SIZE = 16 * MEBIBYTE;
/** Enough to count what is searched, which takes long. */
const SMALL = MEBIBYTE / 4;

function filled(unit: string, size: number): Buffer {
  return Buffer.alloc(Math.floor(size / unit.length) * unit.length, unit);
}

function quoted(content: Buffer): Buffer {
  return Buffer.concat([Buffer.from('"'), content, Buffer.from('"')]);
}

/** How many bytes native code looks at; ends where they are far more than there are. */
function searchedBytes(payload: Buffer): number {
  const indexOf = Buffer.prototype.indexOf;
  let searched = 0;
  const spy = vi.spyOn(Buffer.prototype, "indexOf").mockImplementation(function mock(this: Buffer, ...args: unknown[]) {
    const [byte, start] = args as [number, number];
    const found = indexOf.call(this, byte, start);
    searched += (found < 0 ? this.length : found + 1) - start;
    if (searched > 10 * payload.length) throw new Error("searched again and again");
    return found;
  });
  try {
    checkJson(payload, 0, payload.length, 1000, Infinity);
  } finally {
    spy.mockRestore();
  }
  return searched;
}

describe("T9: JSON that is all backslashes, quotes or escapes", () => {
  const long = "x".repeat(60);
  const payloads: readonly (readonly [string, Buffer])[] = [
    ["backslashes in one text", quoted(filled("\\\\", SMALL))],
    ["backslashes in one text that never ends", quoted(filled("\\", SMALL)).subarray(0, -1)],
    ["quotes in one text", quoted(filled('\\"', SMALL))],
    ["escapes in one text", quoted(filled("\\u0022", SMALL))],
    ["quotes and nothing else", filled('"', SMALL)],
    ["backslashes and nothing else", filled("\\", SMALL)],
    ["long texts, and no backslash", filled(`"${long}",`, SMALL)],
    ["long texts, and one backslash at the end", Buffer.concat([filled(`"${long}",`, SMALL), Buffer.from("\\")])],
    ["long texts with a quote in each", filled(`"${long}\\"",`, SMALL)],
    ["long texts of backslashes", filled(`"${"\\\\".repeat(30)}",`, SMALL)],
    [
      "backslashes, and one quote at the end",
      Buffer.concat([Buffer.from('"'), filled("\\n", SMALL), Buffer.from('"')]),
    ],
    ["one text of no backslash", quoted(filled("x", SMALL))],
  ];

  it.each(payloads)("are searched about once for each of two bytes: %s", (_what, payload) => {
    expect(searchedBytes(payload)).toBeLessThanOrEqual(2.1 * payload.length);
  });

  it("16 MiB of them take a time like that of any other message, and are right", () => {
    const codec = new JsonCodec();
    for (const [unit, char] of [
      ["\\\\", "\\"],
      ['\\"', '"'],
      ["\\u0022", '"'],
    ] as const) {
      const payload = quoted(filled(unit, SIZE));
      const start = performance.now();
      const text = codec.decode(payload) as string;
      expect(performance.now() - start).toBeLessThan(8000);
      expect(text === char.repeat((payload.length - 2) / unit.length)).toBe(true);
    }
  });

  it("don't make a message look at the ones behind it in the same memory", () => {
    const message = Buffer.from(`[0,1,"${long}"]`);
    const chunk = Buffer.concat(Array.from<Buffer>({ length: 700 }).fill(frame(message)));
    const indexOf = vi.spyOn(Buffer.prototype, "indexOf");
    checkJson(chunk, 4, 4 + message.length, 64, Infinity);
    expect(indexOf.mock.contexts.length).toBeGreaterThan(0);
    for (const searched of indexOf.mock.contexts)
      expect((searched as Buffer).length).toBeLessThan(4 + message.length + 1);
  });

  it("are answered, and calls behind them, too", async () => {
    await using server = await serveChannels("tcp://127.0.0.1:0", async (channel) => {
      for await (const request of channel) await request.reply((request.content as string).length);
    });
    const peer = await RawPeer.connect(server.address);
    const content = filled('\\"\\\\', SIZE - 100);
    peer.send(Buffer.concat([Buffer.from('[0,1,"'), content, Buffer.from('"]')]));
    peer.send(Buffer.concat([Buffer.from('[0,2,"'), content.subarray(1), Buffer.from('"]')]));
    peer.send('[0,3,"abc"]');
    const texts = await peer.texts(3);
    expect(texts[0]).toBe(`[1,1,${content.length / 2}]`);
    expect(texts[1]).toMatch(/^\[2,2,"/);
    expect(texts[2]).toBe("[1,3,3]");
    peer.socket.destroy();
  });
});
