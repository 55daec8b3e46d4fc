import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { JsonCodec } from "../../src/json-codec.ts";
import { MsgPackCodec } from "../../src/msgpack-codec.ts";
import { bytes, expectSame, frame, payloads, thrownBy } from "../support.ts";
import { value } from "./styles.ts";

const script = fileURLToPath(new URL("echo.py", import.meta.url));
const COUNT = 400;

interface Python {
  readonly program: string;
  readonly msgpack: number[] | null;
  readonly numpy: string | null;
}

/** The first Python that has msgpack, or else the first. */
function findPython(): Python | undefined {
  const programs = [process.env["COLLOQUY_PYTHON"], "python3", "/usr/bin/python3"];
  const found = programs.flatMap((program): Python[] => {
    if (program === undefined || program === "") return [];
    const { status, stdout } = spawnSync(program, [script, "versions"], { encoding: "utf8", timeout: 20_000 });
    return status === 0 ? [{ program, ...(JSON.parse(stdout) as Omit<Python, "program">) }] : [];
  });
  return found.find(({ msgpack }) => msgpack !== null) ?? found[0];
}

const python = findPython();

function missing(what: "json" | "msgpack" | "numpy"): boolean {
  const reason =
    python === undefined
      ? "no python3"
      : what !== "json" && python.msgpack === null
        ? `${python.program} has no msgpack`
        : what === "numpy" && python.numpy === null
          ? `${python.program} has no numpy`
          : undefined;
  if (reason !== undefined) process.stdout.write(`${reason}: tests of ${what} against Python are skipped\n`);
  return reason !== undefined;
}

function run(way: string, input: Buffer): Buffer {
  const { status, stdout, stderr } = spawnSync(python!.program, [script, way], {
    input,
    timeout: 50_000,
    maxBuffer: 2 ** 28,
  });
  if (status !== 0) throw new Error(`Python failed: ${stderr.toString()}`);
  return stdout;
}

/** What comes back for each payload. */
function throughPython(way: string, given: readonly Uint8Array[]): Buffer[] {
  const answers = payloads(run(way, Buffer.concat(given.map((payload) => frame(payload)))));
  expect(answers).toHaveLength(given.length);
  return answers.map((answer) => {
    if (answer[0] !== 1) throw new Error(`Python refuses a payload: ${answer.subarray(1).toString()}`);
    return answer.subarray(1);
  });
}

function samples<T>(arbitrary: fc.Arbitrary<T>): T[] {
  const seed = Math.trunc(Math.random() * 2 ** 31);
  process.stdout.write(`values of seed ${seed} go through Python\n`);
  return fc.sample(arbitrary, { numRuns: COUNT, seed });
}

describe.skipIf(missing("json"))("values that go through Python's json", () => {
  it("come back as they were", () => {
    const codec = new JsonCodec();
    const given = samples(value);
    const answers = throughPython(
      "json",
      given.map((item) => codec.encode(item)),
    );
    for (const [index, answer] of answers.entries()) expectSame(codec.decode(answer), given[index]);
  });
});

describe.skipIf(missing("msgpack"))("values that go through Python's msgpack", () => {
  it("come back as they were, bytes as bytes and text as text", () => {
    const codec = new MsgPackCodec();
    const given = samples(fc.tuple(value, fc.uint8Array({ maxLength: 300 })));
    const answers = throughPython(
      "msgpack",
      given.map((item) => codec.encode(item)),
    );
    for (const [index, answer] of answers.entries()) expectSame(codec.decode(answer), given[index]);
  });

  it("are read in what it writes, or refused with the reason", () => {
    const codec = new MsgPackCodec();
    const made = JSON.parse(run("made", Buffer.alloc(0)).toString()) as Record<string, string>;
    const outcomes = Object.entries(made).map(([name, payload]) => {
      try {
        return [name, codec.decode(bytes(payload))];
      } catch (error) {
        expect(error).toMatchObject({ code: "SERIALIZATION_ERROR" });
        return [name, (error as Error).message];
      }
    });
    expect(Object.fromEntries(outcomes)).toStrictEqual({
      "a tuple": [1, "a"],
      float32: [1.5, -0.25],
      bytes: new Uint8Array([0, 255]),
      "bytes as raw, which are text": "abc",
      "bytes as raw, which aren't": "text is not UTF-8",
      "integers of 64 bits": [2n ** 64n - 1n, -(2n ** 63n)],
      "integers as keys": "a key of a map is no string",
      "an extension": "MsgPack byte 0xd4: extension types are not part of the protocol",
      "a timestamp": "MsgPack byte 0xd6: extension types are not part of the protocol",
    });
    expect(thrownBy(() => codec.decode(bytes("c1")))).toMatchObject({ code: "SERIALIZATION_ERROR" });
  });
});

describe.skipIf(missing("numpy"))("bytes that numpy reads", () => {
  it("are the numbers that they were made of, both ways", () => {
    const codec = new MsgPackCodec();
    const numbers = Float64Array.from({ length: 10_000 }, (_, index) => Math.sin(index) * 1e6);
    const [answer] = throughPython("numpy", [codec.encode(new Uint8Array(numbers.buffer))]);
    const doubled = codec.decode(answer!) as Uint8Array<ArrayBuffer>;
    expect(new Float64Array(doubled.buffer)).toStrictEqual(numbers.map((number) => 2 * number));
  });
});
