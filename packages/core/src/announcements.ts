import { ProtocolError } from "./errors.ts";
import { fits } from "./extended-frames.ts";
import type { FrameWriter } from "./frame-writer.ts";
import { following } from "./message.ts";
import type { Shipment } from "./shipment.ts";

/** The messages with segments that the peer of one connection knows of and has not released, by handle. */
export class Announcements {
  /** How many there were in all, without those that were withdrawn. */
  totalCount = 0;
  /** Where counting goes on. */
  nextHandle = 0;
  readonly #shipments = new Map<number, Shipment>();
  #countedBytes = 0;

  /** Whether the peer takes one more, where it takes `limit` bytes at a time. */
  haveRoomFor({ segmentBytes, bytesBeside }: Shipment, limit: number): boolean {
    return fits(this.#countedBytes, segmentBytes, bytesBeside, limit);
  }

  /** Tells the peer of one more. */
  add(shipment: Shipment, frames: FrameWriter): void {
    let handle = this.nextHandle;
    while (this.#shipments.has(handle)) handle = following(handle);
    this.nextHandle = following(handle);
    this.#shipments.set(handle, shipment);
    this.#countedBytes += shipment.segmentBytes + shipment.bytesBeside;
    this.totalCount++;
    shipment.announce(frames, handle);
  }

  /** The peer has decoded a message. @throws ProtocolError for one that isn't there, or has not been sent in full. */
  release(handle: number): void {
    const shipment = this.#shipments.get(handle);
    if (shipment?.isSent !== true) throw new ProtocolError(`release of message ${handle}, which was not sent`);
    this.drop(shipment);
  }

  /** A message will not be complete: to the peer it never was. */
  withdraw(shipment: Shipment): void {
    this.totalCount--;
    this.drop(shipment);
  }

  /** The peer forgets a message. */
  drop({ handle, segmentBytes, bytesBeside }: Shipment): void {
    this.#shipments.delete(handle);
    this.#countedBytes -= segmentBytes + bytesBeside;
  }
}
