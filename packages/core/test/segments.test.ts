import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decode, encode } from "@msgpack/msgpack";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Channel } from "../src/channel.ts";
import { Codec } from "../src/codec.ts";
import { connectChannel } from "../src/connect-channel.ts";
import type { ConnectChannelOptions } from "../src/connect-channel.ts";
import { JsonCodec } from "../src/json-codec.ts";
import { LocalNetwork } from "../src/local-transport.ts";
import { MsgPackCodec } from "../src/msgpack-codec.ts";
import { HelloWanted, LEAST_SEGMENT_BYTES, Segments } from "../src/segments.ts";
import { serveChannels } from "../src/serve-channels.ts";
import type { ServeChannelsOptions } from "../src/serve-channels.ts";
import type { SerializerFactory } from "../src/serializers.ts";
import { StructuredCloneCodec } from "../src/structured-clone-codec.ts";
import { makeAuthority } from "./certificates.ts";
import { resizable, striped } from "./segment-support.ts";
import { expectSame, rejectionOf, thrownBy, until } from "./support.ts";

const MEBIBYTE = 1_048_576;
const WINDOW = 16 * MEBIBYTE;

describe("Segments", () => {
  const large = new Uint8Array(LEAST_SEGMENT_BYTES);

  function encoding(support: "none" | "segments" | "unknown" = "segments"): Segments {
    const segments = new Segments();
    segments.support = support;
    segments.begin();
    return segments;
  }

  it("number the large values of a message, and hand them out once", () => {
    const segments = encoding();
    const other = new Uint8Array(LEAST_SEGMENT_BYTES + 1);
    expect([segments.add(large, 1), segments.add(other, 8)]).toStrictEqual([0, 1]);
    expect(segments.take()).toStrictEqual([
      { bytes: large, itemBytes: 1 },
      { bytes: other, itemBytes: 8 },
    ]);
    expect(segments.take()).toStrictEqual([]);
    segments.begin();
    expect(segments.add(other, 1)).toBe(0);
  });

  it("leave in the message what is small, and all where the peer takes none", () => {
    expect(encoding().add(large.subarray(1), 1)).toBeUndefined();
    expect(encoding("none").add(large, 1)).toBeUndefined();
  });

  it("say what they would take", () => {
    const segments = encoding();
    expect([segments.takes(LEAST_SEGMENT_BYTES), segments.takes(LEAST_SEGMENT_BYTES - 1)]).toStrictEqual([true, false]);
    expect(encoding("unknown").takes(LEAST_SEGMENT_BYTES)).toBe(true);
    expect(encoding("none").takes(LEAST_SEGMENT_BYTES)).toBe(false);
    segments.take();
    expect(segments.takes(LEAST_SEGMENT_BYTES)).toBe(false);
  });

  it("want hello where it isn't known what the peer takes", () => {
    expect(encoding("unknown").add(large.subarray(1), 1)).toBeUndefined();
    expect(thrownBy(() => encoding("unknown").add(large, 1))).toBeInstanceOf(HelloWanted);
  });

  it("take 1,024 in a message; more stay in it", () => {
    const segments = encoding();
    for (let count = 0; count < 1024; count++) expect(segments.add(large, 1)).toBe(count);
    expect(segments.add(large, 1)).toBeUndefined();
    expect(segments.take()).toHaveLength(1024);
  });

  it("take nothing of what is encoded for somebody else", () => {
    const segments = new Segments();
    segments.support = "segments";
    expect(segments.add(large, 1)).toBeUndefined();
    segments.begin();
    expect(segments.apart(() => segments.add(large, 1))).toBeUndefined();
    expect(thrownBy(() => segments.apart(() => thrownBy(() => 1))).message).toBe("nothing was thrown");
    const received = Buffer.from("a");
    segments.open([received]);
    expect(thrownBy(() => segments.apart(() => segments.use(0)))).toMatchObject({ code: "SERIALIZATION_ERROR" });
    expect(segments.use(0)).toBe(received);
    expect(segments.add(large, 1)).toBe(0);
  });

  it("give the bytes of a number once", () => {
    const segments = new Segments();
    const [first, second] = [Buffer.from("a"), Buffer.from("b")];
    segments.open([first, second]);
    expect(segments.use(1)).toBe(second);
    for (const index of [1, 2, -1, 0.5, Number.NaN, "0", null, undefined, [0]]) {
      expect(thrownBy(() => segments.use(index))).toMatchObject({ code: "SERIALIZATION_ERROR" });
    }
    expect(segments.use(0)).toBe(first);
    segments.open([first]);
    segments.close();
    expect(thrownBy(() => segments.use(0)).message).toContain("didn't come with this message");
  });
});

/** A codec whose work takes a turn, both ways. */
class Slow extends Codec {
  override async encode(value: unknown): Promise<Uint8Array> {
    const plain = this.serialize(value);
    await new Promise((resolve) => setImmediate(resolve));
    return encode(plain);
  }
  override async decode(given: Uint8Array): Promise<unknown> {
    await new Promise((resolve) => setImmediate(resolve));
    return this.deserialize(decode(Uint8Array.from(given)));
  }
}

interface Link extends AsyncDisposable {
  readonly near: Channel;
  readonly far: Channel;
}

let folder: string;
let tlsOptions: { server: ServeChannelsOptions; client: ConnectChannelOptions };
let linkCount = 0;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "colloquy-"));
  const authority = await makeAuthority();
  tlsOptions = {
    server: { tls: await authority.issue("127.0.0.1") },
    client: { tls: await authority.issue("client.test") },
  };
});
afterAll(() => rmSync(folder, { recursive: true }));

type Kind = "TCP" | "ipc" | "TLS" | "local";

/** Two channels, of which the far one answers with what comes, or as `answer` says. */
async function link(
  kind: Kind,
  near: ConnectChannelOptions = {},
  far: ServeChannelsOptions = near,
  answer: ((channel: Channel) => Promise<void>) | undefined = echo,
): Promise<Link> {
  const network = new LocalNetwork();
  const address = {
    TCP: "tcp://127.0.0.1:0",
    ipc: `ipc://[${folder}/${linkCount++}]`,
    TLS: "tcp://127.0.0.1:0",
    local: "local://x",
  }[kind];
  let accept!: (channel: Channel) => void;
  const accepted = new Promise<Channel>((resolve) => (accept = resolve));
  const secure = kind === "TLS" ? tlsOptions : { server: {}, client: {} };
  const server = await serveChannels(address, accept, { network, ...secure.server, ...far });
  const channel = await connectChannel(server.address, { network, ...secure.client, ...near });
  const other = await accepted;
  void answer?.(other);
  const dispose = async (): Promise<void> => {
    channel.destroy();
    await server.close({ graceMs: 1 });
  };
  return { near: channel, far: other, [Symbol.asyncDispose]: dispose };
}

/** The two sides know each other from now on. */
async function greet({ near }: Link): Promise<void> {
  await near.send(new Date(0));
}

async function echo(channel: Channel): Promise<void> {
  for await (const request of channel) await request.reply(request.content);
}

/** Numbers whose bytes tell their place. */
function doubles(byteLength: number, seed = 0): Float64Array {
  const bytes = striped(byteLength, seed);
  return new Float64Array(bytes.buffer, bytes.byteOffset, byteLength / 8).map((value) =>
    Number.isNaN(value) ? seed : value,
  );
}

function same(found: unknown, wanted: ArrayBufferView): void {
  expect(Object.getPrototypeOf(found)).toBe(Object.getPrototypeOf(wanted));
  const bytes = (view: ArrayBufferView): Buffer => Buffer.from(view.buffer, view.byteOffset, view.byteLength);
  // Without a list of all differences.
  expect(bytes(found as ArrayBufferView).equals(bytes(wanted))).toBe(true);
}

const CODECS = { json: JsonCodec, msgpack: MsgPackCodec, slow: Slow } as const;

describe.each(["TCP", "ipc", "TLS", "local"] as const)("large values over %s", (kind) => {
  it.each(["json", "msgpack", "slow"] as const)("arrive as they were, with the codec %s", async (codec) => {
    await using pair = await link(kind, { codec: CODECS[codec] });
    for (const bytes of [
      32_760,
      32_768,
      65_536,
      100_000,
      2 * MEBIBYTE - 8,
      2 * MEBIBYTE,
      2 * MEBIBYTE + 8,
      5_000_000,
    ]) {
      const array = doubles(bytes, bytes);
      const found = (await pair.near.send(array)) as Float64Array;
      same(found, array);
      expect([found.byteOffset, found.buffer.byteLength]).toStrictEqual([0, bytes]);
    }
    const all = [
      new Uint8Array(striped(40_000)),
      new Int8Array(40_001),
      new Uint16Array(20_000).fill(0x0102),
      new Float32Array(10_000).fill(1.5),
      new BigInt64Array(5000).fill(-3n),
      striped(100_000).subarray(7, 50_008),
    ];
    const content = { all, again: [all[0], { deep: all[4] }], small: new Uint8Array([1, 2]) };
    const back = (await pair.near.send(content)) as typeof content;
    for (const [index, view] of all.entries()) {
      // A Buffer arrives as what it is a kind of.
      same(back.all[index], view instanceof Buffer ? new Uint8Array(view) : view);
    }
    same(back.again[0], all[0]!);
    expect(back.again[0]).not.toBe(back.all[0]);
    same((back.again[1] as { deep: BigInt64Array }).deep, all[4]!);
  });

  it("beyond 1,024 stay in the message", async () => {
    await using pair = await link(kind, { codec: MsgPackCodec, limits: { maxMessageBytes: 1_000_000 } });
    await greet(pair);
    const all = Array.from({ length: 1030 }, (_, index) => new Uint8Array(LEAST_SEGMENT_BYTES).fill(index));
    const found = (await pair.near.send(all)) as Uint8Array[];
    expect(found.every((bytes, index) => bytes.length === LEAST_SEGMENT_BYTES && bytes[9] === index % 256)).toBe(true);
  });

  it("and of more than a message may have take part of it", async () => {
    const limits = { maxMessageBytes: 100_000 };
    await using pair = await link(kind, { limits });
    same(await pair.near.send(doubles(3_000_000)), doubles(3_000_000));
  });

  it("come back from both ends at once, a thousand of them", async () => {
    await using pair = await link(kind, { codec: MsgPackCodec });
    void echo(pair.near);
    const calls = Array.from({ length: 1000 }, (_, index) => {
      const array = new Uint32Array(8192 + index).fill(index);
      return (index % 2 === 0 ? pair.near : pair.far).send([index, array]);
    });
    for (const [index, answer] of (await Promise.all(calls)).entries()) {
      const [number, array] = answer as [number, Uint32Array];
      expect(number).toBe(index);
      expect([array.length, array[0], array.at(-1)]).toStrictEqual([8192 + index, index, index]);
    }
    for (const channel of [pair.near, pair.far]) {
      expect(channel.stats()).toMatchObject({ pending: 0, running: 0, waiting: 0 });
    }
  });

  it("let small messages go before their last piece", async () => {
    await using pair = await link(kind, { codec: MsgPackCodec });
    const order: string[] = [];
    const array = new Uint8Array(2 * WINDOW);
    await greet(pair);
    const large = pair.near.send(array).then(() => order.push("large"));
    for (let count = 0; count < 5; count++) order.push(String(await pair.near.send(count)));
    await large;
    expect(order).toStrictEqual(["0", "1", "2", "3", "4", "large"]);
  });

  it("are the caller's again once they are flushed", async () => {
    await using pair = await link(kind, { codec: MsgPackCodec });
    // The first waits for hello meanwhile.
    for (let seed = 0; seed < 5; seed++) {
      const array = doubles(3_000_000, seed);
      const small = new Uint8Array([seed]);
      const answer = pair.near.send([array, small]);
      await pair.near.flushed();
      array.fill(0);
      small.fill(0);
      const [found, alsoFound] = (await answer) as [Float64Array, Uint8Array];
      same(found, doubles(3_000_000, seed));
      expect(alsoFound).toStrictEqual(new Uint8Array([seed]));
    }
    await pair.near.flushed();
  });

  it("that are taken away fail their message alone, on their own side", async () => {
    // Memory that is let go while a piece is under way is gone for the system, too.
    const moved: ArrayBuffer[] = [];
    await using pair = await link(kind, { codec: MsgPackCodec }, { codec: MsgPackCodec }, async (channel) => {
      for await (const request of channel) {
        const { content } = request;
        if (content !== "give") {
          await request.reply(content instanceof Uint8Array ? content.length : content);
          continue;
        }
        const mine = new Uint8Array(2 * WINDOW);
        await request.reply(mine);
        moved.push(structuredClone(mine.buffer, { transfer: [mine.buffer] }));
      }
    });
    await greet(pair);
    const mine = new Uint8Array(2 * WINDOW);
    const [failed, after] = [pair.near.send(mine), pair.near.send(7)];
    moved.push(structuredClone(mine.buffer, { transfer: [mine.buffer] }));
    expect(await rejectionOf(failed)).toMatchObject({ code: "INVALID_ARGUMENT", executed: "no" });
    expect(await after).toBe(7);
    const error = await rejectionOf(pair.near.send("give"));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", executed: "yes" });
    expect(error.message).toContain("the result can't be sent: a binary value was detached or has shrunk");
    expect(await pair.near.send("still there")).toBe("still there");
    expect(pair.near.stats().pending).toBe(0);
    expect(pair.far.stats().running).toBe(0);
    expect(moved).toHaveLength(2);
  });

  it("in a buffer that shrinks fail theirs as well", async () => {
    await using pair = await link(kind, { codec: MsgPackCodec });
    await greet(pair);
    const shrinking = resizable(2 * WINDOW, 2 * WINDOW);
    const [failed, after] = [pair.near.send(new Uint8Array(shrinking)), pair.near.send(7)];
    shrinking.resize(0);
    expect(await rejectionOf(failed)).toMatchObject({ code: "INVALID_ARGUMENT", executed: "no" });
    expect(await after).toBe(7);
  });

  it("in shared memory, and in memory that may grow, arrive as what they were then", async () => {
    await using pair = await link(kind, { codec: MsgPackCodec });
    const growing = resizable(40_000, 80_000);
    const view = new Uint8Array(growing).fill(7);
    const answer = pair.near.send(view);
    growing.resize(80_000);
    same(await answer, new Uint8Array(40_000).fill(7));
    const shared = new Uint8Array(new SharedArrayBuffer(40_000)).fill(9);
    same(await pair.near.send(shared), new Uint8Array(40_000).fill(9));
  });

  it.each([MsgPackCodec, StructuredCloneCodec])(
    "as a whole buffer that grows arrive as what it was then: %s",
    async (codec) => {
      await using pair = await link(kind, { codec });
      // Hello is said: the buffer is encoded at once.
      await pair.near.send(new ArrayBuffer(40_000));
      const growing = resizable(40_000, 80_000);
      const answer = pair.near.send(growing);
      growing.resize(80_000);
      expect(((await answer) as ArrayBuffer).byteLength).toBe(40_000);
      expect(await pair.near.send(7)).toBe(7);
    },
  );
});

describe("the limits of large values", () => {
  const ends = [
    ["this side", { maxSegmentBytes: 100_000 }, {}],
    ["the other side", {}, { maxSegmentBytes: 100_000 }],
  ] as const;

  it.each(ends)("that %s has refuse a message that never fits, and name themselves", async (_who, near, far) => {
    await using pair = await link("TCP", { limits: near }, { limits: far });
    same(await pair.near.send(new Uint8Array(100_000)), new Uint8Array(100_000));
    const error = await rejectionOf(pair.near.send([new Uint8Array(50_000), new Uint8Array(50_001)]));
    expect(error).toMatchObject({ code: "RESOURCE_EXHAUSTED", executed: "no" });
    expect(error.message).toBe("binary values of 100001 bytes in one message; the limit is 100000 (maxSegmentBytes)");
    expect(await pair.near.send("next")).toBe("next");
  });

  it.each(ends)("that %s has make messages wait, in order and without end", async (_who, near, far) => {
    const order: number[] = [];
    await using pair = await link("TCP", { limits: near }, { limits: far }, async (channel) => {
      for await (const request of channel) {
        order.push((request.content as [number])[0]);
        await request.reply(request.content);
      }
    });
    void echo(pair.near);
    const calls = Array.from({ length: 200 }, (_, index) => {
      const content = [index, new Uint8Array(60_000 + index).fill(index)];
      return [pair.near.send(content), pair.far.send(content)];
    });
    for (const [index, answer] of (await Promise.all(calls.flat())).entries()) {
      expectSame(answer, [index >> 1, new Uint8Array(60_000 + (index >> 1)).fill(index >> 1)]);
    }
    expect(order).toStrictEqual(Array.from({ length: 200 }, (_, index) => index));
  });

  it("on a result make an exception of it that names them", async () => {
    await using pair = await link("TCP", {}, { limits: { maxSegmentBytes: 50_000 } }, async (channel) => {
      for await (const request of channel) await request.reply(new Uint8Array(50_001));
    });
    // The near side has said hello: its first message is a large one.
    const error = await rejectionOf(pair.near.send(new Uint8Array(40_000)));
    expect(error).toMatchObject({ code: "RESOURCE_EXHAUSTED", executed: "yes" });
    expect(error.message).toContain("50001 bytes in one message; the limit is 50000 (maxSegmentBytes)");
  });

  it("on payloads hold as for other messages", async () => {
    await using pair = await link("TCP", { limits: { maxMessageBytes: 2000 } });
    const error = await rejectionOf(pair.near.send([new Uint8Array(40_000), "x".repeat(2000)]));
    expect(error).toMatchObject({ code: "RESOURCE_EXHAUSTED", message: expect.stringContaining("maxMessageBytes") });
    expect(await pair.near.send("next")).toBe("next");
  });
});

describe("large values of a message that fails", () => {
  class Broken {}
  class Kept {
    readonly bytes: unknown;
    constructor(bytes: unknown) {
      this.bytes = bytes;
    }
  }
  const serializers: SerializerFactory[] = [
    () => [
      Broken,
      (): never => {
        throw new Error("can't be written");
      },
      () => new Broken(),
    ],
    () => [
      Kept,
      // A codec of one's own may encode with another one, or with itself.
      ({ bytes }: Kept) => [bytes, Buffer.from(new MsgPackCodec().encode([1])).toString("hex")],
      ([bytes]: [unknown]) => new Kept(bytes),
    ],
  ];

  it.each(["json", "msgpack", "slow"] as const)("don't come with the next one, with the codec %s", async (name) => {
    await using pair = await link("local", { codec: CODECS[name], extraSerializers: serializers });
    const array = new Uint8Array(40_000).fill(1);
    expect(await rejectionOf(pair.near.send([array, new Broken()]))).toMatchObject({ code: "SERIALIZATION_ERROR" });
    same(await pair.near.send(new Uint8Array(50_000).fill(2)), new Uint8Array(50_000).fill(2));
    expect(await rejectionOf(pair.near.send([array, new Broken()]))).toMatchObject({ code: "SERIALIZATION_ERROR" });
    expect(await pair.near.send("small")).toBe("small");
    same(((await pair.near.send(new Kept(array))) as Kept).bytes, array);
  });

  it("stay in what a codec encodes on the side", async () => {
    await using pair = await link("local", { codec: MsgPackCodec });
    const array = new Float64Array(10_000).fill(1.5);
    same(await pair.near.send(array), array);
    const aside = pair.near.codec!.encode(array) as Uint8Array;
    expect(aside.length).toBeGreaterThan(80_000);
    same(pair.near.codec!.decode(aside), array);
    expect(await pair.near.send("small")).toBe("small");
  });
});

describe("the end of a channel", () => {
  it("in order waits for large values on their way, both ways", async () => {
    for (const end of ["near", "far"] as const) {
      await using pair = await link("TCP", { codec: MsgPackCodec });
      const array = new Uint8Array(3 * WINDOW).fill(5);
      const answer = pair.near.send(array);
      await until(() => pair.near.stats().sentBytes > MEBIBYTE);
      const closed = pair[end].close();
      // The far side hasn't got the request in full: it takes no new ones.
      if (end === "near") same(await answer, array);
      else expect(await rejectionOf(answer)).toMatchObject({ executed: "no" });
      await closed;
    }
  });

  it("without grace cuts them off: what can't have been complete was not executed", async () => {
    let requests = 0;
    await using pair = await link("TCP", { codec: MsgPackCodec }, { codec: MsgPackCodec }, async (channel) => {
      for await (const request of channel) {
        requests++;
        await request.reply(1);
      }
    });
    await greet(pair);
    const large = rejectionOf(pair.near.send(new Uint8Array(4 * WINDOW)));
    await pair.near.close({ graceMs: 0 });
    expect(await large).toMatchObject({ code: "CONNECTION_LOST", executed: "no" });
    expect(requests).toBe(1);
    await pair.near.flushed();
  });

  it("in the middle leaves nothing behind on either side", async () => {
    await using pair = await link("TCP", { codec: MsgPackCodec });
    const calls = Array.from({ length: 20 }, () => rejectionOf(pair.near.send(new Uint8Array(3 * MEBIBYTE))));
    await until(() => pair.far.stats().receivedBytes > MEBIBYTE);
    pair.far.destroy();
    for (const error of await Promise.all(calls)) expect(error.code).toBe("CONNECTION_LOST");
    await pair.near.closed;
    await pair.near.flushed();
    expect(pair.near.stats()).toMatchObject({ pending: 0, running: 0, waiting: 0 });
  });
});

describe("many random messages", () => {
  it("arrive as they were, whatever their sizes, their order and the codec", async () => {
    const size = fc.oneof(
      fc.nat(100),
      fc.integer({ min: 32_700, max: 33_000 }),
      fc.integer({ min: 32_768, max: 700_000 }),
    );
    const content = fc.array(size, { maxLength: 4 });
    const codec = fc.constantFrom("json", "msgpack", "slow");
    const kind = fc.constantFrom<Kind>("TCP", "local");
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(content, fc.boolean()), { minLength: 1, maxLength: 12 }),
        codec,
        kind,
        async (messages, name, where) => {
          const limits = { maxSegmentBytes: 3_000_000 };
          await using pair = await link(where, { codec: CODECS[name as "json"], limits });
          void echo(pair.near);
          const answers = messages.map(async ([sizes, isFar], index) => {
            const sent = sizes.map((length) => new Uint8Array(striped(length, index)));
            expectSame(await (isFar ? pair.far : pair.near).send([index, sent]), [index, sent]);
          });
          await Promise.all(answers);
        },
      ),
      { numRuns: 25 },
    );
  });
});
