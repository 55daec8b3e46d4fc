import { once } from "node:events";
import net from "node:net";
import { hostname, tmpdir } from "node:os";
import { describe, expect, it } from "vitest";
import { parseAddress, shownAddress, staysOnHost } from "../src/address.ts";
import type { Channel } from "../src/channel.ts";
import { connectChannel } from "../src/connect-channel.ts";
import { serveChannels } from "../src/serve-channels.ts";
import { makeAuthority } from "./certificates.ts";
import { rejectionOf } from "./support.ts";

async function echo(channel: Channel): Promise<void> {
  for await (const request of channel) await request.reply(request.content);
}

const HERE = [
  "127.0.0.1",
  "127.255.255.255",
  "localhost",
  "LOCALHOST",
  "[::1]",
  "[0:0:0:0:0:0:0:1]",
  "[::ffff:127.0.0.1]",
];
const ELSEWHERE = [
  "",
  "0.0.0.0",
  "[::]",
  "[]",
  "10.0.0.1",
  "192.168.1.2",
  "128.0.0.1",
  "1127.0.0.1",
  "127.0.0.1.example.org",
  "127.0.0",
  "127.1.2.3.4",
  "127.0.0.256",
  "localhost.example.org",
  "notlocalhost",
  "[::2]",
  "[::10:1]",
  "[1::1]",
  "[::ffff:128.0.0.1]",
  hostname(),
];

describe("an address", () => {
  it("is of this host alone for loopback addresses and localhost, Unix sockets and names within the process", () => {
    for (const host of HERE) expect(staysOnHost(parseAddress(`tcp://${host}:1`)), host).toBe(true);
    for (const host of ELSEWHERE) expect(staysOnHost(parseAddress(`tcp://${host}:1`)), host).toBe(false);
    expect(staysOnHost(parseAddress("ipc://[/tmp/x]"))).toBe(true);
    expect(staysOnHost(parseAddress("local://x"))).toBe(true);
  });

  it("with a password or a token isn't one, and the message shows neither", async () => {
    const urls = [
      "tcp://ada:s3cret@127.0.0.1:1",
      "tcp://s3cret@127.0.0.1:1",
      "tcp://127.0.0.1:1?token=s3cret",
      "tcp://127.0.0.1?s3cret:1",
      "tcp://127.0.0.1:1#s3cret",
      "tcp://a@s3cret@127.0.0.1:70000",
      "https://ada:s3cret@127.0.0.1:1",
      "ada:s3cret@127.0.0.1:1",
    ];
    for (const url of urls) {
      const error = await rejectionOf(connectChannel(url));
      expect(error, url).toMatchObject({ code: "INVALID_ARGUMENT" });
      expect(String((error as Error).stack)).not.toContain("s3cret");
    }
    expect(shownAddress("tcp://ada:s3cret@host:1?token=s3cret")).toBe('"tcp://...@host:1?..."');
    expect(shownAddress("tcp://host")).toBe('"tcp://host"');
  });
});

describe("beyond this host", () => {
  it("nothing is listened on or connected to without tls, and the message says what allows it", async () => {
    for (const host of ELSEWHERE) {
      const address = `tcp://${host}:0`;
      const refused = {
        code: "INVALID_ARGUMENT",
        message: expect.stringMatching(/\btls\b.*dangerouslyAllowPlaintext: true/),
      };
      expect(await rejectionOf(serveChannels(address, echo)), host).toMatchObject(refused);
      const options = { dangerouslyAllowPlaintext: false };
      expect(await rejectionOf(serveChannels(address, echo, options)), host).toMatchObject(refused);
      if (!/^(?:\[\])?$/.test(host)) expect(await rejectionOf(connectChannel(address)), host).toMatchObject(refused);
    }
  });

  it("nothing is connected to by a name that an option of the socket resolves, unless that is allowed", async () => {
    const asked: string[] = [];
    const lookup = (host: string, _options: object, done: (error: null, found: object[]) => void): void => {
      asked.push(host);
      done(null, [{ address: "127.0.0.1", family: 4 }]);
    };
    await using server = await serveChannels("tcp://127.0.0.1:0", echo);
    const address = server.address.replace("127.0.0.1", "localhost");
    expect(await rejectionOf(connectChannel(address, { socket: { lookup } }))).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringMatching(/^socket\.lookup .*\btls\b.*dangerouslyAllowPlaintext: true/),
    });
    expect(asked).toEqual([]);
    const options = { socket: { lookup }, dangerouslyAllowPlaintext: true };
    await using channel = await connectChannel(address, options);
    expect(await channel.send(1)).toBe(1);
    await using plain = await connectChannel(server.address, { socket: { lookup: undefined } });
    expect(await plain.send(2)).toBe(2);
    expect(asked).toEqual(["localhost"]);
  });

  it.each(["fd", "handle", "_handle"])(
    "nothing is served on what socket.%s leads to, unless that is allowed",
    async (name) => {
      const socket = { [name]: name === "fd" ? 3 : {} };
      const refused = {
        code: "INVALID_ARGUMENT",
        message: expect.stringMatching(
          new RegExp(`^socket\\.${name} may lead .*\\btls\\b.*dangerouslyAllowPlaintext: true`),
        ),
      };
      for (const address of ["tcp://127.0.0.1:0", "ipc:///tmp/colloquy-not-there"]) {
        expect(await rejectionOf(serveChannels(address, echo, { socket })), address).toMatchObject(refused);
        expect(await rejectionOf(connectChannel(address.replace(":0", ":9"), { socket })), address).toMatchObject(
          refused,
        );
      }
    },
  );

  it("what was listened on before is served where that is allowed", async () => {
    const listening = net.createServer().listen(0, "0.0.0.0");
    await once(listening, "listening");
    const { _handle } = listening as unknown as { _handle: object };
    const options = { socket: { _handle }, dangerouslyAllowPlaintext: true };
    await using server = await serveChannels("tcp://127.0.0.1:0", echo, options);
    const { port } = listening.address() as net.AddressInfo;
    expect(server.address).toBe(`tcp://127.0.0.1:${port}`);
    await using channel = await connectChannel(server.address);
    expect(await channel.send(1)).toBe(1);
  });

  it("an address is that of the address, whatever the socket's options name", async () => {
    await using server = await serveChannels("tcp://127.0.0.1:0", echo);
    const elsewhere = { path: "/nobody/listens", host: "192.0.2.1", port: 9 };
    await using channel = await connectChannel(server.address, { socket: elsewhere });
    expect(await channel.send(1)).toBe(1);
    for (const port of [0, undefined]) {
      const file = `ipc://${tmpdir()}/colloquy-plaintext-${process.pid}`;
      await using near = await serveChannels(file, echo, { socket: { host: "0.0.0.0", port } });
      await using peer = await connectChannel(near.address, { socket: elsewhere });
      expect(await peer.send(2)).toBe(2);
    }
  });

  it("an option allows plain text, and takes true or false", async () => {
    const options = { dangerouslyAllowPlaintext: true };
    await using server = await serveChannels("tcp://0.0.0.0:0", echo, { ...options, advertise: "0.0.0.0" });
    await using channel = await connectChannel(server.address, options);
    expect(await channel.send(1)).toBe(1);
    await using near = await connectChannel(server.address.replace("0.0.0.0", "127.0.0.1"));
    expect(await near.send(2)).toBe(2);
    const wrong = { dangerouslyAllowPlaintext: "yes" as never };
    expect(await rejectionOf(serveChannels("tcp://127.0.0.1:0", echo, wrong))).toMatchObject({
      message: 'option dangerouslyAllowPlaintext of serveChannels is "yes"; it takes true or false',
    });
  });

  it("tls is enough", async () => {
    const authority = await makeAuthority();
    const tls = await authority.issue("localhost");
    await using server = await serveChannels("tcp://0.0.0.0:0", echo, { tls, advertise: "0.0.0.0" });
    await using channel = await connectChannel(server.address, { tls: { ...tls, serverName: "localhost" } });
    expect(await channel.send(1)).toBe(1);
  });
});
