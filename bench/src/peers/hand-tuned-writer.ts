const initialSize = 65_536;
const spareSize = 8192;
const maxNumberSize = 9;
const maxHeadSize = 5;
const shortLength = 32;
const mediumLength = 20_000;

const float = new Float64Array(1);
const floatBytes = new Uint8Array(float.buffer);

/**
 * Encodes straight into the buffer that is written to the socket: a slab that is used once, from front to end. It knows
 * null, booleans, numbers, strings, arrays and plain objects, and checks nothing.
 */
export class HandTunedWriter {
  #bytes: Buffer = Buffer.allocUnsafeSlow(initialSize);
  #taken = 0;
  /** Where the next byte goes. */
  #at = 0;

  /** How many bytes wait to be taken. */
  get waiting(): number {
    return this.#at - this.#taken;
  }

  /** What has been written since the last time; not touched again. */
  take(): Buffer {
    const batch = this.#bytes.subarray(this.#taken, this.#at);
    if (this.#bytes.length - this.#at < spareSize) {
      this.#bytes = Buffer.allocUnsafeSlow(initialSize);
      this.#at = 0;
    }
    this.#taken = this.#at;
    return batch;
  }

  /** Writes a request, `[0, id, [path, args, {}]]`, as a frame. */
  request(id: number, path: string, args: readonly unknown[]): void {
    const start = this.#startFrame(0, id);
    this.#bytes[this.#at++] = 0x93;
    this.#string(path);
    this.#array(args);
    this.#reserve(1);
    this.#bytes[this.#at++] = 0x80;
    this.#endFrame(start);
  }

  /** Writes an answer, `[1, id, value]`, as a frame. */
  answer(id: number, value: unknown): void {
    const start = this.#startFrame(1, id);
    this.#value(value);
    this.#endFrame(start);
  }

  /** Returns how far into what waits the frame starts, since the slab may change while it is written. */
  #startFrame(type: number, id: number): number {
    this.#reserve(64);
    const start = this.#at - this.#taken;
    const bytes = this.#bytes;
    bytes[this.#at + 4] = 0x93;
    bytes[this.#at + 5] = type;
    this.#at += 6;
    this.#number(id);
    return start;
  }

  #endFrame(waiting: number): void {
    const bytes = this.#bytes;
    const start = this.#taken + waiting;
    const size = this.#at - start - 4;
    bytes[start] = size >>> 24;
    bytes[start + 1] = size >>> 16;
    bytes[start + 2] = size >>> 8;
    bytes[start + 3] = size;
  }

  #reserve(size: number): void {
    if (this.#bytes.length - this.#at < size) this.#grow(size);
  }

  #grow(size: number): void {
    const waiting = this.#bytes.subarray(this.#taken, this.#at);
    this.#bytes = Buffer.allocUnsafeSlow(Math.max(initialSize, (waiting.length + size) * 2));
    this.#bytes.set(waiting);
    this.#taken = 0;
    this.#at = waiting.length;
  }

  #value(value: unknown): void {
    switch (typeof value) {
      case "number":
        this.#reserve(maxNumberSize);
        this.#number(value);
        break;
      case "string":
        this.#string(value);
        break;
      case "object":
        if (value === null) this.#byte(0xc0);
        else if (Array.isArray(value)) this.#array(value);
        else this.#object(value as Record<string, unknown>);
        break;
      default:
        this.#byte(value === true ? 0xc3 : 0xc2);
    }
  }

  #byte(byte: number): void {
    this.#reserve(1);
    this.#bytes[this.#at++] = byte;
  }

  #array(values: readonly unknown[]): void {
    const { length } = values;
    this.#head(length, 0x90, 0xdc);
    for (let index = 0; index < length; index++) this.#value(values[index]);
  }

  #object(object: Record<string, unknown>): void {
    const keys = Object.keys(object);
    this.#head(keys.length, 0x80, 0xde);
    for (let index = 0; index < keys.length; index++) {
      const key = keys[index] as string;
      this.#string(key);
      this.#value(object[key]);
    }
  }

  #head(count: number, short: number, long: number): void {
    this.#reserve(maxHeadSize);
    const bytes = this.#bytes;
    if (count < 16) bytes[this.#at++] = short | count;
    else if (count < 65_536) {
      bytes[this.#at] = long;
      bytes[this.#at + 1] = count >>> 8;
      bytes[this.#at + 2] = count;
      this.#at += 3;
    } else this.#at = writeLong(bytes, this.#at, long + 1, count);
  }

  /** Needs `maxNumberSize` bytes of room. */
  #number(value: number): void {
    const bytes = this.#bytes;
    if (value >>> 0 === value) {
      if (value < 0x80) bytes[this.#at++] = value;
      else if (value < 65_536) {
        bytes[this.#at] = 0xcd;
        bytes[this.#at + 1] = value >>> 8;
        bytes[this.#at + 2] = value;
        this.#at += 3;
      } else this.#at = writeLong(bytes, this.#at, 0xce, value);
    } else if ((value | 0) === value) this.#at = writeLong(bytes, this.#at, 0xd2, value);
    else this.#at = writeFloat(bytes, this.#at, value);
  }

  #string(text: string): void {
    const { length } = text;
    this.#reserve(maxHeadSize + length * 3);
    const bytes = this.#bytes;
    if (length < shortLength) {
      const start = this.#at + 1;
      let index = 0;
      for (; index < length; index++) {
        const code = text.charCodeAt(index);
        if (code > 0x7f) break;
        bytes[start + index] = code;
      }
      if (index === length) {
        bytes[this.#at] = 0xa0 | length;
        this.#at = start + length;
        return;
      }
    }
    if (length < mediumLength) {
      const size = bytes.write(text, this.#at + 3);
      bytes[this.#at] = 0xda;
      bytes[this.#at + 1] = size >>> 8;
      bytes[this.#at + 2] = size;
      this.#at += 3 + size;
    } else {
      const size = bytes.write(text, this.#at + maxHeadSize);
      this.#at = writeLong(bytes, this.#at, 0xdb, size) + size;
    }
  }
}

function writeLong(bytes: Buffer, at: number, head: number, value: number): number {
  bytes[at] = head;
  bytes[at + 1] = value >>> 24;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 8;
  bytes[at + 4] = value;
  return at + 5;
}

function writeFloat(bytes: Buffer, at: number, value: number): number {
  float[0] = value;
  bytes[at] = 0xcb;
  for (let index = 0; index < 8; index++) bytes[at + 1 + index] = floatBytes[7 - index] as number;
  return at + 9;
}
