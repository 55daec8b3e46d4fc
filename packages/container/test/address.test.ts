import { shownAddress } from "@colloquy/core";
import { describe, expect, it } from "vitest";
import { parseAgentAddress } from "../src/index.ts";
import { caught } from "./external-clock-support.ts";

describe("parseAgentAddress", () => {
  it.each([
    ["tcp://localhost:5555/0", "tcp://localhost:5555", "0"],
    ["tcp://127.0.0.1:5555/12", "tcp://127.0.0.1:5555", "12"],
    ["tcp://[::1]:5555/0", "tcp://[::1]:5555", "0"],
    ["tcp://[fe80::1%eth0]:5555/0", "tcp://[fe80::1%eth0]:5555", "0"],
    ["tcp://example.org:1/the-directory", "tcp://example.org:1", "the-directory"],
    ["ipc://[/tmp/a.sock]/0", "ipc://[/tmp/a.sock]", "0"],
    ["ipc://[relative/a b.sock]/7", "ipc://[relative/a b.sock]", "7"],
    ["local://spam/0", "local://spam", "0"],
    ["local://spam/constructor", "local://spam", "constructor"],
    ["tcp://::1:5555/0", "tcp://[::1]:5555", "0"],
    ["tcp://2001:db8::7:5555/3", "tcp://[2001:db8::7]:5555", "3"],
  ])("U1 reads %s", (url, base, id) => {
    expect(parseAgentAddress(url)).toEqual({ base, id });
  });

  it.each([
    "",
    "0",
    "tcp://localhost:5555",
    "tcp://localhost:5555/",
    "tcp://localhost/0",
    "tcp://localhost:99999/0",
    "tcp://localhost:5555/0/1",
    "tcp://localhost:5555/0/",
    "http://localhost:5555/0",
    "TCP://localhost:5555/0",
    " tcp://localhost:5555/0",
    "ipc:///tmp/a.sock/0",
    "ipc://[/tmp/a.sock]",
    "ipc://[/tmp/a.sock]/",
    "ipc://[]/0",
    "local://spam",
    "local:///0",
    "tcp://user@localhost:5555/0?x=1/",
  ])("refuses %j", (url) => {
    expect(caught(() => parseAgentAddress(url))).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining(`cannot parse agent URL ${shownAddress(url)}`),
    });
  });

  it("says up to where ports go", () => {
    expect(caught(() => parseAgentAddress("tcp://host:70000/0"))).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: 'cannot parse agent URL "tcp://host:70000/0"; ports go up to 65535',
    });
  });

  it.each([[undefined], [null], [5], [new URL("tcp://localhost:5555/0")], [["local://a/0"]]])(
    "refuses %j, which is no text",
    (value) => {
      expect(caught(() => parseAgentAddress(value as never))).toMatchObject({
        code: "INVALID_ARGUMENT",
        message: expect.stringContaining("cannot parse agent URL"),
      });
    },
  );

  it("shows a long text shortened and without control characters", () => {
    const { message } = caught(() => parseAgentAddress(`tcp://\u001b[31m${"x".repeat(10_000)}`)) as Error;
    expect(message.length).toBeLessThan(500);
    expect(message).not.toContain("\u001b");
  });
});
