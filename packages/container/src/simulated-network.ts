import { LocalNetwork, seededRandom } from "@colloquy/core";
import type { LocalRoute, PostedMessage } from "@colloquy/core";
import type { ExternalClock } from "./external-clock.ts";
import { MessageFate } from "./simulation-model.ts";
import type { MessageKind, SimulationModel } from "./simulation-model.ts";

/** What has become of one message. */
export interface Delivery {
  /** Clock time at which it was delivered, or lost: at which it was sent, then. */
  readonly time: number;
  readonly from: string;
  readonly to: string;
  readonly kind: MessageKind;
  /** Path of the method, also for answers. */
  readonly path: string;
  readonly lost: boolean;
}

/** A call that has no answer yet, and where it is. */
interface OpenCall {
  readonly from: string;
  readonly to: string;
  readonly path: string;
  readonly time: number;
  state: "under way" | "lost" | "being carried out" | "answered, and the answer is under way" | "answer lost";
}

/** One direction of a connection. */
interface Lane {
  /** Requests that have come this way. */
  readonly calls: Map<number, OpenCall>;
  /** When the last message is due of those under way. */
  lastDue: number;
}

const [REQUEST, NOTIFICATION] = [0, 3];
const MAX_TOLD = 10;
/** They have to be known before the next message is read. */
const AT_ONCE: ReadonlySet<string> = new Set(["$/hello", "$/shapes"]);

/** The network of a simulation: messages arrive when and as far as its model says, in the time of a clock. */
export class SimulatedNetwork {
  readonly network: LocalNetwork;
  readonly trace: Delivery[] = [];
  readonly #clock: ExternalClock;
  readonly #fate: MessageFate;
  readonly #lanes = new Map<object, Lane>();
  #ended = false;

  constructor(seed: number | string, model: SimulationModel, clock: ExternalClock) {
    this.#clock = clock;
    this.#fate = new MessageFate(model, seededRandom(`model of ${seed}`));
    this.network = new LocalNetwork({
      seed,
      onMessage: (message, route, handle) => this.#send(message, route, handle),
    });
  }

  /** Nothing is delayed, lost or noted from now on. */
  end(): void {
    this.#ended = true;
  }

  /** Calls without an answer, in words. */
  waiting(): string[] {
    const calls = [...this.#lanes.values()].flatMap((lane) => [...lane.calls.values()]);
    const open = calls.filter(({ path }) => !path.startsWith("$/"));
    const texts = open
      .slice(0, MAX_TOLD)
      .map(({ from, to, path, time, state }) => `${path} from ${from} to ${to}, called at ${time}: ${state}`);
    return open.length > MAX_TOLD ? [...texts, `${open.length - MAX_TOLD} more`] : texts;
  }

  #send({ type, id, content }: PostedMessage, { from, to, direction, opposite }: LocalRoute, handle: () => void): void {
    const lane = this.#laneOf(direction);
    const time = this.#clock.time();
    const call = type === REQUEST || type === NOTIFICATION ? undefined : this.#laneOf(opposite).calls.get(id);
    const path = call?.path ?? pathOf(content);
    if (type === REQUEST) lane.calls.set(id, { from, to, path, time, state: "under way" });
    if (this.#ended || AT_ONCE.has(path)) return this.#arrive(type, id, content, direction, opposite, handle);
    const kind: MessageKind = type === REQUEST ? "call" : type === NOTIFICATION ? "notification" : "answer";
    const isControl = path.startsWith("$/");
    const message = { kind, path, time };
    const isOutside = from !== to;
    if (isOutside && !isControl && this.#fate.isLost(from, to, message)) {
      const lost = type === REQUEST ? lane.calls.get(id) : call;
      if (lost !== undefined) lost.state = type === REQUEST ? "lost" : "answer lost";
      this.trace.push({ time, from, to, kind, path, lost: true });
      return;
    }
    if (call !== undefined) call.state = "answered, and the answer is under way";
    const due = time + (isOutside ? this.#fate.delayOf(from, to, message) : 0);
    // What the protocol says of earlier messages stays behind them.
    const actual = this.#fate.fifo || isControl ? Math.max(due, lane.lastDue) : due;
    lane.lastDue = Math.max(actual, lane.lastDue);
    const deliver = (): void => {
      if (!this.#ended && !isControl) this.trace.push({ time: this.#clock.time(), from, to, kind, path, lost: false });
      this.#arrive(type, id, content, direction, opposite, handle);
    };
    if (actual > time) this.#clock.callAt(actual, deliver);
    else deliver();
  }

  #arrive(type: number, id: number, content: unknown, direction: object, opposite: object, handle: () => void): void {
    const { calls } = this.#laneOf(direction);
    if (type === REQUEST) {
      const call = calls.get(id);
      if (call !== undefined) call.state = "being carried out";
    } else if (type !== NOTIFICATION) this.#laneOf(opposite).calls.delete(id);
    else if (pathOf(content) === "$/cancel") calls.delete(cancelledId(content));
    handle();
  }

  #laneOf(direction: object): Lane {
    let lane = this.#lanes.get(direction);
    if (lane === undefined) this.#lanes.set(direction, (lane = { calls: new Map(), lastDue: -Infinity }));
    return lane;
  }
}

/** Of a request or notification, `[path, args, ...]`. */
function pathOf(content: unknown): string {
  const path: unknown = Array.isArray(content) ? content[0] : undefined;
  return typeof path === "string" ? path : "";
}

function cancelledId(content: unknown): number {
  const args: unknown = Array.isArray(content) ? content[1] : undefined;
  return Array.isArray(args) && typeof args[0] === "number" ? args[0] : -1;
}
