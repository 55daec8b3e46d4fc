import { DEFAULT_LIMITS, type Random } from "@colloquy/core";
import { expose, service } from "@colloquy/rpc";
import type { CallContext } from "@colloquy/rpc";
import { PLANNED, type Ledger } from "./ledger.ts";
import type { Plan } from "./plan.ts";
import { POOLED, POOL_SIZE, type Production } from "./production.ts";
import type { Remotes } from "./remotes.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** What a run has in common for all its parties. */
export interface Setting {
  readonly plan: Plan;
  readonly time: VirtualTime;
  readonly random: Random;
  /** For what has its own draws, so that those of everything else stay as they are. */
  readonly extra: Random;
  readonly ledger: Ledger;
  readonly remotes: Remotes;
}

type Body = (key: number, args: readonly unknown[], context: CallContext) => unknown;

/** One process of the run: what it serves, and the functions that it hands out. */
export class Party {
  readonly name: string;
  readonly root: object;
  /** The same ones every time, so that they cross again while their release is under way. */
  readonly pool: ((...args: unknown[]) => unknown)[];
  readonly #setting: Setting;

  constructor(name: string, setting: Setting) {
    this.name = name;
    this.#setting = setting;
    this.pool = Array.from({ length: POOL_SIZE }, (_, index) => this.#pooled(index));
    this.root = service(this.#methods());
  }

  #methods(): Record<string, (...args: unknown[]) => unknown> {
    const sleep = (milliseconds: unknown): Promise<void> => sleepFor(this.#setting.time, Number(milliseconds));
    return {
      plain: this.#handler("plain", (key) => key),
      padded: this.#handler("padded", (key) => key),
      later: this.#handler("later", async (key, [milliseconds]) => {
        await sleep(milliseconds);
        return key;
      }),
      again: this.#handler(
        "again",
        async (key, [milliseconds]) => {
          await sleep(milliseconds);
          return key;
        },
        { idempotent: true },
      ),
      fails: this.#handler("fails", (key, [milliseconds]) => {
        if (milliseconds === 0) throw new Error(`${PLANNED} ${key}`);
        return sleep(milliseconds).then(() => {
          throw new Error(`${PLANNED} ${key}`);
        });
      }),
      obeys: this.#handler("obeys", async (key, [milliseconds], { signal }) => {
        await Promise.race([sleep(milliseconds), aborted(signal)]);
        return key;
      }),
      signalled: this.#handler("signalled", async (key, [signal, milliseconds]) => {
        await Promise.race([sleep(milliseconds), aborted(signal as AbortSignal)]);
        return key;
      }),
      waits: this.#handler("waits", (key, _, { signal }) => aborted(signal).then(() => key)),
      takes: this.#handler("takes", async (key, [result, wanted, milliseconds]) => {
        if (result !== wanted)
          this.#setting.ledger.break(`call ${key} got ${String(result)} of a call that gives ${String(wanted)}`);
        await sleep(milliseconds);
        return key;
      }),
      note: this.#handler("note", () => undefined),
      lateNote: this.#handler("lateNote", (_, [milliseconds]) => sleep(milliseconds)),
      gives: this.#handler("gives", (_, [index]) => this.pool[index as number]),
      givesService: this.#handler("givesService", (_, [index]) => service({ inner: this.#pooled(index as number) })),
      calls: this.#handler("calls", (key, [callback, owner, index, times, isKept], context) =>
        this.#callBack(key, callback, { owner, index, times, isKept } as CallbackArgs, context),
      ),
      asks: this.#handler("asks", (key, [depth], context) => this.#ask(key, depth as number, context)),
      streams: this.#handler("streams", (_, [count, failsAt, gapMs]) =>
        this.produce({ count, failsAt, gapMs } as Production),
      ),
      reads: this.#handler("reads", async (key, [stream, count, failsAt, most]) => {
        await this.#setting.remotes.read(
          stream as AsyncIterable<number>,
          { count, failsAt } as Production,
          most as number,
        );
        return key;
      }),
    };
  }

  /** Numbers from 0 on. */
  async *produce({ count, failsAt, gapMs }: Production): AsyncGenerator<number> {
    const done = this.#setting.ledger.busy();
    try {
      for (let index = 0; index < count; index++) {
        if (index === failsAt) throw new Error(`${PLANNED} at ${index}`);
        if (gapMs > 0) await sleepFor(this.#setting.time, gapMs);
        yield index;
      }
    } finally {
      done();
    }
  }

  #pooled(index: number): (...args: unknown[]) => unknown {
    // Who has got this one must mean this one.
    return this.#handler(POOLED, (key, [owner, wanted]) => {
      if ((owner ?? this.name) !== this.name || wanted !== index)
        this.#setting.ledger.break(
          `call ${key} for function ${String(wanted)} of ${String(owner)} reached ${index} of ${this.name}`,
        );
      return key;
    });
  }

  async #callBack(
    key: number,
    callback: unknown,
    { owner, index, times, isKept }: CallbackArgs,
    context: CallContext,
  ): Promise<number> {
    const { remotes, random } = this.#setting;
    const held = remotes.hold(callback as () => void, owner, index, context.connection);
    for (let count = 0; count < times; count++) {
      await remotes.callHeld(held, random() < 0.3 ? { context } : {}).catch(() => {});
    }
    if (!isKept) remotes.release(held);
    return key;
  }

  /** Asks its caller back, who asks again. */
  async #ask(key: number, depth: number, context: CallContext): Promise<number> {
    if (depth === 0) return key;
    const { remotes, random } = this.#setting;
    await remotes.ask(context, depth - 1, random() < 0.7);
    return key;
  }

  #handler(name: string, body: Body, options: { readonly idempotent?: boolean } = {}): (...args: unknown[]) => unknown {
    const { ledger, plan } = this.#setting;
    const most = plan.limits.maxRunningCount ?? DEFAULT_LIMITS.maxRunningCount;
    const handle = (...given: unknown[]): unknown => {
      const context = given.pop() as CallContext;
      const key = given.shift() as number;
      const end = ledger.start(key, name, context.connection, most);
      let result: unknown;
      try {
        result = body(key, given, context);
      } catch (error) {
        end();
        throw error;
      }
      if (!(result instanceof Promise)) {
        end();
        return result;
      }
      return result.finally(end);
    };
    return expose(handle, { ...options, context: true });
  }
}

interface CallbackArgs {
  readonly owner: string;
  readonly index: number;
  readonly times: number;
  readonly isKept: boolean;
}

/** Of the workload's own: it isn't a timer that somebody could forget. */
export function sleepFor(time: VirtualTime, milliseconds: number): Promise<void> {
  return new Promise((resolve) => time.deliver(resolve, time.now + milliseconds));
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
