import type { ColloquyError } from "@colloquy/core";
import { PassedOn } from "./passed-on.ts";

/** Where a service has what its calls pass. Of the registry, so that two copies of the package agree. */
const GATE: unique symbol = Symbol.for("colloquy.gate") as never;

/** A call that stands before a gate. */
export interface GatedCall {
  /** Aborts when the call is given up. Asked for where it has to wait. */
  readonly signal: AbortSignal;
  /** Carries it out. Once. */
  run(): unknown;
}

/** What calls to a service pass, and to all that is below it. */
export interface Gate {
  /**
   * Runs the call now or later and returns its result, or a promise of it. What it refuses before it returns, it throws; later it rejects
   * with `notStarted(error)`.
   */
  pass(call: GatedCall): unknown;
}

/** Calls to `service` pass `gate` from now on, however they reach it: by a path, a reference or a result. */
export function setGate(service: object, gate: Gate): void {
  Object.defineProperty(service, GATE, { value: gate, configurable: true });
}

/** Most services have none. */
export function gateOf(service: object): Gate | undefined {
  return (service as { readonly [GATE]?: Gate })[GATE];
}

/** What a promise of a gate rejects with for a call that hasn't run. */
export function notStarted(error: ColloquyError): Error {
  return new PassedOn("not started", { cause: error });
}

/** Stands for what lies behind a gate: it is looked up when the call has passed. */
export class GatedMember {
  readonly gate: Gate;
  /** Path below the service of the gate. */
  readonly rest: string;

  constructor(gate: Gate, rest: string) {
    this.gate = gate;
    this.rest = rest;
  }
}
