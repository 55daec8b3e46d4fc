import { connect, expose } from "@colloquy/rpc";
import { JsonCodec, serveChannels } from "@colloquy/core";
import { describe, expect, it, vi } from "vitest";
import { Agent, dateSerializer } from "../src/index.ts";
import type { Container, ContainerOptions, MonitorReason } from "../src/index.ts";
import {
  Child,
  Echo,
  Gate,
  Slow,
  failureOf,
  newAddress,
  newContainer,
  turns,
  unhandledDuring,
  until,
} from "./support.ts";

vi.setConfig({ testTimeout: 30_000 });

class Patient extends Agent {
  @expose crash(): void {
    this.fail(new Error("boom"));
  }
  @expose pass(): void {}
}

/** What a monitor has told. */
class Notices {
  readonly reasons: MonitorReason[] = [];
  readonly listener = (reason: MonitorReason): void => void this.reasons.push(reason);

  async next(): Promise<MonitorReason[]> {
    await until(() => this.reasons.length > 0, "the notice");
    // Time for a second one.
    await turns(10);
    return this.reasons;
  }
}

const quiet = { onTaskFailure: (): void => {} };

/** Two containers, or one twice. */
async function pair(where: string, options: ContainerOptions = {}): Promise<[here: Container, there: Container]> {
  const address = (): string => (where === "over TCP" ? "tcp://127.0.0.1:0" : newAddress());
  const there = await newContainer(address(), { ...quiet, ...options });
  return [where === "in one container" ? there : await newContainer(address(), quiet), there];
}

/** How many agents of a container are watched, as its root tells: what its `monitor` has taken. */
async function referencesOf(container: Container): Promise<number> {
  await turns(5);
  return container.connections.reduce((sum, connection) => {
    const { exportedReferences, importedReferences } = connection.stats();
    return sum + exportedReferences + importedReferences;
  }, 0);
}

describe.each(["in one container", "between containers", "over TCP"])("a monitor %s", (where) => {
  it.each<[MonitorReason, (container: Container, agent: Patient) => unknown]>([
    ["normal", (_, agent) => agent.stop()],
    ["shutdown", (container, agent) => container.terminate(agent)],
    ["error", (_, agent) => agent.crash()],
  ])("tells once that the agent is gone: %s", async (reason, end) => {
    const [here, there] = await pair(where);
    const agent = await there.spawn(new Patient(), { name: "patient" });
    const proxy = await here.connect<Patient>(agent.address);
    const notices = [new Notices(), new Notices(), new Notices(), new Notices()];
    const [byProxy, byAddress, byName, byAgent] = notices as [Notices, Notices, Notices, Notices];
    here.monitor(proxy, byProxy.listener);
    here.monitor(agent.address, byAddress.listener);
    here.monitor(`${there.address}/patient`, byName.listener);
    here.monitor(agent, byAgent.listener);
    await proxy.pass();
    await turns(3);
    expect(notices.map(({ reasons }) => reasons)).toEqual([[], [], [], []]);
    await end(there, agent);
    for (const one of notices) expect(await one.next()).toEqual([reason]);
  });

  it("is set up before the calls that are made after it", async () => {
    const [here, there] = await pair(where);
    const agent = await there.spawn(new Patient());
    const proxy = await here.connect<Patient>(agent.address);
    const notices = new Notices();
    here.monitor(proxy, notices.listener);
    await proxy.crash();
    expect(await notices.next()).toEqual(["error"]);
  });

  it("tells unreachable where there is no such agent, or none any more", async () => {
    const [here, there] = await pair(where);
    const agent = await there.spawn(new Patient());
    const proxy = await here.connect<Patient>(agent.address);
    await agent.stop();
    for (const target of [proxy, agent, `${there.address}/none`]) {
      const notices = new Notices();
      here.monitor(target, notices.listener);
      expect(notices.reasons).toEqual([]);
      expect(await notices.next()).toEqual(["unreachable"]);
    }
  });

  it("tells once where the agent ends while it is set up", async () => {
    const [here, there] = await pair(where);
    for (let count = 0; count < 12; count++) {
      const agent = await there.spawn(new Patient());
      const notices = new Notices();
      here.monitor(agent.address, notices.listener);
      for (let step = 0; step < count; step++) await (step % 2 === 0 ? Promise.resolve() : turns(1));
      void agent.stop();
      expect(["normal", "unreachable"]).toContain((await notices.next())[0]);
      expect(notices.reasons).toHaveLength(1);
    }
  });

  it("tells nothing once it is taken back", async () => {
    const [here, there] = await pair(where);
    const notices = new Notices();
    const agents = await Promise.all(Array.from({ length: 4 }, async () => there.spawn(new Patient())));
    const [early, late, ending, kept] = agents as [Patient, Patient, Patient, Patient];
    here.monitor(early, notices.listener)();
    const takeBack = [late, ending].map((agent) => here.monitor(agent, notices.listener));
    const end = new Notices();
    here.monitor(kept, end.listener);
    await turns(5);
    takeBack[0]!();
    takeBack[0]!();
    const stopped = ending.stop();
    takeBack[1]!();
    await Promise.all([stopped, early.stop(), late.stop()]);
    await kept.stop();
    await end.next();
    expect(notices.reasons).toEqual([]);
  });

  it("tells nothing once its own container is shut down, and takes no more", async () => {
    const [here, there] = await pair(where);
    const notices = new Notices();
    const agent = await there.spawn(new Patient());
    here.monitor(agent, notices.listener);
    here.monitor("local://nobody/0", notices.listener);
    const down = here.shutdown();
    void agent.stop();
    await down;
    await turns(5);
    expect(notices.reasons).toEqual([]);
    expect(() => here.monitor(agent, notices.listener)).toThrow(expect.objectContaining({ code: "UNAVAILABLE" }));
  });

  it("is about one life: a restarted agent needs another", async () => {
    const [here, there] = await pair(where);
    const agent = await there.spawn(() => new Patient(), { restart: "permanent", id: "again", intensity: 5 });
    const [first, second] = [new Notices(), new Notices()];
    here.monitor(agent.address, first.listener);
    await turns(5);
    agent.crash();
    expect(await first.next()).toEqual(["error"]);
    await until(() => there.agents.length === 1);
    here.monitor(agent.address, second.listener);
    await turns(5);
    await (there.agents[0] as Patient).stop();
    expect(await second.next()).toEqual(["normal"]);
    expect(first.reasons).toEqual(["error"]);
  });

  it("whose listener fails is a warning, and others are told", async () => {
    const [here, there] = await pair(where);
    const agent = await there.spawn(new Patient());
    const notices = new Notices();
    here.monitor(agent, () => {
      throw new Error("sync listener");
    });
    const later: () => unknown = async () => Promise.reject(new Error("async listener"));
    here.monitor(agent, later);
    here.monitor(agent, notices.listener);
    await turns(5);
    const warnings: string[] = [];
    const listen = ({ message }: Error): void => void warnings.push(message);
    process.on("warning", listen);
    expect(await unhandledDuring(() => agent.stop())).toEqual([]);
    expect(await notices.next()).toEqual(["normal"]);
    process.off("warning", listen);
    expect(warnings.filter((text) => text.includes("a listener of container.monitor failed"))).toHaveLength(2);
  });
});

describe("a monitor of another container's agent", () => {
  it("tells unreachable where nobody is there", async () => {
    const here = await newContainer();
    const notices = new Notices();
    here.monitor("tcp://127.0.0.1:1/0", notices.listener);
    expect(await notices.next()).toEqual(["unreachable"]);
  });

  it("tells once where the connection is lost, whatever was on its way", async () => {
    for (let count = 0; count < 8; count++) {
      const [here, there] = await pair("over TCP");
      const agent = await there.spawn(new Patient());
      const proxy = await here.connect<Patient>(agent.address);
      const notices = new Notices();
      here.monitor(proxy, notices.listener);
      if (count > 0) await proxy.pass();
      if (count > 4) void agent.stop();
      for (let step = 4; step < count; step++) await turns(1);
      for (const connection of (count % 2 === 0 ? here : there).connections) connection.destroy();
      const [reason] = await notices.next();
      expect(["unreachable", ...(count > 4 ? ["normal"] : [])]).toContain(reason);
      expect(notices.reasons).toHaveLength(1);
    }
  });

  it("tells shutdown where that container shuts down, also of many agents", async () => {
    const [here, there] = await pair("over TCP");
    const notices = await Promise.all(
      Array.from({ length: 300 }, async () => {
        const one = new Notices();
        const agent = await there.spawn(new Patient());
        for (let count = 0; count < 8; count++) here.monitor(agent, one.listener);
        return one;
      }),
    );
    await (await here.connect<Patient>(`${there.address}/0`)).pass();
    await there.shutdown();
    for (const one of notices) await until(() => one.reasons.length === 8);
    await turns(10);
    expect(new Set(notices.flatMap(({ reasons }) => reasons))).toEqual(new Set(["shutdown"]));
    expect(notices.flatMap(({ reasons }) => reasons)).toHaveLength(300 * 8);
  });

  it("tells all, where more agents end at once than calls may run", async () => {
    const limits = { maxRunningCount: 4 };
    const there = await newContainer(newAddress(), quiet);
    const here = await newContainer(newAddress(), { ...quiet, limits });
    const slow = await here.spawn(new Slow());
    const agents = await Promise.all(Array.from({ length: 50 }, async () => there.spawn(new Patient())));
    const notices = new Notices();
    for (const agent of agents) here.monitor(agent, notices.listener);
    await turns(10);
    // Whatever else is asked of this container over the same connection: all its handlers are busy.
    const back = here.connections[0]!;
    expect(back).toBeDefined();
    const waiting = there.connections.flatMap((connection) =>
      Array.from({ length: 4 }, () =>
        (connection.remote as never as Record<string, Record<string, Slow>>)["agents"]![slow.id]!.wait(),
      ),
    );
    for (const call of waiting) call.catch(() => {});
    await slow.entered.promise;
    await Promise.all(agents.map((agent) => agent.stop()));
    await turns(5);
    expect(notices.reasons).toEqual([]);
    slow.gate.open("go on");
    await until(() => notices.reasons.length === 50, "all notices");
    await turns(10);
    expect(notices.reasons).toEqual(Array.from({ length: 50 }, () => "normal"));
  });

  it("leaves nothing behind on either side, taken back or told", async () => {
    const [here, there] = await pair("between containers");
    const agents = await Promise.all(Array.from({ length: 20 }, async () => there.spawn(new Patient())));
    const [early, later] = [agents.slice(0, 10), agents.slice(10)];
    const notices = new Notices();
    const takeBack = early.map((agent) => here.monitor(agent, notices.listener));
    for (const agent of later) here.monitor(agent, notices.listener);
    await turns(10);
    // One function of this side, however many are watched.
    expect([await referencesOf(here), await referencesOf(there)]).toEqual([1, 1]);
    for (const take of takeBack) take();
    await Promise.all(later.map((agent) => agent.stop()));
    await until(() => notices.reasons.length === 10);
    expect([await referencesOf(here), await referencesOf(there)]).toEqual([0, 0]);
    await Promise.all(early.map((agent) => agent.stop()));
    here.monitor(await there.spawn(new Patient()), notices.listener);
    await turns(10);
    expect([await referencesOf(here), await referencesOf(there)]).toEqual([1, 1]);
  });

  it("is forgotten by the agent when it is taken back, when its container goes and when its connection is lost", async () => {
    const there = await newContainer();
    const agent = await there.spawn(new Patient());
    const watched = (): number => Agent.lifeOf(agent).listenerCount;
    const ways: ((here: Container, takeBack: () => void) => unknown)[] = [
      (_, takeBack) => takeBack(),
      (here) => here.shutdown(),
      (here) => here.connections[0]!.destroy(),
    ];
    for (const way of ways) {
      const here = await newContainer();
      const takeBack = here.monitor(agent, () => {});
      await until(() => watched() === 1, "the monitor");
      await way(here, takeBack);
      await until(() => watched() === 0, "the end of the monitor");
    }
    const takeBack = there.monitor(agent, () => {});
    expect(watched()).toBe(1);
    takeBack();
    expect(watched()).toBe(0);
  });

  it("may be one of maxReferenceCount on a connection", async () => {
    const [here, there] = await pair("between containers", { limits: { maxReferenceCount: 10 } });
    const agent = await there.spawn(new Patient());
    const first = Array.from({ length: 10 }, () => new Notices());
    for (const { listener } of first) here.monitor(agent, listener);
    await turns(5);
    expect(first.every(({ reasons }) => reasons.length === 0)).toBe(true);
    const warned = new Promise<Error>((resolve) => process.once("warning", resolve));
    const beyond = new Notices();
    here.monitor(agent, beyond.listener);
    expect(await beyond.next()).toEqual(["unreachable"]);
    expect((await warned).message).toContain("maxReferenceCount");
    await agent.stop();
    for (const one of first) expect(await one.next()).toEqual(["normal"]);
  });

  it("counts until the other side has answered that it was told", async () => {
    const there = await newContainer("tcp://127.0.0.1:0", { ...quiet, limits: { maxReferenceCount: 3 } });
    await using connection = await connect(there.address, { extraSerializers: [dateSerializer] });
    const remote = connection.remote as unknown as { monitor(id: string, number: number, tell: unknown): unknown };
    const never = (): Promise<void> => new Promise(() => {});
    for (let number = 0; number < 3; number++) {
      const agent = await there.spawn(new Patient());
      expect(await remote.monitor(agent.id, number, never)).toBe(true);
      await agent.stop();
    }
    const { id } = await there.spawn(new Patient());
    expect(await failureOf(remote.monitor(id, 3, never))).toMatchObject({ code: "RESOURCE_EXHAUSTED" });
    await connection.close({ graceMs: 0 });
  });

  it("is set up by a proxy that came in a call, too", async () => {
    const [directory, home] = await pair("between containers");
    const notices = new Notices();
    const agent = await home.spawn(new Patient());
    class Directory extends Agent {
      @expose register(patient: Patient): void {
        this.container.monitor(patient, notices.listener);
      }
    }
    const { address } = await directory.spawn(new Directory());
    await (await home.connect<Directory>(address)).register(agent);
    await turns(5);
    await agent.stop();
    expect(await notices.next()).toEqual(["normal"]);
  });
});

describe("monitor", () => {
  it("says what to pass instead of other proxies and things", async () => {
    const [here, there] = await pair("between containers");
    const agent = await there.spawn(new Patient());
    const proxy = await here.connect<Patient>(agent.address);
    class Lender extends Agent {
      @expose lend(): Patient {
        return new Patient();
      }
    }
    const lent = await (await here.connect<Lender>((await there.spawn(new Lender())).address)).lend();
    const { remote } = await connect(there.address, { extraSerializers: [dateSerializer] });
    for (const target of [proxy.pass, lent, remote, {}, 5, null, () => {}]) {
      expect(() => here.monitor(target as never, () => {})).toThrow(
        expect.objectContaining({
          code: "INVALID_ARGUMENT",
          message: expect.stringContaining("as container.connect makes it, or the agent's address"),
        }),
      );
    }
    expect(() => here.monitor("nonsense", () => {})).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    expect(() => here.monitor(new Echo(), () => {})).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    expect(() => here.monitor(proxy, 5 as never)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });

  it("as a method of the root checks what it gets", async () => {
    const there = await newContainer();
    await there.spawn(new Patient());
    interface Root {
      monitor(id: unknown, number: unknown, tell: unknown): Promise<boolean>;
      demonitor(numbers: unknown): Promise<void>;
    }
    const connection = await connect<never>(there.address, { extraSerializers: [dateSerializer] });
    const root = connection.remote as unknown as Root;
    const tell = (): void => {};
    expect(await root.monitor("0", 1, tell)).toBe(true);
    expect(await root.monitor("none", 2, tell)).toBe(false);
    for (const args of [
      ["0", 1, tell],
      [0, 2, tell],
      ["0", "2", tell],
      ["0", 2, "tell"],
      ["0", 2 ** 60, tell],
    ] as const)
      expect(await failureOf(root.monitor(...(args as [unknown, unknown, unknown])))).toMatchObject({
        code: "INVALID_ARGUMENT",
      });
    expect(await failureOf(root.demonitor("all"))).toMatchObject({ code: "INVALID_ARGUMENT" });
    await root.demonitor([1, "1", null, {}, 99]);
    expect(await root.monitor("0", 1, tell)).toBe(true);
    await connection.close();
  });

  it("asks a plain peer whether it has the agent, and tells when its connection ends", async () => {
    const here = await newContainer();
    const asked: unknown[] = [];
    const server = await serveChannels(
      newAddress(),
      async (channel) => {
        for await (const request of channel) {
          const [path, [id]] = request.content as [string, unknown[]];
          asked.push(path);
          if (path === "validate_aid") await request.reply(id === "0" ? "Agent" : null);
          else await request.fail(`LookupError: ${path}`);
        }
      },
      { codec: JsonCodec },
    );
    const [known, unknown] = [new Notices(), new Notices()];
    here.monitor(`${server.address}/0`, known.listener);
    here.monitor(`${server.address}/1`, unknown.listener);
    expect(await unknown.next()).toEqual(["unreachable"]);
    expect(known.reasons).toEqual([]);
    expect(asked.filter((path) => path !== "$/hello")).toEqual(["validate_aid", "validate_aid"]);
    await server.close({ graceMs: 0 });
    expect(await known.next()).toEqual(["unreachable"]);
  });

  it("tells unreachable, once, when the other process is killed", async () => {
    await using child = new Child("patients.ts");
    const { addresses } = (await child.line()) as { addresses: string[] };
    const here = await newContainer();
    const notices = [new Notices(), new Notices(), new Notices()];
    const proxy = await here.connect<Patient>(addresses[0]!);
    here.monitor(proxy, notices[0]!.listener);
    here.monitor(addresses[1]!, notices[1]!.listener);
    here.monitor(addresses[2]!, notices[2]!.listener);
    await proxy.pass();
    const gone = await here.connect<Patient>(addresses[2]!);
    await gone.crash();
    expect(await notices[2]!.next()).toEqual(["error"]);
    child.process.kill("SIGKILL");
    expect(await notices[0]!.next()).toEqual(["unreachable"]);
    expect(await notices[1]!.next()).toEqual(["unreachable"]);
    expect(notices[2]!.reasons).toEqual(["error"]);
  });

  it("isn't held up by an agent that is asked while it starts: it isn't there yet", async () => {
    const container = await newContainer();
    const gate = new Gate();
    class Late extends Patient {
      protected override async onStart(): Promise<void> {
        await gate.promise;
      }
    }
    const spawned = container.spawn(new Late());
    const notices = new Notices();
    container.monitor(`${container.address}/0`, notices.listener);
    expect(await notices.next()).toEqual(["unreachable"]);
    gate.open();
    await spawned;
  });
});
