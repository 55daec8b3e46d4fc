import { connect, expose, notify, serve, service, withOptions } from "@colloquy/rpc";
import type { Remote } from "@colloquy/rpc";
import { describe, expect, test } from "vitest";
import { Agent, Container, ExternalClock, SystemClock, coordinate, dateSerializer } from "../src/index.ts";
import type { CoordinatedContainer, CoordinateOptions } from "../src/index.ts";
import { START } from "./external-clock-support.ts";
import { Gate, failureOf, newAddress, newContainer, turn, turns } from "./support.ts";

/** Notes the time at which it was told something. */
class Witness extends Agent {
  readonly seen: [what: string, time: number][] = [];
  readonly arrays: number[] = [];

  get clock(): ExternalClock {
    return this.container.clock as ExternalClock;
  }

  note(what: string): void {
    this.seen.push([what, this.clock.time()]);
  }

  @expose tell(what: string): string {
    this.note(what);
    return what;
  }

  @expose async slowly(what: string, dt: number): Promise<string> {
    await this.clock.sleep(dt);
    this.note(what);
    return what;
  }

  @expose async later(what: string, turnCount: number): Promise<void> {
    await turns(turnCount);
    this.note(what);
  }

  @expose take(array: Float64Array): number {
    this.arrays.push(array.length);
    this.note("array");
    return array.length;
  }

  @expose async *numbers(count: number): AsyncGenerator<number> {
    for (let n = 0; n < count; n++) {
      await turn();
      yield n;
    }
  }

  @expose async back(call: (what: string) => Promise<string>): Promise<string> {
    await turn();
    return call("called back");
  }
}

function sorted(seen: readonly [string, number][]): [string, number][] {
  return seen.toSorted(([one], [other]) => one.localeCompare(other));
}

interface Pair {
  readonly a: Witness;
  readonly b: Witness;
  /** The other one as each of them sees it. */
  readonly toB: Remote<Witness>;
  readonly toA: Remote<Witness>;
  readonly containers: readonly Container[];
}

async function member(address = newAddress()): Promise<Container> {
  return newContainer(address, { clock: new ExternalClock(START), coordinated: true });
}

async function pairOf(address: () => string = newAddress): Promise<Pair> {
  const containers = [await member(address()), await member(address())] as const;
  const [a, b] = [await containers[0].spawn(new Witness()), await containers[1].spawn(new Witness())];
  const toB = await containers[0].connect<Witness>(b.address);
  const toA = await containers[1].connect<Witness>(a.address);
  return { a, b, toB, toA, containers };
}

const tcp = (): string => "tcp://127.0.0.1:0";

describe.each([
  ["local://", newAddress],
  ["tcp://", tcp],
])("a step over %s waits for", (_kind, address) => {
  test("calls, their answers, and what follows from them", async () => {
    const { a, b, toB, toA, containers } = await pairOf(address);
    await using coordinator = await coordinate(containers);
    a.clock.callIn(
      1,
      () =>
        void toB
          .tell("one")
          .then(async () => toB.tell("two"))
          .then((what) => a.note(what)),
    );
    b.clock.callIn(1, () => notify(toA.tell)("noticed"));
    await coordinator.setTime(1);
    expect(b.seen).toEqual([
      ["one", 1],
      ["two", 1],
    ]);
    expect(sorted(a.seen)).toEqual([
      ["noticed", 1],
      ["two", 1],
    ]);
  });

  test("callbacks", async () => {
    const { a, toB, containers } = await pairOf(address);
    await using coordinator = await coordinate(containers);
    const call = (what: string): string => {
      a.note(what);
      return "heard";
    };
    a.clock.callIn(1, () => void toB.back(call).then((answer) => a.note(answer)));
    await coordinator.setTime(1);
    expect(a.seen).toEqual([
      ["called back", 1],
      ["heard", 1],
    ]);
  });

  test("streams, item by item", async () => {
    const { a, toB, containers } = await pairOf(address);
    await using coordinator = await coordinate(containers);
    a.clock.callIn(1, async () => {
      for await (const n of toB.numbers(20)) a.note(String(n));
    });
    await coordinator.setTime(1);
    expect(a.seen).toEqual(Array.from({ length: 20 }, (_, n) => [String(n), 1]));
  });

  test("large arrays", async () => {
    const { a, b, toB, containers } = await pairOf(address);
    await using coordinator = await coordinate(containers);
    a.clock.callIn(1, () => {
      for (let n = 0; n < 3; n++) void toB.take(new Float64Array(500_000)).then((length) => a.note(String(length)));
    });
    await coordinator.setTime(1);
    expect(b.arrays).toEqual([500_000, 500_000, 500_000]);
    expect(a.seen).toEqual(Array.from({ length: 3 }, () => ["500000", 1]));
  });

  test("connections that members open", async () => {
    const containers = [await member(address()), await member(address()), await member(address())];
    const agents = await Promise.all(containers.map((container) => container.spawn(new Witness())));
    await using coordinator = await coordinate(containers);
    for (const [index, agent] of agents.entries()) {
      agent.clock.callIn(1, async () => {
        const next = await agent.container.connect<Witness>(agents[(index + 1) % 3]!.address);
        await next.tell("hello");
        agent.note("told");
      });
    }
    await coordinator.setTime(1);
    for (const { seen } of agents)
      expect(sorted(seen)).toEqual([
        ["hello", 1],
        ["told", 1],
      ]);
  });

  test("connections that end, and open again", async () => {
    const { a, b, toB, containers } = await pairOf(address);
    await using coordinator = await coordinate(containers);
    a.clock.callIn(1, async () => {
      for (const connection of containers[0]!.connections) connection.destroy();
      await toB.tell("again");
      a.note("told");
    });
    await coordinator.setTime(1);
    expect([a.seen, b.seen]).toEqual([[["told", 1]], [["again", 1]]]);
    await coordinator.setTime(2);
  });
});

describe("a step", () => {
  test("waits for immediates, however many follow each other, and for busy work", async () => {
    const { a, b, toB, containers } = await pairOf(tcp);
    await using coordinator = await coordinate(containers);
    const gate = new Gate<string>();
    a.clock.callIn(1, () => {
      void toB.later("after 100 turns", 100);
      void a.clock.busy(gate.promise, "a gate").then((what) => a.note(what));
    });
    let isOver = false;
    const step = coordinator.setTime(1).then(() => (isOver = true));
    while (b.seen.length === 0) await turn();
    await turns(50);
    expect(isOver).toBe(false);
    gate.open("through");
    await step;
    expect([a.seen, b.seen]).toEqual([[["through", 1]], [["after 100 turns", 1]]]);
  });

  test("doesn't wait for a method that sleeps on the clock", async () => {
    const { a, b, toB, containers } = await pairOf();
    await using coordinator = await coordinate(containers);
    a.clock.callIn(1, () => void toB.slowly("slept", 1.5).then((what) => a.note(what)));
    for (const t of [1, 2]) await coordinator.setTime(t);
    expect([a.seen, b.seen]).toEqual([[], []]);
    await coordinator.setTime(3);
    expect([a.seen, b.seen]).toEqual([[["slept", 3]], [["slept", 3]]]);
  });

  test("sets the time everywhere before anything fires", async () => {
    const { a, b, containers } = await pairOf();
    await using coordinator = await coordinate(containers);
    a.clock.callIn(1, () => a.note(`b is at ${b.clock.time()}`));
    b.clock.callIn(1, () => b.note(`a is at ${a.clock.time()}`));
    await coordinator.setTime(1);
    expect([a.seen, b.seen]).toEqual([[["b is at 1", 1]], [["a is at 1", 1]]]);
  });

  test("isn't kept up by clients and servers that are no members", async () => {
    const { a, toB, containers } = await pairOf(tcp);
    const never = new Gate<string>();
    // Both calls are under way until the end.
    const limits = { closeGraceMs: 10 };
    await using outside = await serve("tcp://127.0.0.1:0", service({ wait: expose(() => never.promise) }), {
      rootName: "other",
      limits,
    });
    const options = { rootName: "a", link: "0", limits };
    await using connection = await connect<{ wait(): Promise<string> }>(outside.address, options);
    await using client = await connect(containers[0]!.address, { extraSerializers: [dateSerializer], limits });
    const proxy = client.remote as unknown as { agents: Record<string, Remote<Witness>> };
    void proxy.agents["0"]!.slowly("for a client", 50).catch(() => undefined);
    void connection.remote.wait().catch(() => undefined);
    await using coordinator = await coordinate(containers);
    a.clock.callIn(1, () => void toB.tell("one").then((what) => a.note(what)));
    await coordinator.setTime(1);
    expect(a.seen).toEqual([["one", 1]]);
  });

  test("counts nothing of a large value that was withdrawn on its way", async () => {
    const { a, toB, containers } = await pairOf(tcp);
    await using coordinator = await coordinate(containers, { timeoutMs: 5000 });
    let failure: unknown;
    a.clock.callIn(1, () => {
      const controller = new AbortController();
      const call = withOptions(toB.take, { signal: controller.signal })(new Float64Array(2_000_000));
      void call.catch((error: unknown) => (failure = error));
      setImmediate(() => controller.abort());
    });
    await coordinator.setTime(1);
    expect(failure).toMatchObject({ code: "CANCELLED", executed: "no" });
    await coordinator.setTime(2);
  });

  test("takes members that share a clock", async () => {
    const clock = new ExternalClock(START);
    const containers = [
      await newContainer(undefined, { clock, coordinated: true }),
      await newContainer(undefined, { clock, coordinated: true }),
    ];
    await using coordinator = await coordinate(containers);
    const fired: number[] = [];
    clock.callIn(1, () => fired.push(clock.time()));
    for (const t of [1, 2]) await coordinator.setTime(t);
    expect([fired, clock.time()]).toEqual([[1], 2]);
  });

  test("names what is in flight when its time is over, and the next one waits for that", async () => {
    const { a, toB, containers } = await pairOf(tcp);
    await using coordinator = await coordinate(containers, { timeoutMs: 300 });
    const stop = new AbortController();
    const goOn = async (): Promise<void> => {
      while (!stop.signal.aborted) await toB.tell("on and on");
      a.note("over");
    };
    a.clock.callIn(1, () => void goOn());
    const error = await failureOf(coordinator.setTime(1));
    expect(error.code).toBe("DEADLINE_EXCEEDED");
    expect(error.message).toMatch(/the step to 1 .*: (?:\d messages? from tcp.* to tcp|messages go on and on|.* is )/);
    stop.abort();
    await coordinator.setTime(2);
    expect(a.seen).toEqual([["over", 1]]);
  });
});

describe("a coordinator", () => {
  test("goes event by event over all clocks", async () => {
    const { a, b, toB, containers } = await pairOf();
    await using coordinator = await coordinate(containers);
    a.clock.callIn(1, () => void toB.slowly("slept", 0.5).then((what) => a.note(what)));
    b.clock.callIn(2, () => b.note("two"));
    await coordinator.advanceTo(5);
    expect(a.seen).toEqual([["slept", 1.5]]);
    expect(b.seen).toEqual([
      ["slept", 1.5],
      ["two", 2],
    ]);
    expect([coordinator.time, a.clock.time(), b.clock.time()]).toEqual([5, 5, 5]);
  });

  test("tells what callbacks of several members have thrown, at the end of an advance", async () => {
    const { a, b, containers } = await pairOf();
    await using coordinator = await coordinate(containers);
    const fail = (text: string): void => {
      throw new Error(text);
    };
    a.clock.callIn(1, fail, "first");
    b.clock.callIn(2, fail, "second");
    const error = await failureOf(coordinator.advanceTo(3));
    expect(error.message).toBe(
      `callbacks of clocks threw on the way to time 3: ${containers[0]!.address}: first; ${containers[1]!.address}: second`,
    );
    expect(error["cause"]).toBeInstanceOf(AggregateError);
    expect(coordinator.time).toBe(3);
  });

  test("takes a later time only, and one step at a time", async () => {
    const { containers } = await pairOf();
    await using coordinator = await coordinate(containers);
    const step = coordinator.setTime(1);
    expect(await failureOf(coordinator.setTime(2))).toMatchObject({ code: "INVALID_ARGUMENT" });
    await step;
    for (const t of [1, 0.5, Number.NaN]) {
      expect(await failureOf(coordinator.setTime(t))).toMatchObject({ code: "INVALID_ARGUMENT" });
    }
  });

  test("is the only one, until it is closed or its connection ends", async () => {
    const container = await member(tcp());
    const first = await coordinate([container.address]);
    for (const given of [container, container.address]) {
      expect(await failureOf(coordinate([given]))).toMatchObject({ code: "UNAVAILABLE" });
    }
    await first.close();
    await using second = await coordinate([container]);
    await second.setTime(1);
    expect(await failureOf(first.setTime(2))).toMatchObject({
      code: "UNAVAILABLE",
      message: "the coordinator is closed",
    });
  });

  test("is closed without a member that doesn't answer any more", async () => {
    const clock = {
      join: expose(() => ({ root: "mute", time: 0 })),
      begin: expose(() => {}),
      leave: expose(() => new Promise(() => {})),
    };
    await using server = await serve(newAddress(), service({ clock: service(clock) }), {
      extraSerializers: [dateSerializer],
    });
    const coordinator = await coordinate([server.address]);
    const late = new Promise((resolve) => setTimeout(resolve, 10_000, "late").unref());
    expect(await Promise.race([coordinator.close(), late])).toBe(undefined);
    await server.close({ graceMs: 0 });
  });

  test("says which container was shut down", async () => {
    const { containers } = await pairOf();
    await using coordinator = await coordinate(containers);
    await containers[1]!.shutdown();
    expect(await failureOf(coordinator.setTime(1))).toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringContaining(`member ${containers[1]!.address} is gone`),
    });
  });

  test.each<[string, () => Promise<Iterable<CoordinatedContainer>>, CoordinateOptions, RegExp]>([
    ["no members", async () => [], {}, /one container at the least/],
    ["twice the same", async () => [await member()].flatMap((one) => [one, one.address]), {}, /another coordinator/],
    ["what is no container", async () => [5 as never], {}, /is a Container, an address/],
    ["one that isn't coordinated", async () => [await newContainer()], {}, /coordinated: true/],
    ["one at an address that isn't coordinated", async () => [(await newContainer()).address], {}, /coordinated: true/],
    ["an unknown option", async () => [await member()], { timeout: 5 } as never, /unknown option "timeout" of coord/],
    ["a time limit that is none", async () => [await member()], { timeoutMs: 0 }, /timeoutMs of coordinate is 0/],
  ])("refuses %s", async (_case, members, options, message) => {
    const error = await failureOf(coordinate(await members(), options));
    expect(error.message).toMatch(message);
    expect(["INVALID_ARGUMENT", "UNAVAILABLE"]).toContain(error.code);
  });

  test("needs a clock that can be set, and hello", async () => {
    for (const clock of [undefined, new SystemClock()]) {
      const error = await failureOf(Container.create(newAddress(), { coordinated: true, clock }));
      expect(error).toMatchObject({ code: "INVALID_ARGUMENT", message: expect.stringContaining("ExternalClock") });
    }
    const options = { coordinated: true, clock: new ExternalClock(START), dialect: "aiomas" } as const;
    expect(await failureOf(Container.create(newAddress(), options))).toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  test("isn't there for others to find in a container that is not coordinated", async () => {
    const container = await newContainer();
    await using connection = await connect(container.address, { extraSerializers: [dateSerializer] });
    const remote = connection.remote as unknown as { clock: { join(): Promise<unknown> } };
    expect(await failureOf(remote.clock.join())).toMatchObject({ code: "NOT_FOUND" });
  });
});
