// A peer made by hand, on either side of a connection: it sends any bytes, and holds to nothing.
import { once } from "node:events";
import net from "node:net";
import tls from "node:tls";

/** Keys and certificates of one side. */
export interface Credentials {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

const HEADER_BYTES = 4;
const LENGTH_BITS = 0x7fff_ffff;
/** What isn't answered or ended by then hangs. */
const PATIENCE_MS = 10_000;

export function frame(payload: Uint8Array | string): Buffer {
  const content = Buffer.from(payload as string);
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32BE(content.length);
  return Buffer.concat([header, content]);
}

/** A message in JSON, in its frame. */
export function message(type: number, id: unknown, content: unknown): Buffer {
  return frame(JSON.stringify([type, id, content]));
}

export function request(id: number, path: unknown, args: unknown = [], kwargs: unknown = {}, meta?: object): Buffer {
  return message(0, id, meta === undefined ? [path, args, kwargs] : [path, args, kwargs, meta]);
}

export function notification(path: unknown, args: unknown = []): Buffer {
  return message(3, 0, [path, args, {}]);
}

export class RawPeer {
  readonly socket: net.Socket;
  ended = false;
  /** Payloads that have come and not been taken. */
  readonly payloads: Buffer[] = [];
  #bytes: Buffer = Buffer.alloc(0);
  #wake: () => void = () => {};
  #timer: NodeJS.Timeout | undefined;

  constructor(socket: net.Socket) {
    this.socket = socket.setNoDelay(true);
    socket.on("error", () => {});
    socket.on("close", () => {
      this.ended = true;
      this.#wake();
    });
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
  }

  /** Connects, with TLS where there are credentials. Rejects where that fails. */
  static async dial(port: number, credentials?: Credentials): Promise<RawPeer> {
    const where = { host: "127.0.0.1", port };
    const socket =
      credentials === undefined
        ? net.connect(where)
        : tls.connect({ ...where, ...credentials, servername: "localhost" });
    await once(socket, credentials === undefined ? "connect" : "secureConnect");
    return new RawPeer(socket);
  }

  /** Resolves when the system has taken all of it, or the connection has ended. */
  async send(...parts: readonly Uint8Array[]): Promise<void> {
    if (this.ended || !this.socket.writable) return;
    if (!this.socket.write(Buffer.concat(parts))) await this.#until(() => this.socket.writableLength === 0, "drain");
  }

  /** The next payload; undefined: the connection has ended. Rejects where nothing comes for long. */
  async next(): Promise<Buffer | undefined> {
    await this.#until(() => this.payloads.length > 0);
    return this.payloads.shift();
  }

  /** The next message in JSON. */
  async message(): Promise<[type: number, id: number, content: any] | undefined> {
    const payload = await this.next();
    return payload && (JSON.parse(payload.toString()) as [number, number, unknown]);
  }

  /** So many messages; fewer: the connection has ended. */
  async messages(count: number): Promise<(readonly [type: number, id: number, content: any])[]> {
    const found = [];
    while (found.length < count) {
      const one = await this.message();
      if (one === undefined) break;
      found.push(one);
    }
    return found;
  }

  /** Says hello as a client, and waits for the answer. */
  async hello(fields: object = {}): Promise<void> {
    await this.send(request(0, "$/hello", [{ protocol: 1, ...fields }]));
    await this.message();
  }

  async end(): Promise<void> {
    await this.#until(() => this.ended);
  }

  /** Leaves at once, with a reset where that can be had. */
  drop(): void {
    if (this.socket instanceof tls.TLSSocket) this.socket.destroy();
    else this.socket.resetAndDestroy();
  }

  /** Resolves when it holds, or the connection has ended. Rejects where neither comes for long. */
  async #until(isThere: () => boolean, event?: string): Promise<void> {
    const late = new Promise<never>((_, reject) => {
      this.#timer = setTimeout(() => reject(new Error(`nothing came for ${PATIENCE_MS} ms, and no end`)), PATIENCE_MS);
    });
    late.catch(() => {});
    if (event !== undefined) this.socket.once(event, () => this.#wake());
    try {
      while (!isThere() && !this.ended)
        await Promise.race([late, new Promise<void>((resolve) => (this.#wake = resolve))]);
    } finally {
      clearTimeout(this.#timer);
    }
  }

  #read(chunk: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    for (;;) {
      const bytes = this.#bytes;
      if (bytes.length < HEADER_BYTES) break;
      const header = bytes.readUInt32BE(0);
      const end = HEADER_BYTES + (header & LENGTH_BITS);
      if (bytes.length < end) break;
      // Extended frames tell nothing that an attack waits for.
      if (header <= LENGTH_BITS) this.payloads.push(Buffer.from(bytes.subarray(HEADER_BYTES, end)));
      this.#bytes = bytes.subarray(end);
    }
    this.#wake();
  }
}

/** Listens, and hands each client to `attack`; what that throws is told to `onError`. Resolves with the port. */
export async function rawServer(
  attack: (peer: RawPeer) => Promise<void>,
  onError: (error: unknown) => void,
  credentials?: Credentials,
): Promise<number> {
  const accept = (socket: net.Socket): void => void attack(new RawPeer(socket)).catch(onError);
  const server =
    credentials === undefined
      ? net.createServer(accept)
      : tls.createServer({ ...credentials, requestCert: true }, accept);
  server.on("tlsClientError", () => {});
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as net.AddressInfo).port;
}
