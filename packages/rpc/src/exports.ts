import { fileURLToPath } from "node:url";
import { describeType, refusal, SerializationError, ownName } from "@colloquy/core";

interface ExportEntry {
  readonly id: number;
  readonly target: object;
  /** How often it was sent and not released. */
  count: number;
  /** Where it was sent first, if that is kept. */
  readonly origin: Error | undefined;
}

/** What the other side holds of this one: for a report of what is never released. */
export interface HeldReference {
  /** Number of the reference: calls come with the path `$/ref/<number>`. */
  readonly number: number;
  /** Class of the service or stream; `function name` for a function. */
  readonly type: string;
  /** How often it was sent and not released. */
  readonly count: number;
  /** Stack of where it was sent first, from the caller's code on; undefined unless `traceReferences` is set. */
  readonly stack: string | undefined;
}

const NO_IDS: Map<number, ExportEntry> = new Map();
const NO_TARGETS: Map<object, ExportEntry> = new Map();
const NOTHING: ExportEntry[] = [];
const NO_OBJECTS: readonly object[] = Object.freeze([]);
const TRACED_FRAME_COUNT = 100;

/**
 * Functions and services that this side has handed out on one connection. An entry goes when the other side has released it as
 * often as it was sent, so a release that crosses a new sending does no harm; a number is never used again.
 */
export class Exports {
  /** Both are made when the first one is handed out. */
  #byId: Map<number, ExportEntry> = NO_IDS;
  #byTarget: Map<object, ExportEntry> = NO_TARGETS;
  readonly #maxCount: number;
  /** What the message that is being encoded has counted. */
  #journal: ExportEntry[] = NOTHING;
  #nextId = 1;
  /** The message for a full table: counting what fills it takes a while. */
  #fullText: string | undefined;

  readonly #isTraced: boolean;

  /** `isTraced`: keeps the stack of where each was sent, which takes a while. */
  constructor(maxCount: number, isTraced = false) {
    this.#maxCount = maxCount;
    this.#isTraced = isTraced;
  }

  get size(): number {
    return this.#byId.size;
  }

  /** Whether the other side holds `target`. */
  has(target: object): boolean {
    return this.#byTarget.has(target);
  }

  /** Undefined where the other side doesn't hold `target`. */
  numberOf(target: object): number | undefined {
    return this.#byTarget.get(target)?.id;
  }

  /**
   * Counts one more sending of `target`; returns its number.
   *
   * @throws SerializationError where the table is full.
   */
  add(target: object): number {
    let entry = this.#byTarget.get(target);
    if (entry === undefined) {
      if (this.#byId.size >= this.#maxCount) throw this.#full(target);
      const origin = this.#isTraced ? originOf(target) : undefined;
      entry = { id: this.#nextId++, target, count: 0, origin };
      if (this.#byId === NO_IDS) {
        this.#byId = new Map();
        this.#byTarget = new Map();
      }
      this.#byId.set(entry.id, entry);
      this.#byTarget.set(target, entry);
    }
    entry.count++;
    if (this.#journal === NOTHING) this.#journal = [entry];
    else this.#journal.push(entry);
    return entry.id;
  }

  /** All that the other side holds, the oldest first. */
  held(): HeldReference[] {
    return [...this.#byId.values()].map(({ id, target, count, origin }) => ({
      number: id,
      type: nameOf(target),
      count,
      stack: origin?.stack,
    }));
  }

  /** Takes back what the latest message has counted, when it is called. Returns what the other side doesn't hold then. */
  undo(): (() => object[]) | undefined {
    if (this.#journal.length === 0) return undefined;
    const journal = this.#journal;
    return () => this.#takeBack(journal);
  }

  /** The message with the latest additions has left, or it has failed and they are taken back: returns what the other side doesn't hold then. */
  settle(sent: boolean): readonly object[] {
    const journal = this.#journal;
    if (journal.length === 0) return NO_OBJECTS;
    this.#journal = NOTHING;
    return sent ? NO_OBJECTS : this.#takeBack(journal);
  }

  #takeBack(journal: readonly ExportEntry[]): object[] {
    return journal.filter((entry) => this.#drop(entry, 1)).map(({ target }) => target);
  }

  /** @throws ColloquyError `REFERENCE_RELEASED` */
  get(id: number): object {
    const entry = this.#byId.get(id);
    if (entry === undefined) throw refusal("REFERENCE_RELEASED", `reference ${id} was released, or never given`);
    return entry.target;
  }

  /** False for what no peer that counts right lets go of: a number that was never given, or more than was sent. */
  isOwed(id: number, count: number): boolean {
    const entry = this.#byId.get(id);
    return entry === undefined ? id < this.#nextId : count <= entry.count;
  }

  /**
   * The other side lets go of `count` sendings. Returns what it holds no more. What isn't there is ignored: the connection may have
   * ended it.
   */
  release(id: number, count: number): object | undefined {
    const entry = this.#byId.get(id);
    return entry !== undefined && this.#drop(entry, count) ? entry.target : undefined;
  }

  /** Ends all; returns them. */
  clear(): readonly { readonly id: number; readonly target: object }[] {
    const entries = [...this.#byId.values()];
    this.#byId = NO_IDS;
    this.#byTarget = NO_TARGETS;
    return entries;
  }

  /** True where that was the last sending. */
  #drop(entry: ExportEntry, count: number): boolean {
    // A peer may have released more than it has got.
    if (this.#byId.get(entry.id) !== entry) return false;
    entry.count -= count;
    if (entry.count > 0) return false;
    this.#byId.delete(entry.id);
    this.#byTarget.delete(entry.target);
    this.#fullText = undefined;
    return true;
  }

  #full(target: object): SerializationError {
    this.#fullText ??= this.#describeHolders();
    const reason = `no room for a reference to ${describeType(target)}: ${this.#fullText}`;
    return new SerializationError(reason, { limit: "maxReferenceCount" });
  }

  #describeHolders(): string {
    const kinds = new Map<string, number>();
    for (const { target: held } of this.#byId.values()) {
      const kind = describeType(held);
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    }
    const most = [...kinds].toSorted((a, b) => b[1] - a[1]).slice(0, 3);
    const held = most.map(([kind, count]) => `${count} x ${kind}`).join(", ");
    return `the peer holds ${this.#maxCount} (maxReferenceCount; ${held}); it releases them with release() or using`;
  }
}

/** The codec has many frames of its own above the caller's. */
function originOf(target: object): Error {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = TRACED_FRAME_COUNT;
  try {
    const origin = new Error(`first sent: ${nameOf(target)}`);
    Object.defineProperty(origin, "stack", { value: callersOwn(origin.stack ?? "") });
    return origin;
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

const FOLDER = new URL(".", import.meta.url);
const FOLDERS: readonly string[] = FOLDER.protocol === "file:" ? [FOLDER.href, fileURLToPath(FOLDER)] : [FOLDER.href];

/** A stack from the code that made the call on: above it are this package, the codec and this package again. */
function callersOwn(stack: string): string {
  const [title, ...frames] = stack.split("\n");
  const isOwn = (frame: string): boolean => FOLDERS.some((folder) => frame.includes(folder));
  const codec = frames.findIndex((frame) => !isOwn(frame));
  const sending = frames.findIndex((frame, index) => index > codec && isOwn(frame));
  const caller = frames.findIndex((frame, index) => index > sending && !isOwn(frame));
  // What has waited is sent by nobody's code.
  return codec < 0 || sending < 0 || caller < 0 ? stack : [title, ...frames.slice(caller)].join("\n");
}

function nameOf(target: object): string {
  return typeof target === "function" ? `function ${ownName(target) || "without a name"}` : describeType(target);
}
