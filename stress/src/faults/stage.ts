// What most rows need: a server and a client of this process, whose bytes go through a proxy.
import { setTimeout as sleep } from "node:timers/promises";
import {
  connect,
  serve,
  MsgPackCodec,
  type Connection,
  type ConnectOptions,
  type ServeOptions,
  type Server,
} from "@colloquy/rpc";
import { ByteProxy, type LinkPlan } from "../network/byte-proxy.ts";

const patienceMs = 10_000;

/** Resolves when `claim` holds, with false where it doesn't in time. */
export async function until(claim: () => boolean, milliseconds: number = patienceMs): Promise<boolean> {
  const end = performance.now() + milliseconds;
  while (!claim()) {
    if (performance.now() > end) return false;
    await sleep(2);
  }
  return true;
}

/** A server behind a proxy. */
export class Stage implements AsyncDisposable {
  readonly server: Server;
  readonly proxy: ByteProxy;

  private constructor(server: Server, proxy: ByteProxy) {
    this.server = server;
    this.proxy = proxy;
  }

  static async open(root: object, options: ServeOptions = {}, planOf?: () => LinkPlan): Promise<Stage> {
    const server = await serve("tcp://127.0.0.1:0", root, { codec: MsgPackCodec, ...options });
    return new Stage(server, await ByteProxy.open(server.address, planOf));
  }

  async connect<T extends object>(options: ConnectOptions = {}): Promise<Connection<T>> {
    return connect<T>(this.proxy.address, { codec: MsgPackCodec, ...options });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy.close();
    await this.server.close({ graceMs: 0 });
  }
}
