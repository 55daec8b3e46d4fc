import { describe, expect, test } from "vitest";
import { MsgPackCodec } from "@colloquy/core";
import { JsonCodec, Service, connect, expose, serve, service } from "../src/index.ts";
import type { Connection } from "../src/index.ts";
import { WirePeer, failureOf, newAddress, until } from "./support.ts";

const root = service({ add: expose((a: number, b: number) => a + b) });

/** Warnings of the process while `act` runs. */
async function warningsDuring(act: () => Promise<void>): Promise<Error[]> {
  const warnings: Error[] = [];
  const listeners = process.listeners("warning");
  process.removeAllListeners("warning");
  process.on("warning", (warning) => warnings.push(warning));
  await act();
  await new Promise((resolve) => setImmediate(resolve));
  process.removeAllListeners("warning");
  for (const listener of listeners) process.on("warning", listener);
  return warnings;
}

/** The one warning says what has failed, and has the stack. */
function expectWarning(warnings: readonly Error[], what: string, message: string): void {
  expect(warnings.map(({ name }) => name)).toEqual(["ColloquyWarning"]);
  const [text] = warnings.map((warning) => warning.message);
  expect(text!.startsWith(what), text).toBe(true);
  expect(text).toContain(`Error: ${message}\n    at `);
  expect(text).toContain("server.test.ts");
}

describe("serve", () => {
  test.each([[{}], [{ add: () => 1 }], [new Map()], [null], [undefined], ["text"], [new Service()]])(
    "refuses %j, in which nothing is exposed",
    async (wrong) => {
      const error = await failureOf(serve(newAddress(), wrong as never));
      expect(error.code).toBe("INVALID_ARGUMENT");
    },
  );

  test.each([
    ["codec", "msgpack"],
    ["codec", new JsonCodec()],
    ["extraSerializers", [[Date, Number, Date]]],
  ])("refuses %s: %o at once, and not when somebody connects", async (name, value) => {
    expect(await failureOf(serve(newAddress(), root, { [name]: value }))).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(await failureOf(connect(newAddress(), { [name]: value }))).toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  test("refuses a class whose list has a name that isn't there", async () => {
    class Misspelt {
      static readonly exposed = ["add", "subb"];
      add(): void {}
      sub(): void {}
    }
    expect(await failureOf(serve(newAddress(), new Misspelt()))).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: 'Misspelt.exposed lists "subb", which it doesn\'t have',
    });
  });

  test("refuses an address that is taken or malformed", async () => {
    await using server = await serve(newAddress(), root);
    expect((await failureOf(serve(server.address, root))).code).toBe("UNAVAILABLE");
    expect((await failureOf(serve("nowhere", root))).code).toBe("INVALID_ARGUMENT");
  });

  test("D9 tells the port that the system chose", async () => {
    await using server = await serve("tcp://127.0.0.1:0", root);
    expect(server.address).toMatch(/^tcp:\/\/127\.0\.0\.1:[1-9]\d+$/);
    await using connection = await connect<typeof root>(server.address);
    expect(await connection.remote.add(1, 2)).toBe(3);
    expect(connection.remoteAddress).toBe(server.address);
  });

  test('speaks what each client speaks, with `codec: "auto"`', async () => {
    await using server = await serve("tcp://127.0.0.1:0", root, { codec: "auto" });
    await using json = await connect<typeof root>(server.address, { codec: JsonCodec });
    await using msgpack = await connect<typeof root>(server.address, { codec: MsgPackCodec });
    expect(await Promise.all([json.remote.add(1, 2), msgpack.remote.add(3, 4)])).toEqual([3, 7]);
  });
});

describe("a factory", () => {
  class Session extends Service {
    readonly connection: Connection<any>;
    readonly number: number;
    constructor(connection: Connection, number: number) {
      super();
      this.connection = connection;
      this.number = number;
    }
    @expose id(): number {
      return this.number;
    }
    @expose async nickname(): Promise<string> {
      return `${await this.connection.remote.name()} ${this.number}`;
    }
  }

  test("R2 makes a service for each connection, which knows its client", async () => {
    let count = 0;
    await using server = await serve(newAddress(), (connection) => new Session(connection, ++count));
    const ada = service({ name: expose(() => "ada") });
    const bob = service({ name: expose(() => "bob") });
    await using first = await connect<Session>(server.address, { service: ada });
    await using second = await connect<Session>(server.address, { service: bob });
    expect(await first.remote.id()).toBe(1);
    expect(await second.remote.id()).toBe(2);
    expect(await second.remote.nickname()).toBe("bob 2");
    expect(await first.remote.nickname()).toBe("ada 1");
  });

  test("may take its time", async () => {
    await using server = await serve(newAddress(), async (connection) => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      return new Session(connection, 7);
    });
    await using connection = await connect<Session>(server.address);
    expect(await connection.remote.id()).toBe(7);
  });

  test("that calls its client before it is ready gets an answer", async () => {
    const names: unknown[] = [];
    await using server = await serve(newAddress(), (connection) => {
      (connection.remote as any).name().then((name: unknown) => names.push(name));
      return new Session(connection, 1);
    });
    await using connection = await connect<Session>(server.address, {
      service: service({ name: expose(() => "ada") }),
    });
    await until(() => names.length === 1);
    expect(names).toEqual(["ada"]);
    expect(await connection.remote.id()).toBe(1);
    // It was hello, not a plain peer: functions work.
    expect((await failureOf((connection.remote as any).id.call(() => 1))).code).toBe("NOT_FOUND");
  });

  test.each([
    [
      "throws",
      () => {
        throw new Error("no session");
      },
    ],
    ["rejects", () => Promise.reject(new Error("no session"))],
    ["makes no service", () => ({})],
    ["makes nothing", () => undefined as never],
  ])("that %s costs that connection only", async (what, factory) => {
    const errors: unknown[] = [];
    const onError = (error: unknown): void => void errors.push(error);
    let broken = true;
    await using server = await serve(newAddress(), () => (broken ? factory() : root), { onError });
    if (what === "makes nothing") {
      await using connection = await connect<typeof root>(server.address);
      expect((await failureOf(connection.remote.add(1, 2))).code).toBe("NOT_FOUND");
      return;
    }
    expect((await failureOf(connect(server.address))).code).toMatch(/UNAVAILABLE|CONNECTION_LOST/);
    await until(() => server.connections.size === 0);
    expect(errors.length).toBe(1);
    broken = false;
    await using connection = await connect<typeof root>(server.address);
    expect(await connection.remote.add(1, 2)).toBe(3);
  });

  test("that throws without `onError` is a warning of the process", async () => {
    const warnings = await warningsDuring(async () => {
      await using server = await serve(newAddress(), () => {
        throw new Error("no session today");
      });
      await failureOf(connect(server.address));
    });
    expectWarning(warnings, "serving ", "no session today");
  });

  test("that never ends doesn't keep the server from closing", async () => {
    const server = await serve(newAddress(), () => new Promise<object>(() => {}));
    await using wire = await WirePeer.connect(server.address);
    await until(() => server.connections.size === 1);
    const start = performance.now();
    await server.close({ graceMs: 50 });
    expect(performance.now() - start).toBeLessThan(2000);
    expect(server.connections.size).toBe(0);
    await wire.closed;
  });

  test("whose client has gone meanwhile leaves nothing behind", async () => {
    let made!: (service: object) => void;
    await using server = await serve(newAddress(), () => new Promise<object>((resolve) => (made = resolve)));
    const wire = await WirePeer.connect(server.address);
    await until(() => server.connections.size === 1);
    const [connection] = [...server.connections];
    connection!.destroy();
    await connection!.closed;
    made(root);
    await wire.closed;
    expect(server.connections.size).toBe(0);
  });
});

describe("what a user's code throws", () => {
  test.each([
    ["local", JsonCodec],
    ["local", "auto"],
    ["tcp", JsonCodec],
  ] as const)("in a serializer factory costs that connection, not the process, %s, %o", async (kind, codec) => {
    let broken = false;
    const factory = () => {
      if (broken) throw new Error("broken factory");
      return [Date, (d: Date) => d.getTime(), (n: number) => new Date(n)] as const;
    };
    const warnings = await warningsDuring(async () => {
      const address = kind === "tcp" ? "tcp://127.0.0.1:0" : newAddress();
      await using server = await serve(address, root, { codec, extraSerializers: [factory as never] });
      broken = true;
      await using wire = await WirePeer.connect(server.address);
      if (codec === "auto") wire.send([0, 0, ["add", [1, 2], {}]]);
      await wire.closed;
      broken = false;
      await using connection = await connect<typeof root>(server.address, { extraSerializers: [factory as never] });
      expect(await connection.remote.add(1, 2)).toBe(3);
    });
    expectWarning(warnings, "no connection for ", "broken factory");
  });

  test.each([JsonCodec, "auto"] as const)(
    "in a serializer factory at first is what `serve` rejects with, %o",
    async (codec) => {
      const twice = () => [Date, Number, (time: number) => new Date(time)] as never;
      const broken = () => {
        throw new Error("broken factory");
      };
      await expect(serve(newAddress(), root, { codec, extraSerializers: [broken] })).rejects.toThrow("broken factory");
      await expect(serve(newAddress(), root, { codec, extraSerializers: 5 as never })).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
      });
      await expect(serve(newAddress(), root, { codec, extraSerializers: [twice, twice] })).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
        message: 'there is already a serializer for type "Date"',
      });
    },
  );

  test.each([JsonCodec, "auto"] as const)("in a serializer for Object is refused by both sides, %o", async (codec) => {
    const all = () => [Object, String, String] as never;
    const refused = { code: "INVALID_ARGUMENT", message: expect.stringContaining("a serializer for Object: ") };
    await expect(serve(newAddress(), root, { codec, extraSerializers: [all] })).rejects.toMatchObject(refused);
    await using server = await serve(newAddress(), root, { codec });
    await expect(connect(server.address, { extraSerializers: [all] })).rejects.toMatchObject(refused);
    expect(server.connections.size).toBe(0);
  });

  test("in `onError` or `onConnection` doesn't end the process", async () => {
    const warnings = await warningsDuring(async () => {
      await using server = await serve(newAddress(), root, {
        onConnection: () => {
          throw new Error("from onConnection");
        },
        onError: () => {
          throw new Error("from onError");
        },
      });
      await failureOf(connect(server.address));
      await until(() => server.connections.size === 0);
    });
    expectWarning(warnings, "onError of a server failed: Error: ", "from onError");
  });
});
