import { closeRequest } from "./cell-messages.ts";
import type { Child, Children } from "./children.ts";
import type { Measurement, Timing } from "./measure.ts";
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
  | { readonly ok: false; readonly reason: string };

const graceMs = 15_000;
const closeLimitMs = 3_000;

/** Runs one cell in two fresh processes, which are gone when it resolves. Never rejects. */
export async function runCell(
  peer: string,
  workload: Workload,
  timing: Timing,
  command: readonly string[],
  children: Children,
): Promise<CellOutcome> {
  const limitMs = timing.warmUpMs + timing.timedMs + graceMs;
  const limit = new AbortController();
  const timer = setTimeout(() => {
    limit.abort();
    children.killAll();
  }, limitMs);
  try {
    const server = children.start({ role: "server", peer }, command);
    const { address, versions } = await named("server", server.next("ready"));
    const client = children.start({ role: "client", peer, workload: workload.name, address, timing }, command);
    const serverEnd = named("server", server.next("closed"));
    const measured = named("client", client.next("measured"));
    const { measurement } = await Promise.race([measured, serverEnd.then(endedEarly)]);
    return { ok: true, measurement, versions, hasClosed: await closeBoth(client, server, serverEnd) };
  } catch (error) {
    const reason = limit.signal.aborted ? `not done within ${limitMs} ms` : (error as Error).message;
    return { ok: false, reason };
  } finally {
    clearTimeout(timer);
    await children.clear();
  }
}

/** The client goes first, as in life; a peer that doesn't close in time is noted and killed. */
async function closeBoth(client: Child, server: Child, serverEnd: Promise<unknown>): Promise<boolean> {
  const inOrder = async (): Promise<boolean> => {
    await client.next("closed");
    server.send(closeRequest);
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
