import { nextTurn, realTick } from "./real-turns.ts";
import { TimedQueue } from "./timed-queue.ts";

/** What is left to do in this turn before time goes on. */
type Act = () => void;

/** What stands for a timer of the machine. */
class VirtualTimer {
  readonly act: Act;
  /** Milliseconds until it comes again, undefined where it doesn't. */
  readonly everyMs: number | undefined;
  isDue = true;

  constructor(act: Act, everyMs: number | undefined) {
    this.act = act;
    this.everyMs = everyMs;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  hasRef(): boolean {
    return true;
  }
}

type Callback = (...args: unknown[]) => void;

/** Every name of the process that tells the time, or waits for it. */
const NAMES = ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "setImmediate", "clearImmediate"] as const;

const globals = globalThis as unknown as Record<string, unknown>;

/**
 * An event loop of its own, in the order of Node's: due timers, what the network brings, immediates; behind each of them the ticks and
 * the microtasks that it has caused. Time goes on when nothing is left to do, at once and as far as the next event.
 *
 * While it is installed it stands in the place of the process's timers, ticks and `performance.now`, for everything in the process.
 */
export class VirtualTime {
  now: number;
  /** Called behind everything that happens, when the microtasks have run. */
  onStep: Act = () => {};
  /** Takes what is thrown by timers, ticks and the network. */
  onError: (error: unknown) => void = (error) => {
    throw error;
  };
  /** Has the real event loop turn behind every event, so that a rejection without a handler is told where it would be. */
  turnsForReal = false;
  readonly #timers: TimedQueue<VirtualTimer> = new TimedQueue();
  readonly #network: TimedQueue<Act> = new TimedQueue();
  #immediates: VirtualTimer[] = [];
  #ticks: Act[] = [];
  #restore: Act | undefined;

  /** `startMs`: what the clock shows at first. */
  constructor(startMs: number) {
    this.now = startMs;
  }

  /** Timers that somebody still waits for. */
  get timerCount(): number {
    return this.#timers.values().filter(({ isDue }) => isDue).length;
  }

  /** What the network has under way. */
  get deliveryCount(): number {
    return this.#network.size;
  }

  /** Has the network do something at a time, behind what it has to do earlier, and at the same time. */
  deliver(act: Act, atMs: number): void {
    this.#network.push(act, Math.max(atMs, this.now));
  }

  /** Time goes on although there is something to do: a busy event loop. */
  stall(milliseconds: number): void {
    this.now += milliseconds;
  }

  install(random: () => number): void {
    const before = NAMES.map((name) => globals[name]);
    const { nextTick } = process;
    const { random: chance } = Math;
    this.#restore = () => {
      for (const [index, name] of NAMES.entries()) globals[name] = before[index];
      process.nextTick = nextTick;
      delete (performance as { now?: unknown }).now;
      Math.random = chance;
    };
    globals["setTimeout"] = (callback: Callback, milliseconds?: number, ...args: unknown[]) =>
      this.#start(() => callback(...args), milliseconds, false);
    globals["setInterval"] = (callback: Callback, milliseconds?: number, ...args: unknown[]) =>
      this.#start(() => callback(...args), milliseconds, true);
    globals["setImmediate"] = (callback: Callback, ...args: unknown[]) => {
      const timer = new VirtualTimer(() => callback(...args), undefined);
      this.#immediates.push(timer);
      return timer;
    };
    for (const name of ["clearTimeout", "clearInterval", "clearImmediate"])
      globals[name] = (timer: VirtualTimer | undefined) => {
        if (timer !== undefined) timer.isDue = false;
      };
    process.nextTick = (callback: Callback, ...args: unknown[]): void => {
      this.#ticks.push(() => callback(...args));
    };
    performance.now = () => this.now;
    Math.random = random;
  }

  uninstall(): void {
    this.#restore?.();
    this.#restore = undefined;
  }

  /** Lets time go on until `isOver`, until nothing is left to wait for, or until `untilMs`. Resolves with whether it is over. */
  async run(isOver: () => boolean, untilMs: number): Promise<boolean> {
    await this.#settle();
    while (!isOver()) {
      await this.#runDue(this.#timers, this.#runTimer, isOver);
      await this.#runDue(this.#network, this.#act, isOver);
      const immediates = this.#immediates;
      this.#immediates = [];
      for (const timer of immediates) {
        if (timer.isDue) await this.#do(timer.act);
      }
      if (this.#immediates.length > 0) continue;
      const next = Math.min(this.#timers.nextMs, this.#network.nextMs);
      if (next > untilMs) break;
      if (next > this.now) this.now = next;
    }
    return isOver();
  }

  async #runDue<T>(queue: TimedQueue<T>, act: (value: T) => void, isOver: () => boolean): Promise<void> {
    // What these cause comes in the next turn at the earliest.
    const until = this.now;
    for (let count = queue.dueCount(until); count > 0 && !isOver(); count--) {
      await this.#do(() => act(queue.shift()!));
    }
  }

  readonly #act = (act: Act): void => act();

  readonly #runTimer = (timer: VirtualTimer): void => {
    if (!timer.isDue) return;
    if (timer.everyMs === undefined) timer.isDue = false;
    else this.#timers.push(timer, this.now + timer.everyMs);
    timer.act();
  };

  #start(act: Act, milliseconds: number | undefined, isRepeated: boolean): VirtualTimer {
    // As Node does it: no time at all is a millisecond.
    const everyMs = Math.max(Math.trunc(milliseconds ?? 1) || 1, 1);
    const timer = new VirtualTimer(act, isRepeated ? everyMs : undefined);
    this.#timers.push(timer, this.now + everyMs);
    return timer;
  }

  async #do(act: Act): Promise<void> {
    this.#guarded(act);
    await this.#settle();
    this.onStep();
  }

  /** Ticks go before microtasks, and again behind them. */
  async #settle(): Promise<void> {
    do {
      for (let tick = this.#ticks.shift(); tick !== undefined; tick = this.#ticks.shift()) this.#guarded(tick);
      await realTick();
    } while (this.#ticks.length > 0);
    if (!this.turnsForReal) return;
    await nextTurn();
    if (this.#ticks.length > 0) await this.#settle();
  }

  #guarded(act: Act): void {
    try {
      act();
    } catch (error) {
      this.onError(error);
    }
  }
}
