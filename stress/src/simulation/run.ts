import { seededRandom } from "@colloquy/core";
import { agentPhases } from "./agent-run.ts";
import { ClientProcess, ServerProcess, type Place } from "./clients.ts";
import { STRAY, closeSome, fail } from "./faults.ts";
import { Ledger } from "./ledger.ts";
import { operate, sendLarge } from "./operations.ts";
import { sleepFor } from "./party.ts";
import { planOf, type Plan } from "./plan.ts";
import { nextTurn } from "./real-turns.ts";
import { Remotes } from "./remotes.ts";
import { REST_MS, restOf } from "./rest.ts";
import { SignalWatch } from "./signal-watch.ts";
import { SimulatedNetwork } from "./simulated-network.ts";
import { Trace } from "./trace.ts";
import { VirtualTime } from "./virtual-time.ts";
import { Watch } from "./watch.ts";
import { between, pick } from "./weather.ts";

export interface RunResult {
  readonly seed: number;
  readonly plan: Plan;
  /** The promise that was broken, and how. */
  readonly broken: string | undefined;
  /** What happened, where it was asked for. */
  readonly events: readonly string[];
  /** Follows from all that happened. */
  readonly print: number;
  readonly calls: number;
  /** Virtual. */
  readonly milliseconds: number;
}

const START_MS = 1000;
/** Of the items of a stream: their reader takes its time. */
const SLOW_SHARE = 0.3;
const LONGEST_PAUSE_MS = 10;
/** Longer than every limit of time after which something has to end. */
const LONGEST_MS = 600_000;
/** Of the operations: before so many a second connection is made, or ended. */
const TWIN_SHARE = 0.15;
/** More than what is under way takes. */
const AMPLE_GRACE_MS = 10_000;

/** One run that follows from its seed. */
export async function simulate(seed: number, isTraced: boolean): Promise<RunResult> {
  const plan = planOf(seed);
  const time = new VirtualTime(START_MS);
  const trace = new Trace(time, isTraced);
  const ledger = new Ledger(plan, time, trace.note);
  const network = new SimulatedNetwork(time, seededRandom(`network ${seed}`));
  network.listener = trace;
  const watch = new Watch(ledger, plan);
  const random = seededRandom(`work ${seed}`);
  const pause = (): Promise<void> | undefined =>
    random() < SLOW_SHARE ? sleepFor(time, random() * LONGEST_PAUSE_MS) : undefined;
  const signals = new SignalWatch(ledger);
  const remotes = new Remotes(ledger, signals, pause);
  const extra = seededRandom(`extra ${seed}`);
  const lasting = new AbortController().signal;
  const place: Place = { plan, time, random, extra, ledger, remotes, network, watch, signals, lasting, isOver: false };
  time.turnsForReal = plan.turnsForReal;
  time.onStep = () => {
    watch.check();
    signals.check();
  };
  time.onError = (error) => ledger.break(`thrown in the event loop: ${textOf(error)}`);
  const onRejection = (error: unknown): void => ledger.break(`nobody handles a rejection: ${textOf(error)}`);
  process.on("unhandledRejection", onRejection);
  time.install(seededRandom(`chance ${seed}`));
  try {
    await play(place);
    // Nothing of a run that was broken off must reach the next.
    network.failAll();
    await time.run(() => time.timerCount === 0, time.now + REST_MS);
  } finally {
    time.uninstall();
  }
  // Rejections without a handler are told at the end of a turn.
  await nextTurn();
  process.off("unhandledRejection", onRejection);
  const { broken, calls } = ledger;
  return {
    seed,
    plan,
    broken,
    events: trace.events,
    print: trace.print,
    calls: calls.length,
    milliseconds: time.now - START_MS,
  };
}

async function play(place: Place): Promise<void> {
  const { time, ledger } = place;
  let phase: string | undefined = "the start";
  const script = async (): Promise<void> => {
    try {
      for await (const next of phasesOf(place)) phase = next;
    } catch (error) {
      ledger.break(`the script has failed: ${textOf(error)}`);
    }
    phase = undefined;
  };
  void script();
  await time.run(() => phase === undefined || ledger.broken !== undefined, START_MS + LONGEST_MS);
  if (phase !== undefined) ledger.break(`${phase} doesn't end: ${ledger.unfinished()}`);
}

function phasesOf(place: Place): AsyncGenerator<string> {
  if (place.plan.kind === "agents")
    return agentPhases({ ...place, seats: [], meetings: new Set(), known: [], monitors: [], givers: new Map() });
  return phases(place);
}

/** The name of each phase before it begins. */
async function* phases(place: Place): AsyncGenerator<string> {
  const { plan, time, ledger, watch, network, signals } = place;
  const server = new ServerProcess(place);
  const clients = Array.from({ length: plan.clientCount }, (_, index) => new ClientProcess(`c${index + 1}`, place));
  await server.start();
  yield "connecting";
  const opening = clients.map((client) => client.start());
  if (place.random() < 0.7) await Promise.all(opening);
  yield "the workload";
  await work(place, server, clients);
  place.isOver = true;
  for (const link of network.links) link.heal();
  yield "what was begun";
  await restOf(place);
  watch.checkRest();
  yield "closing";
  await Promise.all([...clients.map((client) => client.end()), server.end()]);
  if (time.timerCount > 0) ledger.break(`all is closed, and ${time.timerCount} timers are left`);
  watch.checkEnd();
  signals.checkEnd();
  for (const link of network.links) {
    const isOver = link.from === STRAY ? link.far.isOver : link.isOver;
    if (!isOver) ledger.break(`all is closed, and ${String(link)} is open`);
  }
}

async function work(place: Place, server: ServerProcess, clients: readonly ClientProcess[]): Promise<void> {
  const { plan, time, random } = place;
  const faults = new Set(Array.from({ length: plan.faultCount }, () => between(random, 0, plan.operationCount - 1)));
  for (let index = 0; index < plan.operationCount; index++) {
    if (random() < 0.4) await sleepFor(time, random() * plan.longestPauseMs);
    if (faults.has(index)) fail(place, server, clients);
    if (plan.kind === "orderly" && random() < 0.05) closeSome({ place, server, clients }, AMPLE_GRACE_MS);
    if (plan.hasTwins) haveTwins(place, pick(place.extra, clients));
    operate(place, server, clients);
  }
  if (plan.kind === "orderly" && plan.hasLargeValues) await closeBehindLarge(place, server, clients);
}

/** One side closes while nothing is left but a large value that is on its way. */
async function closeBehindLarge(place: Place, server: ServerProcess, clients: readonly ClientProcess[]): Promise<void> {
  const { ledger, time, extra } = place;
  await ledger.atRest();
  const drawn = { ...place, random: extra };
  sendLarge(drawn, server, clients);
  await sleepFor(time, extra() * LONGEST_PAUSE_MS);
  closeSome({ place: drawn, server, clients }, AMPLE_GRACE_MS);
}

/** Has a client connect a second time, or end that connection, where this kind of run has ends. */
function haveTwins({ extra, plan: { kind } }: Place, client: ClientProcess): void {
  if (extra() > TWIN_SHARE) return;
  if (client.twin === undefined) return client.double();
  if (kind === "stormy" && extra() < 0.5) client.twin.connection.destroy();
  else if (kind === "stormy" || kind === "orderly") client.closeTwin(AMPLE_GRACE_MS);
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
