import type { Transport, TransportReceiver } from "@colloquy/core";
import type { Attack } from "./attacks.ts";
import { nextTurn } from "./checks.ts";

const turnsBetween = 3;

/** One end of a connection that sends what it is told, whatever comes, and ends. */
export class HostilePeer implements TransportReceiver {
  readonly closed: Promise<void>;
  #isClosed = false;
  #onClosed!: () => void;
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
    this.closed = new Promise((resolve) => (this.#onClosed = resolve));
    transport.open(this);
  }

  async carryOut({ chunks, endsInOrder }: Attack): Promise<void> {
    for (const chunk of chunks) {
      if (this.#isClosed) return;
      if (chunk.length > 0) this.#transport.write(Buffer.from(chunk));
      else await nextTurn();
    }
    for (let count = 0; count < turnsBetween; count++) await nextTurn();
    if (endsInOrder) this.#transport.end();
    else this.#transport.destroy();
  }

  onChunk(): void {}

  onDrain(): void {}

  onClose(): void {
    this.#isClosed = true;
    this.#onClosed();
  }
}
