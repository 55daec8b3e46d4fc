import type { Socket } from "node:net";
import type { LoopCodec } from "./loop-codec.ts";

/** What one side answers calls with, by path. */
export type Handlers = Readonly<Record<string, (...args: unknown[]) => unknown>>;

interface PendingCall {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

const request = 0;
const result = 1;
const exception = 2;

/**
 * Both ends of a hand-written RPC connection: `[0, id, [path, args, {}]]` is answered with `[1, id, value]` or
 * `[2, id, text]`, encoded by a codec behind a big-endian u32 length. How bytes get into and out of the socket is up to the
 * subclass, which calls `accept` for each whole frame.
 */
export abstract class LoopConnection {
  protected readonly socket: Socket;
  readonly #codec: LoopCodec;
  readonly #handlers: ReadonlyMap<string, (...args: unknown[]) => unknown>;
  readonly #pending = new Map<number, PendingCall>();
  #nextId = 0;

  constructor(socket: Socket, handlers: Handlers, codec: LoopCodec) {
    this.socket = socket;
    this.#codec = codec;
    this.#handlers = new Map(Object.entries(handlers));
    socket.on("data", (chunk: Buffer) => this.receive(chunk));
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#failPending());
  }

  /** Calls `path` at the other side; rejects with what it threw, or when the connection is lost. */
  call(path: string, args: readonly unknown[]): Promise<unknown> {
    if (this.socket.destroyed) return Promise.reject(new Error("connection closed"));
    const id = this.#nextId;
    this.#nextId = (id + 1) >>> 0;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.send(this.#codec.encode([request, id, [path, args, {}]]));
    });
  }

  /** Ends the connection and resolves when the socket is closed. */
  close(): Promise<void> {
    if (this.socket.closed) return Promise.resolve();
    return new Promise((resolve) => {
      this.socket.once("close", () => resolve());
      this.socket.destroy();
    });
  }

  /** Writes one message; `body` is never touched again and need not be copied. */
  protected abstract send(body: Buffer): void;

  /** Takes what the socket has received, whole frames or not. */
  protected abstract receive(chunk: Buffer): void;

  /** Handles the message that stands in `source` from `start` to `end`. */
  protected accept(source: Buffer, start: number, end: number): void {
    const [type, id, content] = this.#codec.decode(source, start, end) as [number, number, unknown];
    if (type === request) {
      this.#answer(id, content as [string, unknown[], unknown]);
      return;
    }
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    if (type === result) pending.resolve(content);
    else pending.reject(new Error(String(content)));
  }

  #answer(id: number, [path, args]: [string, unknown[], unknown]): void {
    try {
      const handler = this.#handlers.get(path);
      if (handler === undefined) throw new Error(`no such path: ${path}`);
      const value = handler(...args);
      if (value instanceof Promise) {
        value.then(
          (settled: unknown) => this.#reply(result, id, settled),
          (error: unknown) => this.#reply(exception, id, String(error)),
        );
      } else {
        this.#reply(result, id, value);
      }
    } catch (error) {
      this.#reply(exception, id, String(error));
    }
  }

  #reply(type: number, id: number, content: unknown): void {
    if (!this.socket.destroyed) this.send(this.#codec.encode([type, id, content]));
  }

  #failPending(): void {
    const error = new Error("connection lost");
    for (const pending of this.#pending.values()) pending.reject(error);
    this.#pending.clear();
  }
}
