import type { Kind, Plan } from "./plan.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** What a call may do that others may not. */
export interface CallTraits {
  /** It may start before one that was made earlier: it waits for something else, or is sent again. */
  readonly isUnordered?: boolean;
  /** It may run more than once. */
  readonly mayRepeat?: boolean;
  /** It gets no answer. */
  readonly isNotification?: boolean;
  /** Milliseconds after which its caller gives it up. */
  readonly timeoutMs?: number | undefined;
  /** Who may give it up: the workload itself, or a call that it is made for. */
  readonly isCancelled?: boolean;
  /** It was made on a reference: whether that has been released meanwhile. */
  readonly isReleased?: () => boolean;
  /** It was made within another one, and such calls have crossed: each may wait for the other. */
  readonly mayDeadlock?: () => boolean;
  /** The other side may end the connection without waiting for it. */
  readonly mayBeLost?: () => boolean;
}

/** A call as the workload knows it. */
export interface CallRecord extends CallTraits {
  readonly key: number;
  readonly method: string;
  /** The connection that it was made on, where it can be no other one. */
  readonly connection: object | undefined;
  readonly madeAtMs: number;
  starts: number;
  settled: string | undefined;
}

/** One end of a connection as handlers know it. */
interface Receiver {
  running: number;
  runningNotes: number;
  latestKey: number;
}

/** What a failure says of itself. */
interface Failure {
  readonly code?: unknown;
  readonly executed?: unknown;
  readonly message?: unknown;
}

/** Between two honest sides none of them occurs. */
const NEVER: ReadonlySet<unknown> = new Set(["PROTOCOL_ERROR", "INTERNAL", "NOT_EXPOSED", "UNSUPPORTED", "DEADLOCK"]);
/** What else may fail a call that nobody gives up, by the kind of run; undefined: whatever there is. */
const ALLOWED: Readonly<Record<Kind, ReadonlySet<unknown> | undefined>> = {
  calm: new Set(["REMOTE_ERROR", "CANCELLED", "DEADLINE_EXCEEDED", "REFERENCE_RELEASED"]),
  orderly: undefined,
  narrow: undefined,
  stormy: undefined,
  agents: undefined,
};
/** What a message says that the workload has thrown itself. */
export const PLANNED = "planned";

/** Keeps the calls of a run, and holds what becomes of them against what was promised. */
export class Ledger {
  /** The first promise that was broken. */
  broken: string | undefined;
  readonly calls: CallRecord[] = [];
  readonly #kind: Kind;
  readonly #isCut: boolean;
  readonly #time: VirtualTime;
  readonly #trace: (text: () => string) => void;
  readonly #receivers = new Map<object, Receiver>();
  #unsettled = 0;
  #waiters: (() => void)[] = [];
  /** Handlers, streams and readers of the workload that haven't ended. */
  #busy = 0;
  #restSinceMs: number;

  constructor({ kind, faultCount }: Plan, time: VirtualTime, trace: (text: () => string) => void) {
    this.#kind = kind;
    this.#isCut = faultCount > 0;
    this.#time = time;
    this.#trace = trace;
    this.#restSinceMs = time.now;
  }

  /** For so long nothing of the workload has been under way. */
  get restMs(): number {
    return this.#isAtRest ? this.#time.now - this.#restSinceMs : 0;
  }

  get #isAtRest(): boolean {
    return this.#unsettled === 0 && this.#busy === 0;
  }

  break(text: string): void {
    this.broken ??= text;
  }

  /** Enters a call right before it is made. */
  begin(method: string, connection: object | undefined, traits: CallTraits): CallRecord {
    const record: CallRecord = {
      ...traits,
      key: this.calls.length + 1,
      method,
      connection,
      madeAtMs: this.#time.now,
      starts: 0,
      settled: undefined,
    };
    this.calls.push(record);
    if (traits.isNotification !== true) this.#unsettled++;
    this.#trace(
      () =>
        `call ${record.key} ${method} is made${traits.timeoutMs === undefined ? "" : `, for ${traits.timeoutMs} ms`}`,
    );
    return record;
  }

  /** A handler of the workload starts. Returns what it calls when it has ended. */
  start(key: number, method: string, connection: object, most: number): () => void {
    const record = this.calls[key - 1];
    this.#trace(() => `call ${key} ${method} starts`);
    if (record === undefined || record.method !== method)
      this.break(`call ${key} has started as ${method} and was made as ${record?.method}`);
    else this.#startRecord(record, connection);
    return this.#run(connection, record?.isNotification === true, most);
  }

  result(record: CallRecord, value: unknown, expected: number | undefined): void {
    this.#settle(record, "result");
    if (expected !== undefined && value !== expected)
      this.break(`call ${record.key} ${record.method} got ${String(value)} and not ${expected}`);
    if (record.starts === 0) this.break(`call ${record.key} ${record.method} has a result and never ran`);
  }

  failure(record: CallRecord, error: unknown): void {
    const { code, executed, message } = error as Failure;
    this.#settle(record, `${String(code)} ${String(executed)}: ${String(message)}`);
    const what = `call ${record.key} ${record.method} has failed with ${String(code)} (${String(message)})`;
    const isDeadlock = code === "DEADLOCK" && record.mayDeadlock?.() === true;
    if ((NEVER.has(code) && !isDeadlock) || ALLOWED[this.#kind]?.has(code) === false) this.break(what);
    const mayBeLost = this.#isCut || record.mayBeLost?.() === true;
    if (code === "CONNECTION_LOST" && executed !== "no" && !mayBeLost) this.break(`${what}, which nothing has cut`);
    if (code === "REMOTE_ERROR" && !String(message).startsWith(PLANNED)) this.break(what);
    if (executed === "no" && record.starts > 0) this.break(`${what}, executed: "no", and ran`);
    if (executed === "yes" && record.starts === 0) this.break(`${what}, executed: "yes", and never ran`);
    if (code === "REFERENCE_RELEASED" && !mayBeReleased(record, String(message)))
      this.break(`${what}, which nobody has released`);
    if (code === "CANCELLED" && record.isCancelled !== true) this.break(`${what}, and nobody gave it up`);
    const wasMs = this.#time.now - record.madeAtMs;
    const isEarly = record.timeoutMs === undefined || wasMs < record.timeoutMs - 1;
    if (code === "DEADLINE_EXCEEDED" && isEarly && record.isCancelled !== true) this.break(`${what} after ${wasMs} ms`);
  }

  /** A connection says that it has ended: its calls have settled before. */
  closed(connection: object): void {
    const late = this.calls.find((call) => call.connection === connection && !isOver(call));
    if (late !== undefined) this.break(`call ${late.key} ${late.method} waits on a connection that has ended`);
  }

  /** Something of the workload is under way. Returns what ends it. */
  busy(): () => void {
    this.#busy++;
    return () => {
      this.#busy--;
      this.#check();
    };
  }

  /** Resolves when every call has settled and nothing is under way. */
  async atRest(): Promise<void> {
    if (!this.#isAtRest) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  /** What hasn't ended, for a message. */
  unfinished(): string {
    const open = this.calls.filter((call) => !isOver(call)).map(({ key, method }) => `${key} ${method}`);
    return `calls without an end: ${open.join(", ") || "none"}; handlers and readers: ${this.#busy}`;
  }

  #startRecord(record: CallRecord, connection: object): void {
    const what = `call ${record.key} ${record.method}`;
    if (++record.starts > 1 && record.mayRepeat !== true) this.break(`${what} has started again`);
    if (record.settled?.includes(" no: ") === true) this.break(`${what} has started after ${record.settled}`);
    if (record.isUnordered === true) return;
    const receiver = this.#receiverOf(connection);
    if (receiver.latestKey > record.key) this.break(`${what} has started behind call ${receiver.latestKey}`);
    receiver.latestKey = record.key;
  }

  #run(connection: object, isNote: boolean, most: number): () => void {
    const receiver = this.#receiverOf(connection);
    const done = this.busy();
    if (isNote) receiver.runningNotes++;
    else receiver.running++;
    const { running, runningNotes } = receiver;
    // Notifications that were made before hello are sent as requests.
    if (running > most || running + runningNotes > 2 * most)
      this.break(`${running} calls and ${runningNotes} notifications of one connection run, of at most ${most} each`);
    return () => {
      if (isNote) receiver.runningNotes--;
      else receiver.running--;
      done();
    };
  }

  #receiverOf(connection: object): Receiver {
    let receiver = this.#receivers.get(connection);
    if (receiver === undefined)
      this.#receivers.set(connection, (receiver = { running: 0, runningNotes: 0, latestKey: 0 }));
    return receiver;
  }

  #settle(record: CallRecord, how: string): void {
    this.#trace(() => `call ${record.key} ${record.method} settles: ${how}`);
    if (record.settled !== undefined) this.break(`call ${record.key} has settled twice`);
    record.settled = how;
    this.#unsettled--;
    this.#check();
  }

  #check(): void {
    if (!this.#isAtRest) return;
    this.#restSinceMs = this.#time.now;
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const resolve of waiters) resolve();
  }
}

/** A reference that somebody has released, or one whose connection has ended. */
function mayBeReleased({ isReleased, connection }: CallRecord, message: string): boolean {
  if (isReleased?.() === true) return true;
  const hasEnded = connection === undefined || !(connection as { readonly usable: boolean }).usable;
  return hasEnded && message.includes("has ended with the connection");
}

function isOver(call: CallRecord): boolean {
  return call.settled !== undefined || call.isNotification === true;
}
