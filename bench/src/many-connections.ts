import { strictEqual } from "node:assert/strict";
import { settledMemory } from "./memory.ts";
import { measureRate, type Measurement, type Timing } from "./measure.ts";
import type { PeerClient } from "./peer.ts";

/** How much a cell does. */
export interface CellSize extends Timing {
  /** Connections of the workloads that open many. */
  readonly connections: number;
  /** How long a process is left alone before its memory is read. */
  readonly settleMs: number;
}

/** What a workload has to work with, in the process of the client. */
export interface Stage {
  /** Its results have been checked. */
  readonly client: PeerClient;
  readonly size: CellSize;
  /** One more client of the same server, closed by whoever made the stage. */
  open(): Promise<PeerClient>;
  /** Resident bytes of the server once it has settled. */
  serverMemory(): Promise<number>;
}

const smallBatch = 10;
const batch = 50;
/** Connections before the first that counts, so that what is loaded, compiled and reserved once doesn't. */
const firstConnections = 20;

/** Bytes that one more idle connection takes in the server, and `more.client` in the client. */
export async function measureMemory(stage: Stage): Promise<Measurement> {
  const { connections, settleMs } = stage.size;
  await openMany(stage, Math.min(firstConnections, connections), smallBatch);
  const serverBefore = await stage.serverMemory();
  const clientBefore = await settledMemory(settleMs);
  await openMany(stage, connections, smallBatch);
  const server = (await stage.serverMemory()) - serverBefore;
  const client = (await settledMemory(settleMs)) - clientBefore;
  return { value: server / connections, calls: connections, more: { client: client / connections } };
}

/** Connections a second, each with one call. */
export async function measureAccept(stage: Stage): Promise<Measurement> {
  const { connections } = stage.size;
  await openMany(stage, Math.min(firstConnections, connections), batch);
  const start = performance.now();
  await openMany(stage, connections, batch);
  const seconds = (performance.now() - start) / 1000;
  return { value: connections / seconds, calls: connections };
}

/** Calls a second where each call takes the next connection. */
export async function measureSpread(stage: Stage, inFlight: number): Promise<Measurement> {
  const clients = await openMany(stage, stage.size.connections, batch);
  let turn = 0;
  const start = (): Promise<number> => {
    const client = clients[turn] as PeerClient;
    turn = turn + 1 === clients.length ? 0 : turn + 1;
    return client.add(3, 4);
  };
  return measureRate({ start, isRight: (sum) => sum === 7 }, inFlight, stage.size);
}

/** Opens clients, `atOnce` at a time, and makes a call with each. */
async function openMany(stage: Stage, count: number, atOnce: number): Promise<readonly PeerClient[]> {
  const openOne = async (): Promise<PeerClient> => {
    const client = await stage.open();
    strictEqual(await client.add(3, 4), 7);
    return client;
  };
  const clients: PeerClient[] = [];
  while (clients.length < count) {
    const length = Math.min(atOnce, count - clients.length);
    clients.push(...(await Promise.all(Array.from({ length }, openOne))));
  }
  return clients;
}
