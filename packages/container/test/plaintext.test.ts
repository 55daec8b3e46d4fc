import { connect, expose, serve, service } from "@colloquy/rpc";
import { describe, expect, it, vi } from "vitest";
import { makeAuthority } from "../../core/test/certificates.ts";
import { Container, coordinate, launch } from "../src/index.ts";
import { Simulator, simulatorMeta, startSimulator } from "../src/mosaik.ts";
import { Echo, SOURCE_FLAGS, childFile, failureOf, newContainer } from "./support.ts";

// A process is launched.
vi.setConfig({ testTimeout: 60_000 });

const meta = simulatorMeta({ type: "time-based", models: { Thing: { public: true, params: [], attrs: ["x"] } } });

class Idle extends Simulator<typeof meta> {
  override readonly meta = meta;

  override create(): [] {
    return [];
  }

  override step(time: number): number {
    return time + 1;
  }

  override getData(): Record<string, never> {
    return {};
  }
}

const root = service({ add: expose((a: number, b: number) => a + b) });
const refused = { message: expect.stringContaining("dangerouslyAllowPlaintext") };
/** Of no machine: for documentation alone. */
const ELSEWHERE = "192.0.2.1:4";

describe("beyond this host, without tls", () => {
  it.each([
    ["serve", () => serve("tcp://0.0.0.0:0", root)],
    ["serve in aiomas' dialect", () => serve("tcp://0.0.0.0:0", root, { dialect: "aiomas" })],
    ["connect", () => connect(`tcp://${ELSEWHERE}`)],
    ["connect, again and again", () => connect(`tcp://${ELSEWHERE}`, { reconnect: true })],
    ["Container.create", () => Container.create("tcp://:0")],
    ["container.connect", async () => (await newContainer()).connect(`tcp://${ELSEWHERE}/0`)],
    ["coordinate", () => coordinate([`tcp://${ELSEWHERE}`])],
    ["startSimulator that listens", () => startSimulator(new Idle(), { listen: "0.0.0.0:0" })],
    ["startSimulator that connects", () => startSimulator(new Idle(), { connect: ELSEWHERE })],
  ])("%s is refused", async (_what, act) => {
    expect(await failureOf(act())).toMatchObject({ code: "INVALID_ARGUMENT", ...refused });
  });

  it("launch is refused by the container of its entry, which has the options", async () => {
    const entry = childFile("launched-tools.ts");
    const launching = launch({ entry, execArgv: SOURCE_FLAGS, address: "tcp://0.0.0.0:0", timeout: 50_000 });
    expect(await failureOf(launching)).toMatchObject({ code: "UNAVAILABLE", ...refused });
  });

  it("an option of each allows it", async () => {
    const options = { dangerouslyAllowPlaintext: true };
    const there = await newContainer("tcp://0.0.0.0:0", { ...options, advertise: "0.0.0.0" });
    const agent = await there.spawn(new Echo());
    const here = await newContainer(undefined, options);
    expect(await (await here.connect<Echo>(agent.address)).echo(1)).toBe(1);
    await using run = await startSimulator(new Idle(), { listen: "0.0.0.0:0", ...options });
    expect(run.address).toMatch(/:\d+$/);
  });

  it("containers with tls need no other option, in both directions", async () => {
    const tls = await (await makeAuthority()).issue("localhost");
    const options = { tls: { ...tls, serverName: "localhost" }, advertise: "0.0.0.0" };
    const there = await newContainer("tcp://0.0.0.0:0", options);
    const agent = await there.spawn(new Echo());
    const here = await newContainer("tcp://0.0.0.0:0", options);
    expect(await (await here.connect<Echo>(agent.address)).echo(1)).toBe(1);
  });
});
