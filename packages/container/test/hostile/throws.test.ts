import { expose } from "@colloquy/rpc";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { THROWN } from "../../../rpc/test/hostile/thrown.ts";
import { Agent, Container, supervise } from "../../src/index.ts";
import type { ChildSpec, ContainerOptions, Ending, EndReason, SuperviseOptions } from "../../src/index.ts";
import { Echo, newAddress, turns, unhandledDuring } from "../support.ts";

beforeEach(() => void vi.spyOn(process, "emitWarning").mockImplementation(() => {}));
afterEach(() => void vi.restoreAllMocks());

/** Where an agent fails. */
type Moment = "start" | "ready" | "stop" | "task" | "fail" | "late";

class Failing extends Agent {
  readonly #moment: Moment;
  readonly #fail: () => never;

  constructor(moment: Moment, fail: () => never) {
    super();
    this.#moment = moment;
    this.#fail = fail;
  }

  @expose begin(): void {
    if (this.#moment === "task") this.task(async () => this.#fail());
    if (this.#moment !== "fail") return;
    try {
      this.#fail();
    } catch (error) {
      this.fail(error);
    }
  }

  protected override onStart(): void {
    if (this.#moment === "start") this.#fail();
    if (this.#moment === "late") this.task(async () => this.#fail());
  }

  protected override onReady(): void {
    if (this.#moment === "ready") this.#fail();
  }

  protected override onStop(_reason: EndReason): void {
    if (this.#moment === "stop") this.#fail();
  }
}

interface Place {
  readonly options?: (fail: () => never) => ContainerOptions;
  readonly act: (container: Container, fail: () => never) => unknown;
}

async function alive(container: Container, moment: Moment, fail: () => never, restart?: "permanent"): Promise<void> {
  const make = (): Failing => new Failing(moment, fail);
  const agent = await (restart === undefined ? container.spawn(make()) : container.spawn(make, { restart }));
  agent.begin();
  await turns(10);
  await container.terminate(agent.id);
}

const AGENTS: Readonly<Record<string, Place>> = {
  "by an agent's start": { act: (container, fail) => alive(container, "start", fail) },
  "by an agent's onReady": { act: (container, fail) => alive(container, "ready", fail) },
  "by an agent's end": { act: (container, fail) => alive(container, "stop", fail) },
  "by a task": { act: (container, fail) => alive(container, "task", fail) },
  "by an agent, to itself": { act: (container, fail) => alive(container, "fail", fail) },
  "by what makes an agent": { act: (container, fail) => container.spawn(fail) },
  "by what makes an agent, later": {
    act: (container, fail) => container.spawn(async () => fail(), { restart: "permanent" }),
  },
  "by each life of a supervised agent": { act: (container, fail) => alive(container, "late", fail, "permanent") },
  "by each start of a supervised agent": { act: (container, fail) => alive(container, "start", fail, "permanent") },
  "by onTaskFailure": {
    options: (fail) => ({ onTaskFailure: fail }),
    act: (container, fail) => alive(container, "task", fail),
  },
  "by the promise of onTaskFailure": {
    options: (fail) => ({ onTaskFailure: rejecting(fail) }),
    act: (container, fail) => alive(container, "task", fail),
  },
  "by onGiveUp": {
    options: (fail) => ({ onGiveUp: fail }),
    act: (container, fail) => alive(container, "late", fail, "permanent"),
  },
  "by the promise of onGiveUp": {
    options: (fail) => ({ onGiveUp: rejecting(fail) }),
    act: (container, fail) => alive(container, "late", fail, "permanent"),
  },
};

/** As a listener is given that is an async function. */
function rejecting(fail: () => never): () => unknown {
  return async () => fail();
}

const quiet: ContainerOptions = { onTaskFailure: () => {}, onGiveUp: () => {} };

describe.each(Object.entries(AGENTS))("What is thrown %s", (_where, { options, act }) => {
  it.each(Object.entries(THROWN))("as %s ends no process, and others live on", async (_what, make) => {
    const fail = (): never => {
      throw make();
    };
    const unhandled = await unhandledDuring(async () => {
      const container = await Container.create(newAddress(), { ...quiet, ...options?.(fail) });
      const echo = await container.spawn(new Echo());
      await (act(container, fail) as Promise<unknown>).catch(() => {});
      await turns(10);
      const proxy = await container.connect<Echo>(echo.address);
      expect(await proxy.echo(1)).toBe(1);
      await container.shutdown();
    });
    expect(unhandled).toEqual([]);
  });
});

/** A child that lives until it is stopped, but for what is given. */
function child(of: {
  starts?: () => unknown;
  ended?: () => unknown;
  stop?: () => unknown;
  release?: () => unknown;
}): ChildSpec {
  const start = async (): Promise<never> => {
    await of.starts?.();
    const life = { ended: of.ended?.() ?? new Promise(() => {}), stop: async () => of.stop?.() };
    return life as never;
  };
  return { id: "failing", start, release: () => of.release?.() as void };
}

interface SupervisorPlace {
  readonly spec: (fail: () => never) => ChildSpec;
  readonly options?: (fail: () => never) => SuperviseOptions;
  /** It gives up. */
  readonly ends?: boolean;
}

const fails = (): Promise<Ending> => Promise.resolve({ reason: "error" });
/** What is called the first time, and what after it. */
function firstOf(first: () => unknown, others: () => unknown): () => unknown {
  let count = 0;
  return () => (count++ === 0 ? first() : others());
}

/** A class whose name can't be read. */
function unnamed(fail: () => never): new () => object {
  class Odd {}
  Object.defineProperty(Odd, "name", { get: fail });
  return Odd;
}

const SUPERVISORS: Readonly<Record<string, SupervisorPlace>> = {
  "by the first start of a child": { spec: (fail) => child({ starts: fail }) },
  "by later starts of a child": {
    spec: (fail) => child({ starts: firstOf(() => undefined, fail), ended: fails }),
    ends: true,
  },
  "by the end of a child": { spec: (fail) => child({ ended: async () => fail() }), ends: true },
  "by the end of a child whose then is an async function": {
    spec: (fail) => child({ ended: () => ({ then: async () => fail() }) }),
    ends: true,
  },
  "by the end of a child whose then throws": { spec: (fail) => child({ ended: () => ({ then: fail }) }) },
  "by the end of a later child whose then throws": {
    spec: (fail) => child({ ended: firstOf(fails, () => ({ then: fail })) }),
    ends: true,
  },
  "by the name of the class that a child ends with": {
    spec: (fail) => child({ ended: async () => new (unnamed(fail))() }),
    ends: true,
  },
  "by the end of a child that has stopped": { spec: (fail) => child({ stop: fail }) },
  "by release": { spec: (fail) => child({ release: fail }) },
  "by the promise of release": { spec: (fail) => child({ release: async () => fail() }) },
  "by onRestart": { spec: () => child({ ended: fails }), options: (fail) => ({ onRestart: fail }) },
  "by the promise of onRestart": {
    spec: () => child({ ended: fails }),
    options: (fail) => ({ onRestart: rejecting(fail) }),
  },
  "by random": {
    spec: () => child({ ended: fails }),
    options: (fail) => ({ random: fail, intensity: 5, backoff: { minMs: 1, maxMs: 2 } }),
    ends: true,
  },
};

describe.each(Object.entries(SUPERVISORS))("What is thrown in a supervisor %s", (_where, { spec, options, ends }) => {
  it.each(Object.entries(THROWN))("as %s ends no process, and the supervisor all the same", async (_what, make) => {
    const fail = (): never => {
      throw make();
    };
    const unhandled = await unhandledDuring(async () => {
      let supervisor;
      try {
        supervisor = await supervise([spec(fail)], options?.(fail));
      } catch {
        return;
      }
      await turns(20);
      if (ends !== true) await supervisor.stop().catch(() => {});
      expect(await supervisor.ended).toMatchObject({ reason: "shutdown" });
    });
    expect(unhandled).toEqual([]);
  });

  it("whose child ends without a reason has failed", async () => {
    const seen: unknown[] = [];
    const unhandled = await unhandledDuring(async () => {
      const ended = async (): Promise<unknown> => (seen.length === 0 ? undefined : new Promise(() => {}));
      const onRestart = (_id: string, ending: Ending): void => void seen.push(ending);
      const supervisor = await supervise([child({ ended })], { onRestart });
      await turns(10);
      await supervisor.stop();
    });
    expect(unhandled).toEqual([]);
    const message = 'ended of the child "failing" has resolved with undefined; it takes { reason }';
    expect(seen).toMatchObject([{ reason: "error", error: { code: "INVALID_ARGUMENT", message } }]);
  });
});
