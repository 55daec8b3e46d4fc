import { describe, expect, test } from "vitest";
import { Service, connect, expose, sameRemote, serve, service } from "../../src/index.ts";
import type { Connection, Server } from "../../src/index.ts";
import { RemoteNode, childAt, leadsTo, serviceProxy } from "../../src/proxy.ts";
import { WirePeer, failureOf, newAddress } from "../support.ts";

const ran: string[] = [];

class Admin extends Service {
  @expose wipe(): string {
    ran.push("wipe");
    return "wiped";
  }
}

class Backend extends Service {
  readonly #admin = new Admin();
  @expose admin(): Admin {
    return this.#admin;
  }
  @expose hi(): string {
    return "hi";
  }
}

interface Gateway extends AsyncDisposable {
  readonly backend: Server;
  readonly connection: Connection<any>;
  readonly admin: any;
  /** To the gateway. */
  readonly wire: WirePeer;
}

/** A gateway that hands out the root of its backend, and keeps a reference of that connection for itself. */
async function newGateway(): Promise<Gateway> {
  ran.length = 0;
  const backend = await serve(newAddress(), new Backend(), { authenticate: (name) => name });
  const connection = await connect<any>(backend.address, { credentials: "gateway" });
  const admin = await connection.remote.admin();
  const root = service({
    backend: expose(() => connection.remote),
    takes: expose((value: unknown) => typeof value),
  });
  const server = await serve(newAddress(), root);
  const wire = await WirePeer.connect(server.address);
  await wire.hello();
  const dispose = async (): Promise<void> => {
    for (const one of [server, connection, backend]) await one.close({ graceMs: 0 });
  };
  return { backend, connection, admin, wire, [Symbol.asyncDispose]: dispose };
}

const HIDDEN = [
  "$",
  "$/ref/1/wipe",
  "$/ref/1",
  "$/stats",
  "$/ping",
  "$/hello",
  "$/auth",
  "$/pull",
  "$/result/0",
  "$/x",
];

describe("what a peer says of a proxy that was passed on to it", () => {
  test("leads to nothing of the connection that the proxy belongs to", async () => {
    await using gateway = await newGateway();
    const { wire } = gateway;
    expect(await wire.request("backend")).toEqual([1, { __type__: [0, "$/ref/1"] }]);
    expect(await wire.request("$/ref/1/hi")).toEqual([1, "hi"]);
    for (const path of HIDDEN) {
      const refused = [2, { code: "NOT_FOUND", executed: "no" }];
      expect(await wire.request(`$/ref/1/${path}`, ["thief"]), path).toMatchObject(refused);
      // The result of the first request that asked for the backend.
      expect(await wire.request(`$/result/1/${path}`, ["thief"]), path).toMatchObject(refused);
      wire.notify(`$/ref/1/${path}`, "thief");
    }
    expect(await wire.rest()).toEqual([]);
    expect(ran).toEqual([]);
    expect([...gateway.backend.connections].map(({ identity }) => identity)).toEqual(["gateway"]);
    expect(await gateway.admin.wipe()).toBe("wiped");
  });

  test("makes no value of it either, neither as what comes home nor as a result", async () => {
    await using gateway = await newGateway();
    const { wire } = gateway;
    await wire.request("backend");
    for (const path of HIDDEN) {
      const home = await wire.request("takes", [{ __type__: [-3, `$/ref/1/${path}`] }]);
      expect(home, path).toMatchObject([2, { code: "SERIALIZATION_ERROR", executed: "no" }]);
      const result = await wire.request("takes", [{ __type__: [-16, [1, path]] }]);
      expect(result, path).toMatchObject([2, { code: "NOT_FOUND", executed: "no" }]);
    }
    expect(await wire.request("takes", [{ __type__: [-3, "$/ref/1/hi"] }])).toEqual([1, "function"]);
    expect(await wire.request("takes", [{ __type__: [-16, [1, "hi"]] }])).toEqual([1, "function"]);
  });

  test("makes no proxy of a path of the connection as a service", async () => {
    await using gateway = await newGateway();
    const { wire } = gateway;
    for (const path of [...HIDDEN.filter((one) => one !== "$/ref/1"), "$/ref/01", "$/ref/", "$/"])
      expect(await wire.request("takes", [{ __type__: [0, path] }]), path).toMatchObject([
        2,
        { code: "SERIALIZATION_ERROR", executed: "no" },
      ]);
    expect(await wire.request("takes", [{ __type__: [0, "$name/x"] }])).toEqual([1, "object"]);
  });

  test("is refused where this side writes it, too, since names may come from data", async () => {
    await using gateway = await newGateway();
    const { remote } = gateway.connection;
    for (const path of HIDDEN) expect(() => remote[path], path).toThrow('name "$" not found');
    const error = await failureOf((async () => remote["$/auth"]("thief"))());
    expect(error).toMatchObject({ code: "NOT_FOUND", executed: "no" });
    expect(error.stack).toContain("passed-on.test.ts");
    expect(await remote.hi()).toBe("hi");
  });
});

describe("a peer that claims the root of another one", () => {
  const caller = (root: string): any => ({ root, remoteAddress: "tcp://127.0.0.1:1" });

  test("gets no path of a connection sent home over that of the other one", () => {
    const [thief, other] = [caller("R"), caller("R")];
    const node = (path: string): RemoteNode => new RemoteNode(thief, path, undefined, false);
    expect(leadsTo(node("rooms"), other, "R")).toBe(true);
    for (const path of ["$", "$/ref/1", "$/ref/1/x", "$/auth"]) {
      expect(leadsTo(node(path), other, "R"), path).toBe(false);
      const there = new RemoteNode(other, path, undefined, false);
      expect(sameRemote(serviceProxy(node(path)), serviceProxy(there)), path).toBe(false);
    }
    expect(() => childAt(node("$"), "auth")).toThrow('name "$" not found');
  });
});
