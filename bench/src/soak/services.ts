import { expose, release, Service, type Connection, type Remote } from "@colloquy/rpc";
import type { Payload } from "../payload.ts";
import { afterCallback, bump } from "../peer.ts";

/** What the client offers. */
export class Caller extends Service {
  @expose bump(n: number): number {
    return bump(n);
  }
}

/** What the server offers, one for each connection. */
export class Callee extends Service {
  readonly #caller: Remote<Caller>;

  constructor(connection: Connection<Caller>) {
    super();
    this.#caller = connection.remote;
  }

  @expose add(a: number, b: number): number {
    return a + b;
  }

  @expose echo(payload: Payload): Payload {
    return payload;
  }

  @expose async callback(n: number): Promise<number> {
    return afterCallback(await this.#caller.bump(n));
  }

  /** Calls a function that came as an argument, and lets go of it. */
  @expose async callFunction(fn: (n: number) => number | Promise<number>, n: number): Promise<number> {
    const bumped = await fn(n);
    release(fn);
    return afterCallback(bumped);
  }
}
