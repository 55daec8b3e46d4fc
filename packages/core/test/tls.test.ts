import { createPrivateKey } from "node:crypto";
import { once } from "node:events";
import net from "node:net";
import tls from "node:tls";
import { inspect } from "node:util";
import { beforeAll, describe, expect, it, vi } from "vitest";
import type { Channel } from "../src/channel.ts";
import { connectChannel } from "../src/connect-channel.ts";
import { serveChannels } from "../src/serve-channels.ts";
import { checkTransport } from "../src/testing.ts";
import { checkTlsAlone, tlsClientOptions, tlsServerOptions } from "../src/tls-options.ts";
import type { TlsOptions } from "../src/tls-options.ts";
import { connectTransport, listenTransport } from "../src/transports.ts";
import { makeAuthority } from "./certificates.ts";
import type { Authority } from "./certificates.ts";
import { rejectionOf, thrownBy, until } from "./support.ts";

type Pems = Awaited<ReturnType<Authority["issue"]>>;

let authority: Authority;
let stranger: Authority;
let serverTls: Pems;
let clientTls: Pems;

beforeAll(async () => {
  authority = await makeAuthority();
  stranger = await makeAuthority("Stranger");
  serverTls = await authority.issue("127.0.0.1", "::1", "localhost");
  clientTls = await authority.issue("client.test");
});

const TCP = "tcp://127.0.0.1:0";

async function echo(channel: Channel): Promise<void> {
  for await (const request of channel) await request.reply(request.content);
}

function portOf(address: string): number {
  return Number(address.split(":").at(-1));
}

/** What a raw TLS client gets: "closed" or the reason for which it was refused. */
async function outcomeOf(options: tls.ConnectionOptions): Promise<string> {
  const socket = tls.connect({ rejectUnauthorized: false, ...options });
  return new Promise((resolve) => {
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    socket.on("close", () => resolve("closed"));
    socket.on("data", () => resolve("data"));
    socket.on("secureConnect", () => socket.write(Buffer.from("00000007", "hex").toString("latin1") + "[0,0,1]"));
  });
}

describe("TLS", () => {
  it("C18 authenticates both sides", async () => {
    await using server = await serveChannels(TCP, echo, { tls: serverTls });
    expect(server.address).toMatch(/^tcp:\/\/127\.0\.0\.1:\d+$/);
    const channel = await connectChannel(server.address, { tls: clientTls });
    expect(await channel.send("secret")).toBe("secret");
    expect(await channel.send("x".repeat(3_000_000))).toHaveLength(3_000_000);
    await channel.close();
    const byName = await connectChannel(server.address.replace("127.0.0.1", "localhost"), { tls: clientTls });
    expect(await byName.send(1)).toBe(1);
    await byName.close();
  });

  it("keeps the contract of transports", async () => {
    await checkTransport({
      listen: (onTransport) => listenTransport(TCP, onTransport, { tls: serverTls, handshakeTimeoutMs: 1000 }),
      connect: (where) => connectTransport(where, { tls: clientTls }),
    });
  });

  it("takes PEM as bytes and in lists", async () => {
    await using server = await serveChannels(TCP, echo, {
      tls: {
        ca: [stranger.cert, authority.cert],
        cert: Buffer.from(serverTls.cert),
        key: [Buffer.from(serverTls.key)],
      },
    });
    const channel = await connectChannel(server.address, { tls: clientTls });
    expect(await channel.send(1)).toBe(1);
    await channel.close();
  });

  it("refuses a client without a certificate, and one of another authority", async () => {
    const accepted: Channel[] = [];
    await using server = await serveChannels(TCP, (channel) => (accepted.push(channel), echo(channel)), {
      tls: serverTls,
    });
    const where = { host: "127.0.0.1", port: portOf(server.address) };
    expect(await outcomeOf({ ...where, ca: authority.cert })).not.toBe("data");
    const foreign = await stranger.issue("client.test");
    expect(await outcomeOf({ ...where, cert: foreign.cert, key: foreign.key })).not.toBe("data");
    expect(
      await outcomeOf({
        ...where,
        cert: clientTls.cert,
        key: clientTls.key,
        maxVersion: "TLSv1.1",
        minVersion: "TLSv1",
      }),
    ).not.toBe("data");
    expect(accepted).toHaveLength(0);
    expect(await outcomeOf({ ...where, cert: clientTls.cert, key: clientTls.key })).toBe("data");
    expect(await outcomeOf({ ...where, cert: clientTls.cert, key: clientTls.key, maxVersion: "TLSv1.2" })).toBe("data");
    const sent = connectChannel(server.address, { tls: { ...foreign, ca: authority.cert } }).then((channel) =>
      channel.send(1),
    );
    expect(["CONNECTION_LOST", "UNAVAILABLE"]).toContain((await rejectionOf(sent)).code);
  });

  it("takes clients without a certificate only where that is said", async () => {
    await using server = await serveChannels(TCP, echo, {
      tls: { ...serverTls, dangerouslyAllowAnonymousClients: true },
    });
    expect(await outcomeOf({ host: "127.0.0.1", port: portOf(server.address) })).toBe("data");
  });

  it("T25: refuses a server of another authority, unless verification is switched off by name", async () => {
    const foreign = await stranger.issue("127.0.0.1");
    await using server = await serveChannels(TCP, echo, { tls: { ...foreign, ca: authority.cert } });
    const error = await rejectionOf(connectChannel(server.address, { tls: clientTls }));
    expect(error).toMatchObject({
      code: "UNAVAILABLE",
      cause: { code: expect.stringMatching(/SELF_SIGNED|UNABLE_TO/) },
    });
    const channel = await connectChannel(server.address, {
      tls: { ...clientTls, dangerouslyAllowUnverifiedServers: true },
    });
    expect(await channel.send(1)).toBe(1);
    await channel.close();
  });

  it("is switched off by no option of the socket, and by no variable of the environment", async () => {
    const foreign = await stranger.issue("127.0.0.1");
    await using server = await serveChannels(TCP, echo, { tls: { ...foreign, ca: authority.cert } });
    for (const socket of [
      { rejectUnauthorized: false },
      { checkServerIdentity: () => undefined },
      { secureContext: tls.createSecureContext() },
      { ca: stranger.cert },
      { minVersion: "TLSv1" },
      { ciphers: "ALL:eNULL:@SECLEVEL=0" },
    ]) {
      const name = Object.keys(socket)[0]!;
      const refused = { code: "INVALID_ARGUMENT", message: expect.stringContaining(`socket.${name}`) };
      expect(await rejectionOf(connectChannel(server.address, { tls: clientTls, socket }))).toMatchObject(refused);
    }
    const all = [
      "ca cert key pfx passphrase rejectUnauthorized requestCert checkServerIdentity secureContext servername session",
      "socket pskCallback enableTrace minVersion maxVersion secureProtocol secureOptions ciphers sigalgs ecdhCurve minDHSize",
      "allowPartialTrustChain",
    ];
    for (const name of all.join(" ").split(" "))
      expect(thrownBy(() => checkTlsAlone({ [name]: undefined })).message).toContain(`socket.${name}: with TLS`);
    vi.stubEnv("NODE_TLS_REJECT_UNAUTHORIZED", "0");
    try {
      const error = await rejectionOf(connectChannel(server.address, { tls: clientTls }));
      expect(error).toMatchObject({ code: "UNAVAILABLE" });
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it("speaks TLS 1.2 at least, whatever Node would take", () => {
    expect(tlsServerOptions(serverTls)).toMatchObject({ minVersion: "TLSv1.2" });
    expect(tlsClientOptions(clientTls, "127.0.0.1", () => undefined)).toMatchObject({ minVersion: "TLSv1.2" });
  });

  it("C18 refuses a server whose certificate has another host name", async () => {
    await using server = await serveChannels(TCP, echo, { tls: await authority.issue("other.test", "10.9.8.7") });
    const error = await rejectionOf(connectChannel(server.address, { tls: clientTls }));
    expect(error).toMatchObject({ code: "UNAVAILABLE", cause: { code: "ERR_TLS_CERT_ALTNAME_INVALID" } });
    const byName = await rejectionOf(
      connectChannel(server.address.replace("127.0.0.1", "localhost"), { tls: clientTls }),
    );
    expect(byName).toMatchObject({ cause: { code: "ERR_TLS_CERT_ALTNAME_INVALID" } });
    const channel = await connectChannel(server.address, { tls: { ...clientTls, serverName: "other.test" } });
    expect(await channel.send(1)).toBe(1);
    await channel.close();
    const wrongName = connectChannel(server.address, { tls: { ...clientTls, serverName: "wrong.test" } });
    expect(await rejectionOf(wrongName)).toMatchObject({ cause: { code: "ERR_TLS_CERT_ALTNAME_INVALID" } });
  });

  it("holds a server's certificate against an IP address that is given as its name", async () => {
    await using near = await serveChannels(TCP, echo, { tls: serverTls });
    for (const serverName of ["10.9.8.7", "fe80::1"]) {
      const wrong = connectChannel(near.address, { tls: { ...clientTls, serverName } });
      expect(await rejectionOf(wrong)).toMatchObject({ cause: { code: "ERR_TLS_CERT_ALTNAME_INVALID" } });
    }
    await using far = await serveChannels(TCP, echo, { tls: await authority.issue("10.9.8.7") });
    for (const address of [far.address, far.address.replace("127.0.0.1", "localhost")]) {
      const channel = await connectChannel(address, { tls: { ...clientTls, serverName: "10.9.8.7" } });
      expect(await channel.send(1)).toBe(1);
      await channel.close();
    }
  });

  it("refuses a client that speaks no TLS, and others go on", async () => {
    await using server = await serveChannels(TCP, echo, { tls: serverTls });
    const socket = net.connect(portOf(server.address), "127.0.0.1");
    socket.on("error", () => {});
    socket.write("this is no TLS at all, is it?\r\n\r\n");
    socket.resume();
    await once(socket, "close");
    const plain = connectChannel(server.address).then((channel) => channel.send(1));
    expect((await rejectionOf(plain)).code).toBe("CONNECTION_LOST");
    const channel = await connectChannel(server.address, { tls: clientTls });
    expect(await channel.send(1)).toBe(1);
    await channel.close();
  });

  it("warns of a handshake that fails, seldom, and of no client that only looks whether somebody listens", async () => {
    const warn = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
    await using server = await serveChannels(TCP, echo, { tls: serverTls });
    for (let count = 0; count < 2; count++) {
      const silent = net.connect(portOf(server.address), "127.0.0.1");
      await once(silent, "connect");
      silent.end();
      await once(silent.resume(), "close");
    }
    const { cert, key } = await stranger.issue("client.test");
    const where = { host: "127.0.0.1", port: portOf(server.address), ca: authority.cert };
    for (const own of [{ cert, key }, {}]) expect(await outcomeOf({ ...where, ...own })).not.toBe("data");
    expect(warn.mock.calls).toEqual([
      [expect.stringMatching(/^the TLS handshake with tcp:\/\/127\.0\.0\.1:\d+ failed: Error: /), "ColloquyWarning"],
    ]);
    warn.mockRestore();
  });

  it("gives up a server that doesn't shake hands, in the time that was given", async () => {
    const server = net.createServer((socket) => socket.on("error", () => {}));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as net.AddressInfo;
    const error = await rejectionOf(connectChannel(`tcp://127.0.0.1:${port}`, { tls: clientTls, timeout: 100 }));
    expect(error).toMatchObject({ code: "UNAVAILABLE" });
    expect(error.message).toContain("no connection within 100 ms");
    server.close();
  });

  it.each(["ca", "cert", "key"] as const)("says that %s is no PEM text when it is a path", async (name) => {
    for (const value of ["/etc/ssl/some.pem", null, 5, []]) {
      const wrong = { ...serverTls, [name]: value } as TlsOptions;
      for (const attempt of [
        () => serveChannels(TCP, echo, { tls: wrong }),
        () => connectChannel("tcp://127.0.0.1:1", { tls: wrong }),
      ]) {
        expect(await rejectionOf(attempt())).toMatchObject({
          code: "INVALID_ARGUMENT",
          message: expect.stringContaining(`tls.${name} is not PEM`),
        });
      }
    }
  });

  it.each(["ca", "cert", "key"] as const)("says that %s is missing", async (name) => {
    const { [name]: _left, ...wrong } = serverTls;
    const missing = { code: "INVALID_ARGUMENT", message: `tls.${name} is missing; it takes the content of a PEM file` };
    for (const tls of [wrong, { ...wrong, [name]: undefined }] as never[]) {
      expect(await rejectionOf(serveChannels(TCP, echo, { tls }))).toMatchObject(missing);
      expect(await rejectionOf(connectChannel("tcp://127.0.0.1:1", { tls }))).toMatchObject(missing);
    }
  });

  it("says that a server's certificate is missing, which a client may leave out with its key", async () => {
    expect(await rejectionOf(serveChannels(TCP, echo, { tls: { ca: authority.cert } }))).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("tls.cert is missing"),
    });
    await using open = await serveChannels(TCP, echo, {
      tls: { ...serverTls, dangerouslyAllowAnonymousClients: true },
    });
    const channel = await connectChannel(open.address, { tls: { ca: authority.cert } });
    expect(await channel.send("anonymous")).toBe("anonymous");
    await channel.close();
    const distrustful = connectChannel(open.address, { tls: { ca: stranger.cert } });
    expect((await rejectionOf(distrustful)).code).toBe("UNAVAILABLE");
    let accepted = 0;
    await using closed = await serveChannels(TCP, (one) => (accepted++, echo(one)), { tls: serverTls });
    const sent = connectChannel(closed.address, { tls: { ca: authority.cert } }).then((one) => one.send(1));
    expect(["CONNECTION_LOST", "UNAVAILABLE"]).toContain((await rejectionOf(sent)).code);
    expect(accepted).toBe(0);
  });

  it("says that a certificate can't be used", async () => {
    for (const wrong of [
      { ...serverTls, cert: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" },
      { ...serverTls, key: clientTls.key },
    ]) {
      expect(await rejectionOf(serveChannels(TCP, echo, { tls: wrong }))).toMatchObject({ code: "INVALID_ARGUMENT" });
      expect(await rejectionOf(connectChannel("tcp://127.0.0.1:1", { tls: wrong }))).toMatchObject({
        code: "INVALID_ARGUMENT",
      });
    }
  });

  it("says nothing of the key and its passphrase where they don't fit, or aren't what they are to be", async () => {
    const passphrase = "open-s3same";
    const key = createPrivateKey(serverTls.key).export({
      type: "pkcs8",
      format: "pem",
      cipher: "aes-256-cbc",
      passphrase,
    });
    const encrypted = { ...serverTls, key: key as string };
    const spy = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
    const secrets = [passphrase, "wr0ng", "5318008", ...serverTls.key.split("\n").slice(1, 3)];
    const foundIn = (told: unknown): string[] => {
      const text = inspect(told, { depth: 10, showHidden: true });
      return secrets.filter((secret) => text.includes(secret));
    };
    for (const tlsOptions of [
      { ...encrypted, passphrase: "wr0ng" },
      { ...encrypted, passphrase: `${passphrase}wr0ng` },
      { ...encrypted, passphrase: 5_318_008 as never },
      encrypted,
      { ...clientTls, key: serverTls.key, passphrase },
      { ...serverTls, key: `wr0ng ${passphrase}` },
      { ...serverTls, key: serverTls.key.replace("-----BEGIN", "-----BEGIN wr0ng") },
      serverTls.key as never,
    ]) {
      for (const act of [
        async () => serveChannels(TCP, echo, { tls: tlsOptions }),
        async () => connectChannel("tcp://127.0.0.1:9", { tls: tlsOptions }),
      ]) {
        const error = await rejectionOf(act());
        expect(error).toMatchObject({ code: "INVALID_ARGUMENT" });
        expect(foundIn(error)).toEqual([]);
      }
    }
    await using server = await serveChannels(TCP, echo, { tls: { ...encrypted, passphrase } });
    const foreign = await stranger.issue("client.test");
    const error = await rejectionOf(
      connectChannel(server.address, { tls: foreign }).then((channel) => channel.send(1)),
    );
    expect(foundIn([error, server, spy.mock.calls])).toEqual([]);
    vi.restoreAllMocks();
  });

  it("closes a server in the middle of a handshake", async () => {
    const server = await serveChannels(TCP, echo, { tls: serverTls });
    const socket = net.connect(portOf(server.address), "127.0.0.1");
    socket.on("error", () => {});
    await once(socket, "connect");
    let ended = false;
    socket.resume().on("close", () => (ended = true));
    // The connection has reached the server when one that came later was served.
    const channel = await connectChannel(server.address, { tls: clientTls });
    await channel.send(1);
    await server.close();
    await until(() => ended);
  });
});
