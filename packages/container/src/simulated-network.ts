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
  state:
    | "under way"
    | "lost"
    | "being carried out"
    | "answered, and the answer is under way"
    | "answer lost"
    | "given up"
    | "refused";
  /** What brings an answer, where none would come: the caller counts a call that it has given up until there is one. */
  settle?: () => void;
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
      onMessage: (message, route, handle, refuse) => this.#send(message, route, handle, refuse),
    });
  }

  /** Nothing is delayed, lost or noted from now on. */
  end(): void {
    this.#ended = true;
  }

  /** Calls without an answer, in words. */
  waiting(): string[] {
    const calls = [...this.#lanes.values()].flatMap((lane) => [...lane.calls.values()]);
    const open = calls.filter(
      ({ path, state }) => !path.startsWith("$/") && state !== "given up" && state !== "refused",
    );
    const texts = open
      .slice(0, MAX_TOLD)
      .map(({ from, to, path, time, state }) => `${path} from ${from} to ${to}, called at ${time}: ${state}`);
    return open.length > MAX_TOLD ? [...texts, `${open.length - MAX_TOLD} more`] : texts;
  }

  #send(message: PostedMessage, route: LocalRoute, handle: () => void, refuse: () => void): void {
    const { from, to, direction } = route;
    const isRequest = message.type === REQUEST;
    const time = this.#clock.time();
    const call = this.#callOf(message, route);
    const path = call?.path ?? pathOf(message.content);
    const arrive = (): void => this.#arrive(message, route, handle);
    if (this.#ended || AT_ONCE.has(path)) return arrive();
    const kind: MessageKind = isRequest ? "call" : message.type === NOTIFICATION ? "notification" : "answer";
    const isControl = path.startsWith("$/") || call?.state === "refused";
    const isOutside = from !== to;
    if (isOutside && !isControl && this.#fate.isLost(from, to, { kind, path, time })) {
      this.trace.push({ time, from, to, kind, path, lost: true });
      if (isRequest) lose(call!, "lost", refuse);
      else if (call !== undefined) lose(call, "answer lost", arrive);
      return;
    }
    if (!isRequest && call?.state === "being carried out") call.state = "answered, and the answer is under way";
    const due = time + (isOutside ? this.#fate.delayOf(from, to, { kind, path, time }) : 0);
    const lane = this.#laneOf(direction);
    // What the protocol says of earlier messages stays behind them.
    const actual = this.#fate.fifo || isControl ? Math.max(due, lane.lastDue) : due;
    lane.lastDue = Math.max(actual, lane.lastDue);
    const deliver = (): void => {
      if (!this.#ended && !isControl) this.trace.push({ time: this.#clock.time(), from, to, kind, path, lost: false });
      arrive();
    };
    if (actual > time) this.#clock.callAt(actual, deliver);
    else deliver();
  }

  /** The call that a message is of: a request makes one. */
  #callOf({ type, id, content }: PostedMessage, { from, to, direction, opposite }: LocalRoute): OpenCall | undefined {
    if (type === NOTIFICATION) return undefined;
    if (type !== REQUEST) return this.#laneOf(opposite).calls.get(id);
    const call: OpenCall = { from, to, path: pathOf(content), time: this.#clock.time(), state: "under way" };
    this.#laneOf(direction).calls.set(id, call);
    return call;
  }

  #arrive({ type, id, content }: PostedMessage, { direction, opposite }: LocalRoute, handle: () => void): void {
    const { calls } = this.#laneOf(direction);
    if (type === REQUEST) {
      const call = calls.get(id);
      if (call !== undefined) call.state = "being carried out";
    } else if (type !== NOTIFICATION) this.#laneOf(opposite).calls.delete(id);
    handle();
    if (type === NOTIFICATION && pathOf(content) === "$/cancel") giveUp(calls.get(cancelledId(content)));
  }

  #laneOf(direction: object): Lane {
    let lane = this.#lanes.get(direction);
    if (lane === undefined) this.#lanes.set(direction, (lane = { calls: new Map(), lastDue: -Infinity }));
    return lane;
  }
}

/** `settle` brings the answer that the caller is owed. */
function lose(call: OpenCall, state: "lost" | "answer lost", settle: () => void): void {
  if (call.state === "given up") return settle();
  call.state = state;
  call.settle = settle;
}

function giveUp(call: OpenCall | undefined): void {
  if (call === undefined) return;
  const { settle } = call;
  call.state = call.state === "lost" ? "refused" : "given up";
  delete call.settle;
  settle?.();
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
