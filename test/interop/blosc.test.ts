import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";
import { MsgPackBloscCodec } from "@colloquy/core";
import { Service, connect, expose, serve } from "@colloquy/rpc";
import { describe, expect, test } from "vitest";
import { PythonPeer } from "./driver.ts";
import { pythonWith } from "./pythons.ts";

const { python, missing } = pythonWith("blosc", "msgpack");
if (missing !== undefined) process.emitWarning(missing);

const { packer } = new MsgPackBloscCodec();

/** What `blosc_containers.py` prints, line by line. */
function run(mode: string, input: readonly string[] = []): string[] {
  const script = fileURLToPath(new URL("blosc_containers.py", import.meta.url));
  const { status, stdout, stderr } = spawnSync(python, ["-B", script, mode], {
    input: input.map((line) => `${line}\n`).join(""),
    encoding: "utf8",
    timeout: 50_000,
    maxBuffer: 256 * 1024 * 1024,
  });
  if (status !== 0) throw new Error(`blosc_containers.py ${mode} failed: ${stderr}`);
  return stdout.trim().split("\n");
}

describe.skipIf(missing !== undefined)("python-blosc", () => {
  test("writes nothing that isn't read: each compressor, filter, type size", async () => {
    const [first, ...lines] = run("all");
    const values = new Map(
      Object.entries(JSON.parse(first!) as Record<string, string>).map(([name, text]) => [
        name,
        Buffer.from(text, "base64"),
      ]),
    );
    expect(lines.length).toBeGreaterThan(2000);
    for (const line of lines) {
      const { form, value, container } = JSON.parse(line) as Record<"form" | "value" | "container", string>;
      const wanted = values.get(value)!;
      const found = await packer.unpackSegment(Buffer.from(container, "base64"), wanted.length);
      if (!found.equals(wanted)) expect.fail(form);
    }
  });

  test("reads what is written, with each type size", async () => {
    const steps = Uint32Array.from({ length: 100_000 }, (_, index) => index >> 4);
    const plain = new Uint8Array(steps.buffer);
    const [containers, values]: [string[], Uint8Array[]] = [[], []];
    for (const bytes of [plain, plain.subarray(0, 399_997), new Uint8Array(300_000), plain.subarray(0, 64)]) {
      for (const itemBytes of [1, 2, 4, 8, 16, 17, 20, 255]) {
        const packed = await packer.packSegment({ bytes, itemBytes });
        if (packed === undefined) continue;
        containers.push(Buffer.from(packed).toString("base64"));
        values.push(bytes);
      }
    }
    expect(values.length).toBeGreaterThan(20);
    const read = run("read", containers);
    for (const [index, value] of values.entries())
      expect(Buffer.from(read[index]!, "base64").equals(value), `container ${index}`).toBe(true);
  });

  test("and MsgPack with it read messages, small, medium and large, and write such that are read", async () => {
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
      expect(isDeepStrictEqual(value, messages[index])).toBe(true);
      const back = await codec.decode(Buffer.from(container, "base64"));
      expect(isDeepStrictEqual(back, messages[index])).toBe(true);
    }
  });
});

class Desk extends Service {
  @expose add(a: number, b: number): number {
    return a + b;
  }
  @expose echo(value: unknown): unknown {
    return value;
  }
}

describe.skipIf(missing !== undefined)("a Python peer that speaks MsgPack in Blosc", () => {
  const options = { python, script: "blosc_drive.py", codec: "msgpack-blosc" } as const;
  const text = "again and again, ".repeat(2000);
  const rows = Array.from({ length: 5000 }, (_, index) => ({ index, name: `user ${index % 97}` }));

  test("is called, with small, medium and large values", async () => {
    await using peer = await PythonPeer.start({ ...options, mode: "server" });
    await using connection = await connect<Desk>(peer.address, { codec: MsgPackBloscCodec });
    const { remote } = connection;
    expect(await remote.add(3, 4)).toBe(7);
    for (const value of [text, rows, new Uint8Array(5000)]) expect(await remote.echo(value)).toEqual(value);
  });

  test.each([
    ["that codec", MsgPackBloscCodec],
    ["any codec", "auto"],
  ] as const)("calls a server that takes %s", async (_what, codec) => {
    await using server = await serve("tcp://127.0.0.1:0", new Desk(), { codec });
    await using peer = await PythonPeer.start({
      ...options,
      mode: "client",
      address: server.address,
    });
    expect(await peer.remote("add", 3, 4)).toBe(7);
    for (const value of [text, rows]) expect(await peer.remote("echo", value)).toEqual(value);
  });
});
