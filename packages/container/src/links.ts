import type { Connection } from "@colloquy/rpc";

/** The connections that one container has opened, each with a name that no other of them has. */
export class Links {
  readonly #open = new Set<Connection>();
  readonly #attempts = new Map<string, number>();
  #openedCount = 0;

  /** Those that are open: also those that others have taken the place of, and that have calls under way. */
  get connections(): Iterable<Connection> {
    return this.#open;
  }

  /** Addresses that are being connected to. */
  get attempts(): readonly string[] {
    return [...this.#attempts.keys()];
  }

  /** Opens a connection by `connect`, which is given its name. */
  async open(address: string, connect: (link: string) => Promise<Connection>): Promise<Connection> {
    this.#attempts.set(address, (this.#attempts.get(address) ?? 0) + 1);
    try {
      const connection = await connect(String(this.#openedCount++));
      this.#open.add(connection);
      connection.onClose(() => this.#open.delete(connection));
      return connection;
    } finally {
      const left = this.#attempts.get(address)! - 1;
      if (left > 0) this.#attempts.set(address, left);
      else this.#attempts.delete(address);
    }
  }
}
