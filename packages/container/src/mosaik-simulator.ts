import { ColloquyError, ownName } from "@colloquy/core";
import type {
  Awaitable,
  Entity,
  Inputs,
  OutputRequest,
  OutputValues,
  PublicModelName,
  SimulatorMeta,
  StepResult,
} from "./mosaik-types.ts";
import type { MosaikWorld } from "./mosaik-world.ts";

/** What a simulator knows of the run that it takes part in. */
export interface SimulatorRun {
  readonly sid: string;
  readonly timeResolution: number;
  readonly mosaik: MosaikWorld;
}

/** @internal What `startSimulator` sets. */
export interface SimulatorPlace {
  run: SimulatorRun | undefined;
  readonly end: AbortController;
  /** An instance lives once. */
  taken: boolean;
}

/**
 * A simulator that takes part in mosaik's co-simulations: mosaik calls these methods in the order `init`, `create` as often as the
 * scenario says, `setupDone`, then `step` and `getData` again and again, and `stop`. Methods may be async. What they throw fails
 * mosaik's call, with name, message and stack.
 *
 * ```ts
 * const meta = simulatorMeta({ type: "time-based", models: { PV: { params: ["peak"], attrs: ["P"] } } });
 *
 * class Pv extends Simulator<typeof meta> {
 *   readonly meta = meta;
 *   ...
 * }
 * ```
 */
export abstract class Simulator<M extends SimulatorMeta = SimulatorMeta> {
  readonly #place: SimulatorPlace = { run: undefined, end: new AbortController(), taken: false };

  /** @internal */
  static placeOf(simulator: Simulator): SimulatorPlace {
    return simulator.#place;
  }

  /** What mosaik is told: read after `init`, so that it may depend on the parameters. Make it with `simulatorMeta`. */
  abstract readonly meta: M;

  /** The name that mosaik gives this simulator, as in `sid.entity`. @throws ColloquyError `INVALID_ARGUMENT` before `init`. */
  get sid(): string {
    return this.#run.sid;
  }

  /** How many seconds one step of the integer time is. @throws ColloquyError `INVALID_ARGUMENT` before `init`. */
  get timeResolution(): number {
    return this.#run.timeResolution;
  }

  /** mosaik, for questions within a step. @throws ColloquyError `INVALID_ARGUMENT` before `init`. */
  get mosaik(): MosaikWorld {
    return this.#run.mosaik;
  }

  /** Aborts when the simulator ends, whatever ends it. */
  get signal(): AbortSignal {
    return this.#place.end.signal;
  }

  get #run(): SimulatorRun {
    if (this.#place.run !== undefined) return this.#place.run;
    throw new ColloquyError(
      "INVALID_ARGUMENT",
      `${ownName(this.constructor)} is in no run of mosaik yet: that begins with init`,
    );
  }

  /** Gets the parameters that the scenario starts this simulator with. */
  init(_params: Readonly<Record<string, unknown>>): Awaitable<void> {}

  /** Makes `count` entities of a model; returns as many, of that type. `params` are among those that the model has. */
  abstract create(
    count: number,
    model: PublicModelName<M>,
    params: Readonly<Record<string, unknown>>,
  ): Awaitable<readonly Entity<M>[]>;

  /** The scenario is complete, and the first step is next. */
  setupDone(): Awaitable<void> {}

  /**
   * Goes on to `time`, an integer, with what has come for it. Until `maxAdvance` no input leads to a step, unless this one's own
   * outputs do; it is before `time` where others step in this moment once more. Returns when to step again.
   */
  abstract step(time: number, inputs: Inputs<M>, maxAdvance: number): Awaitable<StepResult<M>>;

  /** The values that are asked for. Time-based simulators have all of them, others those that are new. */
  abstract getData(outputs: OutputRequest<M>): Awaitable<OutputValues<M>>;

  /** Runs once at the end, whatever ends the run: closes files, stops what runs in the background. */
  stop(): Awaitable<void> {}
}
