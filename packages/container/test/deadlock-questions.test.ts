import { expose } from "@colloquy/rpc";
import { describe, expect, it } from "vitest";
import { Agent } from "../src/index.ts";
import type { Container } from "../src/index.ts";
import { Gate, newContainer, turns, until } from "./support.ts";

/** Calls so many times, and is called back as often by each. */
class Caller extends Agent {
  static readonly mailbox = "serial";
  @expose async fanOut(count: number, url: string): Promise<void> {
    const remote = await this.container.connect<Relay>(url);
    await Promise.all(Array.from({ length: count }, () => remote.fanBack(count)));
  }
  @expose idle(): void {}
}

class Relay extends Agent {
  slow!: Slow;
  @expose async fanBack(count: number): Promise<void> {
    const remote = await this.container.connect<Slow>(this.slow.address);
    await Promise.all(Array.from({ length: count }, () => remote.wait()));
  }
  @expose answer(): number {
    return 42;
  }
}

class Slow extends Agent {
  readonly gate = new Gate();
  waiting = 0;
  @expose async wait(): Promise<void> {
    this.waiting++;
    await this.gate.promise;
  }
  @expose answer(): number {
    return 42;
  }
}

/** Its chain waits for the first one. */
class Second extends Agent {
  static readonly mailbox = "serial";
  @expose async ask(url: string): Promise<void> {
    await (await this.container.connect<Caller>(url)).idle();
  }
}

describe("questions about deadlocks", () => {
  it.each([2, 3, 4, 8])(
    "are few where %i calls to another container come back as often, and others go on",
    async (count) => {
      let questions = 0;
      const incoming = (call: { path: string }, next: () => unknown): unknown => {
        if (call.path === "mailboxes/waits") questions++;
        return next();
      };
      const options = { interceptors: { incoming: incoming as never } };
      const [here, there]: Container[] = [
        await newContainer("tcp://127.0.0.1:0", options),
        await newContainer("tcp://127.0.0.1:0", options),
      ];
      const [caller, second, slow] = [
        await here!.spawn(new Caller()),
        await here!.spawn(new Second()),
        await here!.spawn(new Slow()),
      ];
      const relay = await there!.spawn(new Relay());
      relay.slow = slow;
      const outside = await newContainer("tcp://127.0.0.1:0");
      const done = (await outside.connect<Caller>(caller.address)).fanOut(count, relay.address);
      await until(() => slow.waiting === count * count, "the calls back");
      const asked = (await outside.connect<Second>(second.address)).ask(caller.address);
      await until(() => here!.stats().waitingCalls === 1, "the call that waits");
      const [toRelay, toSlow] = [await here!.connect<Relay>(relay.address), await there!.connect<Slow>(slow.address)];
      const others = Array.from({ length: 200 }, () => [toRelay.answer(), toSlow.answer()]).flat();
      expect(new Set(await Promise.all(others))).toEqual(new Set([42]));
      await turns(100);
      // Two connections, and 8 questions that hang on one another.
      expect(questions).toBeLessThanOrEqual(16);
      expect(questions).toBeGreaterThan(0);
      slow.gate.open();
      await Promise.all([done, asked]);
    },
  );
});
