import { expose } from "@colloquy/rpc";
import { describe, expect, it } from "vitest";
import { Agent } from "../src/index.ts";
import type { Container } from "../src/index.ts";
import { Echo, Gate, failureOf, newAddress, newContainer, rejectionOf, turns, unhandledDuring } from "./support.ts";

/** Writes down what happens to it. */
class Recorder extends Agent {
  readonly events: string[] = [];

  @expose ping(): string {
    this.events.push("ping");
    return "pong";
  }

  protected override onStart(): void {
    this.events.push(`start ${this.address}`);
  }

  protected override onStop(): void {
    this.events.push("stop");
  }
}

/** Runs what a test hands in as its task. */
class Worker extends Agent {
  readonly events: string[] = [];

  work(work: (signal: AbortSignal) => Promise<unknown>): void {
    this.task(work);
  }

  @expose ping(): string {
    return "pong";
  }

  protected override onStop(): void {
    this.events.push("stop");
  }
}

describe("the address of an agent", () => {
  it("A6 counts from 0", async () => {
    const container = await newContainer();
    const agents = [];
    for (let count = 0; count < 3; count++) agents.push(await container.spawn(new Echo()));
    expect(agents.map(({ id }) => id)).toEqual(["0", "1", "2"]);
    expect(agents.map(({ address }) => address)).toEqual(["0", "1", "2"].map((id) => `${container.address}/${id}`));
    expect(container.agents).toEqual(agents);
  });

  it("is unique among agents that start at the same time", async () => {
    const container = await newContainer();
    const agents = await Promise.all(Array.from({ length: 20 }, async () => container.spawn(new Echo())));
    expect(agents.map(({ id }) => Number(id)).toSorted((a, b) => a - b)).toEqual(agents.map((_, index) => index));
  });

  it("is the one that was asked for", async () => {
    const container = await newContainer();
    const directory = await container.spawn(new Echo(), { id: "directory" });
    expect(directory.address).toBe(`${container.address}/directory`);
    const proxy = await container.connect<Echo>(directory.address);
    expect(await proxy.where()).toBe(directory.address);
  });

  it("may be any number, or look like one, and is never another agent's", async () => {
    const container = await newContainer();
    const wanted = ["2", "0", "1", "01", "00", "1e1", "-1", "١", "4294967295", "123456789012", "1.0"];
    for (const id of wanted) await container.spawn(new Echo(), { id });
    await container.spawn(new Echo(), { name: "3" });
    const last = await container.spawn(new Echo());
    expect(last.id).toBe("5");
    for (const id of [...wanted, "5"]) {
      const proxy = await container.connect<Echo>(`${container.address}/${id}`);
      expect(await proxy.where()).toBe(`${container.address}/${id}`);
    }
    await last.stop();
    const stopped = container.connect<Echo>(`${container.address}/5`).then((proxy) => proxy.where());
    expect(await failureOf(stopped)).toMatchObject({ code: "NOT_FOUND" });
    const next = await container.spawn(new Echo(), { id: "5" });
    expect(await (await container.connect<Echo>(next.address)).where()).toBe(next.address);
  });

  it("isn't given twice", async () => {
    const container = await newContainer();
    await container.spawn(new Echo(), { id: "a" });
    expect(await failureOf(container.spawn(new Echo(), { id: "a" }))).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining('"a"'),
    });
    expect(container.agents).toHaveLength(1);
  });

  it("isn't given to a second one while the first one starts", async () => {
    const container = await newContainer();
    const gate = new Gate();
    class Late extends Agent {
      protected override async onStart(): Promise<void> {
        await gate.promise;
      }
    }
    const first = container.spawn(new Late(), { id: "a" });
    expect(await failureOf(container.spawn(new Echo(), { id: "a" }))).toMatchObject({ code: "INVALID_ARGUMENT" });
    gate.open();
    expect((await first).id).toBe("a");
  });

  it("leaves out numbers that were given by hand", async () => {
    const container = await newContainer();
    await container.spawn(new Echo(), { id: "1" });
    const ids = [await container.spawn(new Echo()), await container.spawn(new Echo())].map(({ id }) => id);
    expect(ids).toEqual(["0", "2"]);
  });

  it.each([[""], ["a/b"], ["a b"], ["a\n"], ["x".repeat(65)]])("can't have the id %j", async (id) => {
    const container = await newContainer();
    expect(await failureOf(container.spawn(new Echo(), { id }))).toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  it.each([["constructor"], ["__proto__"], ["toString"], ["x".repeat(64)], ["ä"]])("may have the id %j", async (id) => {
    const container = await newContainer();
    const { address } = await container.spawn(new Echo(), { id });
    const proxy = await container.connect<Echo>(address);
    expect(await proxy.where()).toBe(address);
  });

  it.each(["address", "id", "container"] as const)("isn't there before it is spawned: %s throws", (name) => {
    const agent = new Echo();
    expect(() => agent[name]).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });

  it("A5 stands in its text", async () => {
    const agent = new Echo();
    expect(String(agent)).toBe("Echo('not spawned')");
    const container = await newContainer();
    await container.spawn(agent);
    expect(String(agent)).toBe(`Echo('${container.address}/0')`);
  });

  it("U2 has the name that the container advertises", async () => {
    const container = await newContainer("tcp://127.0.0.1:0", { advertise: "localhost" });
    const { address } = await container.spawn(new Echo());
    expect(address).toMatch(/^tcp:\/\/localhost:[1-9]\d*\/0$/);
    const other = await newContainer();
    expect(await (await other.connect<Echo>(address)).where()).toBe(address);
  });
});

describe("spawn", () => {
  it("runs onStart before anybody can call", async () => {
    const container = await newContainer();
    const other = await newContainer();
    const gate = new Gate();
    const started = new Gate();
    class Late extends Recorder {
      protected override async onStart(): Promise<void> {
        super.onStart();
        started.open();
        await gate.promise;
        this.events.push("ready");
      }
    }
    const agent = new Late();
    const spawned = container.spawn(agent);
    await started.promise;
    expect(container.agents).toEqual([]);
    expect(await failureOf(other.connect(`${container.address}/0`))).toMatchObject({ code: "NOT_FOUND" });
    gate.open();
    await spawned;
    await (await other.connect<Late>(agent.address)).ping();
    expect(agent.events).toEqual([`start ${container.address}/0`, "ready", "ping"]);
  });

  it("takes a factory, also one that is late", async () => {
    const container = await newContainer();
    const echo = await container.spawn(() => new Echo());
    const later = await container.spawn(async () => {
      await turns(3);
      return new Echo();
    });
    expect([echo.id, later.id]).toEqual(["0", "1"]);
  });

  it("rejects with what a factory throws, and nothing is left", async () => {
    const container = await newContainer();
    const error = new Error("no luck");
    const failing = (): Echo => {
      throw error;
    };
    expect(await rejectionOf(container.spawn(failing, { id: "a" }))).toBe(error);
    expect(container.agents).toEqual([]);
    expect((await container.spawn(new Echo(), { id: "a" })).id).toBe("a");
  });

  it("rejects with what onStart throws; nothing is left and the id is free", async () => {
    const container = await newContainer();
    const error = new Error("no luck");
    let signal: AbortSignal | undefined;
    class Failing extends Recorder {
      protected override async onStart(): Promise<void> {
        this.task(async (given) => (signal = given));
        await turns(2);
        throw error;
      }
    }
    const agent = new Failing();
    expect(await rejectionOf(container.spawn(agent, { id: "a" }))).toBe(error);
    expect(signal?.aborted).toBe(true);
    expect(container.agents).toEqual([]);
    expect(await failureOf(container.connect(`${container.address}/a`))).toMatchObject({ code: "NOT_FOUND" });
    const second = await container.spawn(new Echo(), { id: "a" });
    await agent.stop();
    expect(container.agents[0]).toBe(second);
    expect(agent.events).toEqual([]);
  });

  it("refuses an agent that was spawned before, here or elsewhere", async () => {
    const container = await newContainer();
    const other = await newContainer();
    const agent = await container.spawn(new Echo());
    for (const home of [container, other]) {
      expect(await failureOf(home.spawn(agent))).toMatchObject({
        code: "INVALID_ARGUMENT",
        message: expect.stringContaining(String(agent)),
      });
    }
    expect(agent.address).toBe(`${container.address}/0`);
    expect([container.agents[0] === agent, other.agents.length]).toEqual([true, 0]);
    await agent.stop();
    expect(await failureOf(container.spawn(agent))).toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  it("refuses a class, and shows an instance and a factory", async () => {
    const container = await newContainer();
    const message = "spawn takes an agent, or a factory: new Echo(), or () => new Echo()";
    expect(await failureOf(container.spawn(Echo as never))).toMatchObject({ code: "INVALID_ARGUMENT", message });
    const child = (): unknown => container.child(Echo as never);
    expect(child).toThrow("container.child takes a factory: () => new Echo()");
  });

  it.each([[null], [{}], [() => undefined]])("refuses %j, which is no agent", async (thing) => {
    const container = await newContainer();
    expect(await failureOf(container.spawn(thing as never))).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect((await container.spawn(new Echo())).id).toBe("0");
  });

  it("lets agents have methods of any name", async () => {
    const container = await newContainer();
    class Named extends Agent {
      @expose attach(): string {
        return "attach";
      }
      @expose begin(): string {
        return "begin";
      }
      @expose end(): string {
        return "end";
      }
      @expose life(): string {
        return "life";
      }
    }
    const agent = await container.spawn(new Named());
    const proxy = await container.connect<Named>(agent.address);
    expect(await Promise.all([proxy.attach(), proxy.begin(), proxy.end(), proxy.life()])).toEqual([
      "attach",
      "begin",
      "end",
      "life",
    ]);
    await agent.stop();
    expect(container.agents).toHaveLength(0);
  });

  it("is refused after shutdown", async () => {
    const container = await newContainer();
    await container.shutdown();
    expect(await failureOf(container.spawn(new Echo()))).toMatchObject({ code: "UNAVAILABLE" });
  });

  it("ends an agent that was still starting when the container was shut down", async () => {
    const container = await newContainer();
    const gate = new Gate();
    let signal: AbortSignal | undefined;
    class Late extends Recorder {
      protected override async onStart(): Promise<void> {
        this.task(async (given) => (signal = given));
        await gate.promise;
      }
    }
    const agent = new Late();
    const spawned = failureOf(container.spawn(agent));
    const down = container.shutdown();
    gate.open();
    expect(await spawned).toMatchObject({ code: "UNAVAILABLE" });
    await down;
    expect(signal?.aborted).toBe(true);
    expect(agent.events).toEqual(["stop"]);
    expect(container.agents).toEqual([]);
  });
});

describe("stop", () => {
  it("runs onStop once, however often and when it is called", async () => {
    const container = await newContainer();
    const agent = await container.spawn(new Recorder());
    await Promise.all([agent.stop(), agent.stop()]);
    await agent.stop();
    await container.shutdown();
    expect(agent.events.filter((event) => event === "stop")).toHaveLength(1);
  });

  it("does nothing to an agent that was never spawned", async () => {
    const agent = new Recorder();
    await agent.stop();
    expect(agent.events).toEqual([]);
  });

  it("frees the address: NOT_FOUND for calls and connects, until another one has it", async () => {
    const container = await newContainer();
    const other = await newContainer();
    const agent = await container.spawn(new Echo(), { id: "a" });
    const proxy = await other.connect<Echo>(agent.address);
    await proxy.where();
    await agent.stop();
    expect(container.agents).toEqual([]);
    const message = 'agent "a" not found in this container';
    expect(await failureOf(proxy.where())).toMatchObject({ code: "NOT_FOUND", executed: "no", message });
    expect(await failureOf(other.connect(agent.address))).toMatchObject({ code: "NOT_FOUND" });
    const next = await container.spawn(new Echo(), { id: "a" });
    expect(await proxy.where()).toBe(next.address);
    await agent.stop();
    expect(container.agents[0]).toBe(next);
  });

  it("doesn't give its number to another one", async () => {
    const container = await newContainer();
    await (await container.spawn(new Echo())).stop();
    expect((await container.spawn(new Echo())).id).toBe("1");
  });

  it("rejects with what onStop throws, for everybody who waits", async () => {
    const container = await newContainer();
    const error = new Error("stuck");
    class Failing extends Agent {
      protected override onStop(): void {
        throw error;
      }
    }
    const agent = await container.spawn(new Failing());
    expect(await Promise.all([rejectionOf(agent.stop()), rejectionOf(agent.stop())])).toEqual([error, error]);
    expect(await rejectionOf(agent.stop())).toBe(error);
    expect(container.agents).toEqual([]);
  });

  it("can be called by the agent's own method", async () => {
    const container = await newContainer();
    class Quitter extends Recorder {
      @expose async quit(): Promise<string> {
        await this.stop();
        return "gone";
      }
    }
    const agent = await container.spawn(new Quitter());
    expect(await (await container.connect<Quitter>(agent.address)).quit()).toBe("gone");
    expect(agent.events).toEqual([`start ${agent.address}`, "stop"]);
  });

  it("in onStart keeps the agent from being called", async () => {
    const container = await newContainer();
    class Short extends Recorder {
      protected override async onStart(): Promise<void> {
        await this.stop();
      }
    }
    const agent = new Short();
    await container.spawn(agent).catch(() => {});
    expect(container.agents).toEqual([]);
    expect(agent.events).toEqual(["stop"]);
  });
});

describe("a task", () => {
  it("is aborted and awaited before onStop", async () => {
    const container = await newContainer();
    const worker = await container.spawn(new Worker());
    worker.work(async (signal) => {
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      worker.events.push((signal.reason as { code: string }).code);
      await turns(5);
      worker.events.push("task");
    });
    await worker.stop();
    expect(worker.events).toEqual(["CANCELLED", "task", "stop"]);
  });

  it("that fails goes to onTaskFailure, and nothing else suffers", async () => {
    const failures: unknown[] = [];
    const container = await newContainer(newAddress(), { onTaskFailure: (...failure) => failures.push(failure) });
    const worker = await container.spawn(new Worker());
    const error = new Error("task");
    const ended = new Gate();
    worker.work(async (signal) => {
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      ended.open();
    });
    const unhandled = await unhandledDuring(async () => {
      worker.work(async () => Promise.reject(error));
      worker.work(() => {
        throw error;
      });
    });
    expect(unhandled).toEqual([]);
    expect(failures).toEqual([
      [error, worker],
      [error, worker],
    ]);
    expect(await (await container.connect<Worker>(worker.address)).ping()).toBe("pong");
    await worker.stop();
    await ended.promise;
    expect(worker.events).toEqual(["stop"]);
  });

  it("that fails because it was aborted is no failure", async () => {
    const failures: unknown[] = [];
    const container = await newContainer(newAddress(), { onTaskFailure: (error) => failures.push(error) });
    const worker = await container.spawn(new Worker());
    worker.work(async (signal) => container.clock.sleep(1000, undefined, { signal }));
    await worker.stop();
    expect(failures).toEqual([]);
  });

  it("that fails is a warning of the process where nobody listens", async () => {
    const container = await newContainer();
    const worker = await container.spawn(new Worker());
    const warned = new Promise<Error>((resolve) => process.once("warning", resolve));
    worker.work(async () => Promise.reject(new Error("task without a listener")));
    const { name, message } = await warned;
    expect(name).toBe("ColloquyWarning");
    // The text has the stack: the agent, and where its task has failed.
    expect(message).toContain(`a task of ${String(worker)} failed: Error: task without a listener\n    at `);
    expect(message).toContain("agent.test.ts");
  });

  it("that fails doesn't end the process where the listener throws, too", async () => {
    const container = await newContainer(newAddress(), {
      onTaskFailure: () => {
        throw new Error("listener of tasks");
      },
    });
    const worker = await container.spawn(new Worker());
    const warned = new Promise<Error>((resolve) => process.once("warning", resolve));
    const unhandled = await unhandledDuring(() => worker.work(async () => Promise.reject(new Error("task"))));
    expect(unhandled).toEqual([]);
    expect(await warned).toMatchObject({
      name: "ColloquyWarning",
      message: expect.stringContaining(`onTaskFailure of ${String(worker)} failed: Error: listener of tasks\n    at `),
    });
    await worker.stop();
    expect(worker.events).toEqual(["stop"]);
  });

  it("that ignores its signal holds shutdown up no longer than the grace", async () => {
    const container = await newContainer();
    const worker = await container.spawn(new Worker());
    worker.work(async () => new Promise(() => {}));
    const start = performance.now();
    await container.shutdown({ graceMs: 60 });
    const took = performance.now() - start;
    expect(took).toBeGreaterThan(55);
    expect(took).toBeLessThan(3000);
    expect(worker.events).toEqual(["stop"]);
  });

  it("that waits on the container's clock without a signal ends with the container", async () => {
    const container = await newContainer();
    const worker = await container.spawn(new Worker());
    const ended = new Gate<unknown>();
    worker.work(async () => {
      try {
        for await (const _ of container.clock.every(1000));
      } catch (error) {
        ended.open(error);
        throw error;
      }
    });
    const start = performance.now();
    await container.shutdown();
    expect(performance.now() - start).toBeLessThan(1000);
    expect(await ended.promise).toMatchObject({ code: "CANCELLED" });
  });

  it("can't be started before the agent is spawned", () => {
    expect(() => new Worker().work(async () => {})).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });
});

describe("what a method of an agent throws", () => {
  class Failing extends Agent {
    @expose override fail(): void {
      throw new RangeError("sync");
    }
    @expose async failSlowly(): Promise<void> {
      await Promise.resolve();
      throw new TypeError("async");
    }
  }

  it("is told to `onMethodFailure` of its own container, with its path, over connections of either side", async () => {
    const [here, there]: [unknown, string][][] = [[], []];
    const told = async (into: [unknown, string][]): Promise<Container> =>
      newContainer(newAddress(), { onMethodFailure: (error, path) => void into.push([error, path]) });
    const [a, b] = [await told(here!), await told(there!)];
    const [first, second] = [await a.spawn(new Failing(), { id: "first" }), await b.spawn(new Failing())];
    const remote = await a.connect<Failing>(second.address);
    expect(await failureOf(remote.fail())).toMatchObject({ remoteName: "RangeError" });
    expect(await failureOf(remote.failSlowly())).toMatchObject({ remoteName: "TypeError" });
    expect(there).toEqual([
      [new RangeError("sync"), "agents/0/fail"],
      [new TypeError("async"), "agents/0/failSlowly"],
    ]);
    expect(here).toEqual([]);
    const back = await b.connect<Failing>(first.address);
    await failureOf(back.fail());
    expect(here).toEqual([[new RangeError("sync"), "agents/first/fail"]]);
    expect((await failureOf(b.connect(`${a.address}/none`))).code).toBe("NOT_FOUND");
    expect([here!.length, there!.length]).toEqual([1, 2]);
  });
});
