import { LocalNetwork } from "@colloquy/core";
import type { Listener, PostedMessage, Random, ReproducibleRun, Transport, TransportReceiver } from "@colloquy/core";
import { BytePipe, type PipeEnds } from "./byte-pipe.ts";
import type { VirtualTime } from "./virtual-time.ts";
import { LinkWeather } from "./weather.ts";

/** Which end of a connection: of the side that has opened it, or of the one that was listening. */
export type Side = "near" | "far";

/** Sees what the network does. */
export interface NetworkListener {
  onMessage(message: PostedMessage, link: SimulatedLink, to: Side): void;
  /** What happens to a connection beyond its messages. */
  onLinkEvent(link: SimulatedLink, text: string): void;
}

/** One connection of the network, and the faults that it can have. */
export class SimulatedLink {
  readonly number: number;
  readonly from: string;
  readonly to: string;
  readonly near: SimulatedTransport;
  readonly far: SimulatedTransport;
  readonly #network: SimulatedNetwork;

  constructor(network: SimulatedNetwork, number: number, from: string, to: string) {
    this.#network = network;
    this.number = number;
    this.from = from;
    this.to = to;
    const weather = new LinkWeather(network.random);
    this.near = new SimulatedTransport(network, this, "near", weather, `local://${to}`);
    this.far = new SimulatedTransport(network, this, "far", weather, `local://${from === "" ? to : from}`);
    this.near.join(this.far);
    this.far.join(this.near);
  }

  get isOpen(): boolean {
    return !this.near.isClosed && !this.far.isClosed;
  }

  /** Nothing of it is left at either side. */
  get isOver(): boolean {
    return this.near.isOver && this.far.isOver;
  }

  toString(): string {
    return `link ${this.number} (${this.from}-${this.to})`;
  }

  /** Cuts it once `bytes` more have come at one side. */
  cutAfter(to: Side, bytes: number): void {
    const { incoming } = this[to];
    incoming.cutAtBytes = incoming.deliveredBytes + bytes;
    if (bytes === 0) this.cut();
  }

  /** Both sides learn of it, each at its time. */
  cut(): void {
    if (!this.isOpen) return;
    this.#network.listener.onLinkEvent(this, "is cut");
    for (const end of [this.near, this.far]) end.incoming.close();
    for (const end of [this.near, this.far]) end.failLater();
  }

  /** The process of one side is gone. The other side learns of it, or doesn't where its host is gone, too. */
  crash(side: Side, isSilent: boolean): void {
    const other = side === "near" ? this.far : this.near;
    this.#network.listener.onLinkEvent(this, `has lost its ${side} side${isSilent ? " without a word" : ""}`);
    for (const end of [this.near, this.far]) end.incoming.close();
    this[side].failNow();
    if (!isSilent) other.failLater();
  }

  /** Nothing comes for so long, in one direction or in both. */
  stall(milliseconds: number, to: readonly Side[]): void {
    this.#network.listener.onLinkEvent(this, `brings nothing to ${to.join(" and ")} for ${milliseconds} ms`);
    for (const side of to) this[side].incoming.stall(this.#network.time.now + milliseconds);
  }

  /** It isn't cut after so many bytes any more. */
  spare(): void {
    for (const end of [this.near, this.far]) end.incoming.cutAtBytes = Infinity;
  }

  heal(): void {
    for (const end of [this.near, this.far]) end.incoming.heal();
  }
}

/** Connections within one process over bytes: late, in any portions, with faults. All follows from random numbers and virtual time. */
export class SimulatedNetwork extends LocalNetwork {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly links: SimulatedLink[] = [];
  override readonly reproducible: ReproducibleRun;
  listener: NetworkListener = { onMessage: () => {}, onLinkEvent: () => {} };
  readonly #servers = new Map<string, (transport: Transport) => void>();
  #idCount = 0;

  constructor(time: VirtualTime, random: Random) {
    super();
    this.time = time;
    this.random = random;
    this.reproducible = { newId: () => `id ${this.#idCount++}` };
  }

  override listen(name: string, onTransport: (transport: Transport) => void): Listener {
    if (this.#servers.has(name)) throw new Error(`two servers are named ${name}`);
    this.#servers.set(name, onTransport);
    return {
      address: `local://${name}`,
      close: async () => {
        if (this.#servers.get(name) === onTransport) this.#servers.delete(name);
      },
    };
  }

  override connect(name: string, from = ""): Transport | undefined {
    const onTransport = this.#servers.get(name);
    if (onTransport === undefined) return undefined;
    const link = new SimulatedLink(this, this.links.length + 1, from, name);
    this.links.push(link);
    onTransport(link.far);
    return link.near;
  }

  /** Ends all connections at once. */
  failAll(): void {
    this.#servers.clear();
    for (const { near, far } of this.links) {
      near.failNow();
      far.failNow();
    }
  }

  /** The process that listens there is gone: nobody is, until one listens again. */
  forget(name: string): void {
    this.#servers.delete(name);
  }
}

const LONGEST_NEWS_MS = 40;

export class SimulatedTransport implements Transport, PipeEnds {
  readonly remoteAddress: string;
  readonly reproducible: ReproducibleRun;
  readonly link: SimulatedLink;
  receiver: TransportReceiver | undefined;
  isClosed = false;
  /** What comes. */
  readonly incoming: BytePipe;
  readonly #network: SimulatedNetwork;
  readonly #side: Side;
  readonly #weather: LinkWeather;
  #other!: SimulatedTransport;
  #isEnded = false;
  #hasLast = false;
  #isClosing = false;

  constructor(network: SimulatedNetwork, link: SimulatedLink, side: Side, weather: LinkWeather, address: string) {
    this.#network = network;
    this.link = link;
    this.#side = side;
    this.#weather = weather;
    this.remoteAddress = address;
    this.reproducible = network.reproducible;
    this.incoming = new BytePipe(network.time, weather, this);
  }

  /** It is closed, or about to be. */
  get isOver(): boolean {
    return this.#isClosing;
  }

  join(other: SimulatedTransport): void {
    this.#other = other;
  }

  get queuedBytes(): number {
    return this.#isClosing ? 0 : this.#other.incoming.queuedBytes;
  }

  readonly post = (message: PostedMessage, handle: () => void): void => {
    this.#network.listener.onMessage(message, this.link, this.#side);
    handle();
  };

  open(receiver: TransportReceiver): void {
    this.receiver = receiver;
    if (this.isClosed) this.#network.time.deliver(() => this.#tellClosed(undefined), this.#network.time.now);
    else this.incoming.schedule();
  }

  write(bytes: Uint8Array): boolean {
    if (this.#isEnded) return true;
    this.#other.incoming.write(bytes);
    return this.queuedBytes === 0;
  }

  writePiece(head: Uint8Array, piece: Uint8Array, onLeft: () => void): void {
    if (!this.#isEnded) this.#other.incoming.writePiece(head, piece, onLeft);
  }

  pause(): void {
    this.incoming.pause();
  }

  resume(): void {
    this.incoming.resume();
  }

  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#other.incoming.end();
    this.#closeWhenDone();
  }

  destroy(): void {
    if (this.isClosed || this.#isClosing) return;
    this.#isEnded = true;
    this.incoming.close();
    const towards = this.#other.incoming;
    towards.dropQueued();
    if (this.#weather.resets()) {
      towards.close();
      this.#other.failLater();
    } else towards.end();
    this.#close(undefined);
  }

  /** The connection has failed; this side learns of it now. */
  failNow(): void {
    this.#isEnded = true;
    this.#close(reset());
  }

  /** The connection has failed, and this side learns of it some time. */
  failLater(): void {
    const { time, random } = this.#network;
    const isSoon = random() < 0.7;
    time.deliver(() => this.failNow(), time.now + (isSoon ? this.#weather.latencyMs() : random() * LONGEST_NEWS_MS));
  }

  onAllLeft(): void {
    // Of the direction that comes here: the other side may write again.
    const writer = this.#other;
    if (writer.isClosed) return;
    writer.receiver?.onDrain();
    writer.#closeWhenDone();
  }

  onLast(): void {
    this.#hasLast = true;
    this.end();
    this.#closeWhenDone();
  }

  onCut(): void {
    this.link.cut();
  }

  #closeWhenDone(): void {
    if (this.#isEnded && this.#hasLast && (this.queuedBytes === 0 || this.#other.#isClosing)) this.#close(undefined);
  }

  #close(error: Error | undefined): void {
    if (this.isClosed || this.#isClosing) return;
    this.#isClosing = true;
    this.incoming.close();
    this.#network.time.deliver(() => {
      this.isClosed = true;
      this.#tellClosed(error);
    }, this.#network.time.now);
  }

  #tellClosed(error: Error | undefined): void {
    const { receiver } = this;
    this.receiver = undefined;
    if (receiver === undefined) return;
    this.#network.listener.onLinkEvent(
      this.link,
      `is closed at its ${this.#side} side${error ? `: ${error.message}` : ""}`,
    );
    receiver.onClose(error);
  }
}

function reset(): Error {
  return Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" });
}
