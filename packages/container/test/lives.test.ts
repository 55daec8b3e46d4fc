import { expose } from "@colloquy/rpc";
import { describe, expect, it } from "vitest";
import { Agent, ExternalClock } from "../src/index.ts";
import type { Container, ContainerOptions, EndReason, SpawnOptions } from "../src/index.ts";
import {
  Echo,
  Gate,
  failureOf,
  newAddress,
  newContainer,
  rejectionOf,
  turns,
  unhandledDuring,
  until,
} from "./support.ts";

/** Writes down what happens to it, in the list of a test. */
class Room extends Agent {
  readonly #events: string[];

  constructor(events: string[] = []) {
    super();
    this.#events = events;
  }

  @expose ping(): string {
    return "pong";
  }

  @expose crash(message: string): void {
    this.fail(new Error(message));
  }

  @expose crashInTask(message: string): void {
    this.task(async () => {
      throw new Error(message);
    });
  }

  @expose leave(): void {
    void this.stop();
  }

  @expose throwing(): void {
    throw new RangeError("only this call");
  }

  protected override onStart(): void | Promise<void> {
    this.#events.push("start");
  }

  protected override onReady(): void | Promise<void> {
    this.#events.push("ready");
  }

  protected override onStop(reason: EndReason): void | Promise<void> {
    this.#events.push(reason);
  }
}

interface Scene {
  readonly container: Container;
  readonly clock: ExternalClock;
  readonly failures: string[];
  readonly givenUp: [message: string, agent: Agent][];
}

async function scene(options: ContainerOptions = {}): Promise<Scene> {
  const clock = new ExternalClock("2026-01-01");
  const failures: string[] = [];
  const givenUp: [message: string, agent: Agent][] = [];
  const container = await newContainer(newAddress(), {
    clock,
    onTaskFailure: (error) => failures.push((error as Error).message),
    onGiveUp: (error, agent) => givenUp.push([(error as Error).message, agent]),
    ...options,
  });
  return { container, clock, failures, givenUp };
}

/** A room with this restart, whose lives write into one list. */
async function supervisedRoom(
  container: Container,
  options: SpawnOptions,
): Promise<{ events: string[]; current: () => Room | undefined; first: Room }> {
  const events: string[] = [];
  const first = await container.spawn(() => new Room(events), { id: "room", ...options });
  return { events, first, current: () => container.agents.find(({ id }) => id === "room") as Room | undefined };
}

describe("A6 ids and names", () => {
  it('A6 ids are "0", "1", ..., also beside agents with names', async () => {
    const { container } = await scene();
    const agents = [
      await container.spawn(new Echo(), { name: "one" }),
      await container.spawn(new Echo(), { name: "2" }),
    ];
    agents.push(await container.spawn(new Echo()));
    expect(agents.map(({ id }) => id)).toEqual(["0", "1", "3"]);
    expect(agents.map(({ name }) => name)).toEqual(["one", "2", undefined]);
  });

  it("lead to the same agent, in addresses and in paths", async () => {
    const { container } = await scene();
    const other = await newContainer();
    const agent = await container.spawn(new Echo(), { name: "directory" });
    const byName = await other.connect<Echo>(`${container.address}/directory`);
    const byId = await other.connect<Echo>(`${container.address}/0`);
    expect([await byName.where(), await byId.where()]).toEqual([agent.address, agent.address]);
    expect(agent.address).toBe(`${container.address}/0`);
    expect(container.agents).toEqual([agent]);
    await agent.stop();
    expect(await failureOf(byName.where())).toMatchObject({ code: "NOT_FOUND", executed: "no" });
    expect(await failureOf(other.connect(`${container.address}/directory`))).toMatchObject({ code: "NOT_FOUND" });
    expect((await container.spawn(new Echo(), { name: "directory" })).id).toBe("1");
  });

  it.each<[SpawnOptions, string]>([
    [{ name: "taken" }, "taken"],
    [{ id: "taken" }, "taken"],
    [{ name: "0" }, "0"],
    [{ id: "both", name: "both" }, "both"],
    [{ name: "a/b" }, "a/b"],
    [{ name: "white space" }, "white space"],
  ])("%o is refused where it is taken or no word", async (options, shown) => {
    const { container } = await scene();
    await container.spawn(new Echo(), { name: "taken" });
    const error = await failureOf(container.spawn(new Echo(), options));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", message: expect.stringContaining(`"${shown}"`) });
    expect(container.agents).toHaveLength(1);
  });
});

describe("spawn's options", () => {
  it.each<[unknown, string]>([
    [{ restart: "always" }, '"always"'],
    [{ name: 5 }, "option name of spawn is 5"],
    [{ retsart: "permanent" }, '"retsart"'],
    [{ restart: "permanent", intensity: -1 }, "option intensity of spawn is -1"],
    [{ restart: "permanent", intensity: 1.5 }, "option intensity of spawn is 1.5"],
    [{ restart: "permanent", periodMs: 0 }, "option periodMs of spawn is 0"],
    [{ restart: "permanent", backoff: { minMs: -1 } }, "minMs is -1"],
    [{ restart: "permanent", backoff: 5 }, "option backoff of spawn is 5; it takes an object"],
    [{ intensity: 3 }, "intensity is for an agent that is restarted"],
    [{ backoff: {} }, "backoff is for an agent that is restarted"],
    ["room", "spawn takes a plain object of options"],
  ])("%o is refused", async (options, message) => {
    const { container } = await scene();
    const error = await failureOf(container.spawn(() => new Echo(), options as never));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", message: expect.stringContaining(message) });
    expect((await container.spawn(new Echo())).id).toBe("0");
  });

  it.each(["permanent", "transient"] as const)("restart %s needs a factory", async (restart) => {
    const { container } = await scene();
    const error = await failureOf(container.spawn(new Echo(), { restart }));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", message: expect.stringContaining("needs a factory") });
  });

  it("restart temporary takes an agent, too", async () => {
    const { container } = await scene();
    const agent = await container.spawn(new Echo(), { restart: "temporary" });
    expect(container.agents).toEqual([agent]);
  });
});

describe("the end of an agent", () => {
  it("is normal by stop, shutdown by terminate and by the container's, error by fail", async () => {
    const { container, failures } = await scene();
    const lists: string[][] = [[], [], [], [], []];
    const [stopped, byId, byName, byAgent, failing] = await Promise.all(
      lists.map(async (events, index) => container.spawn(new Room(events), index === 2 ? { name: "lounge" } : {})),
    );
    await stopped!.stop();
    await container.terminate(byId!.id);
    await container.terminate("lounge");
    await container.terminate(byAgent!);
    failing!.crash("on purpose");
    await until(() => container.agents.length === 0);
    await turns(2);
    const rest: string[] = [];
    await container.spawn(new Room(rest));
    await container.shutdown();
    expect(byName!.name).toBe("lounge");
    const ends = [...lists, rest].map((events) => events.at(-1));
    expect(ends).toEqual(["normal", "shutdown", "shutdown", "shutdown", "error", "shutdown"]);
    expect(failures).toEqual(["on purpose"]);
  });

  it("has one reason, the first", async () => {
    const { container } = await scene();
    const events: string[] = [];
    const room = await container.spawn(new Room(events));
    const stopped = room.stop();
    room.crash("too late");
    await Promise.all([stopped, container.terminate(room)]);
    expect(events).toEqual(["start", "ready", "normal"]);
  });

  it("comes once where a task asks for it as its signal aborts", async () => {
    const { container } = await scene();
    const events: string[] = [];
    const ends: Promise<void>[] = [];
    class Echoing extends Room {
      protected override onStart(): void {
        this.task(async (signal) => {
          await new Promise<void>((resolve) => {
            signal.addEventListener("abort", () => {
              ends.push(this.stop());
              resolve();
            });
          });
        });
      }
    }
    const room = await container.spawn(new Echoing(events));
    await room.stop();
    await Promise.all(ends);
    expect(ends).toHaveLength(1);
    expect(events).toEqual(["ready", "normal"]);
  });

  it("comes by terminate while it starts, too", async () => {
    const { container } = await scene();
    const events: string[] = [];
    class Late extends Room {
      protected override onStart(): Promise<void> {
        return new Promise(() => {});
      }
    }
    const room = new Late(events);
    void container.spawn(room);
    await turns(1);
    await container.terminate(room);
    expect(events).toEqual(["shutdown"]);
  });

  it("terminate says what it doesn't find", async () => {
    const { container } = await scene();
    const elsewhere = await (await newContainer()).spawn(new Echo());
    for (const target of ["none", elsewhere, new Echo()])
      expect(await failureOf(container.terminate(target))).toMatchObject({ code: "NOT_FOUND" });
    for (const target of [5, null, {}])
      expect(await failureOf(container.terminate(target as never))).toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  it("a task that fails ends no agent that isn't supervised, and a method that throws none at all", async () => {
    const { container, failures } = await scene();
    const { first } = await supervisedRoom(container, { restart: "permanent" });
    const plain = await container.spawn(new Room());
    const [supervised, unsupervised] = await Promise.all([
      container.connect<Room>(first.address),
      container.connect<Room>(plain.address),
    ]);
    expect((await failureOf(supervised.throwing())).message).toBe("only this call");
    expect((await failureOf(unsupervised.throwing())).message).toBe("only this call");
    await unsupervised.crashInTask("told");
    await turns(5);
    expect(failures).toEqual(["told"]);
    expect(container.agents).toEqual([first, plain]);
  });

  it("fail that a listener of failures fails on is still an end", async () => {
    const { container } = await scene({
      onTaskFailure: () => {
        throw new Error("listener");
      },
    });
    const events: string[] = [];
    const room = await container.spawn(new Room(events));
    const warned = new Promise<Error>((resolve) => process.once("warning", resolve));
    expect(await unhandledDuring(() => room.crash("first"))).toEqual([]);
    expect((await warned).message).toContain("onTaskFailure of Room(");
    expect(events.at(-1)).toBe("error");
  });

  it("fail before spawn is refused", () => {
    expect(() => new Room().crash("early")).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });
});

describe("onReady", () => {
  it("runs once the agent can be called", async () => {
    const { container } = await scene();
    const seen = new Gate<unknown>();
    class Caller extends Echo {
      protected override async onReady(): Promise<void> {
        const self = await this.container.connect<Echo>(this.address);
        seen.open(await self.echo("me"));
      }
    }
    await container.spawn(new Caller());
    expect(await seen.promise).toBe("me");
  });

  it("waits for readyWhen, and nothing else does", async () => {
    const gate = new Gate();
    const { container } = await scene({ readyWhen: gate.promise });
    const [lives, ended]: string[][] = [[], []];
    const room = await container.spawn(new Room(lives));
    const gone = await container.spawn(new Room(ended));
    expect(room.ping()).toBe("pong");
    await gone.stop();
    await turns(3);
    expect(lives).toEqual(["start"]);
    gate.open();
    await turns(1);
    expect(lives).toEqual(["start", "ready"]);
    expect(ended).toEqual(["start", "normal"]);
    const late: string[] = [];
    await container.spawn(new Room(late));
    await turns(1);
    expect(late).toEqual(["start", "ready"]);
  });

  it("that never comes about holds nothing up", async () => {
    const { container } = await scene({ readyWhen: new Promise(() => {}) });
    const events: string[] = [];
    await container.spawn(new Room(events));
    await container.shutdown();
    expect(events).toEqual(["start", "shutdown"]);
  });

  it("that can't come about is told once, and isn't run", async () => {
    const warned = new Promise<Error>((resolve) => process.once("warning", resolve));
    const { container } = await scene({ readyWhen: Promise.reject(new Error("one is down")) });
    const events: string[] = [];
    expect(await unhandledDuring(async () => container.spawn(new Room(events)))).toEqual([]);
    expect((await warned).message).toContain("readyWhen of");
    expect(events).toEqual(["start"]);
  });

  it("that fails is a failure as that of a task", async () => {
    const { container, failures } = await scene();
    class Unready extends Room {
      protected override async onReady(): Promise<void> {
        throw new Error("not ready");
      }
    }
    const plain = await container.spawn(new Unready());
    await turns(2);
    expect([failures, container.agents]).toEqual([["not ready"], [plain]]);
    await container.spawn(() => new Unready(), { restart: "temporary" });
    await turns(2);
    expect([failures.length, container.agents]).toEqual([2, [plain]]);
  });

  it("takes a promise, and nothing else", async () => {
    expect(await failureOf(newContainer(newAddress(), { readyWhen: 5 as never }))).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("readyWhen"),
    });
  });
});

describe("a supervised agent", () => {
  it.each<[SpawnOptions["restart"], "leave" | "crash" | "crashInTask", boolean]>([
    ["permanent", "leave", true],
    ["permanent", "crash", true],
    ["permanent", "crashInTask", true],
    ["transient", "leave", false],
    ["transient", "crash", true],
    ["transient", "crashInTask", true],
    ["temporary", "leave", false],
    ["temporary", "crash", false],
    ["temporary", "crashInTask", false],
  ])("that is %s and ends by %s: restarted is %s", async (restart, way, isRestarted) => {
    const { container, givenUp } = await scene();
    const { events, first, current } = await supervisedRoom(container, { restart, name: "lounge" });
    const proxy = await container.connect<Room>(`${container.address}/lounge`);
    first[way]("boom");
    await until(() => events.includes(way === "leave" ? "normal" : "error"));
    await turns(3);
    const end = way === "leave" ? "normal" : "error";
    expect(events).toEqual(["start", "ready", end, ...(isRestarted ? ["start", "ready"] : [])]);
    expect(current() !== undefined).toBe(isRestarted);
    expect(current()).not.toBe(first);
    if (isRestarted) {
      expect([current()!.id, current()!.name, current()!.address]).toEqual(["room", "lounge", first.address]);
      expect(await proxy.ping()).toBe("pong");
    } else {
      expect(await failureOf(proxy.ping())).toMatchObject({ code: "NOT_FOUND" });
      await container.spawn(new Echo(), { id: "room", name: "lounge" });
    }
    expect(givenUp).toEqual([]);
  });

  it("is given up over its intensity of 1 in 5 s, told to onGiveUp, and its words are free", async () => {
    const { container, clock, givenUp } = await scene();
    const { first, current } = await supervisedRoom(container, { restart: "permanent" });
    first.crash("first");
    await until(() => current() !== undefined && current() !== first);
    clock.setTime(5);
    const second = current()!;
    second.crash("second");
    await until(() => givenUp.length > 0);
    expect(current()).toBeUndefined();
    const message = 'gave up on "room": more than 1 restarts within 5000 ms; the last time with second';
    expect(givenUp).toEqual([[message, second]]);
    expect((await container.spawn(new Echo(), { id: "room" })).id).toBe("room");
  });

  it("isn't given up where its failures are further apart", async () => {
    const { container, clock, givenUp } = await scene();
    const { events, current } = await supervisedRoom(container, { restart: "permanent" });
    for (const time of [6, 12, 18]) {
      const before = current()!;
      before.crash("now and then");
      await until(() => current() !== undefined && current() !== before);
      clock.setTime(time);
    }
    expect(events.filter((event) => event === "start")).toHaveLength(4);
    expect(givenUp).toEqual([]);
  });

  it("that is given up is a warning of the process where nobody listens", async () => {
    const container = await newContainer();
    const { first } = await supervisedRoom(container, { restart: "permanent", intensity: 0 });
    const warnings: string[] = [];
    const listen = ({ message }: Error): void => void warnings.push(message);
    process.on("warning", listen);
    first.crash("boom");
    await until(() => warnings.length === 2);
    process.off("warning", listen);
    expect(warnings[0]).toContain("a task of Room(");
    expect(warnings[1]).toContain("isn't restarted any more: ColloquyError: gave up on");
  });

  it("rejects with what its first start throws, and nothing is left", async () => {
    const { container, givenUp } = await scene();
    const error = new Error("no luck");
    class Failing extends Room {
      protected override onStart(): void {
        throw error;
      }
    }
    expect(await rejectionOf(container.spawn(() => new Failing(), { id: "a", restart: "permanent" }))).toBe(error);
    const makes = (): Room => {
      throw error;
    };
    expect(await rejectionOf(container.spawn(makes, { id: "a", restart: "permanent" }))).toBe(error);
    expect((await container.spawn(new Echo(), { id: "a" })).id).toBe("a");
    expect(givenUp).toEqual([]);
  });

  it("whose start fails in a restart counts once more, and is UNAVAILABLE meanwhile", async () => {
    const { container, clock, givenUp } = await scene();
    let isBroken = false;
    class Fragile extends Room {
      protected override onStart(): void {
        if (isBroken) throw new Error("still broken");
      }
    }
    const first = await container.spawn(() => new Fragile(), {
      restart: "permanent",
      name: "room",
      intensity: 4,
      backoff: { minMs: 1000, factor: 1 },
    });
    const proxy = await container.connect<Fragile>(first.address);
    isBroken = true;
    first.crash("boom");
    await turns(3);
    for (const time of [1, 2]) {
      expect(await failureOf(proxy.ping())).toMatchObject({ code: "UNAVAILABLE", executed: "no" });
      expect(await failureOf((await container.connect<Room>(`${container.address}/room`)).ping())).toMatchObject({
        code: "UNAVAILABLE",
      });
      expect(await failureOf(container.spawn(new Echo(), { id: "room" }))).toMatchObject({ code: "INVALID_ARGUMENT" });
      clock.setTime(time);
      await turns(3);
    }
    isBroken = false;
    clock.setTime(3);
    await until(() => container.agents.length === 1);
    expect(await proxy.ping()).toBe("pong");
    (container.agents[0] as Fragile).crash("the fifth");
    await until(() => givenUp.length === 1);
    expect(await failureOf(proxy.ping())).toMatchObject({ code: "NOT_FOUND" });
  });

  it("isn't restarted by terminate, while it lives or waits for its restart", async () => {
    const { container, clock, givenUp } = await scene();
    const { events, first, current } = await supervisedRoom(container, { restart: "permanent", intensity: 9 });
    await container.terminate("room");
    await turns(3);
    expect(events).toEqual(["start", "ready", "shutdown"]);
    const again = await supervisedRoom(container, { restart: "permanent", intensity: 9 });
    again.first.crash("once");
    await until(() => current() !== undefined && current() !== again.first);
    current()!.crash("twice");
    await until(() => again.events.filter((event) => event === "error").length === 2);
    await turns(3);
    expect(current()).toBeUndefined();
    await container.terminate("room");
    clock.setTime(1000);
    await turns(3);
    expect(again.events.slice(-1)).toEqual(["error"]);
    expect(await failureOf(container.terminate("room"))).toMatchObject({ code: "NOT_FOUND" });
    await first.stop();
    expect(givenUp).toEqual([]);
  });

  it("ends with the container, also where it fails or is being restarted meanwhile", async () => {
    const { container, givenUp } = await scene();
    const gate = new Gate();
    let starts = 0;
    const endings: string[] = [];
    class Slow extends Room {
      protected override async onStart(): Promise<void> {
        if (++starts > 1) await gate.promise;
      }
    }
    const starting = await container.spawn(() => new Slow(endings), { restart: "permanent", id: "starting" });
    const failing = await supervisedRoom(container, { restart: "permanent" });
    starting.crash("now it starts again");
    await until(() => starts === 2);
    const down = container.shutdown();
    failing.first.crash("while it goes down");
    gate.open();
    await down;
    await turns(3);
    expect(failing.events.slice(-1)).toEqual(["error"]);
    expect(endings).toEqual(["ready", "error", "shutdown"]);
    expect(starts).toBe(2);
    expect(givenUp).toEqual([]);
    expect(container.agents).toEqual([]);
  });

  it("that is spawned while the container goes down is no more", async () => {
    const { container } = await scene();
    const gate = new Gate();
    const spawned = failureOf(
      container.spawn(
        async () => {
          await gate.promise;
          return new Room();
        },
        { restart: "permanent" },
      ),
    );
    const down = container.shutdown();
    gate.open();
    expect(await spawned).toMatchObject({ code: "UNAVAILABLE" });
    await down;
  });

  it("an old life's stop does nothing to the new one", async () => {
    const { container } = await scene();
    const { events, first, current } = await supervisedRoom(container, { restart: "transient" });
    first.crash("boom");
    await until(() => current() !== undefined && current() !== first);
    await first.stop();
    await turns(2);
    expect(current()!.ping()).toBe("pong");
    expect(events).toEqual(["start", "ready", "error", "start", "ready"]);
  });

  it("whose onStop throws has failed, as in OTP", async () => {
    const { container } = await scene();
    let count = 0;
    class Clumsy extends Room {
      protected override onStop(): void {
        if (++count === 1) throw new Error("clumsy");
      }
    }
    const first = await container.spawn(() => new Clumsy(), { restart: "transient" });
    expect(await rejectionOf(first.stop())).toMatchObject({ message: "clumsy" });
    await until(() => container.agents.length === 1);
    expect(container.agents[0]).not.toBe(first);
    expect(container.agents[0]!.address).toBe(first.address);
  });

  it("whose onStop never ends has failed after closeGraceMs, and is restarted", async () => {
    const { container, failures } = await scene({ limits: { closeGraceMs: 50 } });
    let count = 0;
    class Stuck extends Room {
      protected override async onStop(): Promise<void> {
        if (++count === 1) await new Promise(() => {});
      }
    }
    const first = await container.spawn(() => new Stuck(), { restart: "permanent" });
    const gone = new Promise((resolve) => container.monitor(first, resolve));
    expect(await failureOf(first.stop())).toMatchObject({
      code: "DEADLINE_EXCEEDED",
      message: expect.stringContaining(`onStop of ${String(first)} hasn't ended`),
    });
    expect(await gone).toBe("error");
    await until(() => container.agents.length === 1);
    expect(container.agents[0]).not.toBe(first);
    expect(failures).toEqual([]);
  });
});
