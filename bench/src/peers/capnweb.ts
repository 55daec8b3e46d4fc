import { RpcSession, type RpcTransportWithCustomEncoding } from "capnweb";
import { pack, unpack } from "msgpackr";
import type { Socket } from "node:net";
import type { Peer, PeerClient, PeerServer } from "../peer.ts";
import { packageVersion } from "../versions.ts";
import { Callee, capnwebClient } from "./capnweb-service.ts";
import { FramedSocket } from "./framed-socket.ts";
import { closeSocket, connectTcp, listenTcp } from "./tcp.ts";

interface Receiver {
  resolve(message: unknown): void;
  reject(error: Error): void;
}

/** Messages in MsgPack, one a frame. */
class TcpTransport implements RpcTransportWithCustomEncoding {
  readonly encodingLevel = "jsonCompatibleWithBytes";
  readonly #socket: Socket;
  readonly #frames: FramedSocket;
  readonly #received: unknown[] = [];
  #receiver: Receiver | undefined;
  #error: Error | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#frames = new FramedSocket(socket, "corked", (body) => this.#take(unpack(body)));
    socket.on("close", () => this.#fail(new Error("connection lost")));
  }

  send(message: unknown): number {
    const body = pack(message);
    this.#frames.send(body);
    return body.length;
  }

  receive(): Promise<unknown> {
    if (this.#received.length > 0) return Promise.resolve(this.#received.shift());
    if (this.#error !== undefined) return Promise.reject(this.#error);
    return new Promise((resolve, reject) => {
      this.#receiver = { resolve, reject };
    });
  }

  abort(): void {
    this.#socket.destroySoon();
  }

  #take(message: unknown): void {
    const receiver = this.#receiver;
    this.#receiver = undefined;
    if (receiver === undefined) this.#received.push(message);
    else receiver.resolve(message);
  }

  #fail(error: Error): void {
    this.#error = error;
    this.#receiver?.reject(error);
    this.#receiver = undefined;
  }
}

function listen(): Promise<PeerServer> {
  return listenTcp((socket) => {
    new RpcSession(new TcpTransport(socket), new Callee());
  });
}

async function open(address: string): Promise<PeerClient> {
  const socket = await connectTcp(address);
  const session = new RpcSession<Callee>(new TcpTransport(socket));
  return capnwebClient(session.getRemoteMain(), () => closeSocket(socket));
}

/** Cap'n Web over a transport of its user: MsgPack over TCP. */
export const capnweb: Peer = {
  name: "capnweb",
  versions: { capnweb: packageVersion("capnweb"), msgpackr: packageVersion("msgpackr") },
  server: listen,
  client: open,
};
