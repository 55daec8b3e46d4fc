import { OPTION, checkOptions, describeType } from "@colloquy/core";
import type { OptionKind, Random } from "@colloquy/core";
import { invalidArgument } from "./clock.ts";

/** What a message is: a call, the answer to one, or a notification. */
export type MessageKind = "call" | "answer" | "notification";

/** A message on its way between two containers of a simulation. */
export interface SimulatedMessage {
  readonly kind: MessageKind;
  /** Path of the method, also for answers. */
  readonly path: string;
  /** Clock time at which it was sent. */
  readonly time: number;
}

/**
 * Draws something for a message from one container to another, which are told by their names: the name of a client that isn't a
 * container is "". All chance comes from `random`.
 */
export type Drawn<T> = (from: string, to: string, random: Random, message: SimulatedMessage) => T;

/** What the network of a simulation does with messages between containers; within one it does nothing. */
export interface SimulationModel {
  /** Seconds on the clock. Default: 0. */
  readonly delay?: number | Drawn<number> | undefined;
  /** Whether a message is lost; a number is how often, from 0 to 1. Default: 0. What the protocol itself sends never is. */
  readonly loss?: number | Drawn<boolean> | undefined;
  /** Messages from one container to another arrive in the order in which they were sent, whatever their delays. Default: true. */
  readonly fifo?: boolean | undefined;
}

const OPTIONS: Readonly<Record<keyof SimulationModel, OptionKind>> = {
  delay: OPTION.any,
  loss: OPTION.any,
  fifo: OPTION.any,
};

/** A model, checked: what becomes of each message. */
export class MessageFate {
  readonly fifo: boolean;
  readonly #delay: Drawn<number>;
  readonly #loss: Drawn<boolean>;
  readonly #random: Random;

  /** @throws ColloquyError `INVALID_ARGUMENT`. */
  constructor(model: SimulationModel, random: Random) {
    checkOptions("a model", model, OPTIONS);
    const { delay = 0, loss = 0, fifo = true } = model;
    this.#random = random;
    this.fifo = fifo;
    if (typeof delay === "number") {
      checkDelay(delay);
      this.#delay = () => delay;
    } else this.#delay = functionOf(delay, "delay");
    if (typeof loss === "number") {
      if (!(loss >= 0 && loss <= 1)) throw invalidArgument(`loss is ${loss}; it goes from 0 to 1, or is a function`);
      this.#loss = (_from, _to, draw) => loss > 0 && draw() < loss;
    } else this.#loss = functionOf(loss, "loss");
  }

  isLost(from: string, to: string, message: SimulatedMessage): boolean {
    return this.#loss(from, to, this.#random, message);
  }

  /** Seconds. @throws ColloquyError `INVALID_ARGUMENT` for what the model gives that is no delay. */
  delayOf(from: string, to: string, message: SimulatedMessage): number {
    const delay = this.#delay(from, to, this.#random, message);
    checkDelay(delay);
    return delay;
  }
}

function checkDelay(delay: number): void {
  if (!(delay >= 0 && delay < Infinity))
    throw invalidArgument(`delay is ${String(delay)}; it takes seconds, 0 or more`);
}

function functionOf<F>(value: F, name: string): F {
  if (typeof value === "function") return value;
  throw invalidArgument(`${name} must be a number or a function but is ${describeType(value)}`);
}
