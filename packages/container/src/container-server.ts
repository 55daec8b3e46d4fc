import { LocalNetwork, parseAddress } from "@colloquy/core";
import { serve } from "@colloquy/rpc";
import type { Connection, Server, ServeOptions } from "@colloquy/rpc";

/** What a container serves: to others on its address, and to itself without a socket. */
export class ContainerServer {
  readonly #outer: Server;
  /** Absent where the address is one within the process anyway. */
  readonly #inner: Server | undefined;
  readonly #network: LocalNetwork | undefined;

  private constructor(outer: Server, inner: Server | undefined, network: LocalNetwork | undefined) {
    this.#outer = outer;
    this.#inner = inner;
    this.#network = network;
  }

  /** Rejects as `serve` does. */
  static async listen(address: string, root: object, options: ServeOptions): Promise<ContainerServer> {
    const outer = await serve(address, root, options);
    if (parseAddress(outer.address).kind === "local") return new ContainerServer(outer, undefined, undefined);
    const network = new LocalNetwork({ everyAddress: true });
    const inner = await serve(outer.address, root, { ...options, network });
    return new ContainerServer(outer, inner, network);
  }

  get address(): string {
    return this.#outer.address;
  }

  get connections(): readonly Connection[] {
    return [...this.#outer.connections, ...(this.#inner?.connections ?? [])];
  }

  /** The network that a connection to `base` is made on; undefined for what isn't this container's own address, as it writes it. */
  networkTo(base: string): LocalNetwork | undefined {
    return base === this.address ? this.#network : undefined;
  }

  async close(options: { readonly graceMs: number }): Promise<void> {
    await Promise.all([this.#outer.close(options), this.#inner?.close(options)]);
  }
}
