import { timerMs } from "@colloquy/core";

/** How often in an interval each of those that beat in it is looked after. */
export const LOOKS_PER_INTERVAL = 8;

/** What is looked after several times in an interval. */
export interface Beating {
  look(): void;
}

/** One timer for all connections of a process with the same interval: an idle connection has none of its own. */
export class Pulse {
  readonly #everyMs: number;
  readonly #members = new Set<Beating>();
  #timer: NodeJS.Timeout | undefined;

  constructor(intervalMs: number) {
    this.#everyMs = Math.max(timerMs(intervalMs / LOOKS_PER_INTERVAL), 1);
  }

  get size(): number {
    return this.#members.size;
  }

  add(member: Beating): void {
    this.#members.add(member);
    // It doesn't keep a process alive.
    this.#timer ??= setInterval(() => this.#look(), this.#everyMs).unref();
  }

  delete(member: Beating): void {
    this.#members.delete(member);
    if (this.#members.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    for (const member of this.#members) member.look();
  }
}

/** Those that have members; nothing stays of the others. */
const pulses: Map<number, Pulse> = new Map();

/** Looks after `member` from now on, `LOOKS_PER_INTERVAL` times in `intervalMs`. */
export function startBeating(member: Beating, intervalMs: number): void {
  let pulse = pulses.get(intervalMs);
  if (pulse === undefined) pulses.set(intervalMs, (pulse = new Pulse(intervalMs)));
  pulse.add(member);
}

export function stopBeating(member: Beating, intervalMs: number): void {
  const pulse = pulses.get(intervalMs);
  pulse?.delete(member);
  if (pulse?.size === 0) pulses.delete(intervalMs);
}
