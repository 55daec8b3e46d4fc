import { expose, sameRemote } from "@colloquy/rpc";
import type { Remote } from "@colloquy/rpc";
import { describe, expect, it } from "vitest";
import { Agent } from "../src/index.ts";
import type { Container } from "../src/index.ts";
import { Echo, failureOf, newAddress, newContainer } from "./support.ts";

/** Does things with the agents that it is given. */
class Meeting extends Agent {
  given: unknown;

  @expose async ask(guest: Remote<Echo>): Promise<string> {
    return guest.where();
  }

  @expose async askAll(guests: { readonly all: readonly Remote<Echo>[] }): Promise<string[]> {
    return Promise.all(guests.all.map(async (guest) => guest.where()));
  }

  @expose keep(guest: unknown): void {
    this.given = guest;
  }

  @expose kept(): unknown {
    return this.given;
  }

  @expose isMyself(guest: unknown): boolean {
    return guest === this;
  }

  @expose me(): this {
    return this;
  }

  @expose async invite(name: string, other: Remote<Meeting>): Promise<unknown> {
    return [name, await other.ask(this as never)];
  }

  @expose where(): string {
    return this.address;
  }

  @expose change(list: number[]): number {
    list.push(99);
    return list.length;
  }

  @expose mutable(): number[] {
    return this.list;
  }

  readonly list: number[] = [1];
}

describe.each([
  ["local", newAddress],
  ["tcp", () => "tcp://127.0.0.1:0"],
])("agents over %s", (_name, address) => {
  it("that have ended aren't called any more, however they were handed out", async () => {
    const home = await newContainer(address());
    const other = await newContainer(address());
    const meeting = await home.spawn(new Meeting());
    const remote = await other.connect<Meeting>(meeting.address);
    for (const mailbox of [undefined, "serial"] as const) {
      const guest = await other.spawn(new Echo(), { mailbox });
      await guest.stop();
      // No address leads to it: it crosses as an object.
      expect(await failureOf(remote.ask(guest as never))).toMatchObject({
        message: expect.stringContaining("was stopped before the call started"),
      });
    }
  });

  it("arrive as proxies, and are called back while the call is under way", async () => {
    const [here, there] = [await newContainer(address()), await newContainer(address())];
    const [guest, meeting] = [await here.spawn(new Echo()), await there.spawn(new Meeting())];
    const proxy = await here.connect<Meeting>(meeting.address);
    expect(await proxy.ask(guest)).toBe(guest.address);
    // The call back took the same connection.
    expect([here.connections.length, there.connections.length]).toEqual([1, 1]);
  });

  it("arrive anywhere in a value", async () => {
    const [here, there] = [await newContainer(address()), await newContainer(address())];
    const guests = [await here.spawn(new Echo()), await here.spawn(new Echo())];
    const meeting = await there.spawn(new Meeting());
    const proxy = await here.connect<Meeting>(meeting.address);
    expect(await proxy.askAll({ all: guests })).toEqual(guests.map((guest) => guest.address));
  });

  it("are results, too", async () => {
    const [here, there] = [await newContainer(address()), await newContainer(address())];
    const meeting = await there.spawn(new Meeting());
    const proxy = await here.connect<Meeting>(meeting.address);
    const result = await proxy.me();
    expect(await result.where()).toBe(meeting.address);
  });

  it("come home as themselves, by a proxy that was connected", async () => {
    const [here, there] = [await newContainer(address()), await newContainer(address())];
    const meeting = await there.spawn(new Meeting());
    const proxy = await here.connect<Meeting>(meeting.address);
    expect(await proxy.isMyself(proxy)).toBe(true);
    await proxy.keep({ nested: [proxy] });
    expect((meeting.given as { nested: unknown[] }).nested[0]).toBe(meeting);
  });

  it("come home as themselves, by a proxy that was received on an accepted connection", async () => {
    const [here, there] = [await newContainer(address()), await newContainer(address())];
    const [guest, meeting] = [await here.spawn(new Meeting()), await there.spawn(new Meeting())];
    const proxy = await here.connect<Meeting>(meeting.address);
    await proxy.keep(guest);
    expect(await proxy.kept()).toBe(guest);
    const received = meeting.given as Remote<Meeting>;
    expect(await received.isMyself(received)).toBe(true);
  });

  it("come home as themselves where both containers have connected to each other", async () => {
    const [here, there] = [await newContainer(address()), await newContainer(address())];
    const [a, b] = [await here.spawn(new Meeting()), await there.spawn(new Meeting())];
    const toB = await here.connect<Meeting>(b.address);
    const toA = await there.connect<Meeting>(a.address);
    // Over the other connection than the one that the proxy was made on.
    await toB.keep(a);
    const aFromB = b.given as Remote<Meeting>;
    expect(await aFromB.isMyself(toA)).toBe(true);
    expect(await toA.isMyself(aFromB)).toBe(true);
    await toA.keep(b);
    const bFromA = a.given as Remote<Meeting>;
    expect(await toB.isMyself(bFromA)).toBe(true);
    expect(await bFromA.isMyself(toB)).toBe(true);
  });

  it("come home as themselves after the connection was lost and opened again", async () => {
    const [here, there] = [await newContainer(address()), await newContainer(address())];
    const meeting = await there.spawn(new Meeting());
    const proxy = await here.connect<Meeting>(meeting.address);
    here.connections[0]!.destroy();
    await here.connections[0]?.closed;
    expect(await proxy.isMyself(proxy)).toBe(true);
  });

  it("work at a third container, which gets a proxy of a proxy", async () => {
    const [a, b, c] = [await newContainer(address()), await newContainer(address()), await newContainer(address())];
    const [guest, middle, last] = [
      await a.spawn(new Echo()),
      await b.spawn(new Meeting()),
      await c.spawn(new Meeting()),
    ];
    const toMiddle = await a.connect<Meeting>(middle.address);
    await toMiddle.keep(guest);
    const toLast = await b.connect<Meeting>(last.address);
    expect(await toLast.ask(middle.given as Remote<Echo>)).toBe(guest.address);
    // One that was connected, too.
    const toGuest = await b.connect<Echo>(guest.address);
    expect(await toLast.ask(toGuest)).toBe(guest.address);
  });

  it("go round over three containers and come home as themselves", async () => {
    const [a, b, c] = [await newContainer(address()), await newContainer(address()), await newContainer(address())];
    const [first, second, third] = [
      await a.spawn(new Meeting()),
      await b.spawn(new Meeting()),
      await c.spawn(new Meeting()),
    ];
    const toSecond = await a.connect<Meeting>(second.address);
    await toSecond.keep(first);
    const toThird = await b.connect<Meeting>(third.address);
    await toThird.keep(second.given);
    // It went by the second container, which stands between: calls work, whatever it is.
    const received = third.given as Remote<Meeting>;
    expect(await received.where()).toBe(first.address);
  });

  it("that have stopped fail where they are called", async () => {
    const [here, there] = [await newContainer(address()), await newContainer(address())];
    const [guest, meeting] = [await here.spawn(new Echo()), await there.spawn(new Meeting())];
    const proxy = await here.connect<Meeting>(meeting.address);
    await proxy.keep(guest);
    await guest.stop();
    expect(await failureOf((meeting.given as Remote<Echo>).where())).toMatchObject({ code: "NOT_FOUND" });
  });

  it("are called by agents in a chain of call backs", async () => {
    const [here, there] = [await newContainer(address()), await newContainer(address())];
    const [a, b] = [await here.spawn(new Meeting()), await there.spawn(new Meeting())];
    const proxy = await here.connect<Meeting>(b.address);
    expect(await proxy.invite("tea", a)).toEqual(["tea", b.address]);
  });
});

describe("a container that connects to itself", () => {
  async function self(): Promise<{ home: Container; meeting: Meeting; proxy: Remote<Meeting> }> {
    const home = await newContainer();
    const meeting = await home.spawn(new Meeting());
    return { home, meeting, proxy: await home.connect<Meeting>(meeting.address) };
  }

  it("copies values, as to any other", async () => {
    const { meeting, proxy } = await self();
    const list = [1, 2];
    expect(await proxy.change(list)).toBe(3);
    expect(list).toEqual([1, 2]);
    const result = await proxy.mutable();
    expect(result).toEqual([1]);
    expect(result).not.toBe(meeting.list);
  });

  it("refuses what has no serializer, as to any other", async () => {
    const { proxy } = await self();
    expect(await failureOf(proxy.keep(new (class Thing {})()))).toMatchObject({ code: "SERIALIZATION_ERROR" });
  });

  it("gives agents proxies of their neighbours, which work", async () => {
    const { home, meeting, proxy } = await self();
    const guest = await home.spawn(new Echo());
    await proxy.keep(guest);
    expect(meeting.given).not.toBe(guest);
    expect(await (meeting.given as Remote<Echo>).where()).toBe(guest.address);
    expect(await proxy.ask(guest)).toBe(guest.address);
    expect(await proxy.isMyself(proxy)).toBe(true);
  });

  it("shuts down without waiting for itself", async () => {
    const { home, proxy } = await self();
    await proxy.where();
    const start = performance.now();
    await home.shutdown();
    expect(performance.now() - start).toBeLessThan(2000);
  });

  it("has proxies that are the same for the same agent", async () => {
    const { home, meeting, proxy } = await self();
    expect(sameRemote(proxy, await home.connect(meeting.address))).toBe(true);
  });
});
