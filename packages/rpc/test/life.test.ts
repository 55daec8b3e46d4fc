import { describe, expect, test, vi } from "vitest";
import { connectChannel } from "@colloquy/core";
import { Service, connect, expose, notify, release, serve, withOptions } from "../src/index.ts";
import type { CallContext, Connection, Remote } from "../src/index.ts";
import { WirePeer, failureOf, newAddress, pair, turn, unhandledDuring, until } from "./support.ts";

type Fn = () => Promise<unknown>;

describe("control messages", () => {
  class Giver extends Service {
    @expose give(): () => number {
      return () => 1;
    }
    @expose hang(): Promise<never> {
      return new Promise(() => undefined);
    }
  }

  test("fit a peer that takes small messages only: many releases in one turn leave in several", async () => {
    await using link = await pair(new Giver(), { serve: { limits: { maxMessageBytes: 1100 } } });
    const given = await Promise.all(Array.from({ length: 300 }, () => link.remote.give()));
    expect(link.peer.stats().exportedReferences).toBe(300);
    const unhandled = await unhandledDuring(async () => {
      for (const fn of given) release(fn);
      await until(() => link.peer.stats().exportedReferences === 0);
    });
    expect(unhandled).toEqual([]);
  });

  test("of a peer whose limit is too small for them end in an error of connect", async () => {
    await using server = await serve(newAddress(), new Giver(), { limits: { maxMessageBytes: 500 } });
    expect(await failureOf(connect(server.address))).toMatchObject({ code: "PROTOCOL_ERROR" });
  });
});

/** Fails where `act` waits for a timer: none runs out meanwhile. */
async function withoutTime(act: () => Promise<unknown>): Promise<void> {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  try {
    const onDone = vi.fn<() => void>();
    void act().then(onDone);
    for (let count = 0; count < 1000 && onDone.mock.calls.length === 0; count++) await turn();
    expect(onDone).toHaveBeenCalledTimes(1);
  } finally {
    vi.useRealTimers();
  }
}

describe("closing", () => {
  class Closer extends Service {
    readonly #connection: Connection;
    constructor(connection: Connection) {
      super();
      this.#connection = connection;
    }
    @expose async bye(): Promise<string> {
      const closing = this.#connection.close();
      await Promise.resolve();
      void closing;
      return "bye";
    }
  }

  test("in the midst of a call lets that call finish", async () => {
    await using server = await serve(newAddress(), (connection) => new Closer(connection));
    const connection = await connect<Closer>(server.address);
    expect(await connection.remote.bye()).toBe("bye");
    expect(await connection.closed).toBeUndefined();
  });

  test("before hello is done takes no grace time", async () => {
    await using server = await serve(newAddress(), () => new Promise<Service>(() => undefined));
    const attempt = failureOf(connect(server.address));
    await until(() => server.connections.size === 1);
    await withoutTime(() => server.close());
    expect((await attempt).code).toBe("UNAVAILABLE");
  });

  test("takes none with a client that has connected and says nothing, either, nor ends its own side", async () => {
    await using server = await serve(newAddress(), (connection) => new Closer(connection));
    await using wire = await WirePeer.connect(server.address);
    await until(() => server.connections.size === 1);
    wire.pause();
    await withoutTime(() => server.close({ graceMs: 5000 }));
    expect(server.connections.size).toBe(0);
  });

  test("within onConnection is a hard cut: the client learns no more than that there was no answer", async () => {
    await using server = await serve(newAddress(), (connection) => new Closer(connection), {
      onConnection: (connection) => void connection.close(),
    });
    const error = await failureOf(connect(server.address));
    expect(error.code).toBe("UNAVAILABLE");
    expect(error.message).toContain("may speak another codec");
  });
});

class Third {}

test("a first request of a plain peer that can't be decoded is answered at once", async () => {
  class Adder extends Service {
    @expose add(a: number, b: number): number {
      return a + b;
    }
  }
  await using server = await serve(newAddress(), new Adder());
  await using channel = await connectChannel(server.address);
  // An extended value of a type that the server doesn't have.
  for (const type of [class First {}, class Second {}, Third]) {
    channel.codec!.addSerializer(
      type,
      () => 1,
      () => new Third(),
    );
  }
  expect((await failureOf(channel.send(["add", [new Third(), 2], {}]))).message).toMatch(/unknown type id 2/);
  expect(await channel.send(["add", [1, 2], {}])).toBe(3);
});

describe("a call that is passed on to a third peer", () => {
  class Keeper extends Service {
    kept: Remote<Worker> | undefined;
    @expose keep(worker: Remote<Worker>): void {
      this.kept = worker;
    }
    @expose get(): Remote<Worker> {
      return this.kept!;
    }
  }
  class Worker extends Service {
    aborted = 0;
    running = 0;
    @expose({ context: true }) wait(context: CallContext): Promise<void> {
      this.running++;
      return new Promise((resolve) => {
        context.signal.addEventListener("abort", () => {
          this.aborted++;
          resolve();
        });
      });
    }
  }

  test("is cancelled there, too", async () => {
    const worker = new Worker();
    await using server = await serve(newAddress(), new Keeper());
    await using owner = await connect<Keeper>(server.address);
    await using user = await connect<Keeper>(server.address);
    await owner.remote.keep(worker);
    const far = (await user.remote.get()) as unknown as { wait: Fn };
    const abort = new AbortController();
    const call = failureOf(withOptions(far.wait, { signal: abort.signal })());
    await until(() => worker.running === 1);
    abort.abort();
    expect((await call).code).toBe("CANCELLED");
    await until(() => worker.aborted === 1);
  });
});

describe("a method with options", () => {
  class Slow extends Service {
    heard: unknown[] = [];
    @expose hear(what: unknown): void {
      this.heard.push(what);
    }
    @expose hang(): Promise<never> {
      return new Promise(() => undefined);
    }
  }

  test("is a method again: it takes more options, and notifies", async () => {
    const slow = new Slow();
    await using link = await pair(slow);
    const abort = new AbortController();
    const once = withOptions(link.remote.hang, { timeout: 20 });
    const twice = withOptions(once, { signal: abort.signal });
    expect((await failureOf(twice())).code).toBe("DEADLINE_EXCEEDED");
    notify(withOptions(link.remote.hear, { timeout: 1000 }))("told");
    await until(() => slow.heard.length === 1);
  });
});

test("a method that comes home gets a context, whatever its caller puts there", async () => {
  class Home extends Service {
    @expose({ context: true }) where(text: string, context: CallContext): string {
      return `${text} ${context.path} ${String(context.signal.aborted)}`;
    }
    @expose async callBack(fn: (text: string, forged?: unknown) => Promise<string>): Promise<string> {
      return fn("at", { path: "forged" });
    }
  }
  await using link = await pair(new Home());
  expect(await link.remote.callBack(link.remote.where as never)).toBe("at where false");
});
