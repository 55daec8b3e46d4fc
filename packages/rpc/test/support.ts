import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { decode, encode } from "@msgpack/msgpack";
import { ColloquyError, connectTransport, listenTransport } from "@colloquy/core";
import type { Transport, TransportReceiver } from "@colloquy/core";
import { connect, serve } from "../src/index.ts";
import type { ConnectOptions, Connection, Remote, ServeOptions, Server } from "../src/index.ts";

let addressCount = 0;

/** Whether this run makes its connections over TCP; the other one makes them in process. Set in `vitest.config.ts`. */
export const isOverTcp = process.env["COLLOQUY_TEST_TRANSPORT"] === "tcp";

/** An address that no other test has: one in this process, or of TCP. */
export function newAddress(): string {
  const count = addressCount++;
  return isOverTcp ? tcpAddress(count) : `local://rpc-test-${process.pid}-${count}`;
}

/** Known before anybody listens there, below the ports that systems give out. On Linux each process has a host of its own. */
function tcpAddress(count: number): string {
  const { pid, platform } = process;
  const host = platform === "linux" ? `127.${1 + ((pid >> 16) & 63)}.${(pid >> 8) & 255}.${pid & 255}` : "127.0.0.1";
  const start = platform === "linux" ? 0 : (pid * 37) % 10_000;
  return `tcp://${host}:${20_000 + ((start + count) % 12_000)}`;
}

/** A class that has no serializer. */
export class Stranger {}

/** A server with one client. */
export interface Pair<S extends object, C extends object> extends AsyncDisposable {
  readonly server: Server;
  /** The client's end. */
  readonly client: Connection<S>;
  /** The server's end. */
  readonly peer: Connection<C>;
  /** The server's root, as the client sees it. */
  readonly remote: Remote<S>;
  /** The client's root, as the server sees it. */
  readonly back: Remote<C>;
}

export async function pair<S extends object, C extends object = object>(
  root: S,
  options: ConnectOptions & { readonly service?: C; readonly serve?: ServeOptions; readonly address?: string } = {},
): Promise<Pair<S, C>> {
  const { serve: serveOptions, address = newAddress(), ...connectOptions } = options;
  const server = await serve(address, root, serveOptions);
  const client = await connect<S>(server.address, connectOptions);
  const peer = [...server.connections].at(-1) as unknown as Connection<C>;
  const dispose = async (): Promise<void> => {
    await client.close({ graceMs: 0 });
    await server.close({ graceMs: 0 });
  };
  return { server, client, peer, remote: client.remote, back: peer.remote, [Symbol.asyncDispose]: dispose };
}

export type AnyRemote = Record<string, any>;

/** The root of a server, as a client sees it that nobody closes. */
export async function remoteOf(root: object): Promise<AnyRemote> {
  const server = await serve(newAddress(), root);
  const connection = await connect<any>(server.address);
  return connection.remote;
}

/** The ColloquyError that a promise rejects with. */
export async function failureOf(promise: unknown): Promise<ColloquyError & Record<string, unknown>> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    if (error instanceof ColloquyError) return error as ColloquyError & Record<string, unknown>;
    throw new Error("rejected with something else than a ColloquyError", { cause: error });
  }
  throw new Error(`resolved with ${JSON.stringify(value)}`);
}

/** Turns of the event loop until `condition` holds. */
export async function until(condition: () => boolean, what = "the condition"): Promise<void> {
  const start = performance.now();
  while (!condition()) {
    if (performance.now() - start > 5000) throw new Error(`${what} didn't come about within 5 s`);
    await turn();
  }
}

/** One turn of the event loop: what is in sockets is read, timers that are due have run. */
export async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

export async function turns(count: number): Promise<void> {
  for (let index = 0; index < count; index++) await turn();
}

/** What became an unhandled rejection while `act` ran and a few turns after. */
export async function unhandledDuring(act: () => unknown): Promise<unknown[]> {
  const reasons: unknown[] = [];
  const listeners = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", (reason) => reasons.push(reason));
  await act();
  await turns(10);
  process.removeAllListeners("unhandledRejection");
  for (const listener of listeners) process.on("unhandledRejection", listener);
  return reasons;
}

/** A peer made by hand: it sends the messages that a test writes and collects what comes. In JSON. */
export class WirePeer implements TransportReceiver, AsyncDisposable {
  readonly closed: Promise<void>;
  isClosed = false;
  readonly #transport: Transport;
  readonly #received: unknown[] = [];
  #waiting: (() => void)[] = [];
  #bytes: Buffer = Buffer.alloc(0);
  #nextId = 0;
  #onClosed!: () => void;

  constructor(transport: Transport) {
    this.#transport = transport;
    this.closed = new Promise((resolve) => (this.#onClosed = resolve));
    transport.open(this);
  }

  static async connect(address: string): Promise<WirePeer> {
    return new WirePeer(await connectTransport(address, {}));
  }

  /** Sends messages, all in one piece. */
  send(...messages: unknown[]): void {
    this.write(Buffer.concat(messages.map((message) => frameOf(this.encode(message)))));
  }

  write(bytes: Buffer): void {
    this.#transport.write(bytes);
  }

  /** The next message. */
  async next(): Promise<any> {
    while (this.#received.length === 0) {
      if (this.isClosed) throw new Error("the connection has ended");
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    return this.#received.shift();
  }

  /** What has come and not been taken, after a few turns. */
  async rest(): Promise<any[]> {
    await turns(10);
    return this.#received.splice(0);
  }

  /** Says hello and returns the other side's own. */
  async hello(fields: object = {}): Promise<Record<string, unknown>> {
    const [type, content] = await this.request("$/hello", [{ protocol: 1, ...fields }]);
    if (type !== 1) throw new Error(`hello was refused: ${JSON.stringify(content)}`);
    return content as Record<string, unknown>;
  }

  /** Sends a request; returns type and content of the answer, which must be the next message. */
  async request(path: unknown, args: unknown = [], kwargs: unknown = {}): Promise<[type: number, content: any]> {
    return this.ask([path, args, kwargs]);
  }

  /** The same with any content. */
  async ask(requestContent: unknown): Promise<[type: number, content: any]> {
    const id = this.#nextId++;
    this.send([0, id, requestContent]);
    const [type, answered, content] = (await this.next()) as [number, number, unknown];
    if (answered !== id) throw new Error(`answer to ${answered} instead of ${id}`);
    return [type, content];
  }

  notify(path: string, ...args: unknown[]): void {
    this.send([3, 0, [path, args, {}]]);
  }

  close(): void {
    this.#transport.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.closed;
  }

  onChunk(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    while (this.#bytes.length >= 4 && this.#bytes.length >= 4 + this.#bytes.readUInt32BE(0)) {
      const end = 4 + this.#bytes.readUInt32BE(0);
      this.#received.push(this.decode(this.#bytes.subarray(4, end)));
      this.#bytes = this.#bytes.subarray(end);
    }
    this.#wake();
  }

  protected encode(message: unknown): string | Uint8Array {
    return JSON.stringify(message);
  }

  protected decode(payload: Buffer): unknown {
    return JSON.parse(payload.toString());
  }

  /** Stops and resumes reading. */
  pause(): void {
    this.#transport.pause();
  }

  resume(): void {
    this.#transport.resume();
  }

  onDrain(): void {}

  onClose(): void {
    this.isClosed = true;
    this.#onClosed();
    this.#wake();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

/** The same in MsgPack, by another implementation: shapes are `ExtData` in front of their values. */
export class PackPeer extends WirePeer {
  static override async connect(address: string): Promise<PackPeer> {
    return new PackPeer(await connectTransport(address, {}));
  }

  protected override encode(message: unknown): Uint8Array {
    return encode(message);
  }

  protected override decode(payload: Buffer): unknown {
    return decode(Uint8Array.from(payload));
  }
}

/** A server made by hand. `accepted` has one peer for each client. */
export interface WireServer extends AsyncDisposable {
  readonly address: string;
  accepted(): Promise<WirePeer>;
}

export async function wireServer(address: string = newAddress()): Promise<WireServer> {
  const peers: WirePeer[] = [];
  const onTransport = (transport: Transport): void => void peers.push(new WirePeer(transport));
  const listener = await listenTransport(address, onTransport, { handshakeTimeoutMs: 5000 });
  const accepted = async (): Promise<WirePeer> => {
    await until(() => peers.length > 0, "a client");
    return peers.shift()!;
  };
  return { address: listener.address, accepted, [Symbol.asyncDispose]: () => listener.close() };
}

/** A connection to a server made by hand, which has said hello. */
export async function greeted<S extends object>(
  server: WireServer,
  options: ConnectOptions = {},
): Promise<{ readonly connection: Connection<S>; readonly wire: WirePeer }> {
  const connecting = connect<S>(server.address, options);
  const wire = await server.accepted();
  await wire.next();
  wire.send([1, 0, { protocol: 1 }]);
  return { connection: await connecting, wire };
}

export function frameOf(payload: string | Uint8Array): Buffer {
  const content = Buffer.from(payload as string);
  const header = Buffer.alloc(4);
  header.writeUInt32BE(content.length);
  return Buffer.concat([header, content]);
}

/** A process that runs a file of `children/` and prints JSON lines. */
export class Child implements AsyncDisposable {
  readonly process: ChildProcess;
  readonly exited: Promise<number | null>;
  #lines: unknown[] = [];
  #wake: (() => void) | undefined;
  #stderr = "";
  #code: number | null | undefined;

  constructor(file: string, args: readonly string[] = [], flags: readonly string[] = []) {
    const script = fileURLToPath(new URL(`children/${file}`, import.meta.url));
    const node = ["--conditions=@colloquy/source", "--import", "tsx", ...flags, script, ...args];
    this.process = spawn(process.execPath, node, { stdio: ["pipe", "pipe", "pipe"] });
    this.process.stderr!.setEncoding("utf8").on("data", (text: string) => (this.#stderr += text));
    createInterface({ input: this.process.stdout! }).on("line", (line) => {
      this.#lines.push(JSON.parse(line));
      this.#wake?.();
    });
    this.exited = once(this.process, "close").then(([code]) => {
      this.#code = code as number | null;
      this.#wake?.();
      return this.#code;
    });
  }

  get stderr(): string {
    return this.#stderr;
  }

  /** The next line that it prints. */
  async line(): Promise<any> {
    while (this.#lines.length === 0) {
      if (this.#code !== undefined) throw new Error(`the process ended with ${this.#code}: ${this.#stderr}`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    return this.#lines.shift();
  }

  /** The lines that it has printed and nobody has read. */
  rest(): unknown[] {
    return this.#lines.splice(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill("SIGKILL");
    await this.exited;
  }
}
