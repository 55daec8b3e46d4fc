import { connect, expose } from "@colloquy/rpc";
import type { Connection } from "@colloquy/rpc";
import { connectChannel } from "@colloquy/core";
import { describe, expect, it } from "vitest";
import { Agent } from "../../src/index.ts";
import { Echo, failureOf, newContainer } from "../support.ts";

/** Keeps what a careless author would keep. */
class Careless extends Agent {
  secret: unknown;
  readonly table = { run: (): string => "never" };

  @expose ping(): string {
    return "pong";
  }
}

async function attack(path: string, args: unknown[]): Promise<{ outcome: unknown; alive: unknown }> {
  const container = await newContainer();
  const other = await newContainer();
  const friend = await other.spawn(new Echo());
  const agent = await container.spawn(new Careless());
  agent.secret = await container.connect(friend.address);
  const channel = await connectChannel(container.address);
  const outcome = await channel.send([path, args, {}]).catch((error: unknown) => error);
  await channel.close({ graceMs: 0 });
  const next = await connectChannel(container.address);
  const alive = await next.send(["agents/0/ping", [], {}]);
  await next.close({ graceMs: 0 });
  expect(container.agents).toHaveLength(1);
  return { outcome, alive };
}

describe("a hostile peer", () => {
  it.each([
    "agents/0/container/validate_aid",
    "agents/0/container/shutdown",
    "agents/0/container/agents",
    "agents/0/container",
    "agents/0/secret/where",
    "agents/0/secret",
    "agents/0/table/run",
    "agents/0/stop",
    "agents/0/attach",
    "agents/0/task",
    "agents/0/onStart",
    "agents/0/onStop",
    "agents/0/id",
    "agents/0/address",
    "agents/0/toString",
    "agents/0/constructor",
    "agents/0/__proto__",
    "agents/0/hasOwnProperty",
    "agents/constructor",
    "agents/constructor/lifeOf",
    "agents/__proto__/x",
    "agents/__proto__",
    "agents/prototype",
    "agents/lookup",
    "agents/nameOf",
    "agents/claimId",
    "agents/remove",
    "agents/all",
    "agents/size",
    "agents",
    "agents/0",
    "agents/1",
    "agents/1/ping",
    "agents//ping",
    "agents/0/ping/",
    "agents/0/ping/call",
    "/agents/0/ping",
    "validate_aid/call",
    "validate_aid/constructor",
    "constructor",
    "__proto__",
    "toString",
    "",
    "$",
    "$/hello",
    "$/ref/1",
    "$/ref/0/ping",
  ])("gets nothing but an error from %j, and the container lives", async (path) => {
    const { outcome, alive } = await attack(path, ["0"]);
    expect(outcome).toBeInstanceOf(Error);
    expect(alive).toBe("pong");
  });

  it.each([
    [0],
    [null],
    [{}],
    [["0"]],
    [true],
    ["1"],
    [""],
    ["constructor"],
    ["__proto__"],
    ["toString"],
    ["0/ping"],
    ["x".repeat(10_000)],
  ])("learns that there is no agent %j", async (id) => {
    expect(await attack("validate_aid", [id])).toEqual({ outcome: null, alive: "pong" });
  });

  it("learns nothing from a question without an id", async () => {
    expect((await attack("validate_aid", [])).outcome).toBe(null);
  });

  it("gets the same codes where it has said hello", async () => {
    const container = await newContainer();
    await container.spawn(new Careless());
    const connection: Connection<any> = await connect(container.address, { extraSerializers: [] }).catch(
      () => undefined as never,
    );
    // A client without the serializer of dates is told so: it takes part as a container does.
    expect(connection).toBeUndefined();
    const other = await newContainer();
    const proxy: any = await other.connect(`${container.address}/0`);
    expect(await failureOf(proxy.container.validate_aid("0"))).toMatchObject({ code: "NOT_EXPOSED" });
    expect(await failureOf(proxy.stop())).toMatchObject({ code: expect.stringMatching(/^NOT_(EXPOSED|FOUND)$/) });
    expect(await failureOf(proxy.attach())).toMatchObject({ code: "NOT_FOUND" });
    expect(await failureOf(proxy.constructor())).toMatchObject({ code: "NOT_FOUND" });
  });

  it("finds no agent by an id that looks like a path", async () => {
    const container = await newContainer();
    await container.spawn(new Careless());
    const other = await newContainer();
    for (const id of ["0%2Fcontainer", "..", "constructor", "__proto__", "$"]) {
      expect(await failureOf(other.connect(`${container.address}/${id}`))).toMatchObject({ code: "NOT_FOUND" });
    }
  });
});
