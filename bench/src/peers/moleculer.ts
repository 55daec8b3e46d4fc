import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { ServiceBroker, type Context } from "moleculer";
import { afterCallback, bump, type Peer, type PeerClient, type PeerServer } from "../peer.ts";
import type { Payload } from "../payload.ts";
import { packageVersion } from "../versions.ts";

const serverNode = "server";
const connectLimitMs = 5000;
const pollMs = 5;

interface Sum {
  readonly a: number;
  readonly b: number;
}

/** A node of the cluster that looks for others nowhere but at `urls`, if given. */
function createBroker(nodeID: string, urls = ""): ServiceBroker {
  return new ServiceBroker({
    nodeID,
    logger: false,
    transporter: { type: "TCP", options: { udpDiscovery: false, urls } },
  });
}

async function listen(): Promise<PeerServer> {
  const broker = createBroker(serverNode);
  broker.createService({
    name: "callee",
    actions: {
      add: {
        params: { a: "number", b: "number" },
        handler: ({ params }: Context<Sum>) => params.a + params.b,
      },
      echo: {
        params: { payload: "object" },
        handler: ({ params }: Context<{ payload: Payload }>) => params.payload,
      },
      callback: {
        params: { n: "number" },
        handler: async (context: Context<{ n: number }>) =>
          afterCallback(
            await context.call<number, { n: number }>("caller.bump", context.params, { nodeID: context.nodeID! }),
          ),
      },
    },
  });
  await broker.start();
  const { port } = broker.getLocalNodeInfo() as { port: number };
  return { address: `127.0.0.1:${port}`, close: () => broker.stop() };
}

/** Nodes tell each other of their services in turn: the server may learn of this one's only after the other way round. */
async function callBackOnce(broker: ServiceBroker): Promise<void> {
  const end = performance.now() + connectLimitMs;
  for (;;) {
    try {
      await broker.call("callee.callback", { n: 0 });
      return;
    } catch (error) {
      if (performance.now() > end) throw error;
      await sleep(pollMs);
    }
  }
}

async function open(address: string): Promise<PeerClient> {
  const broker = createBroker(`client-${randomUUID()}`, `${address}/${serverNode}`);
  broker.createService({
    name: "caller",
    actions: {
      bump: { params: { n: "number" }, handler: ({ params }: Context<{ n: number }>) => bump(params.n) },
    },
  });
  await broker.start();
  await broker.waitForServices("callee", connectLimitMs, pollMs);
  await callBackOnce(broker);
  return {
    add: (a, b) => broker.call<number, Sum>("callee.add", { a, b }),
    echo: (payload) => broker.call<Payload, { payload: Payload }>("callee.echo", { payload }),
    callback: (n) => broker.call<number, { n: number }>("callee.callback", { n }),
    close: () => broker.stop(),
  };
}

/**
 * Two Moleculer nodes with its TCP transporter, JSON and parameter checks. A process is one node; what goes to another
 * goes over one connection, what comes back over a second one.
 */
export const moleculer: Peer = {
  name: "moleculer",
  versions: { moleculer: packageVersion("moleculer") },
  lacks: ["W6", "W7", "W8"],
  server: listen,
  client: open,
};
