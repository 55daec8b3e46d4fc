import { createHash } from "node:crypto";
import { expose, notify, withOptions } from "@colloquy/rpc";
import type { Remote } from "@colloquy/rpc";
import { describe, expect, test } from "vitest";
import { Agent, simulate } from "../src/index.ts";
import type { SimulateOptions, SimulatedWorld, SimulationModel } from "../src/index.ts";
import { simulatedRun } from "./children/simulated-run.ts";
import { Child, Gate, failureOf, rejectionOf, turn } from "./support.ts";

describe("a seed", () => {
  test("replays a run of 100 agents with delays and losses, in one process and in another, byte by byte", async () => {
    await using child = new Child("simulated-run.ts", ["7"]);
    const first = await simulatedRun(7);
    const second = await simulatedRun(7);
    expect(second.trace).toEqual(first.trace);
    expect(second).toEqual(first);
    const trace = createHash("sha256").update(JSON.stringify(first.trace)).digest("hex");
    expect(await child.line()).toEqual({ ...first, trace });
    // The run is worth it.
    expect(first.trace.length).toBeGreaterThan(500);
    expect(first.trace.some(({ lost }) => lost)).toBe(true);
    expect(new Set(first.trace.map(({ kind }) => kind)).size).toBe(3);
    const other = await simulatedRun(8);
    expect(other.trace).not.toEqual(first.trace);
    expect(other.bytes).not.toBe(first.bytes);
  }, 60_000);
});

/** Calls the other one back, and dies of each third call. */
class Serial extends Agent {
  static readonly mailbox = "serial";
  #count = 0;

  @expose async ask(address: string): Promise<string> {
    const other = await this.container.connect<Serial>(address);
    return other.back(this.address);
  }

  @expose async back(address: string): Promise<string> {
    return (await this.container.connect<Serial>(address)).last();
  }

  @expose last(): string {
    if (++this.#count === 3) this.fail(new Error("the third"));
    return this.address;
  }
}

test("a seed replays mailboxes and restarts, too", async () => {
  const quiet = { onTaskFailure: () => {} };
  const once = (seed: number) =>
    simulate({ seed, model: { delay: 0.1 }, until: 600 }, async (world) => {
      const [left, right] = [await world.container("left", quiet), await world.container("right", quiet)];
      const options = { restart: "permanent", intensity: 100, backoff: { minMs: 1000 } } as const;
      const agents = [left, right].map((container) => container.spawn(() => new Serial(), options));
      const [a, b] = (await Promise.all(agents)).map(({ address }) => address) as [string, string];
      const remote = await left.connect<Serial>(b);
      const outcomes: unknown[] = [];
      for (let call = 0; call < 30; call++) {
        outcomes.push(await remote.ask(a).then(String, (error: { code?: string }) => error.code), world.clock.time());
        await world.clock.sleep(0.5);
      }
      return outcomes;
    });
  const [first, second, other] = [await once(3), await once(3), await once(4)];
  expect(second).toEqual(first);
  const outcomes = first.result;
  expect(outcomes).toContain("UNAVAILABLE");
  expect(outcomes).toContain("local://right/0");
  expect(other.result).not.toEqual(first.result);
});

class Echo extends Agent {
  readonly heard: [what: string, time: number][] = [];
  readonly gate = new Gate<string>();

  @expose echo(what: string): string {
    this.heard.push([what, this.container.clock.time()]);
    return what;
  }

  @expose async wait(): Promise<string> {
    return this.gate.promise;
  }
}

interface Setting {
  readonly echo: Echo;
  readonly remote: Remote<Echo>;
  /** From the container of the agent itself. */
  readonly own: Remote<Echo>;
}

async function setting(world: SimulatedWorld): Promise<Setting> {
  const [server, client] = [await world.container("server"), await world.container("client")];
  const echo = await server.spawn(new Echo());
  const own = await server.connect<Echo>(echo.address);
  return { echo, own, remote: await client.connect<Echo>(echo.address) };
}

async function run<T>(
  model: SimulationModel,
  scenario: (setting: Setting, world: SimulatedWorld) => Promise<T>,
  options: Partial<SimulateOptions> = {},
): Promise<{ readonly result: T; readonly time: number }> {
  return simulate({ seed: 1, model, ...options }, async (world) => scenario(await setting(world), world));
}

describe("the network of a simulation", () => {
  test("delays calls, answers and notifications between containers by what the model says", async () => {
    const { result, time } = await run({ delay: (from) => (from === "client" ? 2 : 3) }, async ({ echo, remote }) => {
      notify(remote.echo)("noticed");
      await remote.echo("called");
      return echo.heard;
    });
    // `connect` asks whether there is such an agent: 5 s.
    expect(result).toEqual([
      ["noticed", 7],
      ["called", 7],
    ]);
    expect(time).toBe(10);
  });

  test("delays nothing within a container", async () => {
    const { result } = await run({ delay: 2 }, async ({ own }, { clock }) => {
      const before = clock.time();
      await own.echo("own");
      return clock.time() - before;
    });
    expect(result).toBe(0);
  });

  test("keeps the order between two containers unless the model lets go of it", async () => {
    const delays = [0, 0, 5, 1, 3];
    const inOrder = async (fifo: boolean): Promise<string[]> => {
      let count = 0;
      const delay = (_from: string, _to: string, _random: unknown, { kind }: { kind: string }): number =>
        kind === "notification" ? delays[2 + count++]! : 0;
      const { result } = await run({ delay, fifo }, async ({ echo, remote }, { clock }) => {
        for (const what of ["a", "b", "c"]) notify(remote.echo)(what);
        await clock.sleep(10);
        return echo.heard.map(([what, time]) => `${what}${time}`);
      });
      return result;
    };
    expect(await inOrder(true)).toEqual(["a5", "b5", "c5"]);
    expect(await inOrder(false)).toEqual(["b1", "c3", "a5"]);
  });

  test("loses calls and answers whole, and notes it", async () => {
    const lost = async (kind: string): Promise<unknown> =>
      simulate(
        { seed: 1, model: { loss: (_f, _t, _r, message) => message.kind === kind && message.path !== "validate_aid" } },
        async (world) => {
          const { echo, remote } = await setting(world);
          const call = withOptions(remote.echo, { signal: world.clock.timeoutSignal(4) })("lost");
          const error = await failureOf(call);
          return [error.code, world.clock.time(), echo.heard.length, world.trace.at(-1)];
        },
      ).then(({ result }) => result);
    const entry = { time: 0, path: "agents/0/echo", lost: true };
    expect(await lost("call")).toEqual(["CANCELLED", 4, 0, { ...entry, kind: "call", from: "client", to: "server" }]);
    expect(await lost("answer")).toEqual([
      "CANCELLED",
      4,
      1,
      { ...entry, kind: "answer", from: "server", to: "client" },
    ]);
  });

  test.each(["call", "answer"] as const)(
    "keeps no place for calls that were given up and whose %s was lost",
    async (lost) => {
      const options: SimulateOptions = {
        seed: 1,
        model: { delay: 1, loss: (_from, _to, _random, { path, kind }) => path.endsWith("/echo") && kind === lost },
      };
      const { result, trace } = await simulate(options, async (world) => {
        const server = await (await world.container("server")).spawn(new Echo());
        const client = await world.container("client", { limits: { maxPendingCount: 4 } });
        const remote = await client.connect<Echo>(server.address);
        const codes = new Set<string>();
        for (let count = 0; count < 20; count++) {
          const call = withOptions(remote.echo, { signal: world.clock.timeoutSignal(5) });
          codes.add((await failureOf(call("hello"))).code);
        }
        return [...codes];
      });
      expect(result).toEqual(["CANCELLED"]);
      expect(trace.filter((delivery) => delivery.lost)).toHaveLength(20);
      expect(new Set(trace.map(({ path }) => path))).toEqual(new Set(["validate_aid", "agents/0/echo"]));
    },
  );

  test("carries callbacks and large arrays, too", async () => {
    class Taker extends Agent {
      @expose async take(array: Float64Array, back: (length: number) => Promise<string>): Promise<string> {
        return back(array.length);
      }
    }
    const { result, time } = await simulate({ seed: 1, model: { delay: 1 } }, async (world) => {
      const [server, client] = [await world.container("server"), await world.container("client")];
      const taker = await client.connect<Taker>((await server.spawn(new Taker())).address);
      const lengths = await Promise.all(
        [1, 2].map((n) => taker.take(new Float64Array(n * 200_000), (length) => `${length}`)),
      );
      return lengths;
    });
    expect([result, time]).toEqual([["200000", "400000"], 6]);
  });

  test("shuffles between connections by the seed, and keeps the order on each", async () => {
    const orderOf = async (seed: number): Promise<string> => {
      const { result } = await simulate({ seed }, async (world) => {
        const server = await world.container("server");
        const echo = await server.spawn(new Echo());
        const clients = await Promise.all(["a", "b", "c", "d"].map((name) => world.container(name)));
        const remotes = await Promise.all(clients.map((client) => client.connect<Echo>(echo.address)));
        await world.clock.sleep(1);
        await Promise.all(remotes.flatMap((remote, n) => [remote.echo(`${n}0`), remote.echo(`${n}1`)]));
        return echo.heard.map(([what]) => what).join(" ");
      });
      return result;
    };
    const orders = await Promise.all([1, 2, 3, 4, 5, 6].map(orderOf));
    expect(new Set(orders).size).toBeGreaterThan(2);
    expect(await orderOf(1)).toBe(orders[0]);
    for (const order of orders) {
      for (const n of [0, 1, 2, 3]) expect(order.indexOf(`${n}0`)).toBeLessThan(order.indexOf(`${n}1`));
    }
  });
});

describe("a run", () => {
  test("ends with the scenario, or at `until`", async () => {
    const ticks = async (until?: number): Promise<readonly [unknown, number]> => {
      const seen: number[] = [];
      const { result, time } = await simulate({ seed: "text", until }, async ({ clock }) => {
        const tick = (): void => {
          seen.push(clock.time());
          clock.callIn(1, tick);
        };
        clock.callIn(1, tick);
        await clock.sleep(2.5);
        return seen;
      });
      return [result, time];
    };
    expect(await ticks()).toEqual([[1, 2], 2.5]);
    expect(await ticks(4.5)).toEqual([[1, 2, 3, 4], 4.5]);
  });

  test("rejects with what its scenario throws, or a callback of its clock", async () => {
    const failure = new Error("no luck");
    const thrown = simulate({ seed: 1, until: 5 }, async ({ clock }) => {
      await clock.sleep(1);
      throw failure;
    });
    expect(await rejectionOf(thrown)).toBe(failure);
    const called = simulate({ seed: 1 }, async ({ clock }) => {
      clock.callIn(1, () => {
        throw failure;
      });
      await clock.sleep(2);
    });
    expect(await rejectionOf(called)).toBe(failure);
  });

  test("that is stuck says what waits", async () => {
    const isLost = (_from: string, _to: string, _random: unknown, { path }: { path: string }): boolean =>
      path.endsWith("echo");
    const lost = run({ loss: isLost }, async ({ remote }) => remote.echo("lost"));
    expect((await failureOf(lost)).message).toBe(
      "the run is stuck at 0: nothing is due any more, and the scenario waits for agents/0/echo from client to server, called at 0: lost",
    );
    const waiting = run({ delay: 1 }, async ({ remote }) => remote.wait());
    expect((await failureOf(waiting)).message).toMatch(
      /stuck at 3: .*agents\/0\/wait from client .*: being carried out$/,
    );
    const other = simulate({ seed: 1 }, async () => new Promise(() => undefined));
    const error = await failureOf(other);
    expect(error).toMatchObject({ code: "DEADLINE_EXCEEDED" });
    expect(error.message).toContain("neither a call nor a time of the clock");
    const late = run({}, async ({ remote }) => remote.wait(), { until: 9 });
    expect((await failureOf(late)).message).toMatch(/^the run has reached 9 \(until\), and .*agents\/0\/wait/);
  });

  test("whose work never ends is given up after timeoutMs, and says what it is", async () => {
    const never = simulate({ seed: 1, timeoutMs: 50 }, async (world) => {
      await world.container("a");
      void world.clock.busy(new Promise(() => {}), "the weather");
      await world.clock.sleep(1);
    });
    expect(await failureOf(never)).toMatchObject({
      code: "DEADLINE_EXCEEDED",
      message: "time 0 wasn't over within 50 ms (timeoutMs): busy with the weather",
    });
    const spin = run(
      {},
      async ({ remote }) => {
        for (;;) await remote.echo("again");
      },
      { timeoutMs: 50 },
    );
    expect((await failureOf(spin)).message).toMatch(/^time 0 wasn't over within 50 ms \(timeoutMs\): /);
  });

  test("waits for busy work before time goes on", async () => {
    const { result } = await simulate({ seed: 1 }, async ({ clock }) => {
      const slow = async (): Promise<number> => {
        for (let count = 0; count < 20; count++) await turn();
        await new Promise((resolve) => setTimeout(resolve, 5));
        return clock.time();
      };
      clock.callIn(1, () => {});
      return clock.busy(slow(), "a file");
    });
    expect(result).toBe(0);
  });

  test.each<[string, object, RegExp]>([
    ["an unknown option", { seed: 1, sed: 2 }, /unknown option "sed" of simulate/],
    ["an unknown option of the model", { seed: 1, model: { delays: 1 } }, /unknown option "delays" of a model/],
    ["no seed", {}, /seed must be a text or a finite number/],
    ["a negative delay", { seed: 1, model: { delay: -1 } }, /delay is -1/],
    ["a loss above 1", { seed: 1, model: { loss: 1.5 } }, /loss is 1.5/],
    ["a model of another kind", { seed: 1, model: { loss: "often" } }, /loss must be a number or a function/],
    [
      "no time for a moment",
      { seed: 1, timeoutMs: 0 },
      /timeoutMs of simulate is 0; it takes milliseconds, more than 0/,
    ],
    ["an end before the beginning", { seed: 1, until: 0 }, /until must be > 0/],
  ])("refuses %s", async (_case, options, message) => {
    const error = await failureOf(simulate(options as SimulateOptions, () => 1));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", message: expect.stringMatching(message) });
  });
});
