import { describe, expect, it } from "vitest";
import { BloscReader } from "../src/blosc-reader.ts";
import { packBlosc } from "../src/blosc-segments.ts";
import { BloscWriter } from "../src/blosc-writer.ts";
import { MsgPackBloscCodec } from "../src/msgpack-blosc-codec.ts";
import { pythonWith, runPython } from "./python.ts";
import { expectSame } from "./support.ts";

const python = pythonWith("blosc", "msgpack");
const missing = "missing" in python ? python.missing : undefined;
if (missing !== undefined) process.emitWarning(`left out: ${missing}`);

function run(mode: string, input: readonly string[] = []): string[] {
  const { command } = python as { command: string };
  return runPython(command, "blosc_containers.py", [mode], input.map((line) => `${line}\n`).join(""))
    .trim()
    .split("\n");
}

function readWhole(container: Buffer): Buffer {
  const reader = new BloscReader(container, 0, container.length, 1_000_000);
  while (reader.step(1));
  return reader.take();
}

describe.skipIf(missing !== undefined)(`python-blosc${missing === undefined ? "" : ` (${missing})`}`, () => {
  it("writes nothing that isn't read: each compressor, filter, type size", () => {
    const [first, ...lines] = run("all");
    const values = JSON.parse(first!) as Record<string, string>;
    expect(lines.length).toBeGreaterThan(2000);
    for (const line of lines) {
      const { form, value, container } = JSON.parse(line) as Record<"form" | "value" | "container", string>;
      const found = readWhole(Buffer.from(container, "base64"));
      if (!found.equals(Buffer.from(values[value]!, "base64"))) expect.fail(form);
    }
  });

  it("reads what is written, with each type size", async () => {
    const numbers = Float64Array.from({ length: 100_000 }, (_, index) => Math.sqrt(index));
    const plain = new Uint8Array(numbers.buffer);
    const odd = plain.subarray(0, 399_997);
    const containers: Buffer[] = [];
    const values: Uint8Array[] = [];
    for (const value of [plain, odd, new Uint8Array(300_000), plain.subarray(0, 16)]) {
      for (const itemBytes of [1, 2, 3, 4, 8, 16, 17, 255]) {
        const writer = new BloscWriter(value, itemBytes);
        while (writer.step(1));
        containers.push(writer.take());
        values.push(value);
      }
    }
    containers.push((await packBlosc(plain, 8))!);
    values.push(plain);
    const read = run(
      "read",
      containers.map((container) => container.toString("base64")),
    );
    expect(read).toHaveLength(values.length);
    for (const [index, value] of values.entries())
      expect(Buffer.from(read[index]!, "base64").equals(value), `container ${index}`).toBe(true);
  });

  it("and MsgPack with it read messages, small, medium and large, and write such that are read", async () => {
    const codec = new MsgPackBloscCodec();
    const messages = [
      [0, 0, "ohai"],
      [1, 7, { text: "again and again, ".repeat(500), list: Array.from({ length: 300 }, (_, index) => index / 4) }],
      [1, 8, Array.from({ length: 30_000 }, (_, index) => ({ index, name: `user ${index % 977}` }))],
    ];
    const packed: string[] = [];
    for (const message of messages) packed.push(Buffer.from(await codec.encode(message)).toString("base64"));
    const answers = run("messages", packed).map((line) => JSON.parse(line) as [unknown, string]);
    expect(answers).toHaveLength(messages.length);
    for (const [index, [value, container]] of answers.entries()) {
      expectSame(value, messages[index]);
      expectSame(await codec.decode(Buffer.from(container, "base64")), messages[index]);
    }
  });
});
