import { setTimeout as sleep } from "node:timers/promises";
import { PublicError, Service, expose, release, type CallContext, type Connection, type Remote } from "@colloquy/rpc";
import { Thing } from "../thing.ts";

/** What the client offers to the server. */
export class Bumper extends Service {
  @expose bump(n: number): number {
    return n + 1;
  }
}

export interface Entry {
  readonly id: number;
  readonly name: string;
  readonly values: readonly number[];
}

/** What the server offers: one of each kind of call. */
export class Callee extends Service {
  readonly #caller: Remote<Bumper>;

  constructor(connection: Connection<Bumper>) {
    super();
    this.#caller = connection.remote;
  }

  @expose({ idempotent: true }) add(a: number, b: number): number {
    return a + b;
  }

  @expose echo(entry: Entry): Entry {
    return entry;
  }

  /** Calls back to the root of the client. */
  @expose async bumped(n: number): Promise<number> {
    return this.#caller.bump(n);
  }

  @expose async apply(fn: (n: number) => number | Promise<number>, n: number, releases: boolean): Promise<number> {
    const result = await fn(n);
    if (releases) release(fn);
    return result;
  }

  @expose async *items(count: number): AsyncGenerator<number, void, undefined> {
    for (let n = 0; n < count; n++) {
      if (n % 50 === 49) await sleep(1);
      yield n;
    }
  }

  @expose thing(n: number): Thing {
    return new Thing(n);
  }

  @expose sum(array: Float64Array): number {
    return array.reduce((total, one) => total + one, 0);
  }

  @expose doubled(array: Float64Array): Float64Array {
    return array.map((one) => one * 2);
  }

  @expose({ context: true }) async wait(milliseconds: number, { signal }: CallContext): Promise<void> {
    await sleep(milliseconds, undefined, { signal });
  }

  @expose refuse(n: number): never {
    throw new PublicError(`no ${n}`);
  }

  @expose hear(_n: number): void {}
}
