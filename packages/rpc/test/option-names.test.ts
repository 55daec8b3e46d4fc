import { describe, expect, test } from "vitest";
import { JsonCodec, NdArray, compressed, connectChannel, serveChannels } from "@colloquy/core";
import { connect, expose, serve, service, withOptions } from "../src/index.ts";
import { failureOf, newAddress, pair } from "./support.ts";

const root = (): object => service({ add: expose((a: number, b: number) => a + b) });
const tls = { ca: "-----BEGIN" };

/** Functions that take options, each with options that have everything else right. */
const functions = {
  connect: (options: unknown) => connect("local://nobody", options as never),
  serve: (options: unknown) => serve(newAddress(), root(), options as never),
  connectChannel: (options: unknown) => connectChannel("local://nobody", options as never),
  serveChannels: (options: unknown) => serveChannels(newAddress(), () => {}, options as never),
  compressed: async (options: unknown) => compressed(JsonCodec, options as never),
  expose: async (options: unknown) => expose(() => 1, options as never),
  withOptions: async (options: unknown) => {
    await using link = await pair(root());
    withOptions((link.remote as never as { add(): Promise<number> }).add, options as never);
  },
  close: async (options: unknown) => {
    await using link = await pair(root());
    await link.client.close(options as never);
  },
  "close of a server": async (options: unknown) => {
    await using link = await pair(root());
    await link.server.close(options as never);
  },
  "close of a connection that reconnects": async (options: unknown) => {
    await using server = await serve(newAddress(), root());
    await using connection = await connect(server.address, { reconnect: true });
    await connection.close(options as never);
  },
  "close of a channel": async (options: unknown) => {
    await using server = await serveChannels(newAddress(), () => {});
    await using channel = await connectChannel(server.address);
    await channel.close(options as never);
  },
  "close of a server of channels": async (options: unknown) => {
    await using server = await serveChannels(newAddress(), () => {});
    await server.close(options as never);
  },
};

/** Function, options, what the error says. */
const table: readonly [keyof typeof functions, unknown, string][] = [
  ["connect", { timout: 5 }, 'unknown option "timout" of connect; did you mean "timeout"?'],
  ["connect", { timeoutMs: 5 }, 'unknown option "timeoutMs" of connect; did you mean "timeout"?'],
  ["connect", { serializers: [] }, 'of connect; did you mean "extraSerializers"?'],
  [
    "connect",
    { onConnection: () => {} },
    'unknown option "onConnection" of connect; it takes tls, dangerouslyAllowPlaintext,',
  ],
  ["connect", { maxDepth: 5 }, 'unknown option "maxDepth" of connect; it takes '],
  ["connect", { timeout: "5s" }, 'option timeout of connect is "5s"; it takes milliseconds, 0 or Infinity'],
  ["connect", { timeout: -1 }, "option timeout of connect is -1; it takes milliseconds, 0 or Infinity"],
  ["connect", { timeout: Number.NaN }, "option timeout of connect is NaN"],
  [
    "connect",
    { signal: new AbortController() },
    "option signal of connect is AbortController; it takes an AbortSignal",
  ],
  ["connect", { codec: "msgpack" }, 'codec is "msgpack"; it takes a class, such as JsonCodec'],
  ["connect", { codec: {} }, "codec is Object; it takes a class"],
  ["connect", { dialect: "aiomass" }, 'option dialect of connect is "aiomass"; it takes "auto", "aiomas" or "mosaik"'],
  ["connect", { traceReferences: 1 }, "option traceReferences of connect is 1; it takes true or false"],
  ["connect", { onMethodFailure: {} }, "option onMethodFailure of connect is Object; it takes a function"],
  ["connect", { rootName: 5 }, "option rootName of connect is 5; it takes a text"],
  ["connect", { network: {} }, "option network of connect is Object; it takes a LocalNetwork"],
  ["connect", { socket: true }, "option socket of connect is true; it takes an object"],
  ["connect", { extraSerializers: 5 }, "extraSerializers is number; it takes an array of functions"],
  ["connect", null, "connect takes a plain object of options, not null"],
  ["connect", [], "connect takes a plain object of options, not an array"],
  ["connect", new Map(), "connect takes a plain object of options, not Map"],
  ["connect", "msgpack", "connect takes a plain object of options, not a string"],
  ["connect", { reconnect: { minMS: 5 } }, 'unknown option "minMS" of reconnect; did you mean "minMs"?'],
  ["connect", { reconnect: "yes" }, 'option reconnect of connect is "yes"; it takes true, false or an object'],
  ["connect", { limits: { maxMesageBytes: 5 } }, 'of limits; did you mean "maxMessageBytes"?'],
  ["connect", { limits: { maxDepth: "5" } }, 'option maxDepth of limits is "5"; it takes a number above 0'],
  ["connect", { limits: 5 }, "limits takes a plain object of options, not 5"],
  ["connect", { errors: { alow: "none" } }, 'unknown option "alow" of errors; did you mean "allow"?'],
  ["connect", { errors: { stacks: "yes" } }, 'option stacks of errors is "yes"; it takes true or false'],
  ["connect", { interceptors: { incomming: [] } }, 'of interceptors; did you mean "incoming"?'],
  [
    "connect",
    { interceptors: { incoming: "x" } },
    "interceptors.incoming has string in it; an interceptor is a function",
  ],
  ["connect", { tls: { ...tls, certificate: "x" } }, 'unknown option "certificate" of tls; did you mean "cert"?'],
  ["connect", { tls: true }, "tls takes a plain object of options, not true"],
  ["connect", { tls: { ...tls, serverName: 5 } }, "option serverName of tls is 5; it takes a text"],
  ["serve", { onConection: () => {} }, 'unknown option "onConection" of serve; did you mean "onConnection"?'],
  ["serve", { timeout: 5 }, 'unknown option "timeout" of serve; it takes tls,'],
  ["serve", { onError: 5 }, "option onError of serve is 5; it takes a function"],
  ["serve", { advertise: 5 }, "option advertise of serve is 5; it takes a text"],
  ["serve", { authenticate: "ada" }, "authenticate is string; it takes a function"],
  ["serve", { codec: "json" }, 'codec is "json"; it takes a class'],
  ["serve", { tls: { ca: "-----BEGIN", keys: "x" } }, 'unknown option "keys" of tls; did you mean "key"?'],
  ["serve", { limits: { maxPendingCounts: 5 } }, 'of limits; did you mean "maxPendingCount"?'],
  ["connectChannel", { timout: 5 }, 'unknown option "timout" of connectChannel; did you mean "timeout"?'],
  ["connectChannel", { service: {} }, 'unknown option "service" of connectChannel; it takes codec,'],
  ["connectChannel", { timeout: "5s" }, 'option timeout of connectChannel is "5s"; it takes milliseconds'],
  ["serveChannels", { onerror: () => {} }, 'unknown option "onerror" of serveChannels; did you mean "onError"?'],
  ["serveChannels", { onError: "x" }, 'option onError of serveChannels is "x"; it takes a function'],
  ["serveChannels", { errors: [] }, "errors takes a plain object of options, not an array"],
  [
    "compressed",
    { algorithm: "gzip", treshold: 5 },
    'unknown option "treshold" of compressed; did you mean "threshold"?',
  ],
  [
    "compressed",
    { algorithm: "gzip", threshold: "1k" },
    'option threshold of compressed is "1k"; it takes a number of bytes',
  ],
  ["compressed", { algorithm: "zip" }, "zip"],
  ["expose", { contexts: true }, 'unknown option "contexts" of expose; did you mean "context"?'],
  ["expose", { context: "yes" }, 'option context of expose is "yes"; it takes true or false'],
  ["expose", { params: "a, b" }, 'option params of expose is "a, b"; it takes an array of names'],
  ["withOptions", { timeOut: 5 }, 'unknown option "timeOut" of withOptions; did you mean "timeout"?'],
  ["withOptions", { timeout: "5s" }, 'option timeout of withOptions is "5s"; it takes milliseconds, 0 or Infinity'],
  ["withOptions", { signal: {} }, "option signal of withOptions is Object; it takes an AbortSignal"],
  ["withOptions", { kwargs: [1] }, "option kwargs of withOptions is an array; it takes an object"],
  ["withOptions", { retries: "2" }, 'option retries of withOptions is "2"; it takes a whole number from 0 on'],
  ["withOptions", undefined, "withOptions takes an object of options, not undefined"],
  ["close", { grace: 5 }, 'unknown option "grace" of close; did you mean "graceMs"?'],
  ["close", { graceMs: "5s" }, 'option graceMs of close is "5s"; it takes milliseconds, 0 or Infinity'],
  ["close", 5, "close takes a plain object of options, not 5"],
  ["close of a server", { gracems: 5 }, 'unknown option "gracems" of close; did you mean "graceMs"?'],
  ["close of a connection that reconnects", { gracems: 5 }, 'unknown option "gracems" of close'],
  ["close of a channel", { gracems: 5 }, 'unknown option "gracems" of close'],
  ["close of a server of channels", { gracems: 5 }, 'unknown option "gracems" of close'],
];

describe("Options that are none are refused", () => {
  test.each(table)("%s(%o): %s", async (name, options, message) => {
    const error = await failureOf(functions[name](options));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", executed: "no" });
    expect(error.message).toContain(message);
  });

  test("but for unknown ones that are undefined, and for what is inherited", async () => {
    await using server = await serve(newAddress(), root(), { foo: undefined } as never);
    await using connection = await connect(server.address, Object.assign(Object.create(null), { bar: undefined }));
    await connection.close({ graceMs: undefined } as never);
  });

  test("and the options of sockets are Node's own", async () => {
    await using server = await serve("tcp://127.0.0.1:0", root(), { socket: { backlog: 5, whatever: 1 } });
    await using connection = await connect(server.address, { socket: { keepAlive: true, whatever: 1 } });
    expect(connection.usable).toBe(true);
  });

  test("a server of channels wants a function", async () => {
    expect(await failureOf(serveChannels(newAddress(), NdArray.zeros([1]) as never))).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: "serveChannels takes a function that gets each channel, not NdArray",
    });
  });
});
