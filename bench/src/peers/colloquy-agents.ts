import { Agent, Container } from "@colloquy/container";
import { MsgPackCodec } from "@colloquy/core";
import { expose, type Remote } from "@colloquy/rpc";
import { afterCallback, bump, type Peer, type PeerClient, type PeerServer } from "../peer.ts";
import type { Payload } from "../payload.ts";
import { packageVersion } from "../versions.ts";

/** What the client offers to the server. */
class Caller extends Agent {
  @expose bump(n: number): number {
    return bump(n);
  }
}

class Callee extends Agent {
  #caller: Remote<Caller> | undefined;

  @expose add(a: number, b: number): number {
    return a + b;
  }

  @expose echo(payload: Payload): Payload {
    return payload;
  }

  @expose setCaller(caller: Remote<Caller>): void {
    this.#caller = caller;
  }

  @expose async callback(n: number): Promise<number> {
    return afterCallback(await this.#caller!.bump(n));
  }
}

async function listen(): Promise<PeerServer> {
  const container = await Container.create("tcp://127.0.0.1:0", { codec: MsgPackCodec });
  const callee = await container.spawn(new Callee());
  return { address: callee.address, close: () => container.shutdown() };
}

async function open(address: string): Promise<PeerClient> {
  const container = await Container.create("tcp://127.0.0.1:0", { codec: MsgPackCodec });
  const callee = await container.connect<Callee>(address);
  await callee.setCaller(await container.spawn(new Caller()));
  return {
    add: (a, b) => callee.add(a, b),
    echo: (payload) => callee.echo(payload),
    callback: (n) => callee.callback(n),
    close: () => container.shutdown(),
  };
}

/** Agents in two containers, with the defaults, over TCP with MsgPack. */
export const colloquyAgents: Peer = {
  name: "colloquy-agents",
  versions: { "@colloquy/container": packageVersion("@colloquy/container") },
  server: listen,
  client: open,
};
