import { expect, test } from "vitest";
import { connect, expose, serve, service } from "../../src/index.ts";
import { WirePeer, failureOf, newAddress, pair, wireServer } from "../support.ts";

const thenable = { then: { __type__: [-2, "$/ref/1"] } };

test("a result with a function as `then` fails, and that function is never called", async () => {
  await using server = await wireServer();
  const connecting = connect<any>(server.address);
  const wire = await server.accepted();
  const [, helloId] = await wire.next();
  wire.send([1, helloId, { protocol: 1 }]);
  const connection = await connecting;
  const standard = (id: number, data: unknown): object => ({ __type__: [id, data] });
  const inOthers = [
    standard(-5, ["key", thenable]),
    standard(-5, [thenable, 1]),
    standard(-6, [[thenable]]),
    standard(-8, { name: "E", message: "m", fields: thenable }),
    standard(-8, { name: "E", message: "m", cause: thenable }),
  ];
  for (const result of [thenable, [thenable], { deep: { value: thenable } }, ...inOthers]) {
    const call = connection.remote.give();
    const [, id] = await wire.next();
    wire.send([1, id, result]);
    const error = await failureOf(call);
    expect(error).toMatchObject({ code: "SERIALIZATION_ERROR", executed: "yes" });
    expect(error.message).toContain('"then"');
    expect(await wire.rest()).toEqual([]);
  }
  connection.destroy();
});

test("an argument with a function as `then` is refused before the method runs", async () => {
  let ran = 0;
  await using server = await serve(newAddress(), service({ take: expose(() => ran++) }));
  await using wire = await WirePeer.connect(server.address);
  await wire.hello();
  const [type, content] = await wire.request("take", [thenable]);
  expect(type).toBe(2);
  expect(content).toMatchObject({ code: "SERIALIZATION_ERROR", executed: "no" });
  expect(await wire.rest()).toEqual([]);
  expect(ran).toBe(0);
});

test("a service under the name `then` is no promise either", async () => {
  await using server = await serve(newAddress(), service({ echo: expose(async (x: unknown) => x) }));
  await using wire = await WirePeer.connect(server.address);
  await wire.hello();
  const [type] = await wire.request("echo", [{ then: { __type__: [0, "$/ref/7"] } }]);
  expect(type).toBe(1);
  expect(await wire.rest()).toEqual([]);
});

test("awaiting a proxy, or returning it from an async function, calls nothing", async () => {
  const calls: string[] = [];
  const root = service({
    sub: service({ then: expose(() => void calls.push("then")), toJSON: expose(() => void calls.push("toJSON")) }),
    then: expose(() => void calls.push("root then")),
  });
  await using link = await pair(root);
  const remote = link.remote as any;
  expect(await remote).toBe(remote);
  expect(await remote.sub).toBe(remote.sub);
  JSON.stringify({ remote, sub: remote.sub });
  expect(calls).toEqual([]);
});

test.each([
  ["an object", (then: PromiseLike<unknown>["then"]) => ({ then })],
  ["a promise", (then: PromiseLike<unknown>["then"]) => Object.assign(Promise.resolve(), { then })],
])(
  "what a method returns begins its work once, whatever hangs on its result: %s with a `then` of its own",
  async (_what, make) => {
    let count = 0;
    const insert = expose(() =>
      make((onValue, onError) => {
        count++;
        return new Promise((resolve) => setTimeout(resolve, 10, { count })).then(onValue, onError);
      }),
    );
    await using server = await serve(newAddress(), service({ insert, show: expose((value: unknown) => value) }));
    await using wire = await WirePeer.connect(server.address);
    await wire.hello();
    const show = (id: number): unknown => [0, id, ["show", [{ __type__: [-16, [50, ""]] }], {}]];
    wire.send([0, 50, ["insert", [], {}]], show(51), show(52));
    for (const id of [50, 51, 52]) expect(await wire.next()).toStrictEqual([1, id, { count: 1 }]);
    wire.send(show(53));
    expect(await wire.next()).toStrictEqual([1, 53, { count: 1 }]);
    expect(count).toBe(1);
  },
);
