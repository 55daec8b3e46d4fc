import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import type { PeerServer } from "../peer.ts";

/** Listens on a free port of 127.0.0.1 and hands every socket to `accept`; Nagle's algorithm is off. */
export async function listenTcp(accept: (socket: Socket) => void): Promise<PeerServer> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    accept(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    async close() {
      server.close();
      await Promise.all([...sockets].map(closeSocket));
    },
  };
}

/** Connects to what `listenTcp` listens on, with Nagle's algorithm off. */
export async function connectTcp(address: string): Promise<Socket> {
  const [host = "", port = ""] = address.split(":");
  const socket = connect({ host, port: Number(port), noDelay: true });
  await once(socket, "connect");
  socket.on("error", () => socket.destroy());
  return socket;
}

/** Drops the connection and resolves when the socket is closed. */
export function closeSocket(socket: Socket): Promise<void> {
  if (socket.closed) return Promise.resolve();
  return new Promise((resolve) => {
    socket.once("close", () => resolve());
    socket.destroy();
  });
}
