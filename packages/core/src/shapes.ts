import { SerializationError } from "./errors.ts";
import { TYPE_KEY } from "./lower-lift.ts";
import { compileShape } from "./shape-code.ts";
import type { ShapeReader, ShapeWriter } from "./shape-code.ts";

/** Shapes that this side takes from a peer, and sends at most. Their numbers are below. */
export const MAX_SHAPE_COUNT = 256;
export const MAX_SHAPE_KEY_COUNT = 64;
/** Characters of all keys of a shape. A definition that is too large for the peer isn't told. */
const MAX_SHAPE_TEXT_LENGTH = 512;
/** Maps of a shape that are sent with their keys before it is worth a number. */
const SEEN_BEFORE_DEFINED = 8;
const SLOT_COUNT = 512;
/** Keys whose values are looked at when they arrive. */
const CHECKED_KEYS: ReadonlySet<string> = new Set([TYPE_KEY, "__proto__", "then", "toJSON", "constructor"]);

const NONE: SentShape[] = [];

/** A list of keys in order, as many maps have it. */
export class SentShape {
  readonly keys: readonly string[];
  /** Its number at the peer; -1 while the peer doesn't know it. */
  id = -1;
  seenCount = 1;
  write: ShapeWriter | undefined;

  constructor(keys: readonly string[]) {
    this.keys = keys;
  }

  /** The same keys in the same order. */
  fits(keys: readonly string[]): boolean {
    const own = this.keys;
    if (own.length !== keys.length) return false;
    for (let index = 0; index < own.length; index++) if (own[index] !== keys[index]) return false;
    return true;
  }
}

export interface ShapeTeller {
  /** Sends the definition at once, before any other message. False: it would have to wait. */
  tell(id: number, keys: readonly string[]): boolean;
}

/** A shape of the peer. */
export interface ReceivedShape {
  readonly keys: readonly string[];
  /** Made when the first map of the shape comes. */
  read: ShapeReader | undefined;
}

/**
 * Shapes of maps that both sides of a connection know by number (`docs/protocol.md` section 3), so that the keys of repeated
 * maps don't cross again. Each direction counts for itself. Bounded: what has no number crosses with its keys.
 */
export class Shapes {
  /** Shapes by a hash of their keys. */
  #slots: (SentShape | undefined)[] | undefined;
  #received: (ReceivedShape | undefined)[] | undefined;
  #maxSentCount = 0;
  #sentCount = 0;
  #fresh: SentShape[] = NONE;

  /** How many the peer takes; 0 until it has said so. */
  get maxSentCount(): number {
    return this.#maxSentCount;
  }

  set maxSentCount(count: number) {
    this.#maxSentCount = Math.min(Math.max(Math.floor(count), 0), MAX_SHAPE_COUNT);
  }

  /** The shape of a map about to be sent, with a number or on the way to one. */
  sent(keys: readonly string[]): SentShape | undefined {
    if (keys.length > MAX_SHAPE_KEY_COUNT) return undefined;
    this.#slots ??= Array.from<SentShape | undefined>({ length: SLOT_COUNT }).fill(undefined);
    const slot = slotOf(keys);
    const known = this.#slots[slot];
    if (known !== undefined && known.fits(keys)) {
      if (known.id < 0) this.#see(known);
      return known;
    }
    // One that has a number keeps its place: the peer remembers it, too. What is too long for a shape isn't kept.
    if ((known === undefined || known.id < 0) && textLength(keys) <= MAX_SHAPE_TEXT_LENGTH)
      this.#slots[slot] = new SentShape(keys);
    return undefined;
  }

  #see(shape: SentShape): void {
    if (++shape.seenCount !== SEEN_BEFORE_DEFINED || !isDefinable(shape.keys)) return;
    if (this.#fresh.length >= this.#maxSentCount - this.#sentCount) return;
    if (this.#fresh === NONE) this.#fresh = [shape];
    else this.#fresh.push(shape);
  }

  /** Whether there are shapes that the peer could be told. */
  get hasFresh(): boolean {
    return this.#fresh.length > 0;
  }

  /**
   * Tells the peer of new shapes. From then on the maps of these shapes cross with the number.
   */
  define(teller: ShapeTeller): void {
    const fresh = this.#fresh;
    this.#fresh = NONE;
    for (const shape of fresh) {
      if (this.#sentCount >= this.maxSentCount) return;
      // Another list of keys has taken its slot: its number would never be used.
      if (this.#slots![slotOf(shape.keys)] !== shape) continue;
      // One that isn't told now is told when it was seen as often again.
      shape.seenCount = 0;
      if (!teller.tell(this.#sentCount, shape.keys)) continue;
      shape.write = compileShape(shape.keys).write;
      shape.id = this.#sentCount++;
    }
  }

  /**
   * Takes a definition of the peer.
   *
   * @throws SerializationError for one that is malformed or over the bounds, and for a number that has a shape already.
   */
  receive(id: unknown, keys: unknown): void {
    if (typeof id !== "number" || !Number.isInteger(id) || id < 0 || id >= MAX_SHAPE_COUNT)
      throw new SerializationError(`a shape's number is no integer from 0 to ${MAX_SHAPE_COUNT - 1}`);
    if (!Array.isArray(keys) || !keys.every((key): key is string => typeof key === "string") || !isDefinable(keys))
      throw new SerializationError("a shape is no list of keys that a shape may have");
    this.#received ??= Array.from<ReceivedShape | undefined>({ length: MAX_SHAPE_COUNT }).fill(undefined);
    if (this.#received[id] !== undefined) throw new SerializationError(`shape ${id} was defined already`);
    this.#received[id] = { keys, read: undefined };
  }

  /** What reads a map. @throws SerializationError for a number that has no shape of so many keys. */
  reader(id: number, keyCount: number): ShapeReader {
    const shape = this.#received?.[id];
    if (shape === undefined || shape.keys.length !== keyCount)
      throw new SerializationError(`no shape ${id} of ${keyCount} keys was defined`);
    return (shape.read ??= compileShape(shape.keys).read);
  }
}

/** From the number of keys, and from the first, the last and the one in the middle. */
function slotOf(keys: readonly string[]): number {
  const first = keys[0]!;
  const middle = keys[keys.length >> 1]!;
  const last = keys[keys.length - 1]!;
  const hash =
    keys.length * 37 +
    first.length * 11 +
    first.charCodeAt(0) * 131 +
    middle.length * 1031 +
    middle.charCodeAt(0) * 61 +
    middle.charCodeAt(middle.length - 1) * 257 +
    last.length * 7 +
    last.charCodeAt(0) * 17;
  return (hash ^ (hash >>> 9)) & (SLOT_COUNT - 1);
}

function textLength(keys: readonly string[]): number {
  let length = 0;
  for (const key of keys) length += key.length;
  return length;
}

/** Keys that are whole numbers would change their places; some others have a meaning. */
function isDefinable(keys: readonly string[]): boolean {
  if (keys.length === 0 || keys.length > MAX_SHAPE_KEY_COUNT || new Set(keys).size < keys.length) return false;
  for (const key of keys) {
    if (CHECKED_KEYS.has(key) || /^\d+$/.test(key)) return false;
  }
  return textLength(keys) <= MAX_SHAPE_TEXT_LENGTH;
}
