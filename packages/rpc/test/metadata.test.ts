import { describe, expect, test } from "vitest";
import { MsgPackCodec, StructuredCloneCodec } from "@colloquy/core";
import { Service, connect, expose, notify, serve, service, withOptions } from "../src/index.ts";
import type { CallContext, Connection, Metadata } from "../src/index.ts";
import { MAX_METADATA_BYTES, MAX_METADATA_KEY_COUNT } from "../src/metadata.ts";
import { WirePeer, failureOf, newAddress, pair, turns, until, wireServer } from "./support.ts";

const TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const OTHER_TRACE = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-00";

interface Seen {
  readonly metadata: Metadata;
  readonly trace: string | undefined;
}

class Desk extends Service {
  readonly seen: Seen[] = [];
  readonly contexts: CallContext[] = [];
  @expose({ context: true }) look({ metadata, trace }: CallContext): Seen {
    return { metadata, trace: trace ?? "none" };
  }
  @expose({ context: true }) keep(context: CallContext): void {
    const { metadata, trace } = context;
    this.contexts.push(context);
    this.seen.push({ metadata, trace });
  }
  @expose plain(): string {
    return "plain";
  }
}

describe.each([
  ["JSON", {}],
  ["MsgPack", { codec: MsgPackCodec, serve: { codec: MsgPackCodec } }],
  ["structured clones", { codec: StructuredCloneCodec, serve: { codec: StructuredCloneCodec } }],
])("metadata in %s", (_name, options) => {
  test("and a trace reach the context of the method, as plain values", async () => {
    await using link = await pair(new Desk(), options);
    const metadata = { tenant: "acme", tries: 2, beta: true, none: null, list: [1, { a: "b" }] };
    expect(await withOptions(link.remote.look, { metadata, trace: TRACE })()).toEqual({ metadata, trace: TRACE });
    expect(await link.remote.look()).toEqual({ metadata: {}, trace: "none" });
    // Maps that repeat their keys may cross in another form.
    for (let n = 0; n < 30; n++) {
      const many = { tenant: "acme", n, nested: { at: n } };
      expect(await withOptions(link.remote.look, { metadata: many })()).toMatchObject({ metadata: many });
    }
  });
});

describe("metadata", () => {
  test("are frozen, and have no names but those that were given", async () => {
    const desk = new Desk();
    await using link = await pair(desk);
    await withOptions(link.remote.keep, { metadata: { list: [{ a: 1 }], left: undefined } })();
    await link.remote.keep();
    const [{ metadata }, without] = desk.seen as [Seen, Seen];
    expect(Object.keys(metadata)).toEqual(["list"]);
    for (const map of [metadata, without.metadata]) {
      expect(map["constructor"]).toBeUndefined();
      expect(Object.isFrozen(map)).toBe(true);
    }
    const list = metadata["list"] as object[];
    expect([Object.isFrozen(list), Object.isFrozen(list[0])]).toEqual([true, true]);
  });

  test("are those of the moment in which the options were given", async () => {
    await using link = await pair(new Desk());
    const metadata = { tenant: "acme" };
    const look = withOptions(link.remote.look, { metadata });
    metadata.tenant = "other";
    expect(await look()).toMatchObject({ metadata: { tenant: "acme" } });
  });

  test("go with notifications, too", async () => {
    const desk = new Desk();
    await using link = await pair(desk);
    notify(withOptions(link.remote.keep, { metadata: { n: 1 }, trace: TRACE }))();
    notify(link.remote.keep)();
    await until(() => desk.seen.length === 2);
    expect(desk.seen).toEqual([
      { metadata: { n: 1 }, trace: TRACE },
      { metadata: {}, trace: undefined },
    ]);
  });

  test.each([
    ["a Date", { at: new Date(0) }, 'metadata["at"] is Date'],
    ["a number that is none", { a: [Number.NaN] }, 'metadata["a"][0] is NaN'],
    ["a function", { a: { b: () => 1 } }, 'metadata["a"]["b"] is function'],
    ["a bigint", { a: 1n }, 'metadata["a"] is bigint'],
    ["a Map", new Map(), "metadata is Map"],
    ["a list", ["x"], "metadata is Array"],
    ["a text", "x", "metadata is string"],
  ])("with %s are refused where they are given", async (_what, metadata, message) => {
    await using link = await pair(new Desk());
    const give = (): unknown => withOptions(link.remote.look, { metadata: metadata as never });
    expect(give).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    expect(give).toThrow(message);
  });

  test("deeper than 8 levels are refused", async () => {
    await using link = await pair(new Desk());
    const nested = (depth: number): Metadata => (depth === 1 ? { a: 1 } : { a: nested(depth - 1) });
    expect(await withOptions(link.remote.look, { metadata: nested(8) })()).toMatchObject({ metadata: nested(8) });
    expect(() => withOptions(link.remote.look, { metadata: nested(9) })).toThrow("deeper than 8 levels");
  });

  test.each([
    [MAX_METADATA_KEY_COUNT - 1, true],
    [MAX_METADATA_KEY_COUNT, true],
    [MAX_METADATA_KEY_COUNT + 1, false],
  ])("of %i keys: taken %j, on both sides", async (count, isTaken) => {
    const metadata = Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, index]));
    await expectTaken(metadata, isTaken, `${count} keys`);
  });

  test.each([
    [-1, true],
    [0, true],
    [1, false],
  ])("of the most bytes and %i: taken %j, on both sides", async (more, isTaken) => {
    // A map, a key of one character and a text: 9 bytes each and what they are.
    await expectTaken({ a: "x".repeat(MAX_METADATA_BYTES - 19 + more) }, isTaken, `${MAX_METADATA_BYTES} bytes`);
  });
});

async function expectTaken(metadata: Metadata, isTaken: boolean, message: string): Promise<void> {
  await using link = await pair(new Desk());
  const give = async (): Promise<unknown> => withOptions(link.remote.look, { metadata })();
  await using server = await serve(newAddress(), new Desk());
  await using wire = await WirePeer.connect(server.address);
  await wire.hello();
  const [type, content] = await wire.ask(["look", [], {}, { data: metadata }]);
  if (isTaken) {
    expect(await give()).toMatchObject({ metadata });
    expect([type, content]).toMatchObject([1, { metadata }]);
  } else {
    expect(await failureOf(give())).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining(message),
    });
    expect([type, content]).toMatchObject([2, { code: "INVALID_ARGUMENT", executed: "no" }]);
    expect(content.message).toContain(message);
  }
}

describe("on the wire", () => {
  test("they are `data` and `trace` of the fourth element, which is left out where there are none", async () => {
    await using server = await wireServer();
    const connecting = connect<Desk>(server.address);
    const wire = await server.accepted();
    await wire.next();
    wire.send([1, 0, { protocol: 1 }]);
    await using connection = await connecting;
    const { look } = connection.remote;
    for (const options of [
      { metadata: { a: 1 }, trace: TRACE },
      { metadata: {} },
      { trace: TRACE },
      { metadata: { b: 2 }, timeout: 900 },
    ]) {
      withOptions(look, options)().catch(() => {});
    }
    const contents = [await wire.next(), await wire.next(), await wire.next(), await wire.next()].map(([, , c]) => c);
    expect(contents).toEqual([
      ["look", [], {}, { data: { a: 1 }, trace: TRACE }],
      ["look", [], {}],
      ["look", [], {}, { trace: TRACE }],
      ["look", [], {}, { data: { b: 2 }, deadline: 900 }],
    ]);
    connection.destroy();
  });

  test.each([
    [TRACE, TRACE],
    [TRACE.toUpperCase(), "none"],
    ["00-00000000000000000000000000000000-b7ad6b7169203331-01", "none"],
    ["00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", "none"],
    [`ff${TRACE.slice(2)}`, "none"],
    [`${TRACE}-x`, "none"],
    [TRACE.slice(0, -1), "none"],
    [7, "none"],
    [null, "none"],
  ])("a trace %j arrives as %j", async (trace, arrived) => {
    await using server = await serve(newAddress(), new Desk());
    await using wire = await WirePeer.connect(server.address);
    await wire.hello();
    expect(await wire.ask(["look", [], {}, { trace }])).toEqual([1, { metadata: {}, trace: arrived }]);
  });

  test.each([[[1]], ["x"], [null], [7]])("data that are %j are refused", async (data) => {
    await using server = await serve(newAddress(), new Desk());
    await using wire = await WirePeer.connect(server.address);
    await wire.hello();
    expect(await wire.ask(["look", [], {}, { data }])).toMatchObject([2, { code: "INVALID_ARGUMENT", executed: "no" }]);
    // Nobody looks at them here.
    expect(await wire.ask(["plain", [], {}, { data }])).toEqual([1, "plain"]);
  });
});

describe("a trace", () => {
  test("that is malformed is refused where it is given", async () => {
    await using link = await pair(new Desk());
    for (const trace of ["", "x", `${TRACE}0`, 7])
      expect(() => withOptions(link.remote.look, { trace: trace as never })).toThrow(
        "it takes a traceparent of W3C: 00-<32 digits>-<16 digits>-<2 digits>, hexadecimal in lower case",
      );
  });

  test("is inherited by calls with the context, metadata aren't", async () => {
    const far = new Desk();
    await using farServer = await serve(newAddress(), far);
    await using between = await connect<Desk>(farServer.address);
    class Relay extends Service {
      @expose({ context: true }) async pass(context: CallContext): Promise<void> {
        await withOptions(between.remote.keep, { context })();
        await withOptions(between.remote.keep, { context, trace: OTHER_TRACE, metadata: context.metadata })();
      }
    }
    await using link = await pair(new Relay());
    await withOptions(link.remote.pass, { trace: TRACE, metadata: { tenant: "acme" } })();
    expect(far.seen).toEqual([
      { metadata: {}, trace: TRACE },
      { metadata: { tenant: "acme" }, trace: OTHER_TRACE },
    ]);
  });

  test("and metadata go along with a call on something that is passed on", async () => {
    const far = new Desk();
    await using farServer = await serve(newAddress(), far);
    await using between = await connect<Desk>(farServer.address);
    class Relay extends Service {
      @expose lend(): object {
        return between.remote;
      }
    }
    await using link = await pair(new Relay());
    const lent = (await link.remote.lend()) as unknown as { keep(): Promise<void> };
    await withOptions(lent.keep, { trace: TRACE, metadata: { tenant: "acme" } })();
    expect(far.seen).toEqual([{ metadata: { tenant: "acme" }, trace: TRACE }]);
  });
});

describe("towards a plain peer", () => {
  test("metadata are refused, and a trace is left out", async () => {
    await using server = await wireServer();
    const connecting = connect<Desk>(server.address);
    const wire = await server.accepted();
    await wire.next();
    wire.send([2, 0, "NameError: no $"]);
    const connection = await connecting;
    const error = await failureOf(withOptions(connection.remote.look, { metadata: { a: 1 } })());
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", executed: "no" });
    expect(error.message).toContain("/look can't be called with metadata: that peer said no hello");
    withOptions(connection.remote.look, { trace: TRACE })().catch(() => {});
    expect((await wire.next())[2]).toEqual(["look", [], {}]);
    connection.destroy();
  });

  test.each([
    ["says hello", true],
    ["is plain", false],
  ])("they wait until it is known what it is; one that %s", async (_what, isExtended) => {
    const outcomes: unknown[] = [];
    const settled = (outcome: unknown): void => void outcomes.push(outcome);
    const onConnection = ({ remote }: Connection): void => {
      const { look } = remote as unknown as { look(): Promise<unknown> };
      withOptions(look, { metadata: { a: 1 } })().then(settled, (error: Error) => settled(error.message));
      withOptions(look, { trace: TRACE })().then(settled, settled);
      const gone = AbortSignal.timeout(1);
      withOptions(look, { metadata: { a: 2 }, signal: gone })().catch(() => {});
    };
    await using server = await serve(newAddress(), service({ add: expose(() => 1) }), { onConnection });
    await using wire = await WirePeer.connect(server.address);
    await turns(3);
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await wire.rest()).toEqual([]);
    if (isExtended) await wire.hello();
    else wire.send([0, 0, ["add", [], {}]]);
    const requests = (await wire.rest()).filter(([type]) => type === 0);
    if (isExtended) {
      expect(requests.map(([, , content]) => content)).toEqual([
        ["look", [], {}, { data: { a: 1 } }],
        ["look", [], {}, { trace: TRACE }],
      ]);
    } else {
      expect(requests.map(([, , content]) => content)).toEqual([["look", [], {}]]);
      expect(outcomes).toEqual([expect.stringContaining("can't be called with metadata")]);
    }
  });
});
