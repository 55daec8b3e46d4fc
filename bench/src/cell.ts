// The program of a child process: one side of one cell. It ends with its parent, whatever becomes of that.
import { once } from "node:events";
import type { CellOrder, CellReport } from "./cell-messages.ts";
import { measure } from "./measure.ts";
import type { Peer } from "./peer.ts";
import { peers } from "./peers/table.ts";
import { workloads } from "./workloads.ts";

function tell(report: CellReport): Promise<void> {
  return new Promise((resolve) => {
    process.send?.(report, () => resolve());
  });
}

function load(name: string): Promise<Peer> {
  const loader = Object.hasOwn(peers, name) ? peers[name] : undefined;
  if (loader === undefined) throw new Error(`no such peer: ${name}`);
  return loader();
}

async function serve(order: CellOrder & { role: "server" }): Promise<void> {
  const peer = await load(order.peer);
  const server = await peer.server();
  const closing = once(process, "message");
  await tell({ kind: "ready", address: server.address, versions: peer.versions });
  await closing;
  await server.close();
}

async function measureClient(order: CellOrder & { role: "client" }): Promise<void> {
  const workload = workloads.find(({ name }) => name === order.workload);
  if (workload === undefined) throw new Error(`no such workload: ${order.workload}`);
  const peer = await load(order.peer);
  const client = await peer.client(order.address);
  await workload.check(client);
  const measurement = await measure(workload, workload.operation(client), order.timing);
  await tell({ kind: "measured", measurement });
  await client.close();
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
