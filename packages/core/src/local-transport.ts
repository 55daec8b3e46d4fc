import { ColloquyError } from "./errors.ts";
import { Queue } from "./queue.ts";
import type { Listener, Transport, TransportReceiver } from "./transport.ts";
import { asBuffer } from "./utf8.ts";

export interface LocalNetworkOptions {
  /**
   * True: addresses of every kind live here, and what listens or connects on this network takes no socket and no TLS. Names are whole
   * addresses then, in their canonical form. Default: false, `local://` alone.
   */
  readonly everyAddress?: boolean | undefined;
}

/**
 * Connections within one process. Bytes are delivered in the order in which they were written, over all connections, a turn of
 * the event loop later: a run gives the same order every time.
 */
export class LocalNetwork {
  /** Whether addresses of every kind live here, not `local://` alone. */
  readonly everyAddress: boolean;
  readonly #servers = new Map<string, (transport: Transport) => void>();
  readonly #deliveries = new Queue<() => void>();
  #scheduled = false;

  constructor({ everyAddress = false }: LocalNetworkOptions = {}) {
    this.everyAddress = everyAddress;
  }

  /** @throws ColloquyError `UNAVAILABLE` for a name that is taken. */
  listen(name: string, onTransport: (transport: Transport) => void): Listener {
    const address = this.#addressOf(name);
    if (this.#servers.has(name))
      throw new ColloquyError("UNAVAILABLE", `can't listen on ${address}: the name is taken`);
    this.#servers.set(name, onTransport);
    return {
      address,
      close: async () => {
        if (this.#servers.get(name) === onTransport) this.#servers.delete(name);
      },
    };
  }

  /** A connection to the server of that name, or undefined where there is none. */
  connect(name: string): Transport | undefined {
    const onTransport = this.#servers.get(name);
    if (onTransport === undefined) return undefined;
    const near = new LocalTransport(this.#addressOf(name), this);
    const far = new LocalTransport(this.#addressOf(name), this);
    near.join(far);
    far.join(near);
    onTransport(far);
    return near;
  }

  #addressOf(name: string): string {
    return this.everyAddress ? name : `local://${name}`;
  }

  /** @internal */
  deliver(delivery: () => void): void {
    this.#deliveries.push(delivery);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#run());
  }

  #run(): void {
    this.#scheduled = false;
    // What these cause comes in the next turn, so that timers and sockets get theirs.
    for (let count = this.#deliveries.length; count > 0; count--) this.#deliveries.shift()!();
    if (this.#deliveries.length > 0 && !this.#scheduled) {
      this.#scheduled = true;
      setImmediate(() => this.#run());
    }
  }
}

interface LocalChunk {
  readonly bytes: Buffer;
  readonly onLeft: (() => void) | undefined;
}

class LocalTransport implements Transport {
  readonly remoteAddress: string;
  readonly #network: LocalNetwork;
  #other: LocalTransport | undefined;
  #receiver: TransportReceiver | undefined;
  #paused = false;
  #ended = false;
  #closed = false;
  #finishing = false;
  /** Written by the other end and not delivered. */
  #incoming: LocalChunk[] = [];
  #incomingBytes = 0;

  constructor(remoteAddress: string, network: LocalNetwork) {
    this.remoteAddress = remoteAddress;
    this.#network = network;
  }

  join(other: LocalTransport): void {
    this.#other = other;
  }

  get queuedBytes(): number {
    return this.#other === undefined ? 0 : this.#other.#incomingBytes;
  }

  open(receiver: TransportReceiver): void {
    if (this.#closed) return this.#network.deliver(() => receiver.onClose(undefined));
    this.#receiver = receiver;
    this.#network.deliver(() => this.#read());
  }

  write(bytes: Uint8Array): boolean {
    return this.#hand(bytes, undefined);
  }

  /** The piece is delivered in a later turn, when its memory may be another's: it is copied, and its owner told as it is read. */
  writePiece(head: Uint8Array, piece: Uint8Array, onLeft: () => void): void {
    this.#hand(head, undefined);
    this.#hand(Buffer.from(piece), onLeft);
  }

  #hand(bytes: Uint8Array, onLeft: (() => void) | undefined): boolean {
    const other = this.#other;
    if (other === undefined || this.#ended) return true;
    other.#incoming.push({ bytes: asBuffer(bytes), onLeft });
    other.#incomingBytes += bytes.byteLength;
    this.#network.deliver(() => other.#read());
    return !other.#paused;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#network.deliver(() => this.#read());
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#network.deliver(() => this.#other?.finish());
  }

  /** The other end has sent its last: closes once all is read. */
  finish(): void {
    this.#finishing = true;
    this.#read();
  }

  destroy(): void {
    this.#ended = true;
    const other = this.#other;
    this.#other = undefined;
    if (other !== undefined) this.#network.deliver(() => other.destroy());
    this.#network.deliver(() => this.#close());
  }

  /** The other end has taken all that was written. */
  drained(): void {
    this.#receiver?.onDrain();
  }

  #read(): void {
    while (this.#receiver !== undefined && !this.#paused && this.#other !== undefined) {
      const chunk = this.#incoming.shift();
      if (chunk === undefined) break;
      this.#incomingBytes -= chunk.bytes.length;
      this.#receiver.onChunk(chunk.bytes);
      chunk.onLeft?.();
      if (this.#incomingBytes === 0) this.#other?.drained();
    }
    if (this.#finishing && !this.#paused && this.#incoming.length === 0) this.destroy();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#incoming = [];
    this.#receiver?.onClose(undefined);
  }
}
