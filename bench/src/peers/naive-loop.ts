import { LoopConnection } from "./loop-connection.ts";
import { loopPeer } from "./loop-peer.ts";
import type { Peer } from "../peer.ts";

const headerSize = 4;

/** One write a message, every chunk joined with what was left of the one before, the socket's options as they come. */
class NaiveConnection extends LoopConnection {
  #received: Buffer = Buffer.alloc(0);

  protected override send(body: Buffer): void {
    const header = Buffer.alloc(headerSize);
    header.writeUInt32BE(body.length);
    this.socket.write(Buffer.concat([header, body]));
  }

  protected override receive(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    while (this.#received.length >= headerSize) {
      const end = headerSize + this.#received.readUInt32BE(0);
      if (end > this.#received.length) break;
      const body = this.#received.subarray(headerSize, end);
      this.#received = this.#received.subarray(end);
      this.accept(body, 0, body.length);
    }
  }
}

/** What most people write. */
export const naiveLoop: Peer = loopPeer("naive-loop", NaiveConnection);
