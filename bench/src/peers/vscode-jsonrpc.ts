import type { Socket } from "node:net";
import {
  createMessageConnection,
  RequestType,
  RequestType2,
  StreamMessageReader,
  StreamMessageWriter,
  type MessageConnection,
} from "vscode-jsonrpc/node";
import { afterCallback, bump, type Peer, type PeerClient, type PeerServer } from "../peer.ts";
import type { Payload } from "../payload.ts";
import { packageVersion } from "../versions.ts";
import { closeSocket, connectTcp, listenTcp } from "./tcp.ts";

const addRequest = new RequestType2<number, number, number, void>("add");
const echoRequest = new RequestType<Payload, Payload, void>("echo");
const callbackRequest = new RequestType<number, number, void>("callback");
const bumpRequest = new RequestType<number, number, void>("bump");

function attach(socket: Socket): MessageConnection {
  const connection = createMessageConnection(new StreamMessageReader(socket), new StreamMessageWriter(socket));
  socket.on("close", () => connection.dispose());
  return connection;
}

function listen(): Promise<PeerServer> {
  return listenTcp((socket) => {
    const connection = attach(socket);
    connection.onRequest(addRequest, (a, b) => a + b);
    connection.onRequest(echoRequest, (payload) => payload);
    connection.onRequest(callbackRequest, async (n) => afterCallback(await connection.sendRequest(bumpRequest, n)));
    connection.listen();
  });
}

async function open(address: string): Promise<PeerClient> {
  const socket = await connectTcp(address);
  const connection = attach(socket);
  connection.onRequest(bumpRequest, (n) => bump(n));
  connection.listen();
  return {
    add: (a, b) => connection.sendRequest(addRequest, a, b),
    echo: (payload) => connection.sendRequest(echoRequest, payload),
    callback: (n) => connection.sendRequest(callbackRequest, n),
    async close() {
      connection.end();
      await closeSocket(socket);
    },
  };
}

/** The JSON-RPC of language servers, on TCP. */
export const vscodeJsonrpc: Peer = {
  name: "vscode-jsonrpc",
  versions: { "vscode-jsonrpc": packageVersion("vscode-jsonrpc") },
  server: listen,
  client: open,
};
