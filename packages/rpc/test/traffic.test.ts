import { expose, notify, service } from "../src/index.ts";
import { describe, expect, test } from "vitest";
import { pair, turn } from "./support.ts";

describe("the traffic of a connection", () => {
  test("has a name that both sides know, and the same counts once nothing is under way", async () => {
    const root = service({ echo: expose((value: unknown) => value) });
    await using link = await pair(root, {
      service: service({ none: expose(() => null) }),
      rootName: "client's root",
      link: "7",
      serve: { rootName: "server's root" },
    });
    await link.remote.echo(new Float64Array(100_000));
    notify(link.remote.echo)(1);
    for (let count = 0; count < 10; count++) await turn();
    const [near, far] = [link.client.traffic()!, link.peer.traffic()!];
    expect(near).toMatchObject({ peer: "server's root", link: "7", opened: true, isAtRest: true });
    expect(far).toMatchObject({ peer: "client's root", link: "7", opened: false, isAtRest: true });
    // Hello, the call, the notification.
    expect([near.sentMessages, far.receivedMessages]).toEqual([3, 3]);
    expect([far.sentMessages, near.receivedMessages]).toEqual([2, 2]);
  });

  test("is unknown without a name, and when the connection has ended", async () => {
    const root = service({ echo: expose((value: unknown) => value) });
    await using unnamed = await pair(root, { rootName: "a" });
    expect([unnamed.client.traffic(), unnamed.peer.traffic()]).toEqual([undefined, undefined]);
    await using named = await pair(root, { rootName: "a", link: "1" });
    expect(named.client.traffic()).toBeDefined();
    named.client.destroy();
    expect(named.client.traffic()).toBeUndefined();
  });
});
