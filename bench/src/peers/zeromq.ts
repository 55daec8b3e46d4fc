import { Encoder } from "msgpackr";
import { Dealer, Router } from "zeromq";
import { afterCallback, bump, type Peer, type PeerClient, type PeerServer } from "../peer.ts";
import type { Payload } from "../payload.ts";
import { packageVersion } from "../versions.ts";
import type { Handlers } from "./loop-connection.ts";

type Message = readonly [type: number, id: number, content: unknown];

const request = 0;
const result = 1;
const exception = 2;
const connectLimitMs = 5000;

/** A ROUTER drops what passes its high-water mark, which would leave calls without an answer. */
const unlimited = { sendHighWaterMark: 0, receiveHighWaterMark: 0 };

type Outgoing = Buffer | [Buffer, Buffer];

/** Messages that wait for their turn: a socket takes a send only when the one before is done. */
class SendQueue<M extends Outgoing> {
  readonly #socket: { send(message: M): Promise<void> };
  #waiting: M[] = [];
  #isSending = false;

  constructor(socket: { send(message: M): Promise<void> }) {
    this.#socket = socket;
  }

  push(message: M): void {
    this.#waiting.push(message);
    if (!this.#isSending) void this.#sendAll();
  }

  async #sendAll(): Promise<void> {
    this.#isSending = true;
    try {
      while (this.#waiting.length > 0) {
        const messages = this.#waiting;
        this.#waiting = [];
        for (const message of messages) await this.#socket.send(message);
      }
    } catch {
      // The socket is closed: nobody waits for what is left.
    }
    this.#isSending = false;
  }
}

const codec = new Encoder({ useRecords: false });

/** Calls in both directions between two ends; `send` takes one whole message. */
class Calls {
  readonly #handlers: Handlers;
  readonly #send: (body: Buffer) => void;
  readonly #pending = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #nextId = 0;

  constructor(handlers: (calls: Calls) => Handlers, send: (body: Buffer) => void) {
    this.#handlers = handlers(this);
    this.#send = send;
  }

  call(path: string, args: readonly unknown[]): Promise<unknown> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#send(codec.encode([request, id, [path, args]]));
    });
  }

  accept(body: Buffer): void {
    const [type, id, content] = codec.decode(body) as Message;
    if (type === request) {
      void this.#answer(id, content as [string, unknown[]]);
      return;
    }
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (type === result) pending?.resolve(content);
    else pending?.reject(new Error(String(content)));
  }

  failAll(error: Error): void {
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
  }

  async #answer(id: number, [path, args]: [string, unknown[]]): Promise<void> {
    try {
      const value = this.#handlers[path]!(...args);
      this.#send(codec.encode([result, id, value instanceof Promise ? await value : value]));
    } catch (error) {
      this.#send(codec.encode([exception, id, String(error)]));
    }
  }
}

function calleeHandlers(calls: Calls): Handlers {
  return {
    add: (a, b) => (a as number) + (b as number),
    echo: (payload) => payload,
    callback: async (n) => afterCallback((await calls.call("bump", [n])) as number),
  };
}

async function listen(): Promise<PeerServer> {
  const router = new Router({ ...unlimited, linger: 0 });
  await router.bind("tcp://127.0.0.1:*");
  const queue = new SendQueue<[Buffer, Buffer]>(router);
  const clients = new Map<string, Calls>();
  const serve = async (): Promise<void> => {
    for await (const [routingId, body] of router) {
      const key = routingId!.toString("latin1");
      let calls = clients.get(key);
      if (calls === undefined) {
        calls = new Calls(calleeHandlers, (answer) => queue.push([routingId!, answer]));
        clients.set(key, calls);
      }
      calls.accept(body!);
    }
  };
  const serving = serve();
  return {
    address: router.lastEndpoint!,
    async close() {
      router.close();
      await serving;
    },
  };
}

/** A ZeroMQ socket waits for a server that isn't there yet; so the first answer tells whether there is one. */
async function firstAnswer(calls: Calls, dealer: Dealer): Promise<void> {
  const timer = setTimeout(() => dealer.close(), connectLimitMs);
  await calls.call("add", [0, 0]);
  clearTimeout(timer);
}

async function open(address: string): Promise<PeerClient> {
  const dealer = new Dealer({ ...unlimited, linger: 0 });
  dealer.connect(address);
  const queue = new SendQueue<Buffer>(dealer);
  const calls = new Calls(
    () => ({ bump: (n) => bump(n as number) }),
    (body) => queue.push(body),
  );
  const receive = async (): Promise<void> => {
    for await (const [body] of dealer) calls.accept(body!);
    calls.failAll(new Error("socket closed"));
  };
  const receiving = receive();
  await firstAnswer(calls, dealer);
  return {
    add: (a, b) => calls.call("add", [a, b]) as Promise<number>,
    echo: (payload) => calls.call("echo", [payload]) as Promise<Payload>,
    callback: (n) => calls.call("callback", [n]) as Promise<number>,
    async close() {
      dealer.close();
      await receiving;
    },
  };
}

/** ZeroMQ has messages, not calls: those are made of a DEALER, a ROUTER, MsgPack and a map of pending calls. */
export const zeromq: Peer = {
  name: "zeromq",
  versions: { zeromq: packageVersion("zeromq"), msgpackr: packageVersion("msgpackr") },
  server: listen,
  client: open,
};
