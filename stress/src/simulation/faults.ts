import type { ClientProcess, Place, ServerProcess } from "./clients.ts";
import type { Side, SimulatedLink } from "./simulated-network.ts";
import { between, pick } from "./weather.ts";

/** What a fault can hit. */
interface Targets {
  readonly place: Place;
  readonly server: ServerProcess;
  readonly clients: readonly ClientProcess[];
  readonly link: SimulatedLink | undefined;
}

type Fault = (targets: Targets) => void;

const BOTH: readonly Side[] = ["near", "far"];
/** Longer than a process that is busy lets anybody wait. */
const LONGEST_STALL_MS = 2000;
const LONGEST_BUSY_MS = 800;
const LONGEST_GRACE_MS = 200;

/** Has something go wrong. */
export function fail(place: Place, server: ServerProcess, clients: readonly ClientProcess[]): void {
  const open = place.network.links.filter(({ isOpen }) => isOpen);
  const link = open.length === 0 ? undefined : pick(place.random, open);
  pick(place.random, FAULTS)({ place, server, clients, link });
}

/** Ends a connection in order, with time for what is under way. */
export function closeSome({ place, server, clients }: Omit<Targets, "link">, graceMs: number): void {
  const { random } = place;
  if (random() < 0.5) void server.close(graceMs);
  else pick(random, clients).close(graceMs);
}

const cut: Fault = ({ place: { random }, link }) =>
  link?.cutAfter(pick(random, BOTH), random() < 0.2 ? 0 : between(random, 1, 400));

const stall: Fault = ({ place: { random }, link }) => {
  const sides = pick(random, [BOTH, ["near"], ["far"]] as const);
  link?.stall(between(random, 5, LONGEST_STALL_MS), sides);
};

const vanish: Fault = ({ link }) => link?.stall(Infinity, BOTH);

const crashServer: Fault = ({ place: { random }, server }) => {
  void server.crash(random() < 0.4, between(random, 0, 300));
};

const crashClient: Fault = ({ place: { random }, clients }) => pick(random, clients).crash(random() < 0.4);

const destroyClient: Fault = ({ place: { random }, clients }) => pick(random, clients).destroy();

const close: Fault = ({ place, server, clients }) =>
  closeSome({ place, server, clients }, between(place.random, 0, LONGEST_GRACE_MS));

const beBusy: Fault = ({ place: { random, time } }) => time.stall(between(random, 10, LONGEST_BUSY_MS));

/** Where connections come from that no client of the library has made. */
export const STRAY = "stray";

/** A connection that reaches the server and brings nothing, as of a client that tries twice. */
const stray: Fault = ({ place: { random, time, network } }) => {
  const transport = network.connect("s", STRAY);
  if (transport === undefined) return;
  transport.open({ onChunk: () => {}, onDrain: () => {}, onClose: () => {} });
  const endsAtMs = time.now + between(random, 0, 100);
  if (random() < 0.5) time.deliver(() => transport.end(), endsAtMs);
  time.deliver(() => transport.destroy(), endsAtMs + 50);
};

const FAULTS: readonly Fault[] = [
  cut,
  cut,
  cut,
  stall,
  stall,
  vanish,
  crashServer,
  crashClient,
  destroyClient,
  close,
  close,
  beBusy,
  stray,
];
