import { ColloquyError, OPTION, checkOptions, seededRandom } from "@colloquy/core";
import type { LocalNetwork, OptionKind, Random } from "@colloquy/core";
import type { ClockDate } from "./clock.ts";
import { invalidArgument, requireSeconds } from "./clock.ts";
import { Container } from "./container.ts";
import type { ContainerOptions } from "./container-setup.ts";
import type { DrivenClock } from "./driven-clock.ts";
import { ExternalClock } from "./external-clock.ts";
import { STEP_TIMEOUT, STEP_TIMEOUT_MS } from "./option-kinds.ts";
import { quiet } from "./quiet.ts";
import { Grace, settledWithin } from "./settled-within.ts";
import { SimulatedNetwork } from "./simulated-network.ts";
import type { Delivery } from "./simulated-network.ts";
import type { SimulationModel } from "./simulation-model.ts";

export interface SimulateOptions {
  /** All chance of the run follows from it: the same seed gives the same run. */
  readonly seed: number | string;
  /** Delays and losses between containers. Default: none. */
  readonly model?: SimulationModel | undefined;
  /** Clock time at which the run ends. Default: when the scenario is over. */
  readonly until?: number | undefined;
  /** The date at clock time 0. Default: 2020-01-01. */
  readonly utcStart?: ClockDate | Date | string | undefined;
  /** Milliseconds, in real time, until nothing is left to do at one moment of the clock. Default: 30,000. */
  readonly timeoutMs?: number | undefined;
}

/** Options of a container in a simulation. */
export type SimulatedContainerOptions = Omit<ContainerOptions, "clock" | "network" | "rootName" | "coordinated">;

/** What a scenario has. */
export interface SimulatedWorld {
  /** The one clock of all containers. */
  readonly clock: ExternalClock;
  /** Random numbers for the scenario and its agents, which follow from the seed. */
  readonly random: Random;
  readonly network: LocalNetwork;
  /** Every message so far that was delivered or lost, in order. What the protocol says for itself isn't among them. */
  readonly trace: readonly Delivery[];
  /** A container at `local://<name>`, which ends with the run. Rejects as `Container.create` does. */
  container(name: string, options?: SimulatedContainerOptions): Promise<Container>;
}

/** What a run has given. */
export interface SimulatedRun<T> {
  /** What the scenario has returned. */
  readonly result: T;
  /** Clock time at the end. */
  readonly time: number;
  readonly trace: readonly Delivery[];
}

/** Who takes them checks them. */
const OPTIONS: Readonly<Record<keyof SimulateOptions, OptionKind>> = {
  seed: OPTION.any,
  model: OPTION.any,
  until: OPTION.any,
  utcStart: OPTION.any,
  timeoutMs: STEP_TIMEOUT,
};
/** Nobody releases what the engine would collect, and nobody is missed. */
const LIMITS = Object.freeze({ maxReferenceCount: 1_000_000, pingIntervalMs: Infinity });

/**
 * Runs containers in this process on one network and one clock, which goes from one moment at which something is due to the next as
 * soon as nothing is left to do. The same seed gives the same run, message by message.
 *
 * `scenario` makes the containers and says what happens. The run ends when it is over, or at `until`; then the containers are shut
 * down, without grace. What is to be the same in each run may depend on `world.clock` and `world.random`, not on the machine's
 * time or chance, and not on files, sockets or threads; what has to wait for those says so with `world.clock.busy`.
 *
 * Rejects with what the scenario or a callback of the clock throws; `INVALID_ARGUMENT`; and `DEADLINE_EXCEEDED` where the scenario isn't
 * over and nothing is due any more, or at `until`: the message says what waits; or where a moment takes longer than `timeoutMs`: it says
 * who is busy with what.
 */
export async function simulate<T>(
  options: SimulateOptions,
  scenario: (world: SimulatedWorld) => T | Promise<T>,
): Promise<SimulatedRun<T>> {
  const run = new Simulation(options);
  try {
    return await run.through(scenario);
  } finally {
    await run.end();
  }
}

class Simulation {
  readonly #clock: ExternalClock;
  readonly #network: SimulatedNetwork;
  readonly #until: number;
  readonly #timeoutMs: number;
  readonly #random: Random;
  /** For names, so that none of them changes what else is drawn. */
  readonly #naming: Random;
  readonly #containers: Container[] = [];
  readonly #driven: DrivenClock[] = [];
  readonly #roots: string[] = [];

  constructor(options: SimulateOptions) {
    checkOptions("simulate", options, OPTIONS);
    const { seed, model = {}, until, utcStart = "2020-01-01", timeoutMs = STEP_TIMEOUT_MS } = options;
    this.#random = seededRandom(seed);
    this.#naming = seededRandom(`names of ${seed}`);
    if (until !== undefined) {
      requireSeconds(until, "until");
      if (until <= 0) throw invalidArgument(`until must be > 0 but is ${until}`);
    }
    this.#until = until ?? Infinity;
    this.#timeoutMs = timeoutMs;
    this.#clock = new ExternalClock(utcStart);
    this.#network = new SimulatedNetwork(seed, model, this.#clock);
  }

  async through<T>(scenario: (world: SimulatedWorld) => T | Promise<T>): Promise<SimulatedRun<T>> {
    const outcome = new Outcome(scenario, {
      clock: this.#clock,
      random: this.#random,
      network: this.#network.network,
      trace: this.#network.trace,
      container: (name, options) => this.#container(name, options),
    });
    for (;;) {
      await this.#rest();
      if (outcome.failed || (outcome.settled && (this.#until === Infinity || this.#clock.time() >= this.#until))) break;
      this.#goOn(outcome.settled);
    }
    this.#network.end();
    return { result: await outcome.promise, time: this.#clock.time(), trace: this.#network.trace };
  }

  async end(): Promise<void> {
    this.#network.end();
    await Promise.allSettled(this.#containers.map((container) => container.shutdown({ graceMs: 0 })));
  }

  /** To the next moment. @throws what callbacks throw, and where there is none. */
  #goOn(isScenarioOver: boolean): void {
    const due = this.#clock.nextDue;
    if (due !== undefined && due <= this.#until) this.#clock.setTime(due);
    else if (this.#clock.time() < this.#until && this.#until < Infinity) this.#clock.setTime(this.#until);
    else if (!isScenarioOver) throw this.#stuck();
  }

  /** Until nothing is left to do before time goes on. */
  async #rest(): Promise<void> {
    const grace = new Grace(this.#timeoutMs);
    do {
      if (this.#clock.busyWork.size > 0) await settledWithin([this.#clock.busyWork.whenIdle()], grace.leftMs);
      if (grace.leftMs === 0) throw this.#tooLate();
      await quiet();
    } while (this.#isBusy);
  }

  get #isBusy(): boolean {
    return this.#network.network.deliveryCount > 0 || this.#busy().size > 0;
  }

  /** What is under way, in words. */
  #busy(): Set<string> {
    const work = this.#clock.busyWork.labels.map((label) => `busy with ${label}`);
    return new Set([...work, ...this.#driven.flatMap((clock) => clock.report(this).busy)]);
  }

  #tooLate(): ColloquyError {
    const busy = [...this.#busy(), ...this.#network.waiting()];
    const why = busy.length === 0 ? "messages go on and on" : busy.join("; ");
    const what = `time ${this.#clock.time()} wasn't over within ${this.#timeoutMs} ms (timeoutMs)`;
    return new ColloquyError("DEADLINE_EXCEEDED", `${what}: ${why}`);
  }

  async #container(name: string, options: SimulatedContainerOptions = {}): Promise<Container> {
    const rootName = Array.from({ length: 4 }, () => Math.floor(this.#naming() * 2 ** 32).toString(16)).join("-");
    const container = await Container.create(`local://${name}`, {
      ...options,
      limits: { ...LIMITS, ...options.limits },
      clock: this.#clock,
      network: this.#network.network,
      rootName,
      coordinated: true,
    });
    const driven = Container.drivenClockOf(container)!;
    this.#containers.push(container);
    this.#driven.push(driven);
    this.#roots.push(driven.join(this).root);
    for (const clock of this.#driven) clock.begin(this, this.#roots);
    return container;
  }

  #stuck(): ColloquyError {
    const calls = this.#network.waiting();
    const what = calls.length === 0 ? "something that is neither a call nor a time of the clock" : calls.join("; ");
    const time = this.#clock.time();
    const where = time >= this.#until ? `has reached ${time} (until)` : `is stuck at ${time}: nothing is due any more`;
    return new ColloquyError("DEADLINE_EXCEEDED", `the run ${where}, and the scenario waits for ${what}`);
  }
}

/** How a scenario comes out, readable without waiting for it. */
class Outcome<T> {
  readonly promise: Promise<T>;
  settled = false;
  failed = false;

  constructor(scenario: (world: SimulatedWorld) => T | Promise<T>, world: SimulatedWorld) {
    this.promise = (async () => scenario(world))();
    this.promise.then(
      () => {
        this.settled = true;
      },
      () => {
        this.settled = true;
        this.failed = true;
      },
    );
  }
}
