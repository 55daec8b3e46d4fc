import { describe, expect, it } from "vitest";
import { formatAddress, parseAddress } from "../src/address.ts";
import { connectChannel } from "../src/connect-channel.ts";
import { serveChannels } from "../src/serve-channels.ts";
import { rejectionOf, thrownBy } from "./support.ts";

describe("parseAddress", () => {
  it.each([
    ["tcp://127.0.0.1:5555", { kind: "tcp", host: "127.0.0.1", port: 5555 }],
    ["tcp://localhost:0", { kind: "tcp", host: "localhost", port: 0 }],
    ["tcp://:65535", { kind: "tcp", host: "", port: 65_535 }],
    ["tcp://[::1]:5555", { kind: "tcp", host: "::1", port: 5555 }],
    ["tcp://[fe80::1%eth0]:5555", { kind: "tcp", host: "fe80::1%eth0", port: 5555 }],
    ["tcp://host:1/", { kind: "tcp", host: "host", port: 1 }],
    ["ipc://[/tmp/a b.sock]", { kind: "ipc", path: "/tmp/a b.sock" }],
    ["ipc:///tmp/x", { kind: "ipc", path: "/tmp/x" }],
    ["local://name", { kind: "local", name: "name" }],
  ])("reads %s", (text, address) => {
    expect(parseAddress(text)).toStrictEqual(address);
    expect(parseAddress(formatAddress(parseAddress(text)))).toStrictEqual(address);
  });

  it.each([
    "",
    "tcp://",
    "tcp://host",
    "tcp://host:",
    "tcp://host:-1",
    "tcp://::1:5",
    "tcp://ho st:1",
    "tcp://a/b:1",
    "http://host:1",
    "host:1",
    "ipc://",
    "ipc://[]",
    "ipc://[/a\0b]",
    "local://",
    "local://a/b",
    "local://a b",
    "TCP://host:1",
    " tcp://host:1",
    "tcp://host:1 ",
    "tcp://host:1/0",
  ])("can't read %j", (text) => {
    const error = thrownBy(() => parseAddress(text));
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(error.message).toContain("tcp://host:port");
  });

  it("says where an agent's address belongs, and what was given", () => {
    for (const text of ["tcp://host:1/0", "tcp://[::1]:1/name", "local://a/0", "ipc://[/tmp/x]/0"])
      expect(thrownBy(() => parseAddress(text)).message).toMatch(/; an agent's address is for container\.connect$/);
    for (const text of ["host:1", "tcp://host", "local://", "http://host/0"])
      expect(thrownBy(() => parseAddress(text)).message).toMatch(/ or local:\/\/name$/);
    const url = new URL("tcp://host:1") as never;
    expect(thrownBy(() => parseAddress(url)).message).toMatch(/^cannot parse address URL; /);
  });

  it.each([65_536, 99_999, 123_456])("says up to where ports go for %i", (port) => {
    const error = thrownBy(() => parseAddress(`tcp://host:${port}`));
    const message = `cannot parse address "tcp://host:${port}": ports go up to 65535`;
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", message });
  });

  it("takes no path that a socket's address can't hold, counted in bytes", () => {
    const most = process.platform === "darwin" ? 103 : 107;
    for (const path of [`/${"x".repeat(most - 1)}`, `/${"\u00e4".repeat((most - 1) / 2)}`]) {
      expect(parseAddress(`ipc://[${path}]`)).toStrictEqual({ kind: "ipc", path });
      for (const text of [`ipc://[${path}x]`, `ipc://${path}x`]) {
        const error = thrownBy(() => parseAddress(text));
        expect(error).toMatchObject({ code: "INVALID_ARGUMENT" });
        expect(error.message).toContain(`its path has ${most + 1} bytes; sockets take ${most} at most`);
      }
    }
  });

  it("without a host is one to listen on, not to connect to", async () => {
    for (const address of ["tcp://:5555", "tcp://[]:5555"]) {
      expect(await rejectionOf(connectChannel(address))).toMatchObject({
        code: "INVALID_ARGUMENT",
        message: `address "${address}" has no host to connect to`,
      });
    }
  });

  it.each([undefined, null, 5555, ["tcp://host:1"], {}])("can't read %j, which is no text", async (given) => {
    expect(thrownBy(() => parseAddress(given as string))).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(await rejectionOf(connectChannel(given as string))).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(await rejectionOf(serveChannels(given as string, () => {}))).toMatchObject({ code: "INVALID_ARGUMENT" });
  });
});
