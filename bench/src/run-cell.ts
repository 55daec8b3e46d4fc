import type { Child, Children } from "./children.ts";
import type { CellSize } from "./many-connections.ts";
import type { Measurement } from "./measure.ts";
import type { Workload } from "./workloads.ts";

/** What became of one cell: a measurement, or the reason why there is none. */
export type CellOutcome =
  | {
      readonly ok: true;
      readonly measurement: Measurement;
      readonly versions: Readonly<Record<string, string>>;
      /** Whether both sides closed in good order and time once the measurement was done. */
      readonly hasClosed: boolean;
    }
  /** A cell that is left out can't be had from this peer, or on this machine; else it has failed. */
  | { readonly ok: false; readonly isLeftOut: boolean; readonly reason: string };

const graceMs = 15_000;
const connectionLimitMs = 20;
const closeLimitMs = 5_000;

/** Runs one cell in two fresh processes, which are gone when it resolves. Never rejects. */
export async function runCell(
  peer: string,
  workload: Workload,
  size: CellSize,
  command: readonly string[],
  children: Children,
): Promise<CellOutcome> {
  const limitMs = 2 * (size.warmUpMs + size.timedMs) + size.connections * connectionLimitMs + graceMs;
  const limit = new AbortController();
  const timer = setTimeout(() => {
    limit.abort();
    children.killAll();
  }, limitMs);
  try {
    const place = { peer, workload: workload.name, size };
    const server = children.start({ ...place, role: "server" }, command);
    const start = await named("server", server.next("ready", "left out"));
    if (start.kind === "left out") return { ok: false, isLeftOut: true, reason: start.reason };
    const { address, versions } = start;
    const client = children.start({ ...place, role: "client", address }, command);
    const serverEnd = named("server", server.next("closed"));
    const measured = named("client", measurementOf(client, server));
    const measurement = await Promise.race([measured, serverEnd.then(endedEarly)]);
    return { ok: true, measurement, versions, hasClosed: await closeBoth(client, server, serverEnd) };
  } catch (error) {
    const reason = limit.signal.aborted ? `not done within ${limitMs} ms` : (error as Error).message;
    return { ok: false, isLeftOut: false, reason };
  } finally {
    clearTimeout(timer);
    await children.clear();
  }
}

/** What the client finds, with the server's memory brought to it whenever it asks. */
async function measurementOf(client: Child, server: Child): Promise<Measurement> {
  for (;;) {
    const report = await client.next("measured", "memory wanted");
    if (report.kind === "measured") return report.measurement;
    server.send({ kind: "memory" });
    const { bytes } = await server.next("memory");
    client.send({ kind: "server memory", bytes });
  }
}

/** The client goes first, as in life; a peer that doesn't close in time is noted and killed. */
async function closeBoth(client: Child, server: Child, serverEnd: Promise<unknown>): Promise<boolean> {
  const inOrder = async (): Promise<boolean> => {
    await client.next("closed");
    server.send({ kind: "close" });
    await serverEnd;
    return true;
  };
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), closeLimitMs);
  });
  try {
    return await Promise.race([inOrder().catch(() => false), late]);
  } finally {
    clearTimeout(timer);
  }
}

function endedEarly(): never {
  throw new Error("the server closed before the client was done");
}

async function named<T>(side: string, promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    throw new Error(`${side}: ${(error as Error).message}`, { cause: error });
  }
}
