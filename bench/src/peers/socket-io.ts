import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server } from "socket.io";
import { io, type Socket as ClientSocket } from "socket.io-client";
import * as parser from "socket.io-msgpack-parser";
import { afterCallback, bump, type Peer, type PeerClient, type PeerServer } from "../peer.ts";
import type { Payload } from "../payload.ts";
import { packageVersion } from "../versions.ts";

interface ClientToServer {
  add(a: number, b: number, acknowledge: (sum: number) => void): void;
  echo(payload: Payload, acknowledge: (payload: Payload) => void): void;
  callback(n: number, acknowledge: (answer: number) => void): void;
}

interface ServerToClient {
  bump(n: number, acknowledge: (bumped: number) => void): void;
}

async function listen(): Promise<PeerServer> {
  const http = createServer();
  const server = new Server<ClientToServer, ServerToClient>(http, { parser, transports: ["websocket"] });
  server.on("connection", (socket) => {
    socket.on("add", (a, b, acknowledge) => acknowledge(a + b));
    socket.on("echo", (payload, acknowledge) => acknowledge(payload));
    socket.on("callback", async (n, acknowledge) => acknowledge(afterCallback(await socket.emitWithAck("bump", n))));
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const { port } = http.address() as AddressInfo;
  return { address: `http://127.0.0.1:${port}`, close: () => server.close() };
}

async function open(address: string): Promise<PeerClient> {
  const socket: ClientSocket<ServerToClient, ClientToServer> = io(address, {
    parser,
    transports: ["websocket"],
    reconnection: false,
  });
  socket.on("bump", (n, acknowledge) => acknowledge(bump(n)));
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("connect_error", reject);
  });
  return {
    add: (a, b) => socket.emitWithAck("add", a, b),
    echo: (payload) => socket.emitWithAck("echo", payload),
    callback: (n) => socket.emitWithAck("callback", n),
    async close() {
      if (socket.disconnected) return;
      const closed = new Promise<void>((resolve) => {
        socket.once("disconnect", () => resolve());
      });
      socket.close();
      await closed;
    },
  };
}

/** Socket.IO with its MsgPack parser and acknowledgements, over WebSocket from the start. */
export const socketIo: Peer = {
  name: "socket.io",
  versions: {
    "socket.io": packageVersion("socket.io"),
    "socket.io-client": packageVersion("socket.io-client"),
    "socket.io-msgpack-parser": packageVersion("socket.io-msgpack-parser"),
  },
  server: listen,
  client: open,
};
