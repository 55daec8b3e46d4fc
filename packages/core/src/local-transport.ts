import { ColloquyError } from "./errors.ts";
import { Lanes } from "./lanes.ts";
import { Queue } from "./queue.ts";
import { seededRandom } from "./random.ts";
import type { Listener, PostedMessage, ReproducibleRun, Transport, TransportReceiver } from "./transport.ts";
import { asBuffer } from "./utf8.ts";

/** One direction of a connection in a `LocalNetwork`. */
export interface LocalRoute {
  /** Names of the two sides on the network: of the side that connects the one that it gives, or "". */
  readonly from: string;
  readonly to: string;
  /** The same for all messages of this direction, and for no others. */
  readonly direction: object;
  /** That of the answers. */
  readonly opposite: object;
}

export interface LocalNetworkOptions {
  /**
   * Shuffles what is delivered in one turn: each seed gives one order between connections, the same every time. On each connection the
   * order stays. Nothing else that is sent depends on the machine's time, chance or memory then: references that nobody releases
   * are held until their connection ends. Default: the order in which it was written, over all connections.
   */
  readonly seed?: number | string | undefined;
  /**
   * Has each message handled when it calls `handle`, or never, for networks that delay and lose messages. `refuse` has a request
   * answered that isn't handled: its caller, who has given it up, counts it until there is an answer. Default: at once.
   */
  readonly onMessage?:
    | ((message: PostedMessage, route: LocalRoute, handle: () => void, refuse: () => void) => void)
    | undefined;
  /**
   * True: addresses of every kind live here, and what listens or connects on this network takes no socket and no TLS. Names are whole
   * addresses then, in their canonical form. Default: false, `local://` alone.
   */
  readonly everyAddress?: boolean | undefined;
}

/**
 * Connections within one process. Bytes are delivered a turn of the event loop after they were written, in that order over all
 * connections, or in one that follows from a seed: a run gives the same order every time.
 */
export class LocalNetwork {
  /** Whether addresses of every kind live here, not `local://` alone. */
  readonly everyAddress: boolean;
  readonly #servers = new Map<string, (transport: Transport) => void>();
  readonly #deliveries: Queue<() => void> | Lanes;
  readonly #onMessage: LocalNetworkOptions["onMessage"];
  /** @internal Where there is a seed. */
  readonly reproducible: ReproducibleRun | undefined;
  #scheduled = false;

  /** @throws ColloquyError `INVALID_ARGUMENT` for a seed that is no text and no finite number. */
  constructor({ everyAddress = false, seed, onMessage }: LocalNetworkOptions = {}) {
    this.everyAddress = everyAddress;
    this.#deliveries = seed === undefined ? new Queue() : new Lanes(seededRandom(seed));
    this.#onMessage = onMessage;
    if (seed !== undefined) this.reproducible = runOf(seed);
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

  /** Deliveries that are under way. */
  get deliveryCount(): number {
    return this.#deliveries.length;
  }

  /** A connection to the server of that name, or undefined where there is none. `from` is the name of the side that connects. */
  connect(name: string, from = ""): Transport | undefined {
    const onTransport = this.#servers.get(name);
    if (onTransport === undefined) return undefined;
    const near = new LocalTransport(this.#addressOf(name), this);
    const far = new LocalTransport(this.#addressOf(from === "" ? name : from), this);
    near.join(far, { from: name, to: from }, this.#onMessage);
    far.join(near, { from, to: name }, this.#onMessage);
    onTransport(far);
    return near;
  }

  #addressOf(name: string): string {
    return this.everyAddress ? name : `local://${name}`;
  }

  /** @internal */
  deliver(delivery: () => void, to: object): void {
    this.#deliveries.push(delivery, to);
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

/** Ids come from random numbers of their own, so that none of them changes the order of deliveries. */
function runOf(seed: number | string): ReproducibleRun {
  const random = seededRandom(`ids of ${seed}`);
  const digits = (): string =>
    Math.floor(random() * 0x1_0000_0000)
      .toString(16)
      .padStart(8, "0");
  return { newId: () => digits() + digits() + digits() + digits() };
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
  post: Transport["post"];
  readonly isOwn = true;
  readonly reproducible: ReproducibleRun | undefined;
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
    this.reproducible = network.reproducible;
  }

  join(
    other: LocalTransport,
    { from, to }: Pick<LocalRoute, "from" | "to">,
    onMessage: LocalNetworkOptions["onMessage"],
  ): void {
    this.#other = other;
    const route: LocalRoute = { from, to, direction: this, opposite: other };
    if (onMessage !== undefined) this.post = (message, handle, refuse) => onMessage(message, route, handle, refuse);
  }

  get queuedBytes(): number {
    return this.#other === undefined ? 0 : this.#other.#incomingBytes;
  }

  open(receiver: TransportReceiver): void {
    if (this.#closed) return this.#network.deliver(() => receiver.onClose(undefined), this);
    this.#receiver = receiver;
    this.#network.deliver(() => this.#read(), this);
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
    this.#network.deliver(() => other.#read(), other);
    return !other.#paused;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#network.deliver(() => this.#read(), this);
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#network.deliver(() => this.#other?.finish(), this.#other ?? this);
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
    if (other !== undefined) this.#network.deliver(() => other.lose(), other);
    this.#network.deliver(() => this.#close(), this);
  }

  /** The other end is gone. What has come is delivered, after a pause too, as from a socket. */
  lose(): void {
    for (const { bytes } of this.#incoming.splice(0)) if (this.#other !== undefined) this.#receiver?.onChunk(bytes);
    this.#incomingBytes = 0;
    this.destroy();
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
