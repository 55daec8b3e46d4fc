import { expose } from "@colloquy/rpc";
import { describe, expect, it } from "vitest";
import { Agent, Container } from "../src/index.ts";
import { Child, Echo, Gate, Slow, failureOf, newAddress, newContainer, rejectionOf, turns, until } from "./support.ts";

class Stopper extends Agent {
  readonly events: string[] = [];
  readonly #stopping: () => void | Promise<void>;

  constructor(stopping: () => void | Promise<void> = () => {}) {
    super();
    this.#stopping = stopping;
  }

  @expose ping(): string {
    return "pong";
  }

  protected override async onStop(): Promise<void> {
    this.events.push("stop");
    await this.#stopping();
  }
}

describe("shutdown", () => {
  it("ends once, however often it is called", async () => {
    const container = await newContainer();
    const agent = await container.spawn(new Stopper());
    await Promise.all([container.shutdown(), container.shutdown(), container[Symbol.asyncDispose]()]);
    await container.shutdown();
    expect(agent.events).toEqual(["stop"]);
    expect(container.agents).toEqual([]);
    expect(container.connections).toEqual([]);
  });

  it("closes the connections of both directions", async () => {
    const [a, b, c] = [await newContainer(), await newContainer("tcp://127.0.0.1:0"), await newContainer()];
    const [inB, inC] = [await b.spawn(new Echo()), await c.spawn(new Echo())];
    await a.connect(inB.address);
    await b.connect(inC.address);
    await b.shutdown();
    expect(b.connections).toEqual([]);
    await until(() => a.connections.length === 0 && c.connections.length === 0, "the end of both connections");
  });

  it("frees the address", async () => {
    const first = await newContainer("tcp://127.0.0.1:0");
    await first.shutdown();
    const second = await newContainer(first.address);
    expect(second.address).toBe(first.address);
  });

  it("A9 lets running handlers finish, and refuses new calls meanwhile", async () => {
    const [here, there] = [await newContainer(), await newContainer()];
    const slow = await there.spawn(new Slow());
    const proxy = await here.connect<Slow>(slow.address);
    const waiting = proxy.wait();
    await slow.entered.promise;
    const down = there.shutdown();
    await turns(5);
    const refused = await failureOf(proxy.quick());
    expect(["UNAVAILABLE", "CONNECTION_LOST"]).toContain(refused.code);
    expect(refused.executed).toBe("no");
    slow.gate.open("finished");
    expect(await waiting).toBe("finished");
    await down;
  });

  it("lets handlers finish that sleep on the container's clock, or call other containers", async () => {
    const [here, there] = [await newContainer(), await newContainer()];
    const helper = await here.spawn(new Echo());
    const entered = new Gate();
    class Busy extends Agent {
      @expose async work(): Promise<unknown> {
        const connected = await this.container.connect<Echo>(helper.address);
        entered.open();
        await this.container.clock.sleep(0.03);
        return connected.echo("done");
      }
    }
    const proxy = await here.connect<Busy>((await there.spawn(new Busy())).address);
    const working = proxy.work();
    await entered.promise;
    const down = there.shutdown();
    expect(await working).toBe("done");
    await down;
  });

  it("gives up handlers that take longer than the grace", async () => {
    const [here, there] = [await newContainer(), await newContainer()];
    const slow = await there.spawn(new Slow());
    const proxy = await here.connect<Slow>(slow.address);
    const waiting = failureOf(proxy.wait());
    await slow.entered.promise;
    const start = performance.now();
    await there.shutdown({ graceMs: 50 });
    expect(performance.now() - start).toBeLessThan(3000);
    expect(await waiting).toMatchObject({ code: "CONNECTION_LOST", executed: "unknown" });
  });

  it("takes the grace from the limits", async () => {
    const [here, there] = [await newContainer(), await newContainer(newAddress(), { limits: { closeGraceMs: 50 } })];
    const slow = await there.spawn(new Slow());
    const proxy = await here.connect<Slow>(slow.address);
    const waiting = failureOf(proxy.wait());
    await slow.entered.promise;
    const start = performance.now();
    await there.shutdown();
    expect(performance.now() - start).toBeLessThan(3000);
    expect(await waiting).toMatchObject({ code: "CONNECTION_LOST" });
  });

  it("lets agents say good-bye to others in onStop", async () => {
    const [here, there] = [await newContainer(), await newContainer()];
    const directory = await there.spawn(new Echo());
    const said: unknown[] = [];
    const agent = new Stopper(async () => {
      const proxy = await agent.container.connect<Echo>(directory.address);
      said.push(await proxy.echo("bye"));
    });
    await here.spawn(agent);
    await here.shutdown();
    expect(said).toEqual(["bye"]);
  });

  it("reports what onStop throws after all is closed", async () => {
    const address = newAddress();
    const container = await newContainer(address);
    const error = new Error("stuck");
    const order: string[] = [];
    await container.spawn(new Stopper(() => Promise.reject(error)));
    await container.spawn(new Stopper(() => void order.push("other")));
    expect(await rejectionOf(container.shutdown())).toBe(error);
    expect(await rejectionOf(container.shutdown())).toBe(error);
    expect(order).toEqual(["other"]);
    expect(container.connections).toEqual([]);
    await newContainer(address);
  });

  it("reports all that several agents throw", async () => {
    const container = await newContainer();
    const errors = [new Error("first"), new Error("second")];
    for (const error of errors) await container.spawn(new Stopper(() => Promise.reject(error)));
    const failure = (await rejectionOf(container.shutdown())) as AggregateError;
    expect(failure).toBeInstanceOf(AggregateError);
    expect(failure.errors).toEqual(errors);
  });

  it("awaits an agent that is stopping already", async () => {
    const container = await newContainer();
    const gate = new Gate();
    const agent = await container.spawn(new Stopper(async () => gate.promise));
    const stopped = agent.stop();
    let isDown = false;
    const down = container.shutdown().then(() => (isDown = true));
    await turns(10);
    expect(isDown).toBe(false);
    gate.open();
    await Promise.all([stopped, down]);
    expect(agent.events).toEqual(["stop"]);
  });

  it("isn't held up by an agent whose onStart never ends, beyond the grace", async () => {
    const container = await newContainer();
    class Stuck extends Agent {
      protected override async onStart(): Promise<void> {
        await new Promise(() => {});
      }
    }
    void container.spawn(new Stuck());
    const start = performance.now();
    await container.shutdown({ graceMs: 50 });
    expect(performance.now() - start).toBeLessThan(3000);
  });

  it("isn't held up by an onStop that never ends, beyond the grace, and says whose", async () => {
    const [address, other] = [newAddress(), new Stopper()];
    const container = await newContainer(address);
    await container.spawn(new Stopper(() => new Promise(() => {})));
    await container.spawn(other);
    const start = performance.now();
    expect(await failureOf(container.shutdown({ graceMs: 50 }))).toMatchObject({
      code: "DEADLINE_EXCEEDED",
      message: `onStop of Stopper('${address}/0') hasn't ended in the 50 ms that an end has (closeGraceMs, graceMs)`,
    });
    expect(performance.now() - start).toBeLessThan(3000);
    expect(other.events).toEqual(["stop"]);
    await newContainer(address);
  });

  it("isn't held up by an agent whose end has begun before, and has more time", async () => {
    const container = await newContainer();
    const agent = await container.spawn(new Stopper(() => new Promise(() => {})));
    void agent.stop().catch(() => {});
    await turns(1);
    const start = performance.now();
    await container.shutdown({ graceMs: 50 });
    expect(performance.now() - start).toBeLessThan(3000);
  });

  it("gives onStop time even where handlers and tasks have taken all of it", async () => {
    const [here, there] = [await newContainer(), await newContainer()];
    let isSaved = false;
    class Saving extends Slow {
      protected override onStart(): void {
        this.task(() => new Promise(() => {}));
      }
      protected override async onStop(): Promise<void> {
        await new Promise((resolve) => setTimeout(resolve, 20));
        isSaved = true;
      }
    }
    const slow = await there.spawn(new Saving());
    const proxy = await here.connect<Saving>(slow.address);
    void proxy.wait().catch(() => {});
    await slow.entered.promise;
    await there.shutdown({ graceMs: 50 });
    expect(isSaved).toBe(true);
  });

  it("can be asked for by an agent's own method", async () => {
    const [here, there] = [await newContainer(), await newContainer()];
    class Manager extends Agent {
      down: Promise<void> | undefined;

      @expose end(): string {
        this.down = this.container.shutdown();
        return "bye";
      }
    }
    const manager = await there.spawn(new Manager());
    const proxy = await here.connect<Manager>(manager.address);
    expect(await proxy.end()).toBe("bye");
    await manager.down;
    expect(there.agents).toEqual([]);
  });

  it("comes at the end of `await using`", async () => {
    const address = newAddress();
    const agent = new Stopper();
    {
      await using container = await Container.create(address);
      await container.spawn(agent);
    }
    expect(agent.events).toEqual(["stop"]);
    await newContainer(address);
  });
});

describe("create", () => {
  it("rejects where the address is taken, and leaves nothing that keeps the process alive", async () => {
    const container = await newContainer("tcp://127.0.0.1:0");
    expect(await failureOf(Container.create(container.address))).toMatchObject({ code: "UNAVAILABLE" });
    expect(await failureOf(Container.create("tcp://"))).toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});

describe("a process", () => {
  it("exits by itself after shutdown, also with tasks that tick on the container's clock", async () => {
    await using child = new Child("self-exit.ts");
    expect(await child.line()).toEqual({ called: "pong" });
    expect(await child.line()).toEqual({ down: true });
    expect(await child.exited).toBe(0);
    expect(child.stderr).toBe("");
  });
});
