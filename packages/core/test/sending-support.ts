import { FrameWriter } from "../src/frame-writer.ts";
import type { FrameWriterListener } from "../src/frame-writer.ts";
import type { ColloquyError } from "../src/errors.ts";
import { OutgoingSegments } from "../src/outgoing-segments.ts";
import type { OutgoingSegmentsListener } from "../src/outgoing-segments.ts";
import type { SegmentPacker } from "../src/segments.ts";
import type { OutgoingMessage } from "../src/shipment.ts";
import type { Transport } from "../src/transport.ts";
import { readFrames } from "./segment-support.ts";
import type { SentFrame } from "./segment-support.ts";

/** A transport that takes all at once, or keeps what comes until it is told to let it go. */
export class HandTransport implements Transport {
  readonly remoteAddress = "by hand";
  queuedBytes = 0;
  /** Keeps what is written from now on. */
  keeps = false;
  onDrain: () => void = () => {};
  #written: Buffer[] = [];
  #onLeft: (() => void)[] = [];

  write(bytes: Uint8Array): boolean {
    this.#add(bytes);
    return this.queuedBytes === 0;
  }

  writePiece(head: Uint8Array, piece: Uint8Array, onLeft: () => void): void {
    if (this.queuedBytes > 0) throw new Error("a piece was written behind something");
    this.#add(head);
    this.#add(piece);
    this.#onLeft.push(onLeft);
  }

  /** All that was written has left. */
  leave(): void {
    this.queuedBytes = 0;
    for (const onLeft of this.#onLeft.splice(0)) onLeft();
    if (this.queuedBytes === 0) this.onDrain();
  }

  /** What was written since the last time. */
  taken(): Buffer {
    return Buffer.concat(this.#written.splice(0));
  }

  open(): void {}
  pause(): void {}
  resume(): void {}
  end(): void {}
  destroy(): void {}

  #add(bytes: Uint8Array): void {
    this.#written.push(Buffer.from(bytes));
    if (this.keeps) this.queuedBytes += bytes.length;
  }
}

/** Outgoing segments over a transport by hand, and what they tell, in words. */
export class Sender implements OutgoingSegmentsListener, FrameWriterListener {
  maxSegmentBytes = Infinity;
  maxNotificationCount = 100;
  receiptBytes = 1;
  now = 0;
  readonly transport = new HandTransport();
  readonly frames = new FrameWriter(this.transport, 0x7fff_ffff, this);
  readonly segments = new OutgoingSegments(this.frames, this, () => this.now);
  readonly told: string[] = [];
  /** Called when a batch has left. */
  onBatch: () => void = () => {};
  readonly takenBack: number[] = [];

  constructor() {
    this.transport.onDrain = () => this.segments.pump();
  }

  /** Sends a message with these segments. */
  send(type: number, id: number, segments: readonly Uint8Array[], packer?: Pick<SegmentPacker, "packSegment">): void {
    this.segments.send(this.segments.prepare(this.message(type, id, segments)), packer);
  }

  message(type: number, id: number, segments: readonly Uint8Array[]): OutgoingMessage {
    return {
      type,
      id,
      payload: Buffer.from(`payload ${id}`),
      segments: segments.map((bytes) => ({ bytes, itemBytes: 1 })),
      takeBack: () => void this.takenBack.push(id),
    };
  }

  /** Sends a small message. */
  small(text: string): void {
    const mark = this.frames.begin();
    this.frames.writer.append(Buffer.from(text));
    this.frames.commit(mark);
  }

  /** The frames that were written since the last time, in words. */
  sent(): string[] {
    return this.sentFrames().map((frame) => {
      switch (frame.kind) {
        case 0:
          return frame.payload.toString();
        case 1:
          return `announced ${frame.handle} (${frame.payload.toString()}) ${frame.lengths.map(([length, raw]) => (raw === 0 ? `${length}` : `${length}/${raw}`)).join(" ")}`;
        case 2:
          return `piece ${frame.handle} ${frame.index} ${frame.bytes.length}`;
        default:
          return `${["withdrawal", "receipt", "release"][frame.kind - 3]!} ${frame.number}`;
      }
    });
  }

  sentFrames(): SentFrame[] {
    this.frames.flush();
    return readFrames(this.transport.taken());
  }

  onWritten(sent: boolean): void {
    this.onBatch();
    if (sent) this.segments.pump();
  }
  onWithdrawn({ type, id }: Pick<OutgoingMessage, "type" | "id">, error: ColloquyError): void {
    this.told.push(`withdrawn ${type} ${id}: ${error.code} ${error.message}`);
  }
  onSegmentsWait(): void {}
  onPieceLeft(): void {}
  onSegmentsSent(): void {
    this.told.push("sent");
  }
}
