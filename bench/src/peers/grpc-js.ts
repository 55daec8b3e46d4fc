import {
  Client,
  credentials,
  Server,
  ServerCredentials,
  type ClientDuplexStream,
  type MethodDefinition,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerUnaryCall,
} from "@grpc/grpc-js";
import { Encoder } from "msgpackr";
import { afterCallback, bump, type Peer, type PeerClient, type PeerServer } from "../peer.ts";
import type { Payload } from "../payload.ts";
import { packageVersion } from "../versions.ts";

/** What travels in both directions of the stream; `n` is what is asked or answered. */
interface CallbackMessage {
  readonly kind: "call" | "ask" | "answer" | "result";
  readonly id: number;
  readonly n: number;
}

interface Sum {
  readonly a: number;
  readonly b: number;
}

const codec = new Encoder({ useRecords: false });
const connectLimitMs = 5000;
/** By default, clients of the same address in a process share one. */
const ownConnection = { "grpc.use_local_subchannel_pool": 1 };

function serialize(value: unknown): Buffer {
  return codec.encode(value);
}

/** A method whose messages are MsgPack; most users have them in protobuf, for which code is generated. */
function method<Q, R>(name: string, isStream: boolean): MethodDefinition<Q, R> {
  return {
    path: `/bench.Callee/${name}`,
    requestStream: isStream,
    responseStream: isStream,
    requestSerialize: serialize,
    responseSerialize: serialize,
    requestDeserialize: (bytes) => codec.decode(bytes) as Q,
    responseDeserialize: (bytes) => codec.decode(bytes) as R,
  };
}

const add = method<Sum, number>("Add", false);
const echo = method<Payload, Payload>("Echo", false);
const callbacks = method<CallbackMessage, CallbackMessage>("Callbacks", true);

/** Calls that come over the stream; each asks the client and waits for its answer before it is done. */
function serveCallbacks(stream: ServerDuplexStream<CallbackMessage, CallbackMessage>): void {
  const asked = new Map<number, (n: number) => void>();
  const ask = (id: number, n: number): Promise<number> =>
    new Promise((resolve) => {
      asked.set(id, resolve);
      stream.write({ kind: "ask", id, n });
    });
  const callback = async (id: number, n: number): Promise<void> => {
    stream.write({ kind: "result", id, n: afterCallback(await ask(id, n)) });
  };
  stream.on("data", ({ kind, id, n }: CallbackMessage) => {
    if (kind === "call") {
      void callback(id, n);
      return;
    }
    asked.get(id)?.(n);
    asked.delete(id);
  });
  stream.on("error", () => asked.clear());
  stream.on("end", () => stream.end());
}

async function listen(): Promise<PeerServer> {
  const server = new Server();
  server.addService(
    { add, echo, callbacks },
    {
      add: ({ request }: ServerUnaryCall<Sum, number>, done: sendUnaryData<number>) =>
        done(null, request.a + request.b),
      echo: ({ request }: ServerUnaryCall<Payload, Payload>, done: sendUnaryData<Payload>) => done(null, request),
      callbacks: serveCallbacks,
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return {
    address: `127.0.0.1:${port}`,
    async close() {
      server.forceShutdown();
    },
  };
}

/** One stream for all callbacks of the client: a stream for each call would cost as much as a call. */
class CallbackStream {
  readonly #stream: ClientDuplexStream<CallbackMessage, CallbackMessage>;
  readonly #pending = new Map<number, { resolve(n: number): void; reject(error: Error): void }>();
  #nextId = 0;

  constructor(client: Client) {
    this.#stream = client.makeBidiStreamRequest(
      callbacks.path,
      callbacks.requestSerialize,
      callbacks.responseDeserialize,
    );
    this.#stream.on("data", ({ kind, id, n }: CallbackMessage) => {
      if (kind === "ask") {
        this.#stream.write({ kind: "answer", id, n: bump(n) });
        return;
      }
      this.#pending.get(id)?.resolve(n);
      this.#pending.delete(id);
    });
    this.#stream.on("error", (error) => {
      for (const { reject } of this.#pending.values()) reject(error);
      this.#pending.clear();
    });
  }

  call(n: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#pending.set(id, { resolve, reject });
      this.#stream.write({ kind: "call", id, n });
    });
  }

  /** Resolves when the server has ended its half, too. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#stream.once("status", () => resolve());
      this.#stream.end();
    });
  }
}

function unary<Q, R>(client: Client, definition: MethodDefinition<Q, R>): (request: Q) => Promise<R> {
  const { path, requestSerialize, responseDeserialize } = definition;
  return (request) =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, response) =>
        error === null ? resolve(response as R) : reject(error),
      );
    });
}

async function open(address: string): Promise<PeerClient> {
  const client = new Client(address, credentials.createInsecure(), ownConnection);
  await new Promise<void>((resolve, reject) => {
    client.waitForReady(Date.now() + connectLimitMs, (error) => {
      if (error === undefined) {
        resolve();
        return;
      }
      client.close();
      reject(error);
    });
  });
  const callAdd = unary(client, add);
  let stream: CallbackStream | undefined;
  return {
    add: (a, b) => callAdd({ a, b }),
    echo: unary(client, echo),
    callback: (n) => (stream ??= new CallbackStream(client)).call(n),
    async close() {
      await stream?.close();
      client.close();
    },
  };
}

/** gRPC with its defaults: unary calls, and a bidirectional stream by which the server asks the client. */
export const grpcJs: Peer = {
  name: "grpc-js",
  versions: { "@grpc/grpc-js": packageVersion("@grpc/grpc-js"), msgpackr: packageVersion("msgpackr") },
  server: listen,
  client: open,
};
