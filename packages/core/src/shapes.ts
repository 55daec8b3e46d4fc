import { SerializationError } from "./errors.ts";
import { TYPE_KEY } from "./lower-lift.ts";
import { loopReader, loopWriter } from "./shape-code.ts";
import type { ShapeReader, ShapeWriter } from "./shape-code.ts";
import { shapeFunctions } from "./shape-functions.ts";
import type { CompiledFunction } from "./shape-functions.ts";

/** Shapes that this side takes from a peer, and sends at most. Their numbers are below. */
export const MAX_SHAPE_COUNT = 256;
export const MAX_SHAPE_KEY_COUNT = 64;
/** Characters of all keys of a shape. A definition that is too large for the peer isn't told. */
const MAX_SHAPE_TEXT_LENGTH = 512;
/** Maps of a shape that are sent with their keys before it is worth a number. */
const SEEN_BEFORE_DEFINED = 8;
/** For so many shapes; it doubles for as many more, so that keys which are data don't use up the numbers. */
const SHAPES_OF_ONE_PRICE = 32;
/** Of a list of keys that can't be a shape: out of reach. */
const NEVER = -(2 ** 30);
/** Maps of a shape that a loop reads or writes first: it has cost as much by then as compiling a function does. */
const USED_BEFORE_COMPILED = 256;
const SLOT_COUNT = 512;
/** Keys whose values are looked at when they arrive. */
const CHECKED_KEYS: ReadonlySet<string> = new Set([TYPE_KEY, "__proto__", "then", "toJSON", "constructor"]);

const NONE: SentShape[] = [];

/** A list of keys in order, as many maps have it. */
export class SentShape {
  readonly keys: readonly string[];
  /** Its number at the peer; -1 while the peer doesn't know it. */
  id = -1;
  /** How often it came; less the other lists that wanted its slot. */
  seenCount = 2;
  /** It waits to be told. */
  fresh = false;
  /** From when it has its number: `loop`, or what was compiled. */
  write: ShapeWriter | undefined;
  loop: ShapeWriter | undefined;

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

/** What tells the peer of a shape that this side defines. */
export interface ShapeTeller {
  /** Sends the definition at once, before any other message. False: it would have to wait. */
  tell(id: number, keys: readonly string[]): boolean;
}

/** A shape of the peer. */
class ReceivedShape {
  readonly keys: readonly string[];
  /** `loop`, or what was compiled. */
  read: ShapeReader;
  readonly loop: ShapeReader;

  constructor(keys: readonly string[], loop: ShapeReader) {
    this.keys = keys;
    this.loop = loop;
    this.read = loop;
  }
}

/**
 * Shapes of maps that both sides of a connection know by number (`docs/protocol.md` section 3), so that the keys of repeated
 * maps don't cross again. Each direction counts for itself. Bounded: what has no number crosses with its keys.
 */
export class Shapes {
  /** Shapes by a hash of their keys; where one came once only, what tells it from most others. */
  #slots: (SentShape | number)[] | undefined;
  #received: (ReceivedShape | undefined)[] | undefined;
  #maxSentCount = 0;
  #sentCount = 0;
  #fresh: SentShape[] = NONE;
  /** What the process counts as used by this connection. */
  #compiled: CompiledFunction<unknown>[] | undefined;
  #closed = false;

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
    this.#slots ??= Array.from<SentShape | number>({ length: SLOT_COUNT }).fill(0);
    const slot = slotOf(keys);
    const known = this.#slots[slot]!;
    if (typeof known === "number" || !known.fits(keys)) return this.#compete(this.#slots, slot, keys);
    if (known.id < 0) this.#see(known);
    return known;
  }

  /** A list of keys whose slot is not its own. */
  #compete(slots: (SentShape | number)[], slot: number, keys: readonly string[]): SentShape | undefined {
    if (this.#sentCount >= this.#maxSentCount) return undefined;
    const known = slots[slot]!;
    // One that has a number keeps its place: the peer remembers it, too. One that comes often is not driven out by many that don't.
    if (typeof known === "object" && (known.id >= 0 || --known.seenCount > 0)) return undefined;
    const mark = markOf(keys);
    // What came once isn't kept: keys that are data would be most of it.
    if (known !== mark || mark === 0) slots[slot] = mark;
    else return (slots[slot] = new SentShape(keys));
    return undefined;
  }

  #see(shape: SentShape): void {
    const price = SEEN_BEFORE_DEFINED << Math.floor(this.#sentCount / SHAPES_OF_ONE_PRICE);
    if (++shape.seenCount < price || shape.fresh) return;
    if (this.#fresh.length >= this.#maxSentCount - this.#sentCount) return;
    if (!isDefinable(shape.keys)) {
      shape.seenCount = NEVER;
      return;
    }
    shape.fresh = true;
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
      shape.fresh = false;
      // Another list of keys has taken its slot: its number would never be used.
      if (this.#slots![slotOf(shape.keys)] !== shape) continue;
      // One that isn't told now is told when it was seen as often again.
      shape.seenCount = 0;
      if (!teller.tell(this.#sentCount, shape.keys)) continue;
      shape.loop = this.#firstWriter(shape);
      shape.write = shape.loop;
      shape.id = this.#sentCount++;
    }
  }

  /**
   * Takes a definition of the peer. False for one that is malformed or over the bounds, and for a number that has a shape already:
   * no error, which would cost more than a definition.
   */
  receive(id: unknown, keys: unknown): boolean {
    if (typeof id !== "number" || !Number.isInteger(id) || id < 0 || id >= MAX_SHAPE_COUNT) return false;
    if (this.#received?.[id] !== undefined || !Array.isArray(keys) || !isDefinable(keys)) return false;
    this.#received ??= Array.from<ReceivedShape | undefined>({ length: MAX_SHAPE_COUNT }).fill(undefined);
    this.#received[id] = this.#newReceived(keys);
    return true;
  }

  /** What reads a map. @throws SerializationError for a number that has no shape of so many keys. */
  reader(id: number, keyCount: number): ShapeReader {
    const shape = this.#received?.[id];
    if (shape === undefined || shape.keys.length !== keyCount)
      throw new SerializationError(`no shape ${id} of ${keyCount} keys was defined`);
    return shape.read;
  }

  /** The connection has ended: the functions that it used are free for others. */
  close(): void {
    this.#closed = true;
    for (const compiled of this.#compiled ?? []) shapeFunctions.giveBack(compiled);
    this.#compiled = undefined;
    // A message may be half read or written.
    for (const shape of this.#received ?? []) if (shape !== undefined) shape.read = shape.loop;
    for (const shape of this.#slots ?? []) if (typeof shape === "object") shape.write = shape.loop;
  }

  /** Writes by a loop until a function is worth it. */
  #firstWriter(shape: SentShape): ShapeWriter {
    const loop = loopWriter(shape.keys);
    let count = 0;
    return (writer, map, depth) => {
      if (this.#mayCompile(count++)) shape.write = this.#keep(shapeFunctions.takeWriter(shape.keys)) ?? shape.write;
      loop(writer, map, depth);
    };
  }

  /** The same for reading. */
  #newReceived(keys: readonly string[]): ReceivedShape {
    const loop = loopReader(keys);
    let count = 0;
    const shape: ReceivedShape = new ReceivedShape(keys, (reader, depth) => {
      if (this.#mayCompile(count++)) shape.read = this.#keep(shapeFunctions.takeReader(keys)) ?? shape.read;
      return loop(reader, depth);
    });
    return shape;
  }

  /** After the first maps of a shape; where no function was free, when there were twice as many. */
  #mayCompile(count: number): boolean {
    return count >= USED_BEFORE_COMPILED && (count & (count - 1)) === 0 && !this.#closed;
  }

  #keep<F>(compiled: CompiledFunction<F> | undefined): F | undefined {
    if (compiled === undefined) return undefined;
    (this.#compiled ??= []).push(compiled);
    return compiled.run;
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

/** Tells a list of keys from most others; 0 for one that is too long for a shape. */
function markOf(keys: readonly string[]): number {
  let textLeft = MAX_SHAPE_TEXT_LENGTH;
  let mark = keys.length;
  for (const key of keys) {
    const { length } = key;
    textLeft -= length;
    // Of names that are numbered the ends differ.
    mark = (Math.imul(mark, 31) + (key.charCodeAt(length - 1) << 16) + (key.charCodeAt(length - 2) << 8) + length) | 0;
  }
  return textLeft < 0 ? 0 : mark;
}

/** Keys that are whole numbers would change their places; some others have a meaning. The cheapest is looked at first. */
function isDefinable(keys: readonly unknown[]): keys is readonly string[] {
  if (keys.length === 0 || keys.length > MAX_SHAPE_KEY_COUNT) return false;
  let textLeft = MAX_SHAPE_TEXT_LENGTH;
  for (const key of keys) {
    if (typeof key !== "string" || (textLeft -= key.length) < 0) return false;
    if (CHECKED_KEYS.has(key) || /^\d+$/.test(key)) return false;
  }
  return new Set(keys).size === keys.length;
}
