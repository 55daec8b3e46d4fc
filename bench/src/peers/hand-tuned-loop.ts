import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { afterCallback, bump, type Peer, type PeerClient, type PeerServer } from "../peer.ts";
import type { Payload } from "../payload.ts";
import { HandTunedReader } from "./hand-tuned-reader.ts";
import { HandTunedWriter } from "./hand-tuned-writer.ts";

type Handler = (connection: HandTunedConnection, ...args: unknown[]) => unknown;
type Handlers = ReadonlyMap<string, Handler>;

const headerSize = 4;
const earlyLength = 1024;
const readSize = 262_144;

/** Handles a call straight from the buffer it was read into, and answers into the one that will be written. */
class HandTunedConnection {
  readonly #socket: Socket;
  readonly #handlers: Handlers;
  readonly #writer = new HandTunedWriter();
  readonly #reader = new HandTunedReader();
  /** What waits for the answer with that number; free numbers stand in a stack. */
  readonly #slots: ((value: unknown) => void)[] = [];
  readonly #free: number[] = [];
  #rest: Buffer | undefined;
  #isFlushing = false;
  #resolve: (value: unknown) => void = () => {};
  readonly #keep = (resolve: (value: unknown) => void): void => {
    this.#resolve = resolve;
  };
  readonly #flush = (): void => {
    this.#isFlushing = false;
    if (this.#writer.waiting > 0) this.#socket.write(this.#writer.take());
  };

  constructor(socket: Socket, handlers: Handlers) {
    this.#socket = socket;
    this.#handlers = handlers;
    socket.setNoDelay(true);
    socket.on("error", () => socket.destroy());
  }

  call(path: string, args: readonly unknown[]): Promise<unknown> {
    const promise = new Promise(this.#keep);
    const id = this.#free.pop() ?? this.#slots.length;
    this.#slots[id] = this.#resolve;
    this.#writer.request(id, path, args);
    this.#leave();
    return promise;
  }

  close(): Promise<void> {
    if (this.#socket.closed) return Promise.resolve();
    return new Promise((resolve) => {
      this.#socket.once("close", () => resolve());
      this.#socket.destroy();
    });
  }

  /** Takes what was read; nothing of `chunk` is kept. */
  receive(chunk: Buffer, size: number): void {
    let bytes = chunk;
    let length = size;
    if (this.#rest !== undefined) {
      bytes = Buffer.concat([this.#rest, chunk.subarray(0, size)]);
      length = bytes.length;
      this.#rest = undefined;
    }
    let at = 0;
    while (length - at >= headerSize) {
      const end = at + headerSize + bytes.readUInt32BE(at);
      if (end > length) break;
      this.#accept(bytes, at + headerSize);
      at = end;
    }
    if (at < length) this.#rest = Buffer.from(bytes.subarray(at, length));
  }

  #accept(bytes: Buffer, start: number): void {
    const reader = this.#reader;
    const isRequest = bytes[start + 1] === 0;
    reader.open(bytes, start + 2);
    const id = reader.read() as number;
    if (isRequest) {
      reader.at++;
      this.#answer(id, reader.read() as string, reader.read() as unknown[]);
      return;
    }
    const resolve = this.#slots[id] as (value: unknown) => void;
    this.#free.push(id);
    resolve(reader.read());
  }

  #answer(id: number, path: string, args: unknown[]): void {
    const handler = this.#handlers.get(path) as Handler;
    const value = handler(this, args[0], args[1]);
    if (value instanceof Promise) {
      void value.then((settled: unknown) => {
        this.#writer.answer(id, settled);
        this.#leave();
      });
      return;
    }
    this.#writer.answer(id, value);
    this.#leave();
  }

  #leave(): void {
    if (this.#writer.waiting > earlyLength) this.#socket.write(this.#writer.take());
    else if (!this.#isFlushing) {
      this.#isFlushing = true;
      process.nextTick(this.#flush);
    }
  }
}

const serverHandlers: Handlers = new Map<string, Handler>([
  ["add", (_, a, b) => (a as number) + (b as number)],
  ["echo", (_, payload) => payload],
  ["callback", async (connection, n) => afterCallback((await connection.call("bump", [n])) as number)],
]);

const clientHandlers: Handlers = new Map<string, Handler>([["bump", (_, n) => bump(n as number)]]);

async function listen(): Promise<PeerServer> {
  const connections = new Set<HandTunedConnection>();
  const server = createServer((socket) => {
    const connection = new HandTunedConnection(socket, serverHandlers);
    // Sockets that a server has accepted can't be given a buffer to read into by anything that is documented.
    socket.on("data", (chunk: Buffer) => connection.receive(chunk, chunk.length));
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

async function open(address: string): Promise<PeerClient> {
  const [host = "", port = ""] = address.split(":");
  const buffer = Buffer.allocUnsafeSlow(readSize);
  const socket = connect({
    host,
    port: Number(port),
    onread: {
      buffer,
      callback(size) {
        connection.receive(buffer, size);
        return true;
      },
    },
  });
  const connection = new HandTunedConnection(socket, clientHandlers);
  await once(socket, "connect");
  return {
    add: (a, b) => connection.call("add", [a, b]) as Promise<number>,
    echo: (payload) => connection.call("echo", [payload]) as Promise<Payload>,
    callback: (n) => connection.call("callback", [n]) as Promise<number>,
    close: () => connection.close(),
  };
}

/**
 * The limit of JavaScript on one thread: messages are encoded into the batch and decoded from the read buffer in place,
 * and nothing is checked, neither bytes nor types nor errors. Not a way to write a service.
 */
export const handTuned: Peer = { name: "hand-tuned", versions: {}, server: listen, client: open };
