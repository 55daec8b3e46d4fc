import { RpcTarget, type RpcStub } from "capnweb";
import { afterCallback, bump, type PeerClient } from "../peer.ts";
import type { Payload } from "../payload.ts";

/** What the client offers to the server. */
class Caller extends RpcTarget {
  bump(n: number): number {
    return bump(n);
  }
}

/** What the server offers, one for each connection. */
export class Callee extends RpcTarget {
  #caller: RpcStub<Caller> | undefined;

  add(a: number, b: number): number {
    return a + b;
  }

  echo(payload: Payload): Payload {
    return payload;
  }

  setCaller(caller: RpcStub<Caller>): void {
    this.#caller = caller.dup();
  }

  async callback(n: number): Promise<number> {
    return afterCallback(await this.#caller!.bump(n));
  }

  [Symbol.dispose](): void {
    this.#caller?.[Symbol.dispose]();
  }
}

/** The calling side over a session; `close` is to drop what is below it. */
export async function capnwebClient(callee: RpcStub<Callee>, close: () => Promise<void>): Promise<PeerClient> {
  await callee.setCaller(new Caller());
  return {
    add: (a, b) => callee.add(a, b),
    async echo(payload) {
      const echoed = await callee.echo(payload);
      echoed[Symbol.dispose]?.();
      return echoed;
    },
    callback: (n) => callee.callback(n),
    async close() {
      callee[Symbol.dispose]();
      await close();
    },
  };
}
