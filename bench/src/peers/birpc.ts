import { createBirpc, type BirpcReturn } from "birpc";
import { pack, unpack } from "msgpackr";
import type { Socket } from "node:net";
import { afterCallback, bump, type Peer, type PeerClient, type PeerServer } from "../peer.ts";
import type { Payload } from "../payload.ts";
import { packageVersion } from "../versions.ts";
import { FramedSocket, type Writing } from "./framed-socket.ts";
import { closeSocket, connectTcp, listenTcp } from "./tcp.ts";

interface ServerFunctions {
  add(a: number, b: number): number;
  echo(payload: Payload): Payload;
  callback(n: number): Promise<number>;
}

interface ClientFunctions {
  bump(n: number): number;
}

/** The remote functions behind a socket, with the local ones for the other side. */
function attach<Remote extends object, Local extends object>(
  socket: Socket,
  writing: Writing,
  functions: Local,
): BirpcReturn<Remote, Local> {
  let receive: ((body: Buffer) => void) | undefined;
  const frames = new FramedSocket(socket, writing, (body) => receive?.(body));
  const rpc = createBirpc<Remote, Local>(functions, {
    post: (body: Buffer) => frames.send(body),
    on: (listener) => {
      receive = listener;
    },
    off: () => {
      receive = undefined;
    },
    serialize: pack,
    deserialize: unpack,
  });
  socket.on("close", () => rpc.$close(new Error("connection lost")));
  return rpc;
}

function listen(writing: Writing): Promise<PeerServer> {
  return listenTcp((socket) => {
    const rpc: BirpcReturn<ClientFunctions, ServerFunctions> = attach(socket, writing, {
      add: (a, b) => a + b,
      echo: (payload) => payload,
      callback: async (n) => afterCallback(await rpc.bump(n)),
    });
  });
}

async function open(writing: Writing, address: string): Promise<PeerClient> {
  const socket = await connectTcp(address);
  const rpc = attach<ServerFunctions, ClientFunctions>(socket, writing, { bump });
  return {
    add: (a, b) => rpc.add(a, b),
    echo: (payload) => rpc.echo(payload),
    callback: (n) => rpc.callback(n),
    close: () => closeSocket(socket),
  };
}

function birpcPeer(name: string, writing: Writing): Peer {
  return {
    name,
    versions: { birpc: packageVersion("birpc"), msgpackr: packageVersion("msgpackr") },
    server: () => listen(writing),
    client: (address) => open(writing, address),
  };
}

/** birpc over TCP with MsgPack, as its users put it on a socket. */
export const birpc: Peer = birpcPeer("birpc", "each");

/** The same with the socket corked until the end of the turn. */
export const birpcCorked: Peer = birpcPeer("birpc-corked", "corked");
