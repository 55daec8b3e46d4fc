import { describe, expect, test } from "vitest";
import { Service, connect, expose, notify, pipeline, release } from "../src/index.ts";
import { WirePeer, failureOf, greeted, pair, turns, until, wireServer } from "./support.ts";

class Desk extends Service {
  go: (() => void)[] = [];
  held: unknown[] = [];

  @expose async wait(_value?: unknown): Promise<void> {
    await new Promise<void>((resolve) => this.go.push(resolve));
  }

  @expose hold(value: unknown): void {
    this.held.push(value);
  }

  @expose drawer(): Drawer {
    return new Drawer();
  }

  @expose async each(times: number, call: () => Promise<void>): Promise<void> {
    await Promise.all(Array.from({ length: times }, () => call()));
  }

  @expose async *count(): AsyncGenerator<number> {
    for (let number = 1; ; number++) yield number;
  }

  end(): void {
    for (const go of this.go.splice(0)) go();
  }
}

class Drawer extends Service {
  @expose size(): number {
    return 1;
  }
}

describe("stats", () => {
  test("count what every table of a connection has, and what is left at rest", async () => {
    const desk = new Desk();
    await using link = await pair(desk);
    const { client, peer, remote, server } = link;
    const call = remote.wait();
    notify(remote.wait)();
    await until(() => desk.go.length === 2);
    expect(client.stats()).toMatchObject({ pending: 1, running: 0 });
    expect(peer.stats()).toMatchObject({ running: 1, runningNotifications: 1 });
    desk.end();
    await call;

    const abort = new AbortController();
    await remote.hold([() => 1, abort.signal]);
    expect(client.stats()).toMatchObject({ exportedReferences: 1, exportedSignals: 1 });
    expect(peer.stats()).toMatchObject({ importedReferences: 1, importedSignals: 1 });
    abort.abort();
    const numbers = remote.count();
    await numbers.next();
    expect(peer.stats()).toMatchObject({ exportedStreams: 1, exportedReferences: 1 });
    expect(client.stats()).toMatchObject({ importedStreams: 1, importedReferences: 1 });
    await numbers.return();

    expect(await pipeline(remote.drawer()).size()).toBe(1);
    const drawer = await remote.drawer();
    expect(peer.stats().keptResults).toBeGreaterThan(0);
    release(drawer);
    release((desk.held[0] as unknown[])[0]);
    await until(() => client.stats().exportedReferences + peer.stats().exportedReferences <= 1);
    const rest = { pending: 0, running: 0, waiting: 0, queuedBytes: 0, exportedStreams: 0, importedStreams: 0 };
    const signals = { exportedSignals: 0, importedSignals: 0, runningNotifications: 0 };
    expect(client.stats()).toMatchObject({ ...rest, ...signals, keptResults: 0 });
    expect(peer.stats()).toMatchObject({ ...rest, ...signals });
    expect(server.stats()).toMatchObject({ connections: 1, ...rest, ...signals });
    client.destroy();
    await peer.closed;
    const none = { exportedReferences: 0, importedReferences: 0, keptResults: 0 };
    for (const end of [client, peer]) expect(end.stats()).toMatchObject({ ...rest, ...signals, ...none });
  });

  test("count calls on methods that the peer has named beside its own, each up to maxRunningCount", async () => {
    const desk = new Desk();
    await using link = await pair(desk, { serve: { limits: { maxRunningCount: 5 } } });
    const { client, peer, remote } = link;
    const call = remote.each(5, remote.wait);
    await until(() => desk.go.length === 5);
    expect(peer.stats()).toMatchObject({ running: 1, runningNotifications: 0, runningNamedCalls: 5 });
    expect(client.stats().runningNamedCalls).toBe(0);
    const calls = [1, 2, 3, 4].map(() => remote.wait());
    for (let sent = 1; sent <= 5; sent++) notify(remote.wait)();
    await until(() => desk.go.length === 14);
    expect(peer.stats()).toMatchObject({ running: 5, runningNotifications: 5, runningNamedCalls: 5 });
    expect(link.server.stats().runningNamedCalls).toBe(5);
    desk.end();
    await Promise.all([call, ...calls]);
    await until(() => peer.stats().runningNotifications === 0);
    expect(peer.stats()).toMatchObject({ running: 0, runningNamedCalls: 0 });
    expect(await failureOf(remote.each(6, remote.wait))).toMatchObject({ code: "RESOURCE_EXHAUSTED" });
    desk.end();
    await until(() => peer.stats().runningNamedCalls === 0);
  });

  test("count what running calls hold, and what waits for a peer that doesn't read", async () => {
    const desk = new Desk();
    await using link = await pair(desk);
    const call = link.remote.wait("x".repeat(1000));
    await until(() => desk.go.length === 1);
    const held = link.peer.stats().heldBytes;
    expect(held).toBeGreaterThan(0);
    expect(link.server.stats().heldBytes).toBe(held);
    desk.end();
    await call;
    expect(link.peer.stats().heldBytes).toBe(0);

    await using server = await wireServer();
    const { connection, wire } = await greeted<Desk>(server, { limits: { maxQueuedBytes: 1000 } });
    expect(connection.stats()).toMatchObject({ waiting: 0, queuedBytes: 0 });
    wire.pause();
    for (let sent = 1; sent <= 4; sent++) notify(connection.remote.hold)("x".repeat(8 << 20));
    await turns(5);
    const { waiting, queuedBytes } = connection.stats();
    expect(waiting).toBeGreaterThan(0);
    expect(queuedBytes).toBeGreaterThan(1000);
    connection.destroy();
    expect(connection.stats()).toMatchObject({ waiting: 0, queuedBytes: 0 });
  });

  test("of a server are the sums over its open connections", async () => {
    const desk = new Desk();
    await using link = await pair(desk);
    await using other = await connect<Desk>(link.server.address);
    const calls = [link.remote.wait(), other.remote.wait(), other.remote.wait()];
    await until(() => desk.go.length === 3);
    const stats = link.server.stats();
    expect(stats).toMatchObject({ connections: 2, running: 3, pending: 0, failedNotifications: 0 });
    const each = [...link.server.connections].map((connection) => connection.stats());
    for (const name of Object.keys(each[0]!) as (keyof (typeof each)[0])[])
      expect(stats[name], name).toBe(each[0]![name] + each[1]![name]);
    expect(Object.keys(stats).toSorted()).toEqual(["connections", ...Object.keys(each[0]!)].toSorted());
    desk.end();
    await Promise.all(calls);
    await other.close();
    await until(() => link.server.stats().connections === 1);
  });

  test("that a peer asks for are the few of the protocol", async () => {
    await using link = await pair(new Desk());
    await using wire = await WirePeer.connect(link.server.address);
    await wire.hello();
    const [type, content] = await wire.request("$/stats");
    expect(type).toBe(1);
    expect(Object.keys(content as object).toSorted()).toEqual(
      [
        "sentMessages",
        "sentBytes",
        "receivedMessages",
        "receivedBytes",
        "pending",
        "running",
        "exportedReferences",
        "importedReferences",
      ].toSorted(),
    );
  });
});

describe("close of a server under load", () => {
  test("lets every call finish that has begun, refuses others, and ends within its time", async () => {
    const desk = new Desk();
    await using link = await pair(desk);
    const clients = await Promise.all(Array.from({ length: 5 }, () => connect<Desk>(link.server.address)));
    const calls = clients.flatMap(({ remote }) => Array.from({ length: 40 }, () => remote.wait()));
    await until(() => desk.go.length === 200);
    const closing = link.server.close({ graceMs: 5000 });
    await turns(3);
    const late = await Promise.all(clients.map(async ({ remote }) => failureOf(remote.wait())));
    expect(new Set(late.map(({ executed }) => executed))).toEqual(new Set(["no"]));
    desk.end();
    await Promise.all(calls);
    await closing;
    expect(link.server.stats()).toMatchObject({ connections: 0, running: 0 });
  });

  test("says of each call that outlasts the time that it may have run", async () => {
    const desk = new Desk();
    await using link = await pair(desk);
    const calls = Array.from({ length: 100 }, () => failureOf(link.remote.wait()));
    await until(() => desk.go.length === 100);
    await link.server.close({ graceMs: 20 });
    const failures = await Promise.all(calls);
    expect(new Set(failures.map(({ code, executed }) => `${code} ${executed}`))).toEqual(
      new Set(["CONNECTION_LOST unknown"]),
    );
    desk.end();
  });
});
