import { newWebSocketRpcSession } from "capnweb";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { WebSocket, WebSocketServer } from "ws";
import type { Peer, PeerClient, PeerServer } from "../peer.ts";
import { packageVersion } from "../versions.ts";
import { Callee, capnwebClient } from "./capnweb-service.ts";

type StandardWebSocket = Parameters<typeof newWebSocketRpcSession>[0];

// capnweb reads the constants of the global class, which Node has only from version 22 on.
if (!("WebSocket" in globalThis)) Object.assign(globalThis, { WebSocket });

async function listen(): Promise<PeerServer> {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  server.on("connection", (socket) => {
    newWebSocketRpcSession(socket as unknown as StandardWebSocket, new Callee());
  });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    address: `ws://127.0.0.1:${port}`,
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const socket of server.clients) socket.terminate();
      await closed;
    },
  };
}

async function open(address: string): Promise<PeerClient> {
  const socket = new WebSocket(address);
  await once(socket, "open");
  const callee = newWebSocketRpcSession<Callee>(socket as unknown as StandardWebSocket);
  return capnwebClient(callee, async () => {
    if (socket.readyState === WebSocket.CLOSED) return;
    const closed = once(socket, "close");
    socket.close();
    await closed;
  });
}

/** Cap'n Web the way it comes: JSON over a WebSocket. */
export const capnwebWebsocket: Peer = {
  name: "capnweb-websocket",
  versions: { capnweb: packageVersion("capnweb"), ws: packageVersion("ws") },
  server: listen,
  client: open,
};
