import { connectChannel } from "@colloquy/core";
import type { Channel } from "@colloquy/core";
import { RemoteError, expose, serve, service } from "@colloquy/rpc";
import { afterEach, describe, expect, expectTypeOf, test } from "vitest";
import { Simulator, runSimulator, simulatorMeta, startSimulator } from "../src/mosaik.ts";
import type {
  AttrName,
  Entity,
  ModelName,
  OutputValues,
  PublicModelName,
  RunningSimulator,
  SimulatorMeta,
  SimulatorType,
  StartOptions,
  StepResult,
} from "../src/mosaik.ts";

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const one of open.splice(0).toReversed()) await one[Symbol.asyncDispose]();
});

/** Does what a test tells it to. */
class Puppet extends Simulator {
  readonly meta: SimulatorMeta;
  steps: (time: number) => any = (time) => time + 1;
  values: (outputs: any) => any = () => ({ a: { P: 1, Q: 2 } });
  entities: ((count: number, model: string) => any) | undefined;
  stops = 0;
  onStop: () => void | Promise<void> = () => {};
  params: unknown;

  constructor(type: SimulatorType = "time-based", others: Partial<SimulatorMeta> = {}) {
    super();
    const models = { A: { params: ["size"], attrs: ["P", "Q"] }, B: { public: false, attrs: ["x"] } };
    this.meta = { type, models, ...others };
  }

  override init(params: Readonly<Record<string, unknown>>): void {
    this.params = params;
  }

  override create(count: number, model: string): readonly Entity[] {
    if (this.entities !== undefined) return this.entities(count, model);
    return ["a", "b", "c"].slice(0, count).map((eid) => ({ eid, type: model }));
  }

  override step(time: number): number {
    return this.steps(time);
  }

  override getData(outputs: any): OutputValues {
    return this.values(outputs);
  }

  override stop(): void | Promise<void> {
    this.stops++;
    return this.onStop();
  }

  greet(name: string): unknown {
    return name === "nobody" ? undefined : name === "date" ? [new Date(0)] : `hello ${name}`;
  }
}

/** mosaik's side: a bare channel in its protocol. */
class Mosaik {
  readonly channel: Channel;

  constructor(channel: Channel) {
    this.channel = channel;
  }

  send(name: string, args: readonly unknown[] = [], kwargs: object = {}): Promise<any> {
    return this.channel.send([name, args, kwargs]);
  }

  async message(name: string, args: readonly unknown[] = [], kwargs: object = {}): Promise<string> {
    const error: unknown = await this.send(name, args, kwargs).then(
      (result: unknown) => new Error(`no failure but ${JSON.stringify(result)}`),
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(RemoteError);
    return (error as RemoteError).message;
  }
}

async function started(puppet: Puppet, options: object = {}): Promise<{ run: RunningSimulator; mosaik: Mosaik }> {
  const run = await startSimulator(puppet, { listen: "127.0.0.1:0", ...options });
  open.push(run);
  return { run, mosaik: await connected(run) };
}

async function connected(run: RunningSimulator): Promise<Mosaik> {
  const channel = await connectChannel(`tcp://${run.address}`);
  open.push(channel);
  return new Mosaik(channel);
}

/** Ready for the first step, with the entities a and b. */
async function setUp(puppet: Puppet): Promise<{ run: RunningSimulator; mosaik: Mosaik }> {
  const both = await started(puppet);
  await both.mosaik.send("init", ["S-0"], { time_resolution: 1.0 });
  await both.mosaik.send("create", [2, "A"], {});
  await both.mosaik.send("setup_done");
  return both;
}

describe("the order of calls", () => {
  test("is held, and each call out of turn says what it lacks", async () => {
    const puppet = new Puppet();
    expect(() => puppet.sid).toThrow("Puppet is in no run of mosaik yet: that begins with init");
    const { mosaik } = await started(puppet);
    for (const [name, args] of [
      ["create", [1, "A"]],
      ["setup_done", []],
      ["step", [0, {}, 10]],
      ["get_data", [{}]],
    ] as const)
      expect(await mosaik.message(name, args)).toBe(`${name} was called before init`);
    await mosaik.send("init", ["S-0"], { time_resolution: 0.5, wind: { speeds: [1, 2] } });
    expect([puppet.sid, puppet.timeResolution, puppet.params]).toEqual(["S-0", 0.5, { wind: { speeds: [1, 2] } }]);
    expect(await mosaik.message("init", ["S-0"])).toMatch(
      /^init was called already, by .*: Puppet takes part in one run$/,
    );
    expect(await mosaik.message("step", [0, {}, 10])).toBe("step was called before setup_done");
    expect(await mosaik.send("setup_done")).toBe(null);
    expect(await mosaik.message("setup_done")).toBe("setup_done was called already");
    expect(await mosaik.send("step", [0, {}, 10])).toBe(1);
    expect(await mosaik.send("step", [3], { inputs: {}, max_advance: 10 })).toBe(4);
    expect(await mosaik.message("step", [2, {}, 10])).toBe("step was called for 2, but the simulator is at 3 already");
  });

  test("takes one step at a time", async () => {
    const puppet = new Puppet();
    const { mosaik } = await setUp(puppet);
    let finish!: (next: number) => void;
    puppet.steps = () => new Promise((resolve) => (finish = resolve));
    const first = mosaik.send("step", [4, {}, 10]);
    expect(await mosaik.message("step", [5, {}, 10])).toBe("step was called for 5 while the one at 4 is under way");
    finish(7);
    expect(await first).toBe(7);
  });

  test("is that of one mosaik: another one is refused, and its end means nothing", async () => {
    const puppet = new Puppet();
    const { run, mosaik } = await started(puppet);
    const early = await connected(run);
    await early.channel.close();
    await mosaik.send("init", ["S-0"], {});
    expect(puppet.timeResolution).toBe(1);
    const late = await connected(run);
    expect(await late.message("init", ["S-1"])).toContain("init was called already, by");
    await late.channel.close();
    expect(await mosaik.send("create", [1, "A"])).toEqual([{ eid: "a", type: "A" }]);
    expect(puppet.stops).toBe(0);
  });

  test.each([
    [[5], {}, "init takes the name of the simulator, not 5"],
    [["S"], { time_resolution: 0 }, "time_resolution must be a number of seconds above 0, not 0"],
    [["S"], { time_resolution: "1" }, 'time_resolution must be a number of seconds above 0, not "1"'],
  ])("refuses init of %j with %j", async (args, kwargs, message) => {
    const { mosaik } = await started(new Puppet());
    expect(await mosaik.message("init", args, kwargs)).toBe(message);
  });
});

describe("create", () => {
  test.each([
    [[1, "C"], {}, 'there is no model "C"; the models are "A"'],
    [[1, "constructor"], {}, 'there is no model "constructor"; the models are "A"'],
    [[1, "B"], {}, `model "B" isn't public: it comes as a child of others; the public ones are "A"`],
    [[1, "A"], { weight: 1 }, 'model "A" has no parameter "weight"; its parameters are "size"'],
    [[1.5, "A"], {}, "create makes a whole number of entities, not 1.5"],
    [[-1, "A"], {}, "create makes a whole number of entities, not -1"],
  ])("refuses %j with %j", async (args, kwargs, message) => {
    const { mosaik } = await started(new Puppet());
    await mosaik.send("init", ["S-0"]);
    expect(await mosaik.message("create", args, kwargs)).toBe(message);
  });

  test.each([
    ["one too few", () => [{ eid: "a", type: "A" }], 'create was asked for 2 of model "A" and returned 1'],
    ["no array", () => ({ a: "A" }), "create must return an array of entities, not Object"],
    [
      "a name twice",
      () => [1, 2].map(() => ({ eid: "a", type: "A" })),
      'entity 1 of create has the eid "a", which another one has',
    ],
    [
      "another model",
      () => ["a", "b"].map((eid) => ({ eid, type: "B" })),
      'entity 0 of create, "a", has the type "B", but "A" was asked for',
    ],
    ["no name", () => [1, 2].map((eid) => ({ eid, type: "A" })), "eid of entity 0 of create must be a text, not 1"],
    [
      "an unknown child",
      () => ["a", "b"].map((eid) => ({ eid, type: "A", children: [{ eid: `${eid}1`, type: "X" }] })),
      'child 0 of "a", "a1", has the type "X"; the models are "A", "B"',
    ],
    [
      "a date",
      () => ["a", "b"].map((eid) => ({ eid, type: "A", extraInfo: new Date(0) })),
      `entity "a" has Date at extraInfo, which JSON doesn't carry: make it a number, a text, a list or a map`,
    ],
  ])("that returns %s fails", async (_name, entities, message) => {
    const puppet = new Puppet();
    puppet.entities = entities;
    const { mosaik } = await started(puppet);
    await mosaik.send("init", ["S-0"]);
    expect(await mosaik.message("create", [2, "A"])).toBe(message);
    puppet.entities = undefined;
    expect(await mosaik.send("create", [1, "A"]), "nothing was taken of it").toEqual([{ eid: "a", type: "A" }]);
  });

  test("takes children of other models, which have values, too", async () => {
    const puppet = new Puppet();
    puppet.entities = () => [{ eid: "a", type: "A", rel: ["b"], children: [{ eid: "b", type: "B" }], extraInfo: [1] }];
    const { mosaik } = await started(puppet);
    await mosaik.send("init", ["S-0"]);
    expect(await mosaik.send("create", [1, "A"])).toEqual([
      { eid: "a", type: "A", rel: ["b"], children: [{ eid: "b", type: "B" }], extra_info: [1] },
    ]);
    puppet.values = () => ({ b: { x: 5 } });
    expect(await mosaik.send("get_data", [{ b: ["x"] }])).toEqual({ b: { x: 5 } });
  });
});

describe("step", () => {
  test.each([
    [5, "Puppet.step(5) returned 5: the next step must be later than 5"],
    [4, "Puppet.step(5) returned 4: the next step must be later than 5"],
    [5.5, "Puppet.step(5) returned 5.5: the next step is an integer, later than 5"],
    ["6", 'Puppet.step(5) returned "6": the next step is an integer, later than 5'],
    [NaN, "Puppet.step(5) returned NaN: the next step is an integer, later than 5"],
    [null, "Puppet.step(5) returned null: a time-based simulator says when to step again"],
    [undefined, "Puppet.step(5) returned undefined: a time-based simulator says when to step again"],
  ])("that returns %j fails", async (next, message) => {
    const puppet = new Puppet();
    puppet.steps = () => next;
    const { mosaik } = await setUp(puppet);
    expect(await mosaik.message("step", [5, {}, 10])).toBe(message);
    // In a loop of simulators, a moment may have several steps.
    expect(await mosaik.message("step", [5, {}, 4])).toBe(message);
    puppet.steps = () => 6;
    expect(await mosaik.send("step", [5, {}, 10])).toBe(6);
  });

  test.each(["event-based", "hybrid"] as const)("of a simulator that is %s may return nothing", async (type) => {
    const puppet = new Puppet(type);
    puppet.steps = (time) => (time === 0 ? undefined : null);
    const { mosaik } = await setUp(puppet);
    expect([await mosaik.send("step", [0, {}, 10]), await mosaik.send("step", [1, {}, 10])]).toEqual([null, null]);
  });

  test.each([
    [[1.5, {}, 10], "the time of step must be an integer from 0 on, not 1.5: times of mosaik are integers"],
    [[-1, {}, 10], "the time of step must be an integer from 0 on, not -1: times of mosaik are integers"],
    [
      [2 ** 53, {}, 10],
      "the time of step must be an integer from 0 on, not 9007199254740992: times of mosaik are integers",
    ],
    [[1, {}], "max_advance of step must be an integer, not undefined"],
    [[1, [], 10], "inputs of step must be a map of entities, not Array"],
  ])("refuses %j", async (args, message) => {
    const { mosaik } = await setUp(new Puppet());
    expect(await mosaik.message("step", args)).toBe(message);
  });
});

describe("get_data", () => {
  test.each([
    [{ c: ["P"] }, 'get_data asks for "c", which was not created; there are "a", "b"'],
    [{ a: ["P", "R"] }, '"a" of model "A" has no attribute "R"; it has "P", "Q"'],
    [{ a: "P" }, 'get_data takes a list of attributes of "a", not "P"'],
    [["a"], "get_data takes a map of entities to attributes, not Array"],
  ])("refuses %j", async (outputs, message) => {
    const { mosaik } = await setUp(new Puppet());
    expect(await mosaik.message("get_data", [outputs])).toBe(message);
  });

  const unfit = "which JSON doesn't carry: make it a number, a text, a list or a map";
  test.each([
    [{ a: { P: NaN } }, `what getData returns has NaN at a.P, ${unfit}`],
    [{ a: { P: [1, { x: -Infinity }] } }, `what getData returns has -Infinity at a.P[1].x, ${unfit}`],
    [{ a: { P: undefined } }, `what getData returns has undefined at a.P, ${unfit}`],
    [{ a: { P: new Map() } }, `what getData returns has Map at a.P, ${unfit}`],
    [{ a: { P: () => 1 } }, `what getData returns has function at a.P, ${unfit}`],
    [{ a: { P: Float64Array.of(1) } }, `what getData returns has Float64Array at a.P, ${unfit}`],
    [{ a: { Q: 1 } }, 'getData of a time-based simulator returns all that is asked for; "P" of "a" is missing'],
    [{}, 'getData of a time-based simulator returns all that is asked for; "P" of "a" is missing'],
    [{ a: { P: 1 }, z: { P: 1 } }, 'getData returns values of "z", which was not created'],
    [{ a: 1 }, 'getData must return a map for "a", not 1'],
    [null, "getData must return a map of entities to values, not null"],
    [{ a: { P: 1 }, time: 5 }, "getData returns a time, which outputs of time-based simulators don't have"],
  ])("that returns %j fails", async (values, message) => {
    const puppet = new Puppet();
    puppet.values = () => values;
    const { mosaik } = await setUp(puppet);
    expect(await mosaik.message("get_data", [{ a: ["P"] }])).toBe(message);
  });

  test("of a value that holds itself fails", async () => {
    const puppet = new Puppet();
    const loop: { self?: unknown } = {};
    loop.self = loop;
    puppet.values = () => ({ a: { P: loop } });
    const { mosaik } = await setUp(puppet);
    expect(await mosaik.message("get_data", [{ a: ["P"] }])).toBe("what getData returns has more than 100 levels");
  });

  test("has a time in event-based simulators, at or after the step, and may leave attributes out", async () => {
    const puppet = new Puppet("event-based");
    const { mosaik } = await setUp(puppet);
    await mosaik.send("step", [7, {}, 10]);
    puppet.values = () => ({ b: { Q: [1, null, "x", true, { deep: {} }] }, time: 9 });
    expect(await mosaik.send("get_data", [{ a: ["P"], b: ["Q"] }])).toEqual(puppet.values({}));
    puppet.values = () => ({ time: 6 });
    expect(await mosaik.message("get_data", [{ a: ["P"] }])).toBe(
      "getData returns the time 6, which is before the step at 7",
    );
  });
});

describe("methods of a simulator's own", () => {
  test("are those that its meta lists, and no others", async () => {
    const { mosaik } = await started(new Puppet("hybrid", { extraMethods: ["greet"] }));
    await expect(mosaik.send("greet", ["Ada"])).rejects.toMatchObject({ message: expect.stringContaining("greet") });
    expect(await mosaik.send("init", ["S-0"])).toMatchObject({ extra_methods: ["greet"] });
    expect(await mosaik.send("greet", ["Ada"])).toBe("hello Ada");
    expect(await mosaik.send("greet", [], { name: "Bob" })).toBe("hello Bob");
    expect(await mosaik.send("greet", ["nobody"])).toBe(null);
    expect(await mosaik.message("greet", ["date"])).toContain("what greet returns has Date at [0]");
    for (const name of ["setupDone", "getData", "constructor", "onStop", "meta"])
      await expect(mosaik.send(name)).rejects.toMatchObject({ message: expect.stringContaining(name) });
  });

  test("have to be there", async () => {
    const { mosaik } = await started(new Puppet("hybrid", { extraMethods: ["missing"] }));
    expect(await mosaik.message("init", ["S-0"])).toBe(
      'meta.extraMethods has "missing", but Puppet has no such method',
    );
  });
});

describe("the end", () => {
  test("by stop comes once, is answered, and closes the connection", async () => {
    const puppet = new Puppet();
    const { run, mosaik } = await setUp(puppet);
    expect(await mosaik.send("stop")).toBe(null);
    expect(await run.ended).toEqual({ reason: "normal" });
    await expect(mosaik.send("step", [0, {}, 1])).rejects.toMatchObject({ code: "CONNECTION_LOST" });
    expect(await run.stop()).toEqual({ reason: "normal" });
    expect([puppet.stops, puppet.signal.aborted]).toEqual([1, true]);
    await expect(connectChannel(`tcp://${run.address}`)).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });

  test("by the loss of mosaik comes in the middle of a step, too", async () => {
    const puppet = new Puppet();
    const { run, mosaik } = await setUp(puppet);
    let stepping!: () => void;
    const begun = new Promise<void>((resolve) => (stepping = resolve));
    puppet.steps = () => {
      stepping();
      return new Promise(() => {});
    };
    mosaik.send("step", [0, {}, 1]).catch(() => {});
    await begun;
    mosaik.channel.destroy();
    expect(await run.ended).toMatchObject({ reason: "error", error: { code: "CONNECTION_LOST" } });
    expect([puppet.stops, puppet.signal.aborted]).toEqual([1, true]);
  });

  test("whose `stop` throws is an error", async () => {
    const puppet = new Puppet();
    puppet.onStop = () => {
      throw new TypeError("can't");
    };
    const { run, mosaik } = await setUp(puppet);
    await mosaik.send("stop");
    expect(await run.ended).toMatchObject({ reason: "error", error: { name: "TypeError", message: "can't" } });
  });

  test("whose `stop` never ends is one after closeGraceMs", async () => {
    const puppet = new Puppet();
    puppet.onStop = () => new Promise(() => {});
    const { run, mosaik } = await started(puppet, { limits: { closeGraceMs: 50 } });
    expect(await mosaik.send("stop")).toBe(null);
    const message = "Puppet.stop hasn't ended within 50 ms (closeGraceMs)";
    expect(await run.ended).toMatchObject({ reason: "error", error: { code: "DEADLINE_EXCEEDED", message } });
  });

  test("before init is one, too, where this side has connected", async () => {
    await using server = await serve("tcp://127.0.0.1:0", service({ get_progress: expose(() => 0) }), {
      dialect: "mosaik",
    });
    const puppet = new Puppet();
    const run = await startSimulator(puppet, { connect: server.address.slice("tcp://".length) });
    await server.close();
    expect(await run.ended).toMatchObject({ reason: "error", error: { code: "CONNECTION_LOST" } });
    expect(puppet.stops).toBe(1);
  });
});

describe("startSimulator", () => {
  test.each([
    [{}, "startSimulator takes one of connect and listen"],
    [{ connect: "a:1", listen: "a:1" }, "startSimulator takes one of connect and listen"],
    [
      { conect: "a:1" },
      'unknown option "conect" of startSimulator; the options are connect, listen, timeout, dangerouslyAllowPlaintext, limits, onMethodFailure',
    ],
    [{ connect: "5555" }, 'connect takes host:port, not "5555"'],
    [{ listen: "127.0.0.1" }, 'listen takes host:port, not "127.0.0.1"'],
    [{ listen: "%(addr)s" }, 'listen takes host:port, not "%(addr)s"'],
  ])("refuses %j", async (options, message) => {
    await expect(startSimulator(new Puppet(), options as StartOptions)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message,
    });
  });

  test("takes an instance once, and tells where nobody listens", async () => {
    const puppet = new Puppet();
    const { run } = await started(puppet);
    await expect(startSimulator(puppet, { listen: "127.0.0.1:0" })).rejects.toMatchObject({
      message: "Puppet was started already; a simulator takes part in one run",
    });
    await run.stop();
    await expect(startSimulator(new Puppet(), { connect: run.address })).rejects.toMatchObject({ code: "UNAVAILABLE" });
  });

  test("tells of what methods throw", async () => {
    const told: unknown[] = [];
    const puppet = new Puppet();
    const { mosaik } = await started(puppet, {
      onMethodFailure: (error: Error, path: string) => told.push([path, error.message]),
    });
    await mosaik.send("init", ["S-0"]);
    await mosaik.message("create", [1, "C"]);
    expect(told).toEqual([["create", 'there is no model "C"; the models are "A"']]);
  });
});

describe("runSimulator", () => {
  test("connects to the address of its command line, or listens there", async () => {
    const { run } = await started(new Puppet());
    await run.stop();
    const { address } = run;
    const running = runSimulator(new Puppet(), ["node", "sim.js", "--remote", "--log-level", "debug", address]);
    const mosaik = new Mosaik(await connectChannel(`tcp://${address}`, { timeout: 5000 }));
    await mosaik.send("init", ["S-0"]);
    await mosaik.send("stop");
    expect(await running).toBe(undefined);
    await expect(runSimulator(new Puppet(), ["node", "sim.js", address])).rejects.toMatchObject({
      code: "UNAVAILABLE",
    });
  });

  test("rejects with what mosaik's loss is", async () => {
    const { run } = await started(new Puppet());
    await run.stop();
    const running = runSimulator(new Puppet(), ["node", "sim.js", "-r", run.address]);
    const mosaik = new Mosaik(await connectChannel(`tcp://${run.address}`, { timeout: 5000 }));
    await mosaik.send("init", ["S-0"]);
    mosaik.channel.destroy();
    await expect(running).rejects.toMatchObject({ code: "CONNECTION_LOST" });
  });

  test.each([[[]], [["a:1", "b:2"]], [["--listen", "a:1"]]])("shows its usage for %j", async (args) => {
    await expect(runSimulator(new Puppet(), ["node", "sim.js", ...args])).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("usage: [--remote] [--log-level LEVEL] HOST:PORT"),
    });
  });
});

describe("simulatorMeta", () => {
  const attrs = ["a", "b"];
  test.each<[object, string]>([
    [
      { type: "timed", models: { M: { attrs } } },
      'meta.type must be one of time-based, event-based, hybrid, not "timed"',
    ],
    [{ type: "hybrid", models: {} }, "meta.models must have at least one model"],
    [
      { type: "hybrid", models: { M: { attrs } }, extra: [] },
      'meta has the unknown key "extra"; known are type, models, extraMethods',
    ],
    [{ type: "hybrid", models: { M: {} } }, 'attrs of model "M" must be an array of names, not undefined'],
    [{ type: "hybrid", models: { M: { attrs: ["a", "a"] } } }, 'attrs of model "M" has "a" twice'],
    [{ type: "hybrid", models: { M: { attrs: ["a", 5] } } }, 'attrs of model "M" must be names, not 5'],
    [{ type: "hybrid", models: { M: { attrs, any_inputs: true } } }, 'model "M" has the unknown key "any_inputs"'],
    [
      { type: "time-based", models: { M: { attrs, trigger: ["a"] } } },
      'model "M" has trigger, but its simulator is time-based',
    ],
    [
      { type: "event-based", models: { M: { attrs, persistent: ["a"] } } },
      'model "M" has persistent, but its simulator is event-based',
    ],
    [
      { type: "hybrid", models: { M: { attrs, trigger: ["c"] } } },
      'trigger of model "M" has "c", which is none of its attrs: "a", "b"',
    ],
    [
      { type: "hybrid", models: { M: { attrs, trigger: ["a"], nonTrigger: ["a", "b"] } } },
      'trigger and nonTrigger of model "M" both have "a"',
    ],
    [
      { type: "hybrid", models: { M: { attrs, persistent: ["a"], nonPersistent: [] } } },
      'persistent and nonPersistent of model "M": "b" is in neither',
    ],
    [
      { type: "hybrid", models: { M: { attrs } }, extraMethods: ["get_data"] },
      'meta.extraMethods has "get_data", which every simulator has',
    ],
  ])("refuses %j", (meta, message) => {
    expect(() => simulatorMeta(meta as SimulatorMeta)).toThrow(message);
  });

  test("takes any triggers where inputs may have any names", () => {
    const models = { M: { attrs, anyInputs: true, trigger: ["c"] } };
    expect(simulatorMeta({ type: "hybrid", models }).models).toBe(models);
  });

  test("tells the type checker the names in it", () => {
    const meta = simulatorMeta({
      type: "time-based",
      models: { PV: { params: ["peak"], attrs: ["P"] }, Cell: { public: false, attrs: ["T"] } },
    });
    type M = typeof meta;
    expectTypeOf<ModelName<M>>().toEqualTypeOf<"PV" | "Cell">();
    expectTypeOf<PublicModelName<M>>().toEqualTypeOf<"PV">();
    expectTypeOf<AttrName<M>>().toEqualTypeOf<"P" | "T">();
    expectTypeOf<StepResult<M>>().toEqualTypeOf<number>();
  });
});
