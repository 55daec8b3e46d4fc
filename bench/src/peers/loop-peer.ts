import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { afterCallback, bump, type Peer, type PeerClient, type PeerServer } from "../peer.ts";
import type { Payload } from "../payload.ts";
import { packageVersion } from "../versions.ts";
import { msgpackCodec, type LoopCodec } from "./loop-codec.ts";
import type { Handlers, LoopConnection } from "./loop-connection.ts";

type ConnectionClass = new (socket: Socket, handlers: Handlers, codec: LoopCodec) => LoopConnection;

/** A peer around one way of moving frames, with a codec for each connection. */
export function loopPeer(name: string, Connection: ConnectionClass, newCodec: () => LoopCodec = msgpackCodec): Peer {
  return {
    name,
    versions: newCodec === msgpackCodec ? { msgpackr: packageVersion("msgpackr") } : {},
    server: () => listen(Connection, newCodec),
    client: (address) => open(Connection, newCodec, address),
  };
}

async function listen(Connection: ConnectionClass, newCodec: () => LoopCodec): Promise<PeerServer> {
  const connections = new Set<LoopConnection>();
  const server = createServer((socket) => {
    const handlers: Handlers = {
      add: (a, b) => (a as number) + (b as number),
      echo: (payload) => payload,
      callback: async (n) => afterCallback((await connection.call("bump", [n])) as number),
    };
    const connection: LoopConnection = new Connection(socket, handlers, newCodec());
    connections.add(connection);
    socket.on("close", () => connections.delete(connection));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    async close() {
      server.close();
      await Promise.all([...connections].map((connection) => connection.close()));
    },
  };
}

async function open(Connection: ConnectionClass, newCodec: () => LoopCodec, address: string): Promise<PeerClient> {
  const [host = "", port = ""] = address.split(":");
  const socket = connect(Number(port), host);
  await once(socket, "connect");
  const connection = new Connection(socket, { bump: (n) => bump(n as number) }, newCodec());
  return {
    add: (a, b) => connection.call("add", [a, b]) as Promise<number>,
    echo: (payload) => connection.call("echo", [payload]) as Promise<Payload>,
    callback: (n) => connection.call("callback", [n]) as Promise<number>,
    close: () => connection.close(),
  };
}
