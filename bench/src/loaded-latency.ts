import { measureRate, wrongResult, type Measurement, type Operation, type Timing } from "./measure.ts";
import { quantile } from "./statistics.ts";

const shareOfTopRate = 0.5;
/** A backlog beyond this waits unstarted: on the heap it would slow down what has to catch up with it. */
const maxPending = 4096;

/**
 * An open loop: calls are due at even distances at half the rate that the closed loop with `inFlight` calls has reached
 * just before, whether earlier ones have ended or not. A turn of the event loop starts every call that is due by then,
 * as long as fewer than `maxPending` are under way, and the next turn follows at once. The latency of a call counts from
 * when it was due to when its result was there, so what keeps a call from starting in time counts as its waiting.
 */
export async function measureLoadedLatency(
  operation: Operation,
  inFlight: number,
  timing: Timing,
): Promise<Measurement> {
  const top = await measureRate(operation, inFlight, timing);
  const rate = top.value * shareOfTopRate;
  const samples = (await new OpenLoop(operation, rate, timing).run()).sort();
  if (samples.length === 0) throw new Error("no call was due within the timed window");
  const median = quantile(samples, 0.5);
  const p999 = quantile(samples, 0.999);
  return {
    value: median,
    calls: samples.length,
    p99: quantile(samples, 0.99),
    more: { p999, tail: p999 / median, rate, topRate: top.value },
  };
}

/** A call under way; slots are used again, so that little is made for each call. */
interface Slot {
  due: number;
  finish(result: unknown): void;
}

/** Starts calls when they are due and keeps the microseconds of those that were due in the timed window. */
class OpenLoop {
  readonly #operation: Operation;
  readonly #intervalMs: number;
  readonly #start = performance.now();
  readonly #timedFrom: number;
  readonly #end: number;
  readonly #samples: Float64Array;
  readonly #idle: Slot[] = [];
  #sampleCount = 0;
  #startedCount = 0;
  #pending = 0;
  #resolve: (samples: Float64Array) => void = () => {};
  #reject: (error: unknown) => void = () => {};

  constructor(operation: Operation, rate: number, { warmUpMs, timedMs }: Timing) {
    this.#operation = operation;
    this.#intervalMs = 1000 / rate;
    this.#timedFrom = this.#start + warmUpMs;
    this.#end = this.#timedFrom + timedMs;
    this.#samples = new Float64Array(Math.ceil(timedMs / this.#intervalMs) + 1);
  }

  run(): Promise<Float64Array> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#turn();
    });
  }

  readonly #turn = (): void => {
    const until = Math.min(performance.now(), this.#end);
    while (this.#pending < maxPending) {
      const due = this.#start + this.#startedCount * this.#intervalMs;
      if (due >= until) break;
      this.#startedCount++;
      this.#call(due);
    }
    if (this.#isOver()) this.#resolveWhenDone();
    else setImmediate(this.#turn);
  };

  #call(due: number): void {
    const slot = this.#idle.pop() ?? this.#newSlot();
    slot.due = due;
    this.#pending++;
    this.#operation.start().then(slot.finish, this.#reject);
  }

  #newSlot(): Slot {
    const slot: Slot = {
      due: 0,
      finish: (result) => {
        if (!this.#operation.isRight(result)) this.#reject(wrongResult(result));
        if (slot.due >= this.#timedFrom) this.#samples[this.#sampleCount++] = (performance.now() - slot.due) * 1000;
        this.#idle.push(slot);
        this.#pending--;
        this.#resolveWhenDone();
      },
    };
    return slot;
  }

  #isOver(): boolean {
    return this.#start + this.#startedCount * this.#intervalMs >= this.#end;
  }

  #resolveWhenDone(): void {
    if (this.#isOver() && this.#pending === 0) this.#resolve(this.#samples.subarray(0, this.#sampleCount));
  }
}
