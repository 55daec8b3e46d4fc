import { ExtData } from "@msgpack/msgpack";
import type { Role } from "./attacks.ts";
import { plainValue, type Choices } from "./values.ts";
import { frameOf, wireMessage, type WireCodec } from "./wire.ts";

const mostOperations = 40;
const METHODS = `
  echo add text fail numbers callBack give giveService hold subscribe sum watch math/add math constructor __proto__/x
  a/b/c/d agents/0/echo agents/1/callBack agents/0/numbers agents/2/echo mailboxes/waits validate agents/0
  monitors/watch clock/join agents/0/fail
`
  .trim()
  .split(/\s+/);
const CONTROL = "ping stats cancel release pull abort shapes goaway auth hello channel none".split(" ");
const TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const CODES = "REMOTE_ERROR UNAVAILABLE NOT_FOUND PROTOCOL_ERROR DEADLINE_EXCEEDED RESULT_NOT_KEPT odd".split(" ");

/** Frames from decisions. Numbers are small, so that they often mean something that is alive at the other side. */
export function operations(choices: Choices, codec: WireCodec, role: Role): Buffer[] {
  const peer = new WildPeer(choices, codec, role);
  const chunks: Buffer[] = [];
  while (!choices.ended && chunks.length < mostOperations) chunks.push(peer.next());
  return chunks;
}

class WildPeer {
  readonly #choices: Choices;
  readonly #codec: WireCodec;
  readonly #role: Role;
  /** 0 was hello. */
  #nextId = 1;
  #nextHandle = 0;

  constructor(choices: Choices, codec: WireCodec, role: Role) {
    this.#choices = choices;
    this.#codec = codec;
    this.#role = role;
  }

  next(): Buffer {
    const choices = this.#choices;
    switch (choices.below(12)) {
      case 0:
      case 1:
      case 2:
        return this.#message([0, this.#id(), this.#request(this.#path())]);
      case 3:
        return this.#message([0, this.#id(), this.#control()]);
      case 4:
      case 5:
        return this.#message([3, 0, this.#control()]);
      case 6:
        return this.#message([3, 0, this.#request(this.#path())]);
      case 7:
      case 8:
        return this.#message([1, choices.below(12), this.#result()]);
      case 9:
        return this.#message([2, choices.below(12), this.#exception(3)]);
      case 10:
        return frameOf(this.#extended(), true);
      default:
        return this.#odd();
    }
  }

  #message(message: unknown): Buffer {
    return frameOf(wireMessage(this.#codec, message));
  }

  /** A new one most often, as a request has to have it. */
  #id(): number {
    return this.#choices.below(8) === 0 ? this.#choices.below(12) : this.#nextId++;
  }

  #path(): string {
    const choices = this.#choices;
    const number = choices.below(8);
    if (this.#role === "channel") return "$/channel";
    return choices.of([
      choices.of(METHODS),
      choices.of(METHODS),
      "",
      `$/ref/${number}`,
      `$/ref/${number}/add`,
      `$/result/${number}`,
      `$/result/${number}/add`,
    ]);
  }

  #request(path: string): unknown {
    const choices = this.#choices;
    const args = Array.from({ length: choices.below(4) }, () => this.#value(3));
    const kwargs = choices.below(6) === 0 ? { value: this.#value(2), a: 1, other: null } : {};
    const whole = choices.below(4) === 0 ? [path, args, kwargs, this.#meta()] : [path, args, kwargs];
    return choices.below(24) === 0 ? whole.slice(choices.below(3)) : whole;
  }

  #meta(): unknown {
    const choices = this.#choices;
    return {
      ...choices.of([{}, { deadline: choices.byte() }, { deadline: 0 }, { deadline: -1 }, { deadline: "x" }]),
      ...choices.of([{}, { hops: choices.byte() }, { trace: TRACE }, { trace: "00-x" }]),
      ...choices.of([{}, { data: plainValue(choices, 3) }, { data: { k: "v" } }]),
      ...choices.of([{}, { idempotent: true }, { chain: ["a/1"] }, { chain: Array.from({ length: 40 }, () => "x") }]),
    };
  }

  #control(): unknown {
    const choices = this.#choices;
    const name = choices.of(CONTROL);
    return choices.below(16) === 0 ? this.#request(`$/${name}`) : [`$/${name}`, this.#controlArgs(name), {}];
  }

  #controlArgs(name: string): unknown[] {
    const choices = this.#choices;
    const number = choices.below(9) - 1;
    switch (name) {
      case "cancel":
        return choices.of([[number], [number, "DEADLINE_EXCEEDED"], [number, plainValue(choices, 1)]]);
      case "release":
        return [Array.from({ length: choices.below(4) }, () => [choices.below(6), choices.of([1, 1, 2, 0, -1, 1e9])])];
      case "pull":
        return [number, choices.of([1, 8, 4096, 0, 1e9]), choices.of([1, 65_536, -1, 2 ** 40])];
      case "abort":
        return choices.of([[number], [number, this.#value(2)], [-number, null]]);
      case "shapes":
        return [
          Array.from({ length: choices.below(4) }, () => [
            choices.below(4),
            choices.of([["x", "y"], ["a"], ["then"], [], ["x", "x"], [1]]),
          ]),
        ];
      case "hello":
      case "channel":
        return [{ protocol: choices.below(3), limits: plainValue(choices, 2), shapes: choices.byte(), segments: true }];
      default:
        return choices.below(3) === 0 ? [this.#value(2)] : [];
    }
  }

  #value(depth: number): unknown {
    const choices = this.#choices;
    if (choices.below(3) === 0) return plainValue(choices, depth);
    if (choices.below(6) === 0 && depth > 0)
      return Array.from({ length: choices.below(4) }, () => this.#value(depth - 1));
    if (choices.below(8) === 0 && this.#codec.startsWith("msgpack")) {
      const values = Array.from({ length: choices.below(3) }, () => this.#value(0));
      return [new ExtData(1, Uint8Array.of(choices.below(4))), ...values];
    }
    if (choices.below(10) === 0)
      return { toString: this.#inner(depth), valueOf: this.#inner(depth), then: this.#inner(depth) };
    const id = choices.below(8) === 0 ? choices.byte() - 64 : -1 - choices.below(16);
    return { __type__: [id, this.#typeData(id, depth)] };
  }

  #typeData(id: number, depth: number): unknown {
    const choices = this.#choices;
    const number = choices.below(6);
    if (choices.below(12) === 0) return plainValue(choices, depth);
    switch (id) {
      case -2:
      case -14:
        return `$/ref/${number}`;
      case -3:
        return choices.of([choices.of(METHODS), `$/ref/${number}`, ""]);
      case -15:
        return choices.of<unknown>([number, -number, [this.#inner(depth)]]);
      case -16:
        return choices.of<unknown>([[number, choices.of(["", "add", "a/b"])], [this.#inner(depth)]]);
      case -5:
      case -6:
        return [this.#inner(depth), this.#inner(depth)];
      case -7:
        return choices.of(["-12345678901234567890", "0", "9".repeat(50)]);
      case -8:
        return {
          name: "Error",
          message: "m",
          cause: this.#inner(depth),
          fields: { code: 1, then: this.#inner(depth) },
        };
      case -10:
        return ["Float64Array", choices.below(3)];
      case -13:
        return ["<f8", [1], "C", choices.below(3)];
      default:
        return choices.of<unknown>([null, 5, "https://example.org", "agents/0", number]);
    }
  }

  #inner(depth: number): unknown {
    return depth > 0 ? this.#value(depth - 1) : null;
  }

  /** Of a call, of a pull, or what a careless caller would take for a promise. */
  #result(): unknown {
    const choices = this.#choices;
    switch (choices.below(5)) {
      case 0:
        return [Array.from({ length: choices.below(4) }, () => this.#value(2)), choices.below(2) === 1];
      case 1:
        return { then: this.#value(1), toJSON: this.#value(1), x: this.#value(1) };
      case 2:
        return null;
      default:
        return this.#value(3);
    }
  }

  #exception(depth: number): unknown {
    const choices = this.#choices;
    const inner = depth > 0 && choices.below(2) === 1 ? { cause: this.#exception(depth - 1) } : {};
    const map = {
      name: choices.of(["Error", "RangeError", "x".repeat(400)]),
      message: choices.text(),
      code: choices.of(CODES),
      executed: choices.of(["yes", "no", 1]),
    };
    return choices.of<unknown>([
      map,
      { ...map, ...inner },
      { ...map, data: this.#value(2), thrown: this.#value(1) },
      "Name: text",
      ["a", "b", "c"],
      this.#value(1),
    ]);
  }

  #extended(): Buffer {
    const choices = this.#choices;
    const kind = choices.of([1, 1, 2, 2, 2, 3, 4, 5, 6]);
    const handle = kind === 1 ? this.#nextHandle++ : choices.below(3);
    const head = Buffer.alloc(5);
    head[0] = kind;
    head.writeUInt32BE(handle, 1);
    if (kind === 1) return Buffer.concat([head, this.#announcement()]);
    if (kind === 2)
      return Buffer.concat([
        head,
        Buffer.from([0, 0, 0, choices.below(3)]),
        Buffer.alloc(choices.of([16, 8, 1, 0, 24])),
      ]);
    return choices.below(16) === 0 ? Buffer.concat([head, choices.bytes(3)]) : head;
  }

  #announcement(): Buffer {
    const choices = this.#choices;
    const count = choices.of([1, 1, 2, 0, 3]);
    const head = Buffer.alloc(4 + 16 * count);
    head.writeUInt32BE(count);
    for (let index = 0; index < count; index++) {
      head.writeUInt32BE(choices.of([16, 8, 0, 40_000]), 4 + 16 * index + 4);
      head.writeUInt32BE(choices.of([0, 0, 0, 16, 1000]), 4 + 16 * index + 12);
    }
    const message = [choices.of([0, 0, 1, 3]), this.#id(), this.#request(this.#path())];
    return Buffer.concat([head, wireMessage(this.#codec, message)]);
  }

  /** No message at all. */
  #odd(): Buffer {
    const choices = this.#choices;
    // It ends the connection: rarely, so that others come to something.
    if (choices.below(6) !== 0) return Buffer.alloc(0);
    const message = choices.of<unknown>([
      [0],
      [7, 1, null],
      [0, -1, null],
      [0, 1.5, null],
      {},
      null,
      [1, 4_294_967_295, null],
      [0, "1", []],
    ]);
    return choices.below(4) === 0 ? choices.bytes(choices.below(20)) : this.#message(message);
  }
}
