import { notify, pipeline, serve, connect, expose, withOptions } from "@colloquy/rpc";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Agent, dateSerializer } from "../src/index.ts";
import type { Container, MailboxMode, SpawnOptions } from "../src/index.ts";
import { Worker, codesIn, gate } from "./mailbox-support.ts";
import type { Script } from "./mailbox-support.ts";
import { Gate, failureOf, newAddress, newContainer, turns, until } from "./support.ts";

let gateCount = 0;

/** A name of a gate that nobody else uses. */
function newGate(): string {
  return `mailbox ${gateCount++}`;
}

async function worker(mailbox: MailboxMode | undefined, container?: Container): Promise<{ agent: Worker; proxy: any }> {
  const home = container ?? (await newContainer("tcp://127.0.0.1:0"));
  const agent = await home.spawn(new Worker(), { mailbox });
  const caller = await newContainer("tcp://127.0.0.1:0");
  return { agent, proxy: await caller.connect<Worker>(agent.address) };
}

describe("a mailbox", () => {
  it("interleaves where nothing is said, as aiomas does", async () => {
    const { agent, proxy } = await worker(undefined);
    const hold = newGate();
    const first = proxy.work([{ await: hold }]);
    await proxy.work([]);
    expect(agent.running).toBe(1);
    gate(hold).open();
    await first;
    expect(agent.most).toBe(2);
  });

  it.each([
    ["serial", 1],
    [1, 1],
    [3, 3],
  ] as const)("that is %s lets %i run at a time, in the order in which they have come", async (mailbox, most) => {
    const { agent, proxy } = await worker(mailbox);
    const calls = Array.from({ length: 12 }, (_, index) => proxy.work([{ turns: 2 }], String(index)));
    await Promise.all(calls);
    expect(agent.most).toBe(most);
    const started = agent.log.filter((entry) => entry.startsWith("+"));
    expect(started).toEqual(Array.from({ length: 12 }, (_, index) => `+${index}`));
  });

  it("orders the calls of several connections, and notifications among them", async () => {
    const { agent, proxy } = await worker("serial");
    const other = await (await newContainer()).connect<Worker>(agent.address);
    const hold = newGate();
    const first = proxy.work([{ await: hold }], "first");
    await until(() => agent.running === 1, "the first call");
    notify(proxy.mark)("noted");
    const second = proxy.mark("second");
    await turns(5);
    const third = other.mark("third");
    await turns(20);
    expect(agent.log).toEqual(["+first"]);
    gate(hold).open();
    await Promise.all([first, second, third]);
    expect(agent.log).toEqual(["+first", "-first", "noted", "second", "third"]);
  });

  it("starts 4,000 waiting calls that end at once, one after another", async () => {
    const limits = { maxRunningCount: 10_000, maxPendingCount: 10_000, maxQueuedBytes: 100_000_000 };
    const home = await newContainer(newAddress(), { limits });
    const agent = await home.spawn(new Worker(), { mailbox: "serial" });
    const proxy: any = await (await newContainer(newAddress(), { limits })).connect<Worker>(agent.address);
    const hold = newGate();
    const first = proxy.work([{ await: hold }]);
    const calls = Array.from({ length: 4000 }, (_, index) => proxy.mark(String(index)));
    await until(() => agent.running === 1, "the first call");
    gate(hold).open();
    await Promise.all([first, ...calls]);
    expect(agent.log).toHaveLength(4002);
  });

  it("goes on after calls that throw, at once or later", async () => {
    class Thrower extends Agent {
      static readonly mailbox = "serial";
      @expose throwNow(): never {
        throw new RangeError("now");
      }
      @expose async throwLater(): Promise<never> {
        await turns(2);
        throw new RangeError("later");
      }
    }
    const home = await newContainer();
    const agent = await home.spawn(new Thrower());
    const proxy = await (await newContainer()).connect<Thrower>(agent.address);
    const failures = await Promise.all([
      failureOf(proxy.throwLater()),
      failureOf(proxy.throwNow()),
      failureOf(proxy.throwLater()),
      failureOf((proxy as any).nothing()),
    ]);
    expect(failures.map(({ message, executed }) => [message, executed])).toEqual([
      ["later", "yes"],
      ["now", "yes"],
      ["later", "yes"],
      [expect.stringContaining("not found"), "no"],
    ]);
  });

  it.each([[0], [-1], [1.5], ["parallel"], [Number.NaN], [{}]])("of %j is INVALID_ARGUMENT", async (mailbox) => {
    const home = await newContainer();
    expect(await failureOf(home.spawn(new Worker(), { mailbox } as SpawnOptions))).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("mailbox"),
    });
    expect(home.agents).toEqual([]);
  });

  it("of a class that is none is INVALID_ARGUMENT, too", async () => {
    class Wrong extends Worker {
      static readonly mailbox = "parallel";
    }
    const home = await newContainer();
    expect(await failureOf(home.spawn(new Wrong()))).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: 'Wrong.mailbox is parallel; it takes "interleave", "serial" or a number from 1 on',
    });
    expect(home.agents).toEqual([]);
  });

  it("is a new one for each life of an agent that is restarted, at its id and its name", async () => {
    const home = await newContainer();
    const lives: Worker[] = [];
    const make = (): Worker => {
      lives.push(new Worker());
      return lives.at(-1)!;
    };
    await home.spawn(make, { name: "desk", restart: "permanent", mailbox: "serial" });
    const caller = await newContainer();
    const [byName, byId] = [
      await caller.connect<Worker>(`${home.address}/desk`),
      await caller.connect<Worker>(lives[0]!.address),
    ] as any[];
    void byId.work([{ await: newGate() }]).catch(() => {});
    await until(() => lives[0]!.running === 1, "the first call");
    const waiting = failureOf(byName.mark("waited"));
    await turns(20);
    await lives[0]!.stop();
    expect(await waiting).toMatchObject({ code: "UNAVAILABLE", executed: "no" });
    await until(() => lives.length === 2 && home.agents.length === 1, "the next life");
    await Promise.all([byName.work([{ turns: 2 }]), byId.work([{ turns: 2 }])]);
    expect([lives[0]!.log, lives[1]!.most]).toEqual([["+"], 1]);
  });

  it("stands on the class, and may be another one for one agent", async () => {
    class Serial extends Worker {
      static readonly mailbox = "serial";
    }
    class Derived extends Serial {}
    const home = await newContainer();
    const agents = [await home.spawn(new Derived()), await home.spawn(new Derived(), { mailbox: "interleave" })];
    for (const agent of agents) {
      const proxy: any = await home.connect<Worker>(agent.address);
      await Promise.all([proxy.work([{ turns: 2 }]), proxy.work([{ turns: 2 }])]);
    }
    expect(agents.map(({ most }) => most)).toEqual([1, 2]);
  });
});

describe("what passes a mailbox", () => {
  it("is what is called by a path below the agent: members, sub-services and accessors", async () => {
    const { agent, proxy } = await worker("serial");
    const hold = newGate();
    const first = proxy.work([{ await: hold }], "first");
    await until(() => agent.running === 1, "the first call");
    const calls = [proxy.desk.mark("desk"), proxy.accessed.mark("by accessor")];
    await turns(20);
    expect(agent.log).toEqual(["+first"]);
    gate(hold).open();
    await Promise.all([first, ...calls]);
    expect(agent.log).toEqual(["+first", "-first", "desk", "accessed", "by accessor"]);
  });

  it("is also what is called on an agent that comes as a result, or as a reference of another container", async () => {
    const { agent, proxy } = await worker("serial");
    const hold = newGate();
    const me = await proxy.self();
    const root = await serve(newAddress(), agent);
    const direct = await connect<Worker>(root.address);
    const first = proxy.work([{ await: hold }], "first");
    await until(() => agent.running === 1, "the first call");
    const calls = [
      me.mark("reference"),
      pipeline<any>(proxy.self()).mark("result"),
      (direct.remote as any).mark("root"),
    ];
    await turns(30);
    expect(agent.log).toEqual(["+first"]);
    gate(hold).open();
    await Promise.all([first, ...calls]);
    expect(agent.log.slice(2).toSorted()).toEqual(["reference", "result", "root"]);
    await direct.close();
    await root.close();
  });

  it("is also a method that a peer has named as an argument, and its own handlers come back in by it", async () => {
    class Repeater extends Worker {
      @expose repeat(count: number, call: (script: Script) => unknown): Promise<unknown[]> {
        return Promise.all(Array.from({ length: count }, () => call([{ turns: 3 }])));
      }
    }
    const home = await newContainer("tcp://127.0.0.1:0");
    const [serial, other] = [await home.spawn(new Repeater(), { mailbox: "serial" }), await home.spawn(new Repeater())];
    const caller = await newContainer("tcp://127.0.0.1:0");
    const [toSerial, toOther]: any[] = await Promise.all([
      caller.connect<Repeater>(serial.address),
      caller.connect<Repeater>(other.address),
    ]);
    expect(await toOther.repeat(3, toSerial.work)).toHaveLength(3);
    expect(serial.most).toBe(1);
    expect(await toSerial.repeat(2, toSerial.work)).toHaveLength(2);
    expect(serial.most).toBe(2);
  });

  it("is also what lies behind an accessor that a peer has named: it runs with the call, in its turn", async () => {
    class Taker extends Agent {
      @expose take(given: any): unknown {
        return typeof given;
      }
      @expose mark(given: any): unknown {
        return given.mark("named");
      }
    }
    const home = await newContainer("tcp://127.0.0.1:0");
    const [agent, other] = [await home.spawn(new Worker(), { mailbox: "serial" }), await home.spawn(new Taker())];
    const caller = await newContainer("tcp://127.0.0.1:0");
    const [proxy, taker]: any[] = await Promise.all([
      caller.connect<Worker>(agent.address),
      caller.connect<Taker>(other.address),
    ]);
    const self = pipeline<any>(proxy.self());
    const hold = newGate();
    const first = proxy.work([{ await: hold }], "first");
    await until(() => agent.running === 1, "the first call");
    for (const given of [proxy.accessed, proxy.accessed.mark, self.accessed, self.accessed.mark, proxy.desk.mark])
      expect(await taker.take(given)).toBe("function");
    const calls = [taker.mark(proxy.accessed), taker.mark(proxy.desk)];
    await turns(30);
    expect(agent.log).toEqual(["+first"]);
    gate(hold).open();
    await Promise.all([first, ...calls]);
    expect(agent.log.slice(1)).toEqual(["-first", "accessed", "named", "named"]);
  });

  it("isn't what the agent has handed out: functions and streams", async () => {
    const { agent, proxy } = await worker("serial");
    const hold = newGate();
    const handedOut = await proxy.handOut();
    const stream = await proxy.stream();
    const first = proxy.work([{ await: hold }], "first");
    await until(() => agent.running === 1, "the first call");
    await handedOut();
    for await (const item of stream) expect(item).toBe("item");
    expect(agent.log).toEqual(["+first", "function", "stream read"]);
    gate(hold).open();
    await first;
  });
});

describe("a call that waits for a mailbox", () => {
  async function held(options: { limits?: object } = {}): Promise<{ agent: Worker; proxy: any; release: () => void }> {
    const home = await newContainer("tcp://127.0.0.1:0", options);
    const { agent, proxy } = await worker("serial", home);
    const hold = newGate();
    void proxy.work([{ await: hold }], "first").catch(() => {});
    await until(() => agent.running === 1, "the first call");
    return { agent, proxy, release: () => gate(hold).open() };
  }

  it("never starts once it was cancelled", async () => {
    const { agent, proxy, release } = await held();
    const abort = new AbortController();
    const call = failureOf(withOptions(proxy.mark, { signal: abort.signal })("cancelled"));
    const next = proxy.mark("next");
    await turns(20);
    abort.abort("enough");
    expect(await call).toMatchObject({ code: "CANCELLED", cause: "enough" });
    await turns(20);
    release();
    await next;
    expect(agent.log).toEqual(["+first", "-first", "next"]);
  });

  it("never starts once its time is over", async () => {
    const { agent, proxy, release } = await held();
    expect(await failureOf(withOptions(proxy.mark, { timeout: 30 })("late"))).toMatchObject({
      code: "DEADLINE_EXCEEDED",
    });
    await turns(20);
    release();
    await proxy.mark("next");
    expect(agent.log).toEqual(["+first", "-first", "next"]);
  });

  it("never starts once its connection is lost", async () => {
    const { agent, proxy, release } = await held();
    const call = failureOf(proxy.mark("lost"));
    await turns(20);
    for (const connection of (agent.container as Container).connections) connection.destroy();
    expect(await call).toMatchObject({ code: "CONNECTION_LOST" });
    await turns(20);
    release();
    await proxy.mark("next");
    expect(agent.log).toEqual(["+first", "-first", "next"]);
  });

  it("counts as running for maxRunningCount", async () => {
    const { proxy, release } = await held({ limits: { maxRunningCount: 3 } });
    const waiting = [proxy.mark("1"), proxy.mark("2")];
    expect(await failureOf(proxy.mark("3"))).toMatchObject({ code: "RESOURCE_EXHAUSTED", executed: "no" });
    release();
    await Promise.all(waiting);
  });

  it("fails with its agent, and says that it hasn't run", async () => {
    const { agent, proxy, release } = await held();
    const waiting = [failureOf(proxy.mark("1")), failureOf(proxy.mark("2"))];
    await turns(20);
    await agent.stop();
    for (const failure of await Promise.all(waiting))
      expect(failure).toMatchObject({ code: "UNAVAILABLE", executed: "no" });
    expect(await failureOf(proxy.mark("3"))).toMatchObject({ code: "NOT_FOUND", executed: "no" });
    release();
    await until(() => agent.running === 0, "the end of the first call");
    expect(agent.log).toEqual(["+first", "-first"]);
  });

  it("has its turn in a shutdown, as long as that waits for running calls", async () => {
    const { agent, proxy, release } = await held();
    const waiting = proxy.mark("waited");
    await turns(20);
    const down = (agent.container as Container).shutdown({ graceMs: 5000 });
    await turns(5);
    release();
    expect(await waiting).toBe("waited");
    await down;
  });
});

/** Workers in so many containers, in which they take turns. */
async function serialWorkers(
  count: number,
  containerCount: number,
  mailbox: MailboxMode = "serial",
): Promise<Worker[]> {
  const homes = [];
  for (let index = 0; index < containerCount; index++) homes.push(await newContainer("tcp://127.0.0.1:0"));
  const agents = [];
  for (let index = 0; index < count; index++)
    agents.push(await homes[index % containerCount]!.spawn(new Worker(), { mailbox }));
  return agents;
}

async function proxiesOf(agents: readonly Worker[]): Promise<any[]> {
  const caller = await newContainer("tcp://127.0.0.1:0");
  return Promise.all(agents.map(async ({ address }) => caller.connect<Worker>(address)));
}

describe.each([1, 2, 3])("a chain of calls over %d containers", (containerCount) => {
  it("comes back to a serial agent that waits for it: A, B, A", async () => {
    const [a, b] = await serialWorkers(2, containerCount);
    const [proxy] = await proxiesOf([a!]);
    const script = [{ call: b!.address, script: [{ call: a!.address, script: [] }] }];
    expect(codesIn(await proxy.work(script, "first"))).toEqual([]);
    expect(a!.log).toEqual(["+first", "+called", "-called", "-first"]);
  });

  it("comes back over others: A, B, C, A, and over those that interleave", async () => {
    for (const mailbox of ["serial", "interleave"] as const) {
      const [b, c] = await serialWorkers(2, containerCount, mailbox);
      const a = await (b!.container as Container).spawn(new Worker(), { mailbox: "serial" });
      const [proxy] = await proxiesOf([a]);
      const back = [{ call: a.address, script: [{ call: c!.address, script: [] }] }];
      const script = [{ call: b!.address, script: [{ call: c!.address, script: back }] }];
      expect(codesIn(await proxy.work(script, "first"))).toEqual([]);
      expect(a.log).toEqual(["+first", "+called", "-called", "-first"]);
    }
  });

  it("lets nobody else in meanwhile", async () => {
    const [a, b] = await serialWorkers(2, containerCount);
    const [proxy] = await proxiesOf([a!]);
    const hold = newGate();
    const back = [{ call: a!.address, script: [{ await: hold }] }];
    const first = proxy.work([{ call: b!.address, script: back }], "first");
    await until(() => a!.running === 2, "the call back");
    const other = proxy.mark("other");
    await turns(20);
    expect(a!.log).toEqual(["+first", "+called"]);
    gate(hold).open();
    await Promise.all([first, other]);
    expect(a!.log).toEqual(["+first", "+called", "-called", "-first", "other"]);
  });

  it("crosses as a deadlock: one of the two calls fails with DEADLOCK, and both agents go on", async () => {
    for (const order of ["first", "second", "together"]) {
      const [a, b] = await serialWorkers(2, containerCount);
      const [toA, toB] = await proxiesOf([a!, b!]);
      const [inA, inB] = [newGate(), newGate()];
      // Each waits until the other one is busy; one of them a while longer.
      const late = [{ turns: 30 }];
      const first = [
        { open: inA },
        { await: inB },
        ...(order === "second" ? late : []),
        { call: b!.address, script: [] },
      ];
      const second = [
        { open: inB },
        { await: inA },
        ...(order === "first" ? late : []),
        { call: a!.address, script: [] },
      ];
      const codes = codesIn(await Promise.all([toA.work(first), toB.work(second)]));
      expect(codes.length).toBeGreaterThanOrEqual(1);
      if (containerCount === 1) expect(codes).toEqual(["DEADLOCK"]);
      expect(new Set(codes)).toEqual(new Set(["DEADLOCK"]));
      await Promise.all([toA.mark("after"), toB.mark("after")]);
    }
  });

  it("ends a cycle of three with DEADLOCK", async () => {
    const agents = await serialWorkers(3, containerCount);
    const proxies = await proxiesOf(agents);
    const gates = agents.map(newGate);
    const results = await Promise.all(
      proxies.map(async (proxy, index) =>
        proxy.work([
          { open: gates[index] },
          ...gates.map((name) => ({ await: name })),
          { call: agents[(index + 1) % 3]!.address, script: [] },
        ]),
      ),
    );
    const codes = codesIn(results);
    expect(new Set(codes)).toEqual(new Set(["DEADLOCK"]));
    expect(codes.length).toBeLessThan(3);
  });
});

describe("a chain", () => {
  it("is that of an agent that calls itself", async () => {
    const [a] = await serialWorkers(1, 1);
    const [proxy] = await proxiesOf([a!]);
    const script = [{ call: a!.address, script: [{ call: a!.address, script: [] }] }];
    expect(codesIn(await proxy.work(script, "first"))).toEqual([]);
    expect(a!.log).toEqual(["+first", "+called", "+called", "-called", "-called", "-first"]);
  });

  it("goes through plain connections that a handler calls on, and comes back on others", async () => {
    const [other] = await serialWorkers(1, 1);
    class Through extends Worker {
      static readonly mailbox = "serial";
      @expose async go(): Promise<unknown> {
        const connection = await connect<any>(other!.container.address, { extraSerializers: [dateSerializer] });
        try {
          return await connection.remote.agents[other!.id].work([{ call: this.address, script: [] }]);
        } finally {
          await connection.close();
        }
      }
    }
    const through = await (await newContainer("tcp://127.0.0.1:0")).spawn(new Through());
    const [proxy] = await proxiesOf([through]);
    expect(await proxy.go()).toEqual([[]]);
    expect(through.log).toEqual(["+called", "-called"]);
  });

  it("of calls that are made at the same time is one: both come back", async () => {
    const [a, b, c] = await serialWorkers(3, 2);
    const [proxy] = await proxiesOf([a!]);
    const hold = newGate();
    const back = [{ call: a!.address, script: [{ await: hold }] }];
    const all = [
      { call: b!.address, script: back },
      { call: c!.address, script: back },
    ];
    const call = proxy.work([{ all }]);
    await until(() => a!.running === 3, "both calls back");
    gate(hold).open();
    expect(codesIn(await call)).toEqual([]);
  });

  it("ends with its handler: what that has started and not waited for waits like others", async () => {
    const [a, b] = await serialWorkers(2, 2);
    const [proxy] = await proxiesOf([a!]);
    const hold = newGate();
    const back = [{ await: hold }, { call: a!.address, script: [] }];
    await proxy.work([{ start: b!.address, script: back }], "first");
    const busy = newGate();
    const second = proxy.work([{ await: busy }], "second");
    await until(() => a!.running === 1, "the second call");
    gate(hold).open();
    await turns(30);
    expect(a!.log.at(-1)).toBe("+second");
    gate(busy).open();
    await second;
    await until(() => a!.log.at(-1) === "-called", "the call back");
  });

  it("ends with each handler on its way: what one has left running waits, while those before it still hold", async () => {
    const [a, b] = await serialWorkers(2, 2);
    const [proxy] = await proxiesOf([a!]);
    const [later, hold] = [newGate(), newGate()];
    const detach = [{ await: later }, { call: a!.address, script: [] }];
    const first = proxy.work([{ call: b!.address, script: [{ detach }] }, { await: hold }], "first");
    await until(() => b!.log.at(-1) === "-called", "the end of the call");
    gate(later).open();
    await turns(30);
    expect(a!.log).toEqual(["+first"]);
    gate(hold).open();
    await first;
    await until(() => a!.log.at(-1) === "-called", "the call that was left running");
  });

  it("isn't carried by notifications, which nobody waits for", async () => {
    const [a, b] = await serialWorkers(2, 2);
    const [toA] = await proxiesOf([a!]);
    const hold = newGate();
    const script = [{ notify: b!.address, script: [{ call: a!.address, script: [] }] }, { await: hold }];
    const first = toA.work(script, "first");
    await until(() => b!.running === 1, "the notification");
    await turns(30);
    expect(a!.log).toEqual(["+first"]);
    gate(hold).open();
    await first;
    await until(() => a!.log.at(-1) === "-called", "the call back");
  });

  it("isn't that of whoever opened the connection that a call comes on", async () => {
    const [a, b] = await serialWorkers(2, 2);
    const [toA] = await proxiesOf([a!]);
    const hold = newGate();
    // `a` opens the connection to b's container within a handler, and holds on.
    const first = toA.work([{ call: b!.address, script: [] }, { await: hold }], "first");
    await until(() => a!.running === 1 && b!.log.length === 2, "the connection");
    // A call of b on that connection's other end: to a's container, outside of any chain.
    const probe = await (a!.container as Container).spawn(new Worker());
    const [toProbe] = await proxiesOf([probe]);
    const call = toProbe.work([{ call: a!.address, script: [] }]);
    await turns(30);
    expect(a!.log).toEqual(["+first"]);
    gate(hold).open();
    await Promise.all([first, call]);
  });

  it("stays blocked by a mailbox of several only while all of its calls wait for it", async () => {
    const [home] = [await newContainer("tcp://127.0.0.1:0")];
    const a = await home.spawn(new Worker(), { mailbox: "serial" });
    const b = await home.spawn(new Worker(), { mailbox: 2 });
    const [toA, toB] = await proxiesOf([a, b]);
    const [inA, hold] = [newGate(), newGate()];
    const stuck = toB.work([{ await: inA }, { call: a.address, script: [] }]);
    const free = toB.work([{ await: hold }]);
    await until(() => b.running === 2, "two calls");
    const calling = toA.work([{ open: inA }, { turns: 20 }, { call: b.address, script: [] }]);
    await turns(60);
    gate(hold).open();
    // The free one ends: its slot lets the call in.
    expect(codesIn(await Promise.all([stuck, free, calling]))).toEqual([]);
  });

  it("is a deadlock where all calls of a mailbox of several wait for it", async () => {
    const home = await newContainer("tcp://127.0.0.1:0");
    const a = await home.spawn(new Worker(), { mailbox: "serial" });
    const b = await home.spawn(new Worker(), { mailbox: 2 });
    const [toA, toB] = await proxiesOf([a, b]);
    const inA = newGate();
    const both = [1, 2].map(async () => toB.work([{ await: inA }, { call: a.address, script: [] }]));
    await until(() => b.running === 2, "two calls");
    const calling = toA.work([{ open: inA }, { turns: 20 }, { call: b.address, script: [] }]);
    expect(codesIn(await Promise.all([...both, calling]))).toEqual(["DEADLOCK"]);
  });

  it("ends by the deadline of a call where a deadlock can't be seen: dialects without hello carry no chains", async () => {
    const options = { dialect: "aiomas" } as const;
    const [here, there] = [
      await newContainer("tcp://127.0.0.1:0", options),
      await newContainer("tcp://127.0.0.1:0", options),
    ];
    const [a, b] = [
      await here.spawn(new Worker(), { mailbox: "serial" }),
      await there.spawn(new Worker(), { mailbox: "serial" }),
    ];
    const proxy: any = await here.connect<Worker>(a.address);
    const script = [{ call: b.address, script: [{ call: a.address, script: [], timeout: 100 }] }];
    expect(codesIn(await proxy.work(script))).toEqual(["DEADLINE_EXCEEDED"]);
  });

  it("can't be made up by a client: a slot that nobody holds lets nobody in", async () => {
    const { agent, proxy } = await worker("serial");
    const hold = newGate();
    const first = proxy.work([{ await: hold }], "first");
    await until(() => agent.running === 1, "the first call");
    const connection = await connect<any>(agent.container.address, { extraSerializers: [dateSerializer] });
    expect(await connection.remote.mailboxes.waits(["x", "z"], ["y"], 1e9, "search")).toEqual([false, false]);
    await connection.close();
    gate(hold).open();
    await first;
  });

  it("fails in words that name the agent and say what to do", async () => {
    const [a, b] = await serialWorkers(2, 1);
    const [toA, toB] = await proxiesOf([a!, b!]);
    const [inA, inB] = [newGate(), newGate()];
    await Promise.all([
      toA.work([{ open: inA }, { await: inB }, { call: b!.address, script: [] }]),
      toB.work([{ open: inB }, { await: inA }, { turns: 10 }, { call: a!.address, script: [] }]),
    ]);
    const reason = "is busy with a call that waits for this one; let one of the two notify, or call from a task";
    expect(b!.log).toContain(`${String(a)} ${reason}`);
  });
});

describe("a call within the one that has the slot", () => {
  class Host extends Agent {
    readonly gate = new Gate();
    readonly log: string[] = [];
    @expose async outer(): Promise<void> {
      const self = await this.container.connect<Host>(this.address);
      // Nobody waits for it here.
      void self.inner();
      await turns(3);
      this.log.push("outer ends");
    }
    @expose async inner(): Promise<void> {
      await this.gate.promise;
      this.log.push("inner ends");
    }
    @expose next(): void {
      this.log.push("next");
    }
  }

  it("keeps it until it has ended, too", async () => {
    const home = await newContainer("tcp://127.0.0.1:0");
    const host = await home.spawn(new Host(), { mailbox: "serial" });
    const remote = await (await newContainer("tcp://127.0.0.1:0")).connect<Host>(host.address);
    await remote.outer();
    const next = remote.next();
    await turns(20);
    expect(host.log).toEqual(["outer ends"]);
    host.gate.open();
    await next;
    expect(host.log).toEqual(["outer ends", "inner ends", "next"]);
  });
});

describe("serial agents that call each other at random", () => {
  const MODES = ["serial", "serial", 2, "interleave"] as const;
  const agentIndex = fc.nat({ max: 3 });

  interface Call {
    readonly to: number;
    readonly turns: number;
    readonly together: boolean;
    readonly calls: readonly Call[];
  }

  function callOf(depth: number): fc.Arbitrary<Call> {
    return fc.record({
      to: agentIndex,
      turns: fc.nat({ max: 3 }),
      together: fc.boolean(),
      calls: depth === 0 ? fc.constant([]) : fc.array(callOf(depth - 1), { maxLength: 2 }),
    });
  }

  function stepOf(call: Call, name: string, agents: readonly Worker[]): { call: string; script: Script; name: string } {
    const inner = call.calls.map((one, index) => ({ ...stepOf(one, `${name}/${index}`, agents), timeout: 400 }));
    const script = [{ turns: call.turns }, ...(call.together ? [{ all: inner }] : inner)];
    return { call: agents[call.to]!.address, script, name };
  }

  it.each([1, 2, 3])(
    "over %d containers never hang, and one handler of each runs at a time",
    async (containerCount) => {
      const homes: Container[] = [];
      for (let index = 0; index < containerCount; index++) homes.push(await newContainer("tcp://127.0.0.1:0"));
      const caller = await newContainer("tcp://127.0.0.1:0");
      await fc.assert(
        fc.asyncProperty(fc.array(callOf(3), { minLength: 1, maxLength: 4 }), async (roots) => {
          const agents: Worker[] = [];
          for (const [index, mailbox] of MODES.entries())
            agents.push(await homes[index % containerCount]!.spawn(new Worker(), { mailbox }));
          const proxies: any[] = await Promise.all(agents.map(async ({ address }) => caller.connect(address)));
          const results = roots.map(async (root, index) => {
            const { script, name } = stepOf(root, String(index), agents);
            return withOptions(proxies[root.to].work, { timeout: 5000 })(script, name);
          });
          const codes = new Set(codesIn(await Promise.all(results)));
          for (const code of codes) expect(["DEADLOCK", "DEADLINE_EXCEEDED"]).toContain(code);
          await until(() => agents.every(({ running }) => running === 0), "the end of all handlers");
          for (const [index, mailbox] of MODES.entries())
            if (mailbox === "serial") expect(agents[index]!.beside).toBe(0);
          // Nothing is left behind: each can be called.
          for (const proxy of proxies) await proxy.mark("after");
          for (const agent of agents) await agent.stop();
        }),
        { numRuns: 20 },
      );
    },
  );
});
