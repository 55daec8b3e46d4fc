import { beforeEach, describe, expect, it } from "vitest";
import { Announcements } from "../src/announcements.ts";
import { FrameWriter } from "../src/frame-writer.ts";
import { NOTIFICATION } from "../src/message.ts";
import { Shipment } from "../src/shipment.ts";
import { HandTransport } from "./sending-support.ts";
import { thrownBy } from "./support.ts";

let announcements: Announcements;
beforeEach(() => (announcements = new Announcements()));

function add(bytes = 0): Shipment {
  const segments = [{ bytes: new Uint8Array(bytes), itemBytes: 1 }];
  const shipment = new Shipment({
    type: NOTIFICATION,
    id: 0,
    payload: new Uint8Array(),
    segments,
    takeBack: undefined,
  });
  announcements.add(shipment, new FrameWriter(new HandTransport(), 100, { onWritten: () => {} }));
  return shipment;
}

describe("Announcements", () => {
  it("give each message a number that no other has, counting up", () => {
    expect([add(), add(), add()].map(({ handle }) => handle)).toStrictEqual([0, 1, 2]);
    announcements.release(1);
    expect(add().handle).toBe(3);
    expect(announcements.totalCount).toBe(4);
  });

  it("begin again after 2^32-1, and leave out what isn't released", () => {
    announcements.nextHandle = 0xffff_fffe;
    expect([add(), add(), add(), add()].map(({ handle }) => handle)).toStrictEqual([0xffff_fffe, 0xffff_ffff, 0, 1]);
    announcements.release(0);
    announcements.nextHandle = 0xffff_fffe;
    expect([add(), add()].map(({ handle }) => handle)).toStrictEqual([0, 2]);
  });

  it("have room up to the limit, for one that is alone by its segments only", () => {
    const next = add(100);
    announcements.drop(next);
    expect(announcements.haveRoomFor(next, 100)).toBe(true);
    expect(announcements.haveRoomFor(next, 99)).toBe(false);
    add(100);
    expect(announcements.haveRoomFor(next, 2 * 612)).toBe(true);
    expect(announcements.haveRoomFor(next, 2 * 612 - 1)).toBe(false);
  });

  it("refuse the release of what has not been sent in full, and of what isn't there", () => {
    const { handle } = add(5);
    expect(thrownBy(() => announcements.release(handle))).toMatchObject({ code: "PROTOCOL_ERROR" });
    expect(thrownBy(() => announcements.release(handle + 1))).toMatchObject({
      code: "PROTOCOL_ERROR",
      message: "release of message 1, which was not sent",
    });
  });
});
