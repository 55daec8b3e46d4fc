import { PublicError } from "@colloquy/core";
import type { CallOptions } from "@colloquy/rpc";
import type { ClientProcess, Place, ServerProcess } from "./clients.ts";
import type { Party } from "./party.ts";
import { POOL_SIZE, productionOf } from "./production.ts";
import type { CallSetup, RemoteRoot } from "./remotes.ts";
import { LARGEST_MESSAGE_BYTES, LARGEST_VALUE_BYTES } from "./watch.ts";
import { between, pick } from "./weather.ts";

/** Who makes a call, and to whom. */
interface Way {
  readonly caller: Party;
  readonly remote: RemoteRoot;
  /** What all calls on it have in common. */
  readonly setup: Pick<CallSetup, "connection" | "isUnordered">;
}

type Operation = (way: Way, place: Place) => void;

const LONGEST_CALL_MS = 60;
const VERY_LONG_CALL_MS = 500;
/** Of the calls that nobody gives up. */
const LASTING_SHARE = 0.2;
/** Of the operations. */
const EXTRA_SHARE = 0.15;
/** Of the operations of a client that has two connections. */
const TWIN_SHARE = 0.5;

/** Makes an operation of the workload, over a connection that is drawn, if there is one. */
export function operate(place: Place, server: ServerProcess, clients: readonly ClientProcess[]): void {
  const way = wayOf(place, server, clients);
  if (way === undefined) return;
  pick(place.random, OPERATIONS)(way, place);
  if (place.extra() < EXTRA_SHARE) pick(place.extra, EXTRA_OPERATIONS)(way, { ...place, random: place.extra });
}

/** Makes a call with a large value, where this run has some. */
export function sendLarge(place: Place, server: ServerProcess, clients: readonly ClientProcess[]): void {
  const way = wayOf(place, server, clients);
  if (way !== undefined) large(way, place);
}

function wayOf({ random, extra }: Place, server: ServerProcess, clients: readonly ClientProcess[]): Way | undefined {
  if (random() < 0.3 && server.connections.length > 0) {
    const connection = pick(random, server.connections);
    return { caller: server.party, remote: connection.remote as unknown as RemoteRoot, setup: { connection } };
  }
  const client = pick(random, clients);
  const { remote, twin } = client;
  if (twin?.connection.usable === true && extra() < TWIN_SHARE) {
    const { connection, party } = twin;
    return { caller: party, remote: connection.remote as unknown as RemoteRoot, setup: { connection } };
  }
  // What waits for a connection starts behind what comes on it and is called at once.
  return remote && { caller: client.party, remote, setup: { connection: client.fixed, isUnordered: client.isAway } };
}

/** What a call may be given: often nothing. Who closes doesn't wait for calls that were given up: there the other side's may be lost. */
function optionsFor({ plan, random, extra, time, lasting }: Place): { readonly options?: CallOptions } {
  const chance = random();
  if (plan.kind === "orderly") return {};
  if (chance < 0.6) return extra() < LASTING_SHARE ? { options: { signal: lasting } } : {};
  if (chance < 0.8) return { options: { timeout: between(random, 1, LONGEST_CALL_MS) } };
  const controller = new AbortController();
  time.deliver(() => controller.abort(new PublicError("enough")), time.now + between(random, 0, LONGEST_CALL_MS));
  return { options: { signal: controller.signal } };
}

/** None, the most often. */
function durationOf({ random }: Place): number {
  const chance = random();
  if (chance < 0.3) return 0;
  return between(random, 1, chance < 0.9 ? LONGEST_CALL_MS : VERY_LONG_CALL_MS);
}

const plain: Operation = ({ remote, setup }, place) =>
  quietly(place.remotes.call("plain", remote["plain"]!, [], { ...setup, ...optionsFor(place) }));

/** More than the output takes at once, often. */
const padded: Operation = ({ remote, setup }, place) => {
  for (let count = between(place.random, 1, 4); count > 0; count--) {
    const text = "x".repeat(between(place.random, 0, LARGEST_MESSAGE_BYTES - 100));
    quietly(place.remotes.call("padded", remote["padded"]!, [text], setup));
  }
};

const large: Operation = ({ remote, setup }, place) => {
  if (!place.plan.hasLargeValues) return;
  const options = { ...setup, isUnordered: true, ...optionsFor(place) };
  quietly(place.remotes.call("padded", remote["padded"]!, [new Uint8Array(LARGEST_VALUE_BYTES)], options));
};

const slow =
  (method: "later" | "fails" | "obeys"): Operation =>
  ({ remote, setup }, place) =>
    quietly(place.remotes.call(method, remote[method]!, [durationOf(place)], { ...setup, ...optionsFor(place) }));

/** Sent again where it surely didn't run, or where that does no harm. */
const retried: Operation = ({ remote }, place) => {
  const idempotent = place.random() < 0.5;
  const options = { retries: between(place.random, 1, 3), ...(idempotent ? { idempotent } : {}) };
  const method = idempotent ? "again" : "later";
  quietly(place.remotes.call(method, remote[method]!, [durationOf(place)], { options }));
};

const noted: Operation = ({ remote, setup: { isUnordered = false } }, place) => {
  if (place.random() < 0.5) place.remotes.notify("note", remote["note"]!, [], isUnordered);
  else place.remotes.notify("lateNote", remote["lateNote"]!, [durationOf(place)], isUnordered);
};

/** Hands out a signal, which aborts often. */
const signalled: Operation = ({ remote, setup }, place) => {
  const { random, time, remotes, plan } = place;
  const controller = new AbortController();
  if (random() < 0.6) time.deliver(() => controller.abort(), time.now + between(random, 0, LONGEST_CALL_MS));
  const args = [remotes.lend(controller.signal), durationOf(place)];
  // Who closes waits for calls, and its signals abort then.
  const options = plan.kind === "orderly" ? {} : optionsFor(place);
  quietly(remotes.call("signalled", remote["signalled"]!, args, { ...setup, ...options }));
};

const calledBack: Operation = ({ caller, remote, setup }, place) => {
  const index = between(place.random, 0, POOL_SIZE - 1);
  const args = [caller.pool[index], caller.name, index, between(place.random, 0, 3), place.random() < 0.3];
  quietly(place.remotes.call("calls", remote["calls"]!, args, { ...setup, ...optionsFor(place) }));
};

const asked: Operation = ({ remote, setup }, place) =>
  quietly(
    place.remotes.call("asks", remote["asks"]!, [between(place.random, 0, 4)], { ...setup, ...optionsFor(place) }),
  );

/** Gets a function, and keeps it for others to call and to release. */
const given: Operation = ({ remote, setup }, place) => {
  const index = between(place.random, 0, POOL_SIZE - 1);
  const got = place.remotes.call("gives", remote["gives"]!, [index], { ...setup, expects: anything });
  quietly(got.then((call) => place.remotes.keep(call as () => void, index, setup.connection)));
};

const heldCalled: Operation = (_, place) => {
  const { remotes, random } = place;
  if (remotes.held.length > 0) quietly(remotes.callHeld(pick(random, remotes.held), optionsFor(place).options ?? {}));
};

const heldReleased: Operation = (_, { remotes, random }) => {
  if (remotes.held.length > 0) remotes.release(pick(random, remotes.held));
};

const pipelined: Operation = ({ remote, setup: { isUnordered = false } }, place) => {
  const index = between(place.random, 0, POOL_SIZE - 1);
  if (place.random() < 0.5) place.remotes.pipelineFunction(remote["gives"]!, index, isUnordered);
  else place.remotes.pipelineService(remote["givesService"]!, index, isUnordered);
};

/** A result becomes an argument, once or more. */
const passed: Operation = ({ remote, setup: { isUnordered = false } }, place) => {
  const times = [durationOf(place), durationOf(place)] as const;
  place.remotes.passResult(remote["later"]!, remote["takes"]!, ...times, isUnordered);
};

/** Ends only because it is given up. */
const awaited: Operation = ({ remote, setup }, place) => {
  const { plan, time, random } = place;
  // Who closes waits for its calls: it would give them up behind the end.
  if (plan.kind === "orderly") return;
  const controller = new AbortController();
  time.deliver(() => controller.abort(), time.now + between(random, 0, LONGEST_CALL_MS));
  const options = { signal: controller.signal };
  quietly(place.remotes.call("waits", remote["waits"]!, [], { ...setup, options }));
};

const streamed: Operation = ({ remote, setup }, place) => {
  const production = productionOf(place.random);
  const { count, failsAt, gapMs } = production;
  const most = place.random() < 0.5 ? Infinity : between(place.random, 0, count);
  const options = { ...setup, expects: anything, ...optionsFor(place) };
  const got = place.remotes.call("streams", remote["streams"]!, [count, failsAt, gapMs], options);
  quietly(got.then((stream) => place.remotes.read(stream as AsyncIterable<unknown>, production, most)));
};

const streamSent: Operation = ({ caller, remote, setup }, place) => {
  const production = productionOf(place.random);
  const { count, failsAt } = production;
  const most = place.random() < 0.5 ? count + 1 : between(place.random, 0, count);
  const args = [caller.produce(production), count, failsAt, most];
  quietly(place.remotes.call("reads", remote["reads"]!, args, { ...setup, ...optionsFor(place) }));
};

/** As often as they stand here. */
const OPERATIONS: readonly Operation[] = [
  plain,
  plain,
  plain,
  padded,
  large,
  slow("later"),
  slow("later"),
  slow("later"),
  slow("fails"),
  slow("obeys"),
  slow("obeys"),
  retried,
  noted,
  noted,
  calledBack,
  calledBack,
  asked,
  given,
  given,
  heldCalled,
  heldCalled,
  heldReleased,
  pipelined,
  streamed,
  streamed,
  streamSent,
];

/** Beside those. */
const EXTRA_OPERATIONS: readonly Operation[] = [signalled, large, large, passed, passed, awaited];

function anything(): undefined {
  return undefined;
}

/** The ledger has entered it. */
function quietly(promise: Promise<unknown>): void {
  promise.catch(() => {});
}
