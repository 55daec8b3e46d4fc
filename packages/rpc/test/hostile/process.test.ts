import { describe, expect, test } from "vitest";
import { serveChannels } from "@colloquy/core";
import { Service, connect, expose, serve } from "../../src/index.ts";
import { failureOf, newAddress, unhandledDuring, until } from "../support.ts";

/** What a hostile peer does must not reach the process that it talks to. */
class Board extends Service {
  readonly heard: unknown[] = [];
  #subscribers: ((text: string) => unknown)[] = [];
  @expose subscribe(fn: (text: string) => unknown): void {
    this.#subscribers.push(fn);
  }
  @expose say(text: string): number {
    for (const fn of this.#subscribers) void fn(text);
    return this.#subscribers.length;
  }
  @expose async reject(): Promise<never> {
    throw new Error("rejected");
  }
  @expose fail(): never {
    throw new Error("thrown");
  }
  @expose hear(text: string): void {
    this.heard.push(text);
  }
  @expose evil(): unknown {
    return {
      get trap(): never {
        throw Object.defineProperty(new Error("x"), "message", {
          get: () => {
            throw new Error("unreadable");
          },
        });
      },
    };
  }
  @expose add(a: number, b: number): number {
    return a + b;
  }
}

describe("a hostile client", () => {
  test("can't end the process by handing it its own failing methods as listeners", async () => {
    const board = new Board();
    await using server = await serve(newAddress(), board);
    await using connection = await connect<Board>(server.address);
    const { remote } = connection;
    const unhandled = await unhandledDuring(async () => {
      for (const own of [remote.reject, remote.fail, remote.hear]) await remote.subscribe(own);
      expect(await remote.say("hello")).toBe(3);
      await until(() => board.heard.length === 1);
    });
    expect(unhandled).toEqual([]);
  });

  test("gets an error for a value that can't even be described, and later calls work", async () => {
    await using server = await serve(newAddress(), new Board());
    await using connection = await connect<Board>(server.address);
    await failureOf(connection.remote.evil());
    expect(await connection.remote.add(1, 2)).toBe(3);
  });
});

describe("a hostile server", () => {
  test("that asks instead of answering hello doesn't keep connect waiting for ever", async () => {
    await using server = await serveChannels(newAddress(), async (channel) => {
      await channel.recv();
      channel.send(["x", [], {}]).catch(() => undefined);
    });
    const error = await failureOf(connect(server.address, { limits: { helloTimeoutMs: 50 } }));
    expect(error.code).toBe("UNAVAILABLE");
    await until(() => server.channels.size === 0);
  });

  test("can't keep a client busy with a huge exception", async () => {
    await using server = await serveChannels(newAddress(), async (channel) => {
      for await (const request of channel) await request.fail("?\n".repeat(2_000_000));
    });
    await using connection = await connect<Board>(server.address, { dialect: "aiomas" });
    const error = await failureOf(connection.remote.add(1, 2));
    expect(error.message.length).toBeLessThanOrEqual(65_536);
  });
});
