import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { JsonCodec, MsgPackCodec, NdArray, connectChannel, ndarraySerializer, readNpy, writeNpy } from "@colloquy/core";
import type { Channel } from "@colloquy/core";
import { Service, connect, expose, serve } from "@colloquy/rpc";
import type { Connection, Server } from "@colloquy/rpc";
import { PythonPeer } from "./driver.ts";
import { pythonWith } from "./pythons.ts";

const { python, missing } = pythonWith("numpy");
if (missing !== undefined) process.emitWarning(missing);

const run = promisify(execFile);
const files = fileURLToPath(new URL("npy_files.py", import.meta.url));

/** A line of `npy_files.py`. */
interface Line {
  readonly file: string;
  readonly dtype: string;
  readonly shape: number[];
  readonly fortran: boolean;
  readonly hex: string;
  readonly same?: boolean;
}

async function lines(command: "write" | "check", folder: string): Promise<Line[]> {
  const { stdout } = await run(python, ["-B", files, command, folder], { timeout: 60_000, maxBuffer: 2 ** 26 });
  const all = stdout.trimEnd().split("\n");
  return all.map((line) => JSON.parse(line) as Line);
}

function hexOf(array: NdArray): string {
  return Buffer.from(array.bytes).toString("hex");
}

describe.skipIf(missing !== undefined)(".npy files", () => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "colloquy-npy-"));
  });

  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  test("of NumPy are read, of all dtypes and orders, and written as the same bytes", async () => {
    const written = await lines("write", folder);
    expect(written.length).toBeGreaterThan(150);
    for (const { file, dtype, shape, fortran, hex } of written) {
      const bytes = readFileSync(join(folder, file));
      const array = readNpy(bytes);
      expect(array, file).toMatchObject({ dtype, shape, order: fortran ? "F" : "C" });
      expect(hexOf(array), file).toBe(hex);
      expect(Buffer.from(writeNpy(array)).equals(bytes), file).toBe(true);
    }
    const [doubles, halves] = ["doubles.npy", "halves.npy"].map((file) => readNpy(readFileSync(join(folder, file))));
    expect(hexOf(NdArray.from(doubles!.toNested(), "float16"))).toBe(hexOf(halves!));
  });

  test("are read by NumPy, whatever views they are of", async () => {
    const target = mkdtempSync(join(folder, "ours-"));
    const cube = NdArray.from(
      Array.from({ length: 2 }, (_, i) => [0, 1, 2].map((j) => [0, 1, 2, 3].map((k) => 100 * i + 10 * j + k))),
      ">i2",
    );
    const views = {
      all: cube,
      turned: cube.transpose(),
      mixed: cube.transpose([1, 0, 2]),
      back: cube.slice([null, null, -1], 1, [0, 4, 3]),
      flat: cube.reshape([-1]),
      one: cube.slice(1, 2, 3),
      none: cube.slice([2]),
    };
    for (const [name, array] of Object.entries(views)) writeFileSync(join(target, `${name}.npy`), writeNpy(array));
    const found = await lines("check", target);
    expect(found).toHaveLength(7);
    for (const { file, dtype, shape, hex, same } of found) {
      const array = views[file.replace(".npy", "") as keyof typeof views];
      expect({ dtype, shape, hex, same }, file).toEqual({
        dtype: ">i2",
        shape: array.shape,
        hex: hexOf(array),
        same: true,
      });
    }
    expect(found.find(({ file }) => file === "back.npy")?.hex).toBe("006e0071000a000d");
  });
});

/** What a Python client calls. */
class Arrays extends Service {
  @expose echo(x: unknown): unknown {
    return x;
  }
  @expose turn(x: NdArray): NdArray {
    return x.transpose();
  }
  @expose every(x: NdArray, step: number): NdArray {
    return x.slice([null, null, step]);
  }
  @expose sum(x: NdArray): number {
    return [...x.toTypedArray()].reduce<number>((sum, value) => sum + Number(value), 0);
  }
}

function form(array: NdArray, order: "C" | "F" = "C"): unknown {
  return { $ndarray: { dtype: array.dtype, shape: array.shape, hex: hexOf(array), order } };
}

const SAMPLES = ["|b1", "|i1", "<u2", ">i4", "<i8", ">u8", "<f2", ">f4", "<f8", "<c8", ">c16"].map((dtype) => {
  const zeros = NdArray.zeros([3, 2], dtype);
  zeros.data.forEach((_, index) => (zeros.data[index] = dtype === "|b1" ? index % 2 : index + 1));
  return zeros;
});
const LARGE = new NdArray(
  Float64Array.from({ length: 20_000 }, (_, index) => index / 4),
  { shape: [100, 200] },
);

describe.skipIf(missing !== undefined)("a Python client with NumPy", () => {
  let server: Server;
  let peer: PythonPeer;

  beforeAll(async () => {
    const options = { codec: MsgPackCodec, extraSerializers: [ndarraySerializer] };
    server = await serve("tcp://127.0.0.1:0", new Arrays(), options);
    const { address } = server;
    peer = await PythonPeer.start({
      mode: "client",
      codec: "msgpack",
      address,
      extra: ["ndarray"],
      python,
      script: "numpy_drive.py",
    });
  });

  afterAll(async () => {
    await peer.close();
    await server.close({ graceMs: 0 });
  });

  test("gets its arrays back, of all dtypes and in both orders", async () => {
    for (const array of [...SAMPLES, NdArray.zeros([0, 3]), NdArray.zeros([]), LARGE]) {
      const plain = { $ndarray: { dtype: array.dtype, shape: array.shape, hex: hexOf(array) } };
      expect(await peer.remote("echo", form(array)), array.dtype).toEqual(plain);
      expect(await peer.remote("echo", [form(array, "F")]), array.dtype).toEqual([plain]);
    }
  });

  test("gets views of ours as arrays of its own", async () => {
    for (const array of SAMPLES) {
      const turned = array.transpose();
      expect(await peer.remote("turn", form(array))).toMatchObject({ $ndarray: { shape: [2, 3], hex: hexOf(turned) } });
      const back = array.slice([null, null, -2]);
      expect(await peer.remote("every", form(array), -2)).toMatchObject({
        $ndarray: { shape: [2, 2], hex: hexOf(back) },
      });
    }
    expect(await peer.remote("sum", form(LARGE))).toBe((20_000 * 19_999) / 8);
  });

  test("is refused arrays of other types, and only that call fails", async () => {
    const text = { $ndarray: { dtype: "<U1", shape: [1], hex: "61000000" } };
    const { exception } = await peer.call({ op: "call", path: "echo", args: [text] });
    expect(exception?.text).toContain("arrays of text aren't supported");
    expect(await peer.remote("sum", form(NdArray.from([1, 2])))).toBe(3);
  });
});

describe.skipIf(missing !== undefined)("a Python server with NumPy", () => {
  let peer: PythonPeer;

  beforeAll(async () => {
    peer = await PythonPeer.start({
      mode: "server",
      codec: "msgpack",
      extra: ["ndarray"],
      python,
      script: "numpy_drive.py",
    });
  });

  afterAll(async () => {
    await peer.close();
  });

  test("computes with our arrays", async () => {
    const connection: Connection<any> = await connect<any>(peer.address, {
      codec: MsgPackCodec,
      extraSerializers: [ndarraySerializer],
    });
    try {
      for (const array of SAMPLES) {
        expect(await connection.remote.echo(array)).toEqual(array);
        const part = array.transpose().slice(null, [null, null, -1]);
        expect(await connection.remote.echo(part)).toEqual(part.contiguous());
      }
      const doubled = (await connection.remote.client.double(LARGE)) as NdArray;
      expect(doubled.shape).toEqual([100, 200]);
      expect(doubled.get(99, 199)).toBe(19_999 / 2);
      const sum = await connection.remote.add(NdArray.from([[1], [2]]), NdArray.from([10, 20, 30], "float32"));
      expect((sum as NdArray).toNested()).toEqual([
        [11, 21, 31],
        [12, 22, 32],
      ]);
    } finally {
      connection.destroy();
    }
  });

  test("takes arrays from a channel, which asks for hello in vain where they are large", async () => {
    const channel: Channel = await connectChannel(peer.address, {
      codec: MsgPackCodec,
      extraSerializers: [ndarraySerializer],
    });
    try {
      expect(await channel.send(["echo", [LARGE], {}])).toEqual(LARGE);
      expect(await channel.send(["client/double", [NdArray.from([1, 2])], {}])).toEqual(NdArray.from([2, 4]));
    } finally {
      channel.destroy();
    }
  });

  test("with JSON there is an error that says what carries them", async () => {
    await using other = await PythonPeer.start({
      mode: "server",
      codec: "json",
      extra: ["ndarray"],
      python,
      script: "numpy_drive.py",
    });
    const connection: Connection<any> = await connect<any>(other.address, {
      codec: JsonCodec,
      extraSerializers: [ndarraySerializer],
    });
    try {
      await expect(connection.remote.echo(NdArray.zeros([2]))).rejects.toMatchObject({
        code: "SERIALIZATION_ERROR",
        executed: "no",
      });
      await expect(connection.remote.echo(NdArray.zeros([2]))).rejects.toThrow(
        "JSON has no bytes; MsgPackCodec carries them",
      );
      expect(await connection.remote.add(1, 2)).toBe(3);
    } finally {
      connection.destroy();
    }
  });
});
