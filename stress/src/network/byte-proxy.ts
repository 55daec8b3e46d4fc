import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { parseAddress } from "@colloquy/core";
import { Lane, type CutKind, type LanePlan } from "./lane.ts";

/** What becomes of a connection: of the bytes to the server, and of those from it. */
export interface LinkPlan {
  readonly up?: LanePlan;
  readonly down?: LanePlan;
}

/** A socket whose end is on its way can't be reset: the system refuses, and its handle would stay open for ever. */
function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}

/** One connection through a proxy. */
export class Link {
  readonly up: Lane;
  readonly down: Lane;
  readonly #sockets: readonly [client: Socket, server: Socket];

  constructor(client: Socket, server: Socket, { up = {}, down = {} }: LinkPlan) {
    this.#sockets = [client, server];
    const onCut = (by: CutKind): void => this.cut(by);
    this.up = new Lane(client, server, up, onCut);
    this.down = new Lane(server, client, down, onCut);
    for (const [socket, other] of [this.#sockets, this.#sockets.toReversed()] as [Socket, Socket][]) {
      socket.setNoDelay(true);
      socket.on("error", () => reset(other));
      socket.on("close", () => this.go());
    }
  }

  /** Ends both sides, in order or not; what is on its way is lost. */
  cut(by: CutKind): void {
    this.go();
    for (const socket of this.#sockets) {
      if (by === "RST") reset(socket);
      else socket.destroySoon();
    }
  }

  /** Takes bytes from both sides, and passes none on; nobody is told. */
  swallow(): void {
    this.up.swallow();
    this.down.swallow();
  }

  /** Ends what `stall` and `swallow` have begun; what has been swallowed leaves nothing but a cut. */
  heal(): void {
    if (this.up.isHole || this.down.isHole) this.cut("RST");
    else this.go();
  }

  stall(): void {
    this.up.stall();
    this.down.stall();
  }

  go(): void {
    this.up.go();
    this.down.go();
  }
}

/** Passes bytes between clients and a server on this machine, and does to them what plans say. */
export class ByteProxy {
  readonly links: Set<Link> = new Set();
  /** Where clients connect to. */
  readonly address: string;
  /** Where the server is; a new one may take its place. */
  target: string;
  readonly #server: Server;
  readonly #planOf: () => LinkPlan;

  private constructor(server: Server, target: string, planOf: () => LinkPlan) {
    this.#server = server;
    this.target = target;
    this.#planOf = planOf;
    this.address = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on("connection", (client) => this.#link(client));
  }

  /** `planOf` is asked for each connection. */
  static async open(target: string, planOf: () => LinkPlan = () => ({})): Promise<ByteProxy> {
    const server = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
    await once(server, "listening");
    return new ByteProxy(server, target, planOf);
  }

  /** Cuts all connections and takes no more. */
  async close(): Promise<void> {
    this.#server.close();
    for (const link of this.links) link.cut("RST");
    await once(this.#server, "close");
  }

  #link(client: Socket): void {
    const address = parseAddress(this.target);
    if (address.kind !== "tcp") throw new Error(`${this.target} is no TCP address`);
    const { host, port } = address;
    const server = connect({ host, port, allowHalfOpen: true });
    const link = new Link(client, server, this.#planOf());
    this.links.add(link);
    const isOver = (): boolean => client.destroyed && server.destroyed;
    for (const socket of [client, server]) socket.on("close", () => isOver() && this.links.delete(link));
  }
}
