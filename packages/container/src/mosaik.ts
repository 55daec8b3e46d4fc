/**
 * Simulators for mosaik, the framework for co-simulation: its low-level API, version 3.
 *
 * @packageDocumentation
 */
export { simulatorMeta } from "./mosaik-meta.ts";
export type { SimulatorEnding } from "./mosaik-session.ts";
export { Simulator } from "./mosaik-simulator.ts";
export { runSimulator, startSimulator } from "./mosaik-start.ts";
export type { RunningSimulator, StartOptions } from "./mosaik-start.ts";
export type {
  AttrName,
  Attributes,
  Awaitable,
  Entity,
  Inputs,
  ModelMeta,
  ModelName,
  OutputRequest,
  OutputValues,
  PublicModelName,
  SimulatorMeta,
  SimulatorType,
  StepResult,
} from "./mosaik-types.ts";
export type { DataToSet, EntityGraph, MosaikWorld, RelatedEntities, RelatedEntity } from "./mosaik-world.ts";
