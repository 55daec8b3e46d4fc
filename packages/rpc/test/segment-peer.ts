import { connectTransport, listenTransport } from "@colloquy/core";
import type { Transport, TransportReceiver } from "@colloquy/core";
import { readFrames } from "../../core/test/segment-support.ts";
import type { SentFrame } from "../../core/test/segment-support.ts";
import { frameOf, newAddress, until } from "./support.ts";

/** A peer made by hand that speaks segments: it sends the frames that a test writes, and collects what comes. In JSON. */
export class SegmentPeer implements TransportReceiver, AsyncDisposable {
  isClosed = false;
  readonly #transport: Transport;
  readonly #frames: SentFrame[] = [];
  #bytes: Buffer[] = [];
  #missing = 0;

  constructor(transport: Transport) {
    this.#transport = transport;
    transport.open(this);
  }

  static async connect(address: string): Promise<SegmentPeer> {
    return new SegmentPeer(await connectTransport(address, {}));
  }

  /** Connects, and says hello. */
  static async greeted(address: string, fields: object = {}): Promise<SegmentPeer> {
    const peer = await SegmentPeer.connect(address);
    peer.send([0, 0, ["$/hello", [{ protocol: 1, segments: true, ...fields }], {}]]);
    await peer.message();
    return peer;
  }

  /** A server made by hand with its first client, to which it has said hello, with frames directly behind. */
  static async serving(
    fields: object = {},
    ...behind: readonly unknown[]
  ): Promise<{ readonly address: string; readonly accepted: Promise<SegmentPeer>; close(): Promise<void> }> {
    let accept!: (peer: SegmentPeer) => void;
    const accepted = new Promise<SegmentPeer>((resolve) => (accept = resolve));
    const onTransport = async (transport: Transport): Promise<void> => {
      const peer = new SegmentPeer(transport);
      await peer.message();
      peer.send([1, 0, { protocol: 1, segments: true, ...fields }], ...behind);
      accept(peer);
    };
    const listener = await listenTransport(newAddress(), (transport) => void onTransport(transport), {
      handshakeTimeoutMs: 5000,
    });
    return { address: listener.address, accepted, close: () => listener.close() };
  }

  /** Sends messages in JSON, and frames as they are. */
  send(...messages: readonly unknown[]): void {
    const frames = messages.map((message) =>
      message instanceof Uint8Array ? message : frameOf(JSON.stringify(message)),
    );
    this.#transport.write(Buffer.concat(frames));
  }

  /** The next frame. */
  async next(): Promise<SentFrame> {
    await until(() => this.#frames.length > 0 || this.isClosed, "a frame");
    const frame = this.#frames.shift();
    if (frame === undefined) throw new Error("the connection has ended");
    return frame;
  }

  /** The next message that isn't an extended frame; those before are dropped. */
  async message(): Promise<any> {
    for (;;) {
      const frame = await this.next();
      if (frame.kind === 0) return JSON.parse(frame.payload.toString());
    }
  }

  /** What has come and not been taken. */
  taken(): SentFrame[] {
    return this.#frames.splice(0);
  }

  async closed(): Promise<void> {
    await until(() => this.isClosed, "the end");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#transport.destroy();
    await this.closed();
  }

  onChunk(chunk: Buffer): void {
    this.#bytes.push(Buffer.from(chunk));
    this.#missing -= chunk.length;
    if (this.#missing > 0) return;
    let rest = Buffer.concat(this.#bytes);
    for (;;) {
      const end = rest.length < 4 ? 4 : 4 + (rest.readUInt32BE(0) % 0x8000_0000);
      this.#missing = end - rest.length;
      if (this.#missing > 0) break;
      this.#frames.push(...readFrames(rest.subarray(0, end)));
      rest = rest.subarray(end);
    }
    this.#bytes = [rest];
  }

  onDrain(): void {}

  onClose(): void {
    this.isClosed = true;
  }
}
