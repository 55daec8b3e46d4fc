import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Channel } from "../../src/channel.ts";
import { connectChannel } from "../../src/connect-channel.ts";
import { ColloquyError } from "../../src/errors.ts";
import { LocalNetwork } from "../../src/local-transport.ts";
import { MsgPackCodec } from "../../src/msgpack-codec.ts";
import { NdArray } from "../../src/ndarray.ts";
import { ndarraySerializer } from "../../src/ndarray-serializer.ts";
import { parseNpyHeader } from "../../src/npy-header.ts";
import { readNpy, writeNpy } from "../../src/npy.ts";
import { serveChannels } from "../../src/serve-channels.ts";
import { builtins, decodeMessage, encodeMessage, greeted, rejectionOf, thrownBy } from "../support.ts";

/** Memory that is taken while an action runs: far above noise if it follows the shape. */
function grownBytes(action: () => void): number {
  const before = process.memoryUsage();
  action();
  const after = process.memoryUsage();
  return after.heapUsed + after.external - (before.heapUsed + before.external);
}

/** What a peer makes of values: any data for the id of arrays. */
function lie(typeId: number, data: unknown): Buffer {
  const peer = new MsgPackCodec();
  peer.setBuiltins(builtins(() => ({ typeId, data })));
  return encodeMessage(peer, 1, 7, undefined);
}

function receiver(): MsgPackCodec {
  return greeted(new MsgPackCodec([ndarraySerializer]));
}

const SHAPES = [
  [2 ** 31],
  [2 ** 53],
  [2 ** 53 - 1, 0],
  [2 ** 30, 2 ** 30, 0],
  [0, 2 ** 53 - 1, 2],
  [1e308, 1e308],
  [-1, -1],
  [-0.5],
  [Number.NaN],
  [Infinity, 0],
  Array.from({ length: 33 }, () => 1),
  Array.from({ length: 100_000 }, () => 1),
  Array.from({ length: 32 }, () => 2 ** 52),
  [[[]]],
  [{ length: 1 }],
  ["8"],
  [null],
  [true],
];

describe("T8: arrays whose shape is far from their bytes", () => {
  it.each([-13, 0])("fail their message and take no memory, type %i", (typeId) => {
    const codec = receiver();
    for (const shape of SHAPES) {
      const data =
        typeId < 0 ? ["|u1", shape, "C", new Uint8Array(8)] : { type: "|u1", shape, data: new Uint8Array(8) };
      const payload = lie(typeId, data);
      let found: unknown;
      expect(grownBytes(() => (found = decodeMessage(codec, payload)))).toBeLessThan(10_000_000);
      expect(found, JSON.stringify(shape).slice(0, 100)).toMatchObject({
        id: 7,
        error: { code: "SERIALIZATION_ERROR" },
      });
      expect((found as { error: Error }).error.message.length).toBeLessThan(1_000);
    }
  });

  it("without elements are there at once, and take no more when they are looked at", () => {
    const message = decodeMessage(receiver(), lie(-13, ["<f8", [2 ** 40, 0, 50], "C", new Uint8Array()]));
    const array = message.content as NdArray;
    const grown = grownBytes(() => {
      expect([...array.values()]).toEqual([]);
      expect(array.transpose().toTypedArray().length).toBe(0);
      expect(array.reshape([0]).slice([1, 5]).bytes.length).toBe(0);
      expect(thrownBy(() => array.toNested())).toMatchObject({ code: "INVALID_ARGUMENT" });
      expect(writeNpy(array).length).toBe(128);
    });
    expect(grown).toBeLessThan(10_000_000);
  });

  it("many small ones are bounded by the decoded cost", () => {
    const codec = receiver();
    codec.limits = { ...codec.limits, maxDecodedCost: 100_000 };
    const peer = new MsgPackCodec();
    peer.setBuiltins(builtins(() => ({ typeId: -13, data: ["|u1", [], "C", new Uint8Array(1)] })));
    const payload = encodeMessage(
      peer,
      1,
      7,
      Array.from({ length: 200 }, () => undefined),
    );
    const { error } = decodeMessage(codec, payload);
    expect(error?.message).toContain("maxDecodedCost");
  });

  it("the connection goes on behind them", async () => {
    const options = { codec: MsgPackCodec, network: new LocalNetwork() };
    const echo = async (channel: Channel): Promise<void> => {
      for await (const request of channel) await request.reply(request.content);
    };
    const server = await serveChannels("local://arrays", (channel) => void echo(channel), options);
    const channel = await connectChannel(server.address, options);
    try {
      expect(await channel.send(NdArray.zeros([2]))).toEqual(NdArray.zeros([2]));
      // As if it were one of this version, it says what it isn't.
      const array = NdArray.zeros([2]);
      Object.defineProperty(array, "shape", { value: [3] });
      expect(await rejectionOf(channel.send(array))).toMatchObject({ code: "SERIALIZATION_ERROR" });
      expect(await channel.send([NdArray.zeros([3])])).toEqual([NdArray.zeros([3])]);
    } finally {
      channel.destroy();
      await server.close({ graceMs: 1 });
    }
  });
});

describe("T8: .npy files", () => {
  function fileOf(header: string | Buffer, version = 1, length?: number): Buffer {
    const head = Buffer.from(header as string, "latin1");
    const start = Buffer.alloc(version === 1 ? 10 : 12);
    start.write("\x93NUMPY", "latin1");
    start[6] = version;
    if (version === 1) start.writeUInt16LE(length ?? head.length, 8);
    else start.writeUInt32LE(length ?? head.length, 8);
    return Buffer.concat([start, head]);
  }

  const headers = [
    "",
    "{",
    "}",
    "{}",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (1,)",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (1)}",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (,)}",
    "{'descr': '|u1', 'fortran_order': False, 'shape': [0]}",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (-1,)}",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (1e3,)}",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (0x10,)}",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999,)}",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (9007199254740993, 0)}",
    "{'descr': '|u1', 'fortran_order': 0, 'shape': (0,)}",
    "{'descr': '|u1', 'fortran_order': Falsehood, 'shape': (0,)}",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (0,), 'more': 1}",
    "{'descr': '|u1', 'descr': '<f8', 'fortran_order': False, 'shape': (0,)}",
    "{'descr': '|u1', 'fortran_order': False}",
    "{'descr': '|u1' 'fortran_order': False, 'shape': (0,)}",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (0,)} {}",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (0,)}; import os",
    "{'descr': __import__('os').system('true'), 'fortran_order': False, 'shape': (0,)}",
    "{'descr': '\\x7cu1', 'fortran_order': False, 'shape': (0,)}",
    "{'descr': ('|u1', (2,)), 'fortran_order': False, 'shape': (0,)}",
    "{'__proto__': '|u1', 'fortran_order': False, 'shape': (0,)}",
    "('|u1', False, (0,))",
    "\0".repeat(100),
  ];

  it.each(headers)("with the header %j are refused", (header) => {
    expect(thrownBy(() => readNpy(fileOf(header)))).toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  it.each([
    ["opening brackets", "{".repeat(65_000)],
    ["a tuple that goes on", `{'shape': (${"1,".repeat(32_000)}`],
    ["a text that has no end", `{'${"a".repeat(65_000)}`],
    ["white space", `{${" ".repeat(65_000)}x`],
    ["white space between tokens", `{'shape': (${"1 ,       ".repeat(6_500)}x`],
    ["digits", `{'shape': (${"1".repeat(65_000)},)}`],
  ])("of %s are refused in one pass", (_what, header) => {
    const error = thrownBy(() => readNpy(fileOf(header)));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(error.message.length).toBeLessThan(1_000);
  });

  it("that declare a header of gigabytes are refused", () => {
    for (const length of [0xffff_ffff, 0x7fff_ffff, 65_537]) {
      const error = thrownBy(() => readNpy(fileOf("{}", 2, length)));
      expect(error).toMatchObject({ code: "INVALID_ARGUMENT" });
      expect(error.message).toContain(`header of ${length} bytes`);
    }
  });

  it("with anything in them are read or refused", () => {
    const file = Buffer.from(writeNpy(NdArray.from([[1, 2, 3]], "int16").transpose()));
    const changes = fc.array(fc.tuple(fc.nat(file.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(changes, (list) => {
        const changed = Buffer.from(file);
        for (const [place, byte] of list) changed[place] = byte;
        try {
          expect(readNpy(changed).byteLength).toBe(6);
        } catch (error) {
          expect(error).toBeInstanceOf(ColloquyError);
        }
      }),
      { numRuns: 3_000 },
    );
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(..."{}()[]',:0123 TrueFalsedescrshape\"\n\\".split("")) }),
        (text) => {
          expect(thrownBy(() => parseNpyHeader(text))).toMatchObject({ code: "INVALID_ARGUMENT" });
        },
      ),
      { numRuns: 3_000 },
    );
  });
});
