import { once } from "node:events";
import net from "node:net";
import nodeTls from "node:tls";
import { expect, it, vi } from "vitest";
import { makeAuthority } from "../../../core/test/certificates.ts";
import { connect, serve, service, expose } from "../../src/index.ts";
import { until } from "../support.ts";

it("T24: a client that never finishes its TLS handshake is cut off after half of helloTimeoutMs", async () => {
  const tls = await (await makeAuthority()).issue("127.0.0.1");
  const root = service({ double: expose((n: number) => 2 * n) });
  const made = vi.spyOn(nodeTls, "createServer");
  await using server = await serve("tcp://127.0.0.1:0", root, { tls, limits: { helloTimeoutMs: 200 } });
  expect(made.mock.calls).toMatchObject([[{ handshakeTimeout: 100 }]]);
  const port = Number(server.address.split(":").at(-1));
  let closedCount = 0;
  const sockets = ["", "16030100f8"].map((hex) => {
    const socket = net.connect({ host: "127.0.0.1", port }, () => socket.write(Buffer.from(hex, "hex")));
    socket.on("error", () => {});
    socket.on("close", () => closedCount++);
    return socket.resume();
  });
  await Promise.all(sockets.map((socket) => once(socket, "connect")));
  await using connection = await connect<typeof root>(server.address, { tls });
  expect(await connection.remote.double(1)).toBe(2);
  await until(() => closedCount === sockets.length, "the end of the silent connections");
  expect(server.connections.size).toBe(1);
  expect(await connection.remote.double(2)).toBe(4);
});
