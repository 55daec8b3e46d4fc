import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectChannel } from "@colloquy/core";
import { expose } from "@colloquy/rpc";
import type { Remote } from "@colloquy/rpc";
import { generate } from "selfsigned";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Agent } from "../src/index.ts";
import { Echo, failureOf, newContainer } from "./support.ts";

class Caller extends Agent {
  @expose async ask(other: Remote<Echo>): Promise<string> {
    return other.where();
  }
}

interface Pem {
  readonly cert: string;
  readonly key: string;
}

/** A certificate of its own authority for 127.0.0.1. */
async function certificate(name: string): Promise<Pem> {
  const made = await generate([{ name: "commonName", value: name }], {
    keyType: "ec",
    algorithm: "sha256",
    extensions: [
      { name: "basicConstraints", cA: true },
      { name: "subjectAltName", altNames: [{ type: 7, ip: "127.0.0.1" }] },
    ],
  });
  return { cert: made.cert, key: made.private };
}

describe("TLS between containers", () => {
  let ours: Pem;
  let theirs: Pem;
  let stranger: Pem;

  beforeAll(async () => {
    [ours, theirs, stranger] = (await Promise.all(["ours", "theirs", "stranger"].map(certificate))) as [Pem, Pem, Pem];
  });

  it("A8 is mutual, and agents are called both ways", async () => {
    const ca = [ours.cert, theirs.cert];
    const here = await newContainer("tcp://127.0.0.1:0", { tls: { ca, ...ours } });
    const there = await newContainer("tcp://127.0.0.1:0", { tls: { ca, ...theirs } });
    const [guest, caller] = [await here.spawn(new Echo()), await there.spawn(new Caller())];
    expect(await (await here.connect<Caller>(caller.address)).ask(guest)).toBe(guest.address);
    expect(await (await there.connect<Echo>(guest.address)).where()).toBe(guest.address);
  });

  it("refuses a container whose certificate isn't trusted, and goes on", async () => {
    const ca = [ours.cert, theirs.cert];
    const there = await newContainer("tcp://127.0.0.1:0", { tls: { ca, ...theirs } });
    const agent = await there.spawn(new Echo());
    const bad = await newContainer("tcp://127.0.0.1:0", { tls: { ca, ...stranger } });
    expect(["UNAVAILABLE", "CONNECTION_LOST"]).toContain((await failureOf(bad.connect(agent.address))).code);
    const good = await newContainer("tcp://127.0.0.1:0", { tls: { ca, ...ours } });
    expect(await (await good.connect<Echo>(agent.address)).where()).toBe(agent.address);
  });

  it("doesn't trust a server of another authority", async () => {
    const there = await newContainer("tcp://127.0.0.1:0", { tls: { ca: [ours.cert], ...stranger } });
    const agent = await there.spawn(new Echo());
    const here = await newContainer("tcp://127.0.0.1:0", { tls: { ca: [ours.cert], ...ours } });
    expect(await failureOf(here.connect(agent.address))).toMatchObject({ code: "UNAVAILABLE" });
  });

  it("takes no client in the clear", async () => {
    const there = await newContainer("tcp://127.0.0.1:0", {
      tls: { ca: [ours.cert], ...ours },
      limits: { helloTimeoutMs: 400 },
    });
    const agent = await there.spawn(new Echo());
    const here = await newContainer("tcp://127.0.0.1:0");
    expect(["UNAVAILABLE", "CONNECTION_LOST", "PROTOCOL_ERROR"]).toContain(
      (await failureOf(here.connect(agent.address))).code,
    );
  });
});

describe("containers on Unix sockets", () => {
  const folder = mkdtempSync(join(tmpdir(), "colloquy-container-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("have addresses with the path in brackets, and call each other", async () => {
    const here = await newContainer(`ipc://[${join(folder, "a.sock")}]`);
    const there = await newContainer(`ipc://[${join(folder, "b.sock")}]`);
    const [guest, caller] = [await here.spawn(new Echo()), await there.spawn(new Caller())];
    expect(caller.address).toBe(`ipc://[${join(folder, "b.sock")}]/0`);
    expect(await (await here.connect<Caller>(caller.address)).ask(guest)).toBe(guest.address);
  });

  it("take the socket away when they end", async () => {
    const path = join(folder, "c.sock");
    const container = await newContainer(`ipc://[${path}]`);
    expect(existsSync(path)).toBe(true);
    await container.shutdown();
    expect(existsSync(path)).toBe(false);
  });
});

describe("containers on different transports", () => {
  it("call each other", async () => {
    const [here, there] = [await newContainer(), await newContainer("tcp://127.0.0.1:0")];
    const [guest, caller] = [await here.spawn(new Echo()), await there.spawn(new Caller())];
    expect(await (await here.connect<Caller>(caller.address)).ask(guest)).toBe(guest.address);
  });

  it("answer a plain client that only knows the base protocol", async () => {
    const there = await newContainer("tcp://127.0.0.1:0");
    const agent = await there.spawn(new Echo());
    const channel = await connectChannel(there.address);
    expect(await channel.send(["validate_aid", ["0"], {}])).toBe("Echo");
    expect(await channel.send(["agents/0/where", [], {}])).toBe(agent.address);
    await channel.close();
  });
});
