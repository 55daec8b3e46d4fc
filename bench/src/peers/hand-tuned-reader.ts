const cacheSize = 1024;
const cachedLength = 32;

const float = new Float64Array(1);
const floatBytes = new Uint8Array(float.buffer);

/**
 * Decodes in place what `HandTunedWriter` writes. Trusts every byte. Short strings of ASCII come from a cache with one
 * place for each hash, so that keys are made once.
 */
export class HandTunedReader {
  #bytes: Buffer = Buffer.alloc(0);
  readonly #cache: string[] = Array.from<string>({ length: cacheSize }).fill("");
  /** Where the next value starts. */
  at = 0;

  open(bytes: Buffer, at: number): void {
    this.#bytes = bytes;
    this.at = at;
  }

  read(): unknown {
    const head = this.#bytes[this.at++] as number;
    if (head < 0x80) return head;
    if (head < 0x90) return this.#object(head & 0x0f);
    if (head < 0xa0) return this.#array(head & 0x0f);
    if (head < 0xc0) return this.#string(head & 0x1f);
    switch (head) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xcb:
        return this.#float();
      case 0xcd:
        return this.#short();
      case 0xce:
        return this.#long() >>> 0;
      case 0xd2:
        return this.#long();
      case 0xda:
        return this.#string(this.#short());
      case 0xdb:
        return this.#string(this.#long());
      case 0xdc:
        return this.#array(this.#short());
      case 0xdd:
        return this.#array(this.#long());
      case 0xde:
        return this.#object(this.#short());
      default:
        return this.#object(this.#long());
    }
  }

  #short(): number {
    const bytes = this.#bytes;
    const { at } = this;
    this.at = at + 2;
    return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
  }

  #long(): number {
    const bytes = this.#bytes;
    const { at } = this;
    this.at = at + 4;
    return (
      ((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)
    );
  }

  #float(): number {
    const bytes = this.#bytes;
    const { at } = this;
    for (let index = 0; index < 8; index++) floatBytes[7 - index] = bytes[at + index] as number;
    this.at = at + 8;
    return float[0] as number;
  }

  #array(count: number): unknown[] {
    const values: unknown[] = [];
    for (let index = 0; index < count; index++) values.push(this.read());
    return values;
  }

  #object(count: number): Record<string, unknown> {
    const object: Record<string, unknown> = {};
    for (let index = 0; index < count; index++) {
      const key = this.read() as string;
      object[key] = this.read();
    }
    return object;
  }

  #string(size: number): string {
    const start = this.at;
    this.at = start + size;
    if (size === 0) return "";
    if (size > cachedLength) return this.#bytes.toString("utf8", start, start + size);
    return this.#cached(start, size);
  }

  #cached(start: number, size: number): string {
    const bytes = this.#bytes;
    const first = bytes[start] as number;
    const middle = bytes[start + (size >> 1)] as number;
    const last = bytes[start + size - 1] as number;
    const place = (first * 31 + middle * 131 + last * 7 + size * 17) & (cacheSize - 1);
    const known = this.#cache[place] as string;
    if (known.length === size) {
      let index = 0;
      while (index < size && known.charCodeAt(index) === bytes[start + index]) index++;
      if (index === size) return known;
    }
    const text = bytes.toString("utf8", start, start + size);
    if (text.length === size) this.#cache[place] = text;
    return text;
  }
}
