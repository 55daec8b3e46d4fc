import { LIMITS_BEFORE_HELLO, MsgPackCodec } from "@colloquy/core";
import { describe, expect, test } from "vitest";
import { connect, expose, serve, service } from "../../src/index.ts";
import { announcement, piece, striped } from "../../../core/test/segment-support.ts";
import { PackPeer, WirePeer, failureOf, frameOf, newAddress, turn, until, wireServer } from "../support.ts";

const seen: unknown[] = [];
const echo = service({
  echo: expose((value: unknown) => value),
  keep: expose((value: unknown) => seen.push(value) > 0),
});

function nested(depth: number): unknown {
  let value: unknown = [];
  for (let level = 1; level < depth; level++) value = [value];
  return value;
}

/** An argument whose request costs so much that it is more than is allowed before hello, and far less than later. */
const costly = Array.from({ length: 8000 }, () => ({}));
/** Records as they are sent, in as many bytes as are allowed. */
const records = Array.from({ length: 800 }, (_, index) => ({
  id: index,
  name: `meter-${index}`,
  value: index / 7,
  isOn: true,
}));

describe.each([
  ["JSON", WirePeer, "json"],
  ["MsgPack", PackPeer, "msgpack"],
] as const)("T23: before hello, in %s", (_name, Peer, name) => {
  const options = name === "msgpack" ? { codec: MsgPackCodec } : {};
  // The request and its arguments are two levels.
  const { maxDepth, maxDecodedCost } = LIMITS_BEFORE_HELLO;

  test("a deep request is refused, as deep as is allowed it is carried out", async () => {
    await using server = await serve(newAddress(), echo, options);
    for (const [depth, type] of [
      [maxDepth - 2, 1],
      [maxDepth - 1, 2],
      [60, 2],
    ] as const) {
      await using peer = await Peer.connect(server.address);
      const [answer, content] = await peer.request("echo", [nested(depth)]);
      expect(answer).toBe(type);
      if (type === 2) expect(String(content)).toContain("(maxDepth)");
    }
  });

  test("a costly request is refused, records of an ordinary kind aren't", async () => {
    await using server = await serve(newAddress(), echo, options);
    await using peer = await Peer.connect(server.address);
    const [type, content] = await peer.request("echo", [costly]);
    expect(type).toBe(2);
    expect(String(content)).toContain("(maxDecodedCost)");
    expect(maxDecodedCost).toBe(8 * LIMITS_BEFORE_HELLO.maxMessageBytes);
    await using plain = await Peer.connect(server.address);
    expect(await plain.request("echo", [records])).toEqual([1, records]);
  });

  test("its bounds end with the first request, of a plain peer too", async () => {
    await using server = await serve(newAddress(), echo, options);
    await using plain = await Peer.connect(server.address);
    expect((await plain.request("echo", [nested(40)]))[0]).toBe(2);
    expect((await plain.request("echo", [nested(40)]))[0]).toBe(1);
    expect((await plain.request("echo", [costly]))[0]).toBe(1);
    await using kind = await Peer.connect(server.address);
    await kind.hello();
    expect((await kind.request("echo", [nested(40)]))[0]).toBe(1);
    expect((await kind.request("echo", [costly]))[0]).toBe(1);
  });

  test("limits of one's own that are smaller hold instead", async () => {
    const limits = { maxDepth: 5, maxDecodedCost: 4000 };
    await using server = await serve(newAddress(), echo, { ...options, limits });
    for (const args of [[nested(4)], [Array.from({ length: 100 }, () => [])]]) {
      await using peer = await Peer.connect(server.address);
      expect((await peer.request("echo", args))[0]).toBe(2);
      expect((await peer.request("echo", args))[0]).toBe(2);
      expect(await peer.request("echo", [[[]]])).toEqual([1, [[]]]);
    }
  });

  test("a peer that says hello is known, whatever those are, and they hold for it, and for a plain one", async () => {
    for (const [limits, fits, beyond] of [
      [{ maxDepth: 3 }, [1], [[1]]],
      [{ maxDepth: 2 }, 1, [1]],
      [{ maxDecodedCost: 1000 }, "x".repeat(100), "x".repeat(1000)],
    ] as const) {
      await using server = await serve(newAddress(), echo, { ...options, limits });
      await using connection = await connect<{ echo(value: unknown): unknown }>(server.address, options);
      expect(await connection.ping()).toBeGreaterThan(0);
      expect(await connection.remote.echo(fits)).toEqual(fits);
      expect(await failureOf(connection.remote.echo(beyond))).toMatchObject({ code: "SERIALIZATION_ERROR" });
      await using plain = await Peer.connect(server.address);
      expect((await plain.request("echo", [beyond]))[0]).toBe(2);
      expect(await plain.request("echo", [fits])).toEqual([1, fits]);
      expect((await plain.request("echo", [beyond]))[0]).toBe(2);
      // A client with such limits is one that says hello, too.
      await using kind = await serve(newAddress(), echo, options);
      await using small = await connect<{ echo(value: unknown): unknown }>(kind.address, { ...options, limits });
      expect(await small.ping()).toBeGreaterThan(0);
      expect(await small.remote.echo(fits)).toEqual(fits);
    }
  });

  test("they hold where the codec is told by the first byte", async () => {
    await using server = await serve(newAddress(), echo, { codec: "auto" });
    await using peer = await Peer.connect(server.address);
    expect((await peer.request("echo", [nested(40)]))[0]).toBe(2);
    expect((await peer.request("echo", [nested(40)]))[0]).toBe(1);
  });
});

describe("T23: before hello, otherwise", () => {
  test("built-in types mean nothing, large numbers of digits among them", async () => {
    await using server = await serve(newAddress(), echo);
    for (const value of [
      { __type__: [-7, "9".repeat(60_000)] },
      { __type__: [-7, "1"] },
      { __type__: [-4, 0] },
      { __type__: [-2, "$/ref/0"] },
    ]) {
      await using peer = await WirePeer.connect(server.address);
      const [type, content] = await peer.request("echo", [value]);
      expect(type).toBe(2);
      expect(String(content)).toContain("built-in type");
    }
  });

  test("a notification starts nothing, and a bad one isn't answered", async () => {
    seen.length = 0;
    await using server = await serve(newAddress(), echo);
    await using peer = await WirePeer.connect(server.address);
    peer.notify("keep", 1);
    peer.notify("keep", nested(40));
    await peer.hello();
    peer.notify("keep", nested(40));
    await until(() => seen.length > 0);
    expect(seen).toEqual([nested(40)]);
  });

  test("a client holds a server to them, until it has answered", async () => {
    await using server = await wireServer();
    const connecting = connect(server.address);
    const wire = await server.accepted();
    await wire.next();
    wire.write(frameOf(`[1,0,{"protocol":1,"more":${JSON.stringify(nested(40))}}]`));
    const error = await failureOf(connecting);
    expect(error).toMatchObject({ code: "SERIALIZATION_ERROR" });
    expect(error.message).toContain("(maxDepth)");
  });

  test("a server that doesn't answer can't send large values instead", async () => {
    await using server = await wireServer();
    const failing = failureOf(connect(server.address));
    const wire = await server.accepted();
    await wire.next();
    const length = 400_000_000;
    wire.write(announcement(1, [length], `[0,1,["echo",[],{}]]`));
    for (let sent = 0; sent < 1_000_000 && !wire.isClosed; sent += 50_000) {
      wire.write(piece(1, 0, striped(50_000)));
      await turn();
    }
    const error = await failing;
    expect(error.message).toContain("messages with segments of more than 262144 bytes before the answer to hello");
    await wire.closed;
  });
});
