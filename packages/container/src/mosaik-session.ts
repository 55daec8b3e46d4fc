import { ColloquyError, Deferred, ownName, quoted } from "@colloquy/core";
import { REST, expose, parameterNames, service } from "@colloquy/rpc";
import type { AnyService, CallContext, CallerConnection } from "@colloquy/rpc";
import { EntityTable } from "./mosaik-entities.ts";
import { shown, wireMeta, wrong } from "./mosaik-meta.ts";
import { Simulator } from "./mosaik-simulator.ts";
import type { Inputs, SimulatorMeta } from "./mosaik-types.ts";
import { checkJson, checkTime, isPlain } from "./mosaik-values.ts";
import { MosaikWorld } from "./mosaik-world.ts";
import { endedWithin } from "./settled-within.ts";

/**
 * How the run of a simulator has ended: `"normal"`: mosaik has stopped it; `"shutdown"`: this side has; `"error"`: mosaik was lost,
 * or the simulator's `stop` has thrown, or taken too long.
 */
export interface SimulatorEnding {
  readonly reason: "normal" | "shutdown" | "error";
  readonly error?: Error;
}

/** One run of a simulator: what mosaik calls, in which order, and the end. */
export class SimulatorSession {
  readonly #simulator: Simulator;
  readonly #graceMs: number;
  readonly #ended = new Deferred<SimulatorEnding>();
  readonly #root: AnyService;
  #meta: SimulatorMeta | undefined;
  #entities: EntityTable | undefined;
  #isSetUp = false;
  /** Time of the latest step. */
  #now = 0;
  #isStepping = false;
  /** The connection of mosaik: the one that has called init. */
  #connection: CallerConnection | undefined;
  #end: Promise<SimulatorEnding> | undefined;

  /**
   * `graceMs`: how long the simulator's `stop` may take.
   *
   * @throws ColloquyError `INVALID_ARGUMENT` for a simulator that was started before.
   */
  constructor(simulator: Simulator, graceMs: number) {
    const place = Simulator.placeOf(simulator);
    if (place.taken) throw wrong(`${this.#nameOf(simulator)} was started already; a simulator takes part in one run`);
    place.taken = true;
    this.#simulator = simulator;
    this.#graceMs = graceMs;
    this.#root = service({
      init: expose((...args: unknown[]) => this.#init(args), { context: true }),
      create: expose((...args: unknown[]) => this.#create(args)),
      setup_done: expose(() => this.#setUp()),
      step: expose((time: unknown, inputs: unknown, maxAdvance: unknown) => this.#step(time, inputs, maxAdvance), {
        params: ["time", "inputs", "max_advance"],
      }),
      get_data: expose((outputs: unknown) => this.#getData(outputs), { params: ["outputs"] }),
      stop: expose(async () => {
        await this.finish({ reason: "normal" });
      }),
    });
  }

  /** What is served to mosaik. */
  get root(): object {
    return this.#root;
  }

  /** Resolves when the simulator has stopped. */
  get ended(): Promise<SimulatorEnding> {
    return this.#ended.promise;
  }

  /** Ends the run, once: `stop` of the simulator runs. Never rejects. */
  finish(ending: SimulatorEnding): Promise<SimulatorEnding> {
    return (this.#end ??= this.#finish(ending));
  }

  async #finish(ending: SimulatorEnding): Promise<SimulatorEnding> {
    const place = Simulator.placeOf(this.#simulator);
    place.end.abort(new ColloquyError("CANCELLED", `${this.#name} has ended`));
    let last = ending;
    try {
      await this.#stop();
    } catch (error) {
      last = { reason: "error", error: error instanceof Error ? error : wrong(`${this.#name}.stop failed`, error) };
    }
    this.#ended.resolve(last);
    return last;
  }

  async #stop(): Promise<void> {
    const message = (): string => `${this.#name}.stop hasn't ended within ${this.#graceMs} ms (closeGraceMs)`;
    await endedWithin(this.#simulator.stop(), this.#graceMs, message);
  }

  async #init(args: unknown[]): Promise<unknown> {
    const { connection } = args.pop() as CallContext;
    const [sid, params = {}] = args;
    if (this.#connection !== undefined)
      throw wrong(`init was called already, by ${this.#connection.remoteAddress}: ${this.#name} takes part in one run`);
    if (typeof sid !== "string") throw wrong(`init takes the name of the simulator, not ${shown(sid)}`);
    if (!isPlain(params)) throw wrong(`init takes parameters by name, not ${shown(params)}`);
    const { time_resolution: timeResolution = 1, ...others } = params;
    if (typeof timeResolution !== "number" || !(timeResolution > 0))
      throw wrong(`time_resolution must be a number of seconds above 0, not ${shown(timeResolution)}`);
    this.#connection = connection;
    connection.onClose(() => void this.finish({ reason: "error", error: lost(connection.remoteAddress) }));
    Simulator.placeOf(this.#simulator).run = { sid, timeResolution, mosaik: new MosaikWorld(connection.remote) };
    await this.#simulator.init(others);
    const { meta } = this.#simulator;
    const wire = wireMeta(meta);
    this.#addExtraMethods(meta);
    this.#meta = meta;
    this.#entities = new EntityTable(meta);
    return wire;
  }

  #addExtraMethods({ extraMethods = [] }: SimulatorMeta): void {
    for (const name of extraMethods) {
      const method: unknown = Reflect.get(this.#simulator, name);
      if (typeof method !== "function")
        throw wrong(`meta.extraMethods has ${quoted(name)}, but ${this.#name} has no such method`);
      const call = async (...args: unknown[]): Promise<unknown> => {
        const result: unknown = await Reflect.apply(method, this.#simulator, args);
        if (result !== undefined) checkJson(result, `what ${name} returns`);
        return result;
      };
      const params = parameterNames(method as (...args: never[]) => unknown);
      const isPlainList = params.length > 0 && !params.includes("") && !params.includes(REST);
      Reflect.set(this.#root, name, expose(call, isPlainList ? { params } : {}));
    }
  }

  async #create([count, model, params = {}]: unknown[]): Promise<unknown> {
    const entities = this.#entitiesFor("create");
    if (!isPlain(params)) throw wrong(`create takes parameters by name, not ${shown(params)}`);
    entities.checkCreate(count, model, params);
    const made = await this.#simulator.create(count as number, model as string, params);
    return entities.add(made, count as number, model as string);
  }

  async #setUp(): Promise<void> {
    this.#entitiesFor("setup_done");
    if (this.#isSetUp) throw wrong("setup_done was called already");
    await this.#simulator.setupDone();
    this.#isSetUp = true;
  }

  async #step(time: unknown, inputs: unknown, maxAdvance: unknown): Promise<number | null> {
    this.#entitiesFor("step");
    if (!this.#isSetUp) throw wrong("step was called before setup_done");
    checkTime(time, "the time of step");
    // Before now, and so -1 at the start, where a loop of simulators steps several times in one moment.
    if (!Number.isSafeInteger(maxAdvance))
      throw wrong(`max_advance of step must be an integer, not ${shown(maxAdvance)}`);
    if (!isPlain(inputs)) throw wrong(`inputs of step must be a map of entities, not ${shown(inputs)}`);
    if (time < this.#now) throw wrong(`step was called for ${time}, but the simulator is at ${this.#now} already`);
    if (this.#isStepping) throw wrong(`step was called for ${time} while the one at ${this.#now} is under way`);
    this.#isStepping = true;
    this.#now = time;
    try {
      return this.#nextStep(time, await this.#simulator.step(time, inputs as Inputs, maxAdvance as number));
    } finally {
      this.#isStepping = false;
    }
  }

  #nextStep(time: number, next: unknown): number | null {
    const what = `${this.#name}.step(${time}) returned ${shown(next)}`;
    if (next === null || next === undefined) {
      if (this.#meta!.type !== "time-based") return null;
      throw wrong(`${what}: a time-based simulator says when to step again`);
    }
    if (!Number.isSafeInteger(next)) throw wrong(`${what}: the next step is an integer, later than ${time}`);
    if ((next as number) <= time) throw wrong(`${what}: the next step must be later than ${time}`);
    return next as number;
  }

  async #getData(outputs: unknown): Promise<unknown> {
    const entities: EntityTable = this.#entitiesFor("get_data");
    entities.checkRequest(outputs);
    const values = await this.#simulator.getData(outputs);
    entities.checkOutputs(values, outputs, this.#now);
    return values;
  }

  #entitiesFor(name: string): EntityTable {
    if (this.#entities === undefined) throw wrong(`${name} was called before init`);
    return this.#entities;
  }

  get #name(): string {
    return this.#nameOf(this.#simulator);
  }

  #nameOf(simulator: Simulator): string {
    return ownName(simulator.constructor) || "the simulator";
  }
}

/** Of a connection that has ended without `stop`. */
export function lost(address: string): ColloquyError {
  return new ColloquyError("CONNECTION_LOST", `mosaik at ${address} has gone without stop`, { executed: "unknown" });
}
