import { JsonCodec, MsgPackCodec } from "@colloquy/core";
import { connect, expose, serve, Service, type Connection, type Remote } from "@colloquy/rpc";
import { afterCallback, bump, type Peer, type PeerClient, type PeerServer } from "../peer.ts";
import type { Payload } from "../payload.ts";
import { packageVersion } from "../versions.ts";

/** What the client offers to the server. */
class Caller extends Service {
  @expose bump(n: number): number {
    return bump(n);
  }
}

/** What the server offers, one for each connection. */
class Callee extends Service {
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
}

type CodecClass = typeof MsgPackCodec | typeof JsonCodec;

async function listen(codec: CodecClass): Promise<PeerServer> {
  const server = await serve("tcp://127.0.0.1:0", (connection: Connection<Caller>) => new Callee(connection), {
    codec,
  });
  return { address: server.address, close: () => server.close() };
}

async function open(codec: CodecClass, address: string): Promise<PeerClient> {
  const connection = await connect<Callee>(address, { codec, service: new Caller() });
  const { remote } = connection;
  return {
    add: (a, b) => remote.add(a, b),
    echo: (payload) => remote.echo(payload),
    callback: (n) => remote.callback(n),
    close: () => connection.close(),
  };
}

function colloquyWith(name: string, codec: CodecClass): Peer {
  return {
    name,
    versions: { "@colloquy/rpc": packageVersion("@colloquy/rpc"), "@colloquy/core": packageVersion("@colloquy/core") },
    server: () => listen(codec),
    client: (address) => open(codec, address),
  };
}

/** Colloquy with its defaults, over TCP with MsgPack. */
export const colloquy: Peer = colloquyWith("colloquy", MsgPackCodec);

/** The same with JSON. */
export const colloquyJson: Peer = colloquyWith("colloquy-json", JsonCodec);
