import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ColloquyError } from "@colloquy/core";
import { connect, expose, notify, serve, service } from "../../src/index.ts";
import type { ConnectOptions, ServeOptions } from "../../src/index.ts";
import { failureOf, newAddress, turns, unhandledDuring } from "../support.ts";
import type { AnyRemote } from "../support.ts";
import { THROWN } from "./thrown.ts";

beforeEach(() => void vi.spyOn(process, "emitWarning").mockImplementation(() => {}));
afterEach(() => void vi.restoreAllMocks());

interface Place {
  readonly serve?: (fail: () => never) => ServeOptions;
  readonly connect?: (fail: () => never) => ConnectOptions;
  readonly act: (remote: AnyRemote, fail: () => never) => unknown;
}

const call = (remote: AnyRemote): unknown => remote["ok"]();

const PLACES: Readonly<Record<string, Place>> = {
  "by a method": { act: (remote) => remote["throws"]() },
  "by a promise": { act: (remote) => remote["rejects"]() },
  "by a callback": { act: (remote, fail) => remote["calls"](fail) },
  "by the promise of a callback": { act: (remote, fail) => remote["calls"](async () => fail()) },
  "by a stream": {
    act: async (remote) => {
      for await (const item of await remote["streams"]()) expect(item).toBe(1);
    },
  },
  "by the end of a stream": {
    act: async (remote) => {
      const stream = (await remote["ends"]()) as AsyncGenerator<number>;
      expect(await stream.next()).toMatchObject({ value: 1 });
      await stream.return(undefined);
      throw new ColloquyError("CANCELLED", "nobody is told");
    },
  },
  "by `then`": { act: (remote) => remote["then_"]() },
  "by a getter of a result": { act: (remote) => remote["gets"]() },
  "by an interceptor": { serve: (fail) => ({ interceptors: { incoming: fail } }), act: call },
  "by an interceptor's promise": { serve: (fail) => ({ interceptors: { incoming: async () => fail() } }), act: call },
  "by an interceptor behind the method": {
    serve: (fail) => ({
      interceptors: {
        incoming: async (given, next) => {
          await next(given);
          return fail();
        },
      },
    }),
    act: call,
  },
  "by the listener for failures": {
    serve: (fail) => ({ onMethodFailure: fail }),
    act: (remote) => remote["rejects"](),
  },
};

describe.each(Object.entries(PLACES))("What is thrown %s", (_where, place) => {
  test.each(Object.entries(THROWN))(
    "as %s is told to who has called, and nothing else is lost",
    async (_what, make) => {
      const fail = (): never => {
        throw make();
      };
      const root = service({
        ok: expose(() => 1),
        throws: expose(fail),
        rejects: expose(async () => fail()),
        calls: expose((given: () => unknown) => given()),
        streams: expose(async function* () {
          yield 1;
          fail();
        }),
        ends: expose(async function* () {
          try {
            yield 1;
          } finally {
            fail();
          }
        }),
        then_: expose(() => ({ then: fail })),
        gets: expose(() => Object.defineProperty({}, "field", { get: fail, enumerable: true })),
      });
      const unhandled = await unhandledDuring(async () => {
        const server = await serve(newAddress(), root, place.serve?.(fail));
        const client = await connect<AnyRemote>(server.address, place.connect?.(fail));
        const [peer] = server.connections;
        const error = await failureOf(place.act(client.remote, fail));
        expect(error.code).toBeTypeOf("string");
        notify(client.remote["rejects"])();
        notify(client.remote["throws"])();
        await turns(10);
        const rest = { running: 0, runningNotifications: 0, heldBytes: 0, pending: 0 };
        for (const end of [client, peer!]) expect(end.stats()).toMatchObject(rest);
        if (place.serve === undefined) expect(await client.remote["ok"]()).toBe(1);
        await client.close();
        await server.close();
      });
      expect(unhandled).toEqual([]);
    },
  );
});

describe("What is thrown by who checks credentials", () => {
  test.each(Object.entries(THROWN))("as %s says no more than that they were refused", async (_what, make) => {
    const unhandled = await unhandledDuring(async () => {
      const authenticate = async (): Promise<never> => {
        throw make();
      };
      const server = await serve(newAddress(), service({ ok: expose(() => 1) }), { authenticate });
      const error = await failureOf(connect(server.address, { credentials: 1 }));
      expect(["UNAUTHENTICATED", "NOT_FOUND"]).toContain(error.code);
      expect(error.message).not.toMatch(/getter|trap/);
      await server.close();
    });
    expect(unhandled).toEqual([]);
  });
});
