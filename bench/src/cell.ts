// The program of a child process: one side of one cell. It ends with its parent, whatever becomes of that.
import { once } from "node:events";
import type { CellOrder, CellReport, CellRequest } from "./cell-messages.ts";
import type { Stage } from "./many-connections.ts";
import type { Measurement } from "./measure.ts";
import { settledMemory } from "./memory.ts";
import type { Peer, PeerClient } from "./peer.ts";
import { peers } from "./peers/table.ts";
import { workloads, type Workload } from "./workloads.ts";

function tell(report: CellReport): Promise<void> {
  return new Promise((resolve) => {
    process.send?.(report, () => resolve());
  });
}

async function nextRequest(): Promise<CellRequest> {
  const [request] = (await once(process, "message")) as [CellRequest];
  return request;
}

function load(name: string): Promise<Peer> {
  const loader = Object.hasOwn(peers, name) ? peers[name] : undefined;
  if (loader === undefined) throw new Error(`no such peer: ${name}`);
  return loader();
}

async function serve({ peer: name, workload, size }: CellOrder & { role: "server" }): Promise<void> {
  const peer = await load(name);
  const reason = peer.lacks?.includes(workload) ? "it can't do that" : await peer.available?.();
  if (reason !== undefined) return tell({ kind: "left out", reason });
  const server = await peer.server();
  let request = nextRequest();
  await tell({ kind: "ready", address: server.address, versions: peer.versions });
  while ((await request).kind !== "close") {
    request = nextRequest();
    await tell({ kind: "memory", bytes: await settledMemory(size.settleMs) });
  }
  await server.close();
}

async function measureClient(order: CellOrder & { role: "client" }): Promise<void> {
  const workload = workloads.find(({ name }) => name === order.workload);
  if (workload === undefined) throw new Error(`no such workload: ${order.workload}`);
  const peer = await load(order.peer);
  const clients: PeerClient[] = [];
  const open = async (): Promise<PeerClient> => {
    const client = await peer.client(order.address);
    clients.push(client);
    return client;
  };
  const client = await open();
  await workload.check(client);
  const measurement = await measured(workload, { client, size: order.size, open, serverMemory });
  await tell({ kind: "measured", measurement });
  await Promise.all(clients.map((opened) => opened.close()));
}

function measured({ name, kind, inFlight, run }: Workload, stage: Stage): Promise<Measurement> {
  return stage.client.measure?.({ name, kind, inFlight }, stage.size) ?? run(stage);
}

async function serverMemory(): Promise<number> {
  const answer = nextRequest();
  await tell({ kind: "memory wanted" });
  const request = await answer;
  if (request.kind !== "server memory") throw new Error(`unexpected request: ${request.kind}`);
  return request.bytes;
}

process.once("disconnect", () => process.exit(1));
try {
  const order = JSON.parse(process.argv[2] ?? "") as CellOrder;
  await (order.role === "server" ? serve(order) : measureClient(order));
  await tell({ kind: "closed" });
  process.exit(0);
} catch (error) {
  await tell({ kind: "failed", reason: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  process.exit(1);
}
