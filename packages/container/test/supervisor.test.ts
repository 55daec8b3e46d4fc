import { describe, expect, it, vi } from "vitest";
import { Agent, ExternalClock, SystemClock, supervise } from "../src/index.ts";
import type { RestartType, Strategy, SuperviseOptions, Supervisor } from "../src/index.ts";
import { Life, Stage } from "./supervision-support.ts";
import { Echo, Gate, failureOf, newContainer, rejectionOf, turns, until } from "./support.ts";

const atOnce = { minMs: 0, maxMs: 0 };

interface Scene {
  readonly stage: Stage;
  readonly clock: ExternalClock;
  readonly supervisor: Supervisor;
}

async function scene(
  children: Record<string, RestartType | undefined>,
  options: SuperviseOptions = {},
): Promise<Scene> {
  const stage = new Stage();
  const clock = new ExternalClock("2026-01-01");
  const specs = Object.entries(children).map(([id, restart]) => stage.child(id, restart));
  const supervisor = await supervise(specs, { clock, intensity: 9, backoff: atOnce, ...options });
  return { stage, clock, supervisor };
}

const three = { a: undefined, b: undefined, c: undefined };

/** Ids and states, as they are now. */
function states({ children }: Supervisor): string[] {
  return children.map(({ id, state }) => `${id} ${state}`);
}

describe("a life that has begun and can't be watched", () => {
  interface Lives {
    readonly ended: () => unknown;
    readonly clock?: ExternalClock;
  }

  /** The first life fails; the second one is what is given. */
  async function restarted(second: Lives): Promise<{ supervisor: Supervisor; log: string[]; seen: unknown[] }> {
    const log: string[] = [];
    const seen: unknown[] = [];
    let fail!: () => void;
    const first = new Promise((resolve) => (fail = () => resolve({ reason: "error" })));
    const start = async (): Promise<never> => {
      const life = log.filter((line) => line.startsWith("start")).length + 1;
      log.push(`start ${life}`);
      const ended = life === 1 ? first : life === 2 ? second.ended() : new Promise(() => {});
      return { ended, stop: async () => void log.push(`stop ${life}`) } as never;
    };
    const onRestart = (_: string, { error }: { error?: unknown }): void => void seen.push(error);
    const options = { intensity: 9, backoff: atOnce, onRestart, ...(second.clock && { clock: second.clock }) };
    const supervisor = await supervise([{ id: "a", start }], options);
    fail();
    await turns(10);
    return { supervisor, log, seen };
  }

  it("where the then of its end throws, is stopped, and counts as a failed start", async () => {
    const odd = new Error("odd then");
    const then = (): never => {
      throw odd;
    };
    const { supervisor, log, seen } = await restarted({ ended: () => ({ then }) });
    expect(log).toEqual(["start 1", "start 2", "stop 2", "start 3"]);
    expect(seen).toEqual([undefined, odd]);
    expect(states(supervisor)).toEqual(["a running"]);
    await supervisor.stop();
    expect(log.slice(4)).toEqual(["stop 3"]);
  });

  it("where the clock throws, is stopped", async () => {
    const clock = new ExternalClock("2026-01-01");
    const time = vi.spyOn(clock, "time");
    const throwOnce = (): unknown => {
      time.mockImplementationOnce(() => {
        throw new Error("no time");
      });
      return new Promise(() => {});
    };
    const { supervisor, log } = await restarted({ ended: throwOnce, clock });
    expect(log).toEqual(["start 1", "start 2", "stop 2", "start 3"]);
    await supervisor.stop();
    expect(log.slice(4)).toEqual(["stop 3"]);
  });

  it("in the first start, is stopped once, and supervise rejects", async () => {
    const log: string[] = [];
    const then = (): never => {
      throw new Error("odd then");
    };
    const start = async (): Promise<never> => ({ ended: { then }, stop: async () => void log.push("stop") }) as never;
    expect(await rejectionOf(supervise([{ id: "a", start }]))).toMatchObject({ message: "odd then" });
    expect(log).toEqual(["stop"]);
  });
});

describe("release", () => {
  it.each<RestartType>(["temporary", "transient", "permanent"])(
    "of a %s child is called once, when it is terminated and when all end",
    async (restart) => {
      const released: string[] = [];
      const stage = new Stage();
      const specs = ["a", "b", "c"].map((id) => ({
        ...stage.child(id, restart),
        release: () => void released.push(id),
      }));
      const supervisor = await supervise(specs);
      await supervisor.terminate("b");
      expect(released).toEqual(["b"]);
      await supervisor.stop();
      expect(released.toSorted()).toEqual(["a", "b", "c"]);
    },
  );

  it("is called again after another life", async () => {
    const released: string[] = [];
    const stage = new Stage();
    const specs = ["a", "b"].map((id) => ({ ...stage.child(id), release: () => void released.push(id) }));
    const supervisor = await supervise(specs, { strategy: "one-for-all", backoff: atOnce });
    await supervisor.terminate("b");
    stage.fail("a");
    await turns(10);
    expect(states(supervisor)).toEqual(["a running", "b running"]);
    await supervisor.stop();
    expect(released.toSorted()).toEqual(["a", "b", "b"]);
  });
});

describe("supervise", () => {
  it("refuses an agent, and says what makes a child of one", async () => {
    const message = "a child of supervise is Echo; it takes { id, start, restart }, as container.child makes them";
    expect(await failureOf(supervise([new Echo() as never]))).toMatchObject({ code: "INVALID_ARGUMENT", message });
  });

  it("starts in order, one after the other, and stops in reverse order", async () => {
    const { stage, supervisor } = await scene(three);
    expect(stage.taken()).toEqual(["start a", "start b", "start c"]);
    expect(states(supervisor)).toEqual(["a running", "b running", "c running"]);
    await Promise.all([supervisor.stop(), supervisor.stop(), supervisor[Symbol.asyncDispose]()]);
    expect(stage.taken()).toEqual(["stop c", "stop b", "stop a"]);
    expect(await supervisor.ended).toEqual({ reason: "shutdown" });
    await turns(2);
    expect(stage.log).toEqual([]);
  });

  it("rejects with what a start rejects with, after it has stopped those before in reverse order", async () => {
    const stage = new Stage();
    stage.failingStarts.set("c", 1);
    const specs = ["a", "b", "c", "d"].map((id) => stage.child(id));
    expect(await rejectionOf(supervise(specs))).toMatchObject({ message: "c doesn't start" });
    expect(stage.log).toEqual(["start a", "start b", "start c", "stop b", "stop a"]);
  });

  it.each<[unknown, unknown, string]>([
    [5, {}, "array"],
    [[null], {}, "{ id, start, restart }"],
    [[{ id: "a" }], {}, "{ id, start, restart }"],
    [[{ id: "a", start: async () => {}, strat: 1 }], {}, '"strat"'],
    [[{ id: "a", start: async () => {}, restart: "often" }], {}, '"often"'],
    [[], { strategy: "all-for-one" }, '"all-for-one"'],
    [[], { intensty: 1 }, '"intensty"'],
    [[], { intensity: NaN }, "option intensity of supervise is NaN"],
    [[], { periodMs: "5000" }, 'option periodMs of supervise is "5000"'],
    [[], { clock: {} }, "clock"],
    [[], { backoff: { factor: 0.5 } }, "factor is 0.5"],
  ])("refuses %o with %o", async (children, options, message) => {
    expect(await failureOf(supervise(children as never, options as never))).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining(message),
    });
  });

  it("refuses two children of one id, and what starts as no child", async () => {
    const stage = new Stage();
    const twice = supervise([stage.child("a"), stage.child("a")]);
    expect(await failureOf(twice)).toMatchObject({ message: 'there are two children "a"' });
    expect(stage.log).toEqual([]);
    const nothing = supervise([{ id: "a", start: async () => ({}) as never }]);
    expect(await failureOf(nothing)).toMatchObject({ message: expect.stringContaining("it takes { ended, stop }") });
  });
});

describe("a failed child", () => {
  it.each<[Strategy, string[]]>([
    ["one-for-one", ["start b"]],
    ["one-for-all", ["stop d", "stop c", "stop a", "start a", "start b", "start c", "start d"]],
    ["rest-for-one", ["stop d", "stop c", "start b", "start c", "start d"]],
  ])("under %s restarts %j", async (strategy, expected) => {
    const { stage, supervisor } = await scene({ ...three, d: undefined }, { strategy });
    stage.taken();
    stage.fail("b");
    await turns(2);
    expect(stage.taken()).toEqual(expected);
    expect(states(supervisor)).toEqual(["a", "b", "c", "d"].map((id) => `${id} running`));
  });

  it.each<[RestartType, "normal" | "shutdown" | "error", string]>([
    ["permanent", "normal", "running"],
    ["permanent", "shutdown", "running"],
    ["permanent", "error", "running"],
    ["transient", "normal", "stopped"],
    ["transient", "shutdown", "stopped"],
    ["transient", "error", "running"],
    ["temporary", "normal", "forgotten"],
    ["temporary", "shutdown", "forgotten"],
    ["temporary", "error", "forgotten"],
  ])("that is %s and has ended with %s is %s", async (restart, reason, state) => {
    const { stage, supervisor } = await scene({ a: restart });
    stage.life("a").end({ reason });
    await turns(2);
    expect(states(supervisor)).toEqual(state === "forgotten" ? [] : [`a ${state}`]);
    expect(stage.log).toEqual(state === "running" ? ["start a", "start a"] : ["start a"]);
  });

  it("has temporary neighbours stopped and forgotten, and transient ones that had ended started again", async () => {
    const children = { a: "temporary", b: undefined, c: "transient", d: "temporary" } as const;
    const { stage, supervisor } = await scene(children, { strategy: "one-for-all" });
    stage.life("c").end({ reason: "normal" });
    await turns(2);
    expect(states(supervisor)).toContain("c stopped");
    stage.taken();
    stage.fail("b");
    await turns(2);
    expect(stage.taken()).toEqual(["stop d", "stop a", "start b", "start c"]);
    expect(states(supervisor)).toEqual(["b running", "c running"]);
  });

  it("whose promise of the end rejects has failed", async () => {
    let starts = 0;
    const spec = {
      id: "a",
      start: async () => ({
        ended: starts++ === 0 ? Promise.reject(new Error("lost")) : new Promise<never>(() => {}),
        stop: async () => {},
      }),
    };
    const seen: unknown[] = [];
    const supervisor = await supervise([spec], {
      onRestart: (id, { reason, error }) => seen.push([id, reason, error]),
    });
    await turns(2);
    expect([starts, seen]).toEqual([2, [["a", "error", new Error("lost")]]]);
    await supervisor.stop();
  });

  it("is told to onRestart, whose own failure is a warning", async () => {
    const { stage, supervisor } = await scene(three, {
      onRestart: (id) => {
        throw new Error(`listener of ${id}`);
      },
    });
    const warned = new Promise<Error>((resolve) => process.once("warning", resolve));
    stage.fail("a");
    expect((await warned).message).toContain("listener of a");
    await turns(1);
    expect(states(supervisor)).toEqual(["a running", "b running", "c running"]);
  });

  it("that fails while its neighbour is restarted is handled after that", async () => {
    const { stage } = await scene(three, { strategy: "rest-for-one" });
    stage.taken();
    stage.fail("c");
    stage.fail("a");
    await turns(2);
    expect(stage.taken()).toEqual(["start c", "stop c", "stop b", "start a", "start b", "start c"]);
  });
});

describe("a failed start in a restart", () => {
  it("counts again, and is tried again with those that go with it", async () => {
    const { stage, supervisor } = await scene(three, { strategy: "one-for-all", intensity: 3 });
    stage.taken();
    stage.failingStarts.set("b", 1);
    stage.fail("a");
    await turns(3);
    const whole = ["start a", "start b", "start c"];
    expect(stage.taken()).toEqual(["stop c", "stop b", "start a", "start b", "stop a", ...whole]);
    stage.fail("c");
    await turns(3);
    expect(stage.taken()).toEqual(["stop b", "stop a", ...whole]);
    stage.fail("c");
    expect((await supervisor.ended).reason).toBe("shutdown");
    expect(stage.taken()).toEqual(["stop b", "stop a"]);
  });

  it("over the intensity ends the supervisor", async () => {
    const { stage, supervisor } = await scene(three, { intensity: 2 });
    stage.taken();
    stage.failingStarts.set("b", 5);
    stage.fail("b");
    const { error } = await supervisor.ended;
    expect(stage.taken()).toEqual(["start b", "start b", "stop c", "stop a"]);
    expect(error).toMatchObject({ code: "UNAVAILABLE", cause: new Error("b doesn't start") });
  });
});

describe("the intensity", () => {
  it("is 1 in 5 s, both ends counted", async () => {
    const stage = new Stage();
    const clock = new ExternalClock("2026-01-01");
    const supervisor = await supervise([stage.child("a"), stage.child("b")], { clock });
    stage.fail("a");
    await turns(2);
    clock.setTime(5.001);
    stage.fail("a");
    await turns(2);
    clock.setTime(10.001);
    expect(states(supervisor)).toEqual(["a running", "b running"]);
    stage.fail("b");
    const { reason, error } = await supervisor.ended;
    expect(reason).toBe("shutdown");
    expect((error as Error).message).toBe(
      'gave up on "b": more than 1 restarts within 5000 ms; the last time with b has failed',
    );
  });

  it("counts a restart of several once", async () => {
    const { stage, supervisor } = await scene(three, { strategy: "one-for-all", intensity: 1 });
    stage.fail("a");
    await turns(2);
    expect(states(supervisor)).toEqual(["a running", "b running", "c running"]);
  });

  it("may be 0, or Infinity", async () => {
    const never = await scene(three, { intensity: 0 });
    never.stage.fail("b");
    await never.supervisor.ended;
    expect(never.stage.log.slice(3)).toEqual(["stop c", "stop a"]);
    const ever = await scene(three, { intensity: Infinity });
    for (let count = 0; count < 50; count++) {
      ever.stage.fail("b");
      await turns(1);
    }
    expect(states(ever.supervisor)).toEqual(["a running", "b running", "c running"]);
  });

  it("that is exceeded is for the supervisor above: a permanent one is started again with its children", async () => {
    const stage = new Stage();
    const clock = new ExternalClock("2026-01-01");
    const branch = {
      id: "branch",
      start: async () => supervise([stage.child("x"), stage.child("y")], { clock, intensity: 0 }),
    };
    const root = await supervise([stage.child("a"), branch, stage.child("z")], { clock, strategy: "rest-for-one" });
    stage.taken();
    stage.fail("x");
    await turns(4);
    expect(stage.taken()).toEqual(["stop y", "stop z", "start x", "start y", "start z"]);
    stage.fail("y");
    const { error } = await root.ended;
    expect(stage.taken()).toEqual(["stop x", "stop z", "stop a"]);
    expect((error as Error).message).toContain('gave up on "branch"');
    expect(((error as Error).cause as Error).message).toContain('gave up on "y"');
  });

  it("that is exceeded is a shutdown, after which a transient supervisor isn't started again, as in OTP", async () => {
    const stage = new Stage();
    const branch = {
      id: "branch",
      restart: "transient" as const,
      start: async () => supervise([stage.child("x")], { intensity: 0 }),
    };
    const root = await supervise([branch]);
    stage.fail("x");
    await turns(3);
    expect(states(root)).toEqual(["branch stopped"]);
    await root.stop();
  });

  it("stops a whole tree in reverse order", async () => {
    const stage = new Stage();
    const branch = (id: string, ids: string[]): { id: string; start: () => Promise<Supervisor> } => ({
      id,
      start: async () => supervise(ids.map((child) => stage.child(child))),
    });
    const root = await supervise([branch("left", ["a", "b"]), branch("right", ["c", "d"])]);
    stage.taken();
    await root.stop();
    expect(stage.taken()).toEqual(["stop d", "stop c", "stop b", "stop a"]);
  });
});

describe("back-off", () => {
  const backoff = { minMs: 1000, maxMs: 4000, factor: 2 };

  it("restarts at once, then after waits that grow, each time on the clock", async () => {
    const { stage, clock } = await scene(three, { backoff, random: () => 0.5, intensity: Infinity });
    stage.taken();
    stage.fail("b");
    await turns(2);
    expect(stage.taken()).toEqual(["start b"]);
    for (const wait of [0.5, 1, 2, 2]) {
      stage.fail("b");
      await turns(2);
      clock.setTime(clock.time() + wait - 0.001);
      await turns(2);
      expect(stage.log).toEqual([]);
      clock.setTime(clock.time() + 0.002);
      await turns(2);
      expect(stage.taken()).toEqual(["start b"]);
    }
  });

  it("begins anew after a life of periodMs, and is each child's own", async () => {
    const { stage, clock } = await scene(three, { backoff, random: () => 1, intensity: Infinity });
    stage.taken();
    for (const id of ["b", "c"]) {
      stage.fail(id);
      await turns(2);
      expect(stage.taken()).toEqual([`start ${id}`]);
    }
    clock.setTime(5);
    stage.fail("b");
    await turns(2);
    expect(stage.taken()).toEqual(["start b"]);
    clock.setTime(9.999);
    stage.fail("b");
    await turns(2);
    expect(stage.taken()).toEqual([]);
  });

  it("stops those that go with the child first, and starts them with it", async () => {
    const { stage, clock, supervisor } = await scene(three, { strategy: "one-for-all", backoff, random: () => 1 });
    stage.fail("b");
    await turns(2);
    stage.taken();
    stage.fail("b");
    await turns(2);
    expect(stage.taken()).toEqual(["stop c", "stop a"]);
    expect(states(supervisor)).toEqual(["a stopped", "b restarting", "c stopped"]);
    clock.setTime(1);
    await turns(2);
    expect(stage.taken()).toEqual(["start a", "start b", "start c"]);
  });

  it("is over where a neighbour's failure restarts the child before", async () => {
    const { stage, clock } = await scene(three, { strategy: "rest-for-one", backoff, random: () => 1 });
    stage.fail("b");
    await turns(2);
    stage.fail("b");
    await turns(2);
    stage.taken();
    stage.fail("a");
    await turns(2);
    expect(stage.taken()).toEqual(["start a", "start b", "start c"]);
    clock.setTime(100);
    await turns(2);
    expect(stage.log).toEqual([]);
  });

  it.each(["stop", "terminate"] as const)("ends with %s, and lets go of its timer", async (way) => {
    const set = vi.spyOn(globalThis, "setTimeout");
    const cleared = vi.spyOn(globalThis, "clearTimeout");
    const stage = new Stage();
    const long = { minMs: 1e6, maxMs: 1e6 };
    const clock = new SystemClock();
    const supervisor = await supervise([stage.child("a")], { clock, intensity: 9, backoff: long, random: () => 1 });
    stage.fail("a");
    await turns(2);
    expect(set).not.toHaveBeenCalled();
    stage.fail("a");
    await turns(2);
    expect([set.mock.calls.length, states(supervisor)]).toEqual([1, ["a restarting"]]);
    await (way === "stop" ? supervisor.stop() : supervisor.terminate("a"));
    expect(cleared).toHaveBeenCalledWith(set.mock.results[0]!.value);
    expect(stage.log).toEqual(["start a", "start a"]);
    await supervisor.stop();
  });
});

describe("terminate", () => {
  it("ends a child for good, until a neighbour's restart starts it again, as in OTP", async () => {
    const { stage, supervisor } = await scene({ ...three, d: "temporary" }, { strategy: "one-for-all" });
    stage.taken();
    await supervisor.terminate("b");
    await supervisor.terminate("b");
    await supervisor.terminate("d");
    expect(stage.taken()).toEqual(["stop b", "stop d"]);
    expect(states(supervisor)).toEqual(["a running", "b stopped", "c running"]);
    stage.fail("a");
    await turns(2);
    expect(stage.taken()).toEqual(["stop c", "start a", "start b", "start c"]);
    expect(await failureOf(supervisor.terminate("d"))).toMatchObject({ code: "NOT_FOUND" });
  });

  it("of a child that others wait for starts the others without it", async () => {
    const backoff = { minMs: 1000 };
    const { stage, clock, supervisor } = await scene(three, { strategy: "one-for-all", backoff, random: () => 1 });
    stage.fail("b");
    await turns(2);
    stage.fail("b");
    await turns(2);
    stage.taken();
    await supervisor.terminate("b");
    expect(states(supervisor)).toEqual(["a running", "b stopped", "c running"]);
    clock.setTime(100);
    await turns(2);
    expect(stage.taken()).toEqual(["start a", "start c"]);
  });

  it("and stop reject with what a child's stop rejects with, after all have ended", async () => {
    const stage = new Stage();
    const error = new Error("stuck");
    const stuck = stage.child("b", undefined, () => Promise.reject(error));
    const supervisor = await supervise([stage.child("a"), stuck, stage.child("c")]);
    expect(await rejectionOf(supervisor.stop())).toBe(error);
    expect(stage.log.slice(3)).toEqual(["stop c", "stop b", "stop a"]);
    expect((await supervisor.ended).reason).toBe("shutdown");
    const again = await supervise([stage.child("a"), stuck]);
    expect(await rejectionOf(again.terminate("b"))).toBe(error);
    await again.stop();
  });
});

describe("stop", () => {
  it("waits for a start that is under way, and starts nothing after it", async () => {
    const stage = new Stage();
    const gate = new Gate();
    let starts = 0;
    const slow = {
      id: "slow",
      start: async () => {
        stage.log.push("start slow");
        if (++starts > 1) await gate.promise;
        return new Life(() => void stage.log.push("stop slow"));
      },
    };
    const supervisor = await supervise([stage.child("a"), slow, stage.child("c")], { strategy: "one-for-all" });
    stage.taken();
    stage.fail("a");
    await until(() => starts === 2);
    const stopped = supervisor.stop();
    await turns(2);
    gate.open();
    await stopped;
    expect(stage.taken()).toEqual(["stop c", "stop slow", "start a", "start slow", "stop slow", "stop a"]);
  });
});

describe("agents as children", () => {
  class Part extends Agent {
    crash(): void {
      this.fail(new Error("boom"));
    }
  }

  it("keep their addresses, with given words or without, and are UNAVAILABLE meanwhile", async () => {
    const container = await newContainer(undefined, { onTaskFailure: () => {} });
    const gate = new Gate();
    let starts = 0;
    class Slow extends Part {
      protected override async onStart(): Promise<void> {
        if (++starts > 1) await gate.promise;
      }
    }
    const first = container.child(() => new Slow(), { name: "first" });
    const supervisor = await supervise([first, container.child(() => new Echo())], { strategy: "rest-for-one" });
    const addresses = container.agents.map(({ address }) => address);
    expect(addresses).toEqual([`${container.address}/0`, `${container.address}/1`]);
    const echo = await container.connect<Echo>(addresses[1]!);
    (container.agents[0] as Part).crash();
    await until(() => starts === 2);
    expect(await failureOf(echo.where())).toMatchObject({ code: "UNAVAILABLE", executed: "no" });
    gate.open();
    await until(() => container.agents.length === 2);
    expect(container.agents.map(({ address }) => address)).toEqual(addresses);
    expect(container.agents.map(({ name }) => name)).toEqual(["first", undefined]);
    expect(await echo.where()).toBe(addresses[1]);
    await supervisor.stop();
    expect(container.agents).toEqual([]);
    expect(await failureOf(echo.where())).toMatchObject({ code: "NOT_FOUND" });
    await container.spawn(new Echo(), { name: "first" });
  });

  it("are terminated by the container through their supervisor", async () => {
    const container = await newContainer();
    const child = container.child(() => new Part(), { id: "part" });
    const supervisor = await supervise([child, container.child(() => new Part())]);
    await container.terminate("part");
    expect(states(supervisor)).toEqual(["part stopped", "agent-1 running"]);
    expect(container.agents).toHaveLength(1);
    await container.spawn(new Echo(), { id: "part" });
  });

  it("end with their container, whose supervisors then restart nothing", async () => {
    const container = await newContainer();
    const supervisor = await supervise([container.child(() => new Part()), container.child(() => new Part())]);
    await container.shutdown();
    await turns(2);
    expect(states(supervisor)).toEqual(["agent-1 stopped", "agent-2 stopped"]);
    await supervisor.stop();
    expect(await supervisor.ended).toEqual({ reason: "shutdown" });
  });

  it("need a factory, and have no options of a supervisor", async () => {
    const container = await newContainer();
    const bad = expect.objectContaining({ code: "INVALID_ARGUMENT" });
    expect(() => container.child(new Part() as never)).toThrow(bad);
    expect(() => container.child(() => new Part(), { intensity: 3 } as never)).toThrow(bad);
    expect(() => container.child(() => new Part(), { restart: "x" as never })).toThrow(bad);
  });
});
