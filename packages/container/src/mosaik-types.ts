/** How mosaik steps a simulator: at the times that it returns, whenever its inputs change, or both. */
export type SimulatorType = "time-based" | "event-based" | "hybrid";

/** One model of a simulator, as mosaik is told of it. */
export interface ModelMeta {
  /** False for one that only comes as a child of others. Default: true. */
  readonly public?: boolean;
  /** Names of the parameters that `create` takes. Default: none. */
  readonly params?: readonly string[];
  /** Names of what is read from entities, and written to them. */
  readonly attrs: readonly string[];
  /** Whether inputs may have any names. Default: false. */
  readonly anyInputs?: boolean;
  /** Inputs that lead to a step. Hybrid and event-based simulators only. */
  readonly trigger?: readonly string[];
  /** Inputs that don't. Hybrid and time-based simulators only. */
  readonly nonTrigger?: readonly string[];
  /** Outputs that hold until the next one. Hybrid and time-based simulators only. */
  readonly persistent?: readonly string[];
  /** Outputs that hold for one moment. Hybrid and event-based simulators only. */
  readonly nonPersistent?: readonly string[];
}

/** What a simulator is, as mosaik is told of it. */
export interface SimulatorMeta {
  readonly type: SimulatorType;
  readonly models: Readonly<Record<string, ModelMeta>>;
  /** Methods of the simulator that scenarios may call, beside those that all simulators have. */
  readonly extraMethods?: readonly string[];
}

/** Names of the models of a simulator. */
export type ModelName<M extends SimulatorMeta> = Extract<keyof M["models"], string>;

/** Names of the models that scenarios create. */
export type PublicModelName<M extends SimulatorMeta> = {
  [N in ModelName<M>]: M["models"][N] extends { readonly public: false } ? never : N;
}[ModelName<M>];

/** Names of the attributes of all models of a simulator. */
export type AttrName<M extends SimulatorMeta> = M["models"][ModelName<M>]["attrs"][number];

/** One instance of a model, as `create` returns it. */
export interface Entity<M extends SimulatorMeta = SimulatorMeta> {
  /** Its name, of which the simulator has no second one. */
  readonly eid: string;
  readonly type: ModelName<M>;
  /** Names of entities of this simulator that it has to do with. */
  readonly rel?: readonly string[];
  readonly children?: readonly Entity<M>[];
  /** Anything that scenarios may want to know of it. */
  readonly extraInfo?: unknown;
}

/** What has come for a step: `inputs[eid][attribute]` has the value of each source, by its full name, `simulator.entity`. */
export type Inputs<M extends SimulatorMeta = SimulatorMeta> = Readonly<
  Record<string, Readonly<Partial<Record<AttrName<M>, Readonly<Record<string, unknown>>>>>>
>;

/** When to step again, an integer later than now; null or nothing: when an input asks for it. Time-based simulators always say when. */
export type StepResult<M extends SimulatorMeta = SimulatorMeta> = M["type"] extends "time-based"
  ? number
  : number | null | undefined | void;

/** Which attributes of which entities are asked for. */
export type OutputRequest<M extends SimulatorMeta = SimulatorMeta> = Readonly<Record<string, readonly AttrName<M>[]>>;

/** Values of one entity by attribute: what JSON carries. */
export type Attributes<M extends SimulatorMeta = SimulatorMeta> = Readonly<Partial<Record<AttrName<M>, unknown>>>;

/** `{ [eid]: { [attribute]: value } }`, and for event-based and hybrid simulators the time of those outputs, where that isn't now. */
export interface OutputValues<M extends SimulatorMeta = SimulatorMeta> {
  readonly [eid: string]: Attributes<M> | number | undefined;
  readonly time?: number;
}

/** What a step returns, at once or later. */
export type Awaitable<T> = T | Promise<T>;
