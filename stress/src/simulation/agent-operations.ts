import type { SpawnOptions } from "@colloquy/container";
import type { CallOptions } from "@colloquy/rpc";
import {
  homeOf,
  isPlanned,
  workersOf,
  type AgentPlace,
  type Home,
  type Known,
  type Monitor,
  type Site,
} from "./homes.ts";
import type { CallSetup } from "./remotes.ts";
import { between, pick } from "./weather.ts";
import { checkEnd, type Seat } from "./worker.ts";

type Operation = (place: AgentPlace, sites: readonly Site[]) => void | Promise<void>;

const LONGEST_CALL_MS = 60;
const FAILED_START_SHARE = 0.05;

/** Makes an operation of the workload with agents. */
export function operateAgents(place: AgentPlace, sites: readonly Site[]): void {
  void pick(place.random, OPERATIONS)(place, sites);
}

/** Spawns an agent: with a number or a word for an id, supervised or not, with a mailbox or none. */
export const spawned: Operation = (place, sites) => {
  const { random, seats } = place;
  const home = homeOf(random, sites);
  if (home === undefined) return;
  const [isNumbered, isRestarted] = [random() < 0.4, random() < 0.3];
  const seat: Seat = {
    number: seats.length,
    home,
    isRestarted,
    isNumbered,
    id: `w${seats.length}`,
    isSpawned: false,
    ends: new Set(),
    worker: undefined,
  };
  seats.push(seat);
  const options: SpawnOptions = {
    ...(isNumbered ? {} : { id: seat.id }),
    ...(random() < 0.3 ? { mailbox: "serial" } : {}),
    ...(isRestarted ? { restart: "permanent", intensity: 3, backoff: { minMs: 5, maxMs: 50 } } : {}),
  };
  void spawn(place, home, seat, options);
};

async function spawn(place: AgentPlace, home: Home, seat: Seat, options: SpawnOptions): Promise<void> {
  const done = place.ledger.busy();
  const isFailing = place.random() < FAILED_START_SHARE;
  try {
    const worker = await home.container.spawn(workersOf(place, seat, isFailing), options);
    seat.id = worker.id;
    seat.isSpawned = true;
    if (isFailing) place.ledger.break(`the agent ${seat.number} lives, whose start has failed`);
  } catch (error) {
    seat.ends.add("error");
    if (!isFailing && !home.isLeaving) place.ledger.break(`the agent ${seat.number} wasn't spawned: ${String(error)}`);
    if (isFailing && !isPlanned(error) && !home.isLeaving)
      place.ledger.break(`the start of the agent ${seat.number} has failed with ${String(error)}`);
  }
  done();
}

/** Ends one in one of the ways that there are. */
const ended: Operation = (place) => {
  const living = livingOf(place);
  if (living.length === 0) return;
  const seat = pick(place.random, living);
  const worker = seat.worker!;
  const way = pick(place.random, ["stop", "stop", "fail", "terminate"] as const);
  if (way === "fail") return worker.crash();
  const done = place.ledger.busy();
  const reason = way === "stop" ? "normal" : "shutdown";
  seat.ends.add(reason);
  // Who is under a supervisor ends when it is its turn.
  if (way === "stop" || !seat.isRestarted) worker.isGone = true;
  const end = way === "stop" ? worker.stop() : (seat.home as Home).container.terminate(worker);
  end.catch((error: unknown) => checkEnd(place, error)).finally(done);
};

/** Connects to one, also to one that has ended. */
const met: Operation = (place, sites) => {
  const { random, seats } = place;
  const home = homeOf(random, sites);
  const seen = seats.filter(({ isSpawned }) => isSpawned).slice(-SEEN_COUNT);
  if (home === undefined || seen.length === 0) return;
  const seat = pick(random, seen);
  if (seat.worker !== undefined || random() < 0.2) void connect(place, home, seat);
};

async function connect(place: AgentPlace, home: Home, seat: Seat): Promise<void> {
  const done = place.ledger.busy();
  const wasOver = !seat.isRestarted && !seat.isNumbered && seat.ends.size > 0;
  try {
    const remote = await home.container.connect<object>(`local://${seat.home.name}/${seat.id}`);
    place.known.push({ home, remote: remote as Known["remote"], seat });
    if (wasOver) place.ledger.break(`the agent ${seat.number} was found, which has ended`);
  } catch (error) {
    checkFailure(place, home, seat, error);
  }
  done();
}

const called =
  (method: "plain" | "later" | "fails" | "leaves"): Operation =>
  (place) => {
    const known = knownOf(place);
    if (known === undefined) return;
    const args = method === "later" ? [between(place.random, 0, LONGEST_CALL_MS)] : [];
    if (method === "leaves" && place.random() < 0.5) return;
    void call(place, known, method, args);
  };

/** Gets a function, for others to call when its agent may have ended. */
const given: Operation = async (place) => {
  const known = knownOf(place);
  if (known === undefined) return;
  const got = await call(place, known, "gives", [], () => undefined);
  // Which one it is of is known as long as it can be just one.
  if (typeof got !== "function" || known.seat.isNumbered) return;
  place.givers.set(got, known);
  place.remotes.keep(got as () => void, known.seat.number, undefined);
};

const heldCalled: Operation = async ({ remotes, random, plan, ledger, givers }) => {
  if (remotes.held.length === 0) return;
  const held = pick(random, remotes.held);
  try {
    await remotes.callHeld(held, {});
  } catch (error) {
    const { home, seat } = givers.get(held.call)!;
    if (plan.faultCount > 0 || held.isReleased || home.isLeaving || seat.home.isLeaving) return;
    ledger.break(`a function that nobody has released has failed: ${String(error)}`);
  }
};

const heldReleased: Operation = ({ remotes, random }) => {
  if (remotes.held.length > 0) remotes.release(pick(random, remotes.held));
};

/** Passes an agent of the caller's container. */
const introduced: Operation = (place) => {
  const known = knownOf(place);
  if (known === undefined) return;
  const own = livingOf(place).filter(({ home }) => home === known.home);
  if (own.length === 0) return;
  const seat = pick(place.random, own);
  // One with a mailbox may wait for the other, and that for this one.
  void call(place, known, "meets", [seat.worker, seat.number]);
};

const monitored: Operation = (place, sites) => {
  const { random, monitors, known } = place;
  const home = homeOf(random, sites);
  const living = livingOf(place);
  if (home === undefined || living.length === 0) return;
  const own = known.filter((one) => one.home === home);
  const isByProxy = own.length > 0 && random() < 0.5;
  const by = isByProxy ? pick(random, own) : undefined;
  const seat = by?.seat ?? pick(random, living);
  const target = by?.remote ?? `local://${seat.home.name}/${seat.id}`;
  const monitor: Monitor = {
    home,
    seat,
    state: "open",
    takeBack: home.container.monitor(target, (reason) => tell(place, monitor, reason)),
  };
  monitors.push(monitor);
};

function tell({ ledger, plan, monitors, extra }: AgentPlace, monitor: Monitor, reason: string): void {
  const { seat, state } = monitor;
  if (state !== "open") ledger.break(`a monitor of the agent ${seat.number} tells of ${reason} and is ${state}`);
  monitor.state = "told";
  // Others of the same end may be about to be told.
  if (extra() < 0.3) for (const other of monitors) if (other.seat === seat && other.state === "open") takeBack(other);
  // Where faults are the time for an end may be short: it is a failure then.
  if (reason === "error" && plan.faultCount > 0 && seat.ends.size > 0) return;
  // The connection may have been begun to the container before, at the same address.
  const mayBeLost = plan.faultCount > 0 || seat.home.isLeaving || seat.ends.size > 0 || seat.home.number > 1;
  if (reason === "unreachable" ? mayBeLost : hasEnded(seat, reason)) return;
  ledger.break(
    `a monitor of the agent ${seat.number} tells of ${reason}, and it has ended: ${[...seat.ends].join(", ") || "no"}`,
  );
}

/** A number may be that of another one, of the next container. */
function hasEnded(seat: Seat, reason: string): boolean {
  return seat.home.isLeaving || (seat.ends as ReadonlySet<string>).has(reason);
}

const unmonitored: Operation = ({ random, monitors }) => {
  const open = monitors.filter(({ state }) => state === "open");
  if (open.length === 0) return;
  takeBack(pick(random, open));
};

function takeBack(monitor: Monitor): void {
  monitor.state = "taken back";
  monitor.takeBack();
}

const SEEN_COUNT = 8;

/** As often as they stand here. */
const OPERATIONS: readonly Operation[] = [
  spawned,
  spawned,
  spawned,
  ended,
  ended,
  met,
  met,
  met,
  met,
  called("plain"),
  called("plain"),
  called("plain"),
  called("plain"),
  called("later"),
  called("later"),
  called("later"),
  called("fails"),
  called("leaves"),
  given,
  given,
  heldCalled,
  heldCalled,
  heldReleased,
  introduced,
  introduced,
  monitored,
  monitored,
  unmonitored,
];

async function call(
  place: AgentPlace,
  { home, remote, seat }: Known,
  method: string,
  args: readonly unknown[],
  expects?: () => undefined,
): Promise<unknown> {
  // Mailboxes, and connections that follow each other, change the order.
  const setup: CallSetup = { isUnordered: true, ...optionsFor(place), ...(expects === undefined ? {} : { expects }) };
  try {
    return await place.remotes.call(method, remote[method]!, [seat.number, ...args], setup);
  } catch (error) {
    checkFailure(place, home, seat, error);
    return undefined;
  }
}

function optionsFor({ random, time, extra, lasting }: AgentPlace): { readonly options?: CallOptions } {
  const chance = random();
  if (chance < 0.7) return extra() < 0.2 ? { options: { signal: lasting } } : {};
  if (chance < 0.85) return { options: { timeout: between(random, 1, LONGEST_CALL_MS) } };
  const controller = new AbortController();
  time.deliver(() => controller.abort(), time.now + between(random, 0, LONGEST_CALL_MS));
  return { options: { signal: controller.signal } };
}

const ENDED: ReadonlySet<unknown> = new Set(["NOT_FOUND", "UNAVAILABLE"]);
const OWN: ReadonlySet<unknown> = new Set(["REMOTE_ERROR", "CANCELLED", "DEADLINE_EXCEEDED"]);

/** Who has ended isn't found; else there has to be a reason. */
function checkFailure({ plan, ledger }: AgentPlace, home: Home, seat: Seat, error: unknown): void {
  const { code, message, executed } = error as { code?: unknown; message?: unknown; executed?: unknown };
  const isOver = seat.ends.size > 0 || seat.home.isLeaving || home.isLeaving;
  // The connection may have been begun to the container before, at the same address.
  const isOut = isOver || (code === "UNAVAILABLE" && seat.home.number > 1);
  const what = `${String(code)} (${String(message)}) of the agent ${seat.number}`;
  if (code === "NOT_FOUND" && !isOver) ledger.break(`${what}, which has not ended`);
  if (code === "NOT_FOUND" && executed !== "no") ledger.break(`${what} with executed: ${String(executed)}`);
  if (plan.faultCount > 0 || OWN.has(code) || (ENDED.has(code) && isOut)) return;
  ledger.break(`${what}, without a reason`);
}

function livingOf({ seats }: AgentPlace): Seat[] {
  return seats.filter(({ worker, home, isSpawned }) => isSpawned && worker?.isGone === false && !home.isLeaving);
}

function knownOf({ known, random }: AgentPlace): Known | undefined {
  const usable = known.filter(({ home }) => !home.isLeaving).slice(-SEEN_COUNT);
  return usable.length === 0 ? undefined : pick(random, usable);
}
