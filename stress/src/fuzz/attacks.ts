import { operations } from "./operations.ts";
import { Choices } from "./values.ts";
import { frameOf, helloMap, wireCodecs, wireMessage, type WireCodec } from "./wire.ts";

/** What a hostile peer does with one connection. */
export interface Attack {
  readonly codec: WireCodec;
  readonly saysHello: boolean;
  /** One after the other; an empty one waits for a turn of the event loop. */
  readonly chunks: readonly Buffer[];
  /** How it ends: in order, or at once. */
  readonly endsInOrder: boolean;
}

/** The side whose messages an attack has. */
export type Role = "client" | "server" | "channel";

/** From an input: its first byte says how, the rest what is sent. */
export type AttackMaker = (input: Buffer, role: Role) => Attack;

/** Bits of the first byte. */
const MODE = { codec: 3, hello: 4, raw: 8, endsInOrder: 16, waits: 32 };

/** As a plain input of these attacks has it. */
export function byteAttackInput(codec: WireCodec, payloads: readonly Buffer[]): Buffer {
  const parts = payloads.flatMap((payload) => [Buffer.from([payload.length >> 8, payload.length & 255]), payload]);
  return Buffer.concat([Buffer.from([wireCodecs.indexOf(codec) | MODE.hello | MODE.endsInOrder]), ...parts]);
}

/** Bytes as they are, or payloads behind their lengths, so that a changed one is still a frame. */
export const byteAttack: AttackMaker = (input, role) => {
  const mode = input[0] ?? 0;
  const start = startOf(mode, role);
  const rest = input.subarray(1);
  const chunks = (mode & MODE.raw) !== 0 ? [rest] : framesOf(rest);
  return { ...start, chunks: [...start.chunks, ...waiting(mode, chunks)] };
};

/** Messages that are mostly valid, from decisions that the input makes. */
export const operationAttack: AttackMaker = (input, role) => {
  const mode = input[0] ?? 0;
  const start = startOf(mode | MODE.hello, role);
  const chunks = operations(new Choices(input.subarray(1)), start.codec, role);
  return { ...start, chunks: [...start.chunks, ...waiting(mode, chunks)] };
};

function startOf(mode: number, role: Role): Attack {
  const codec = wireCodecs[mode & MODE.codec]!;
  const endsInOrder = (mode & MODE.endsInOrder) !== 0;
  const hello = { ...helloMap, codec, shapes: codec.startsWith("msgpack") ? 16 : 0 };
  const message =
    role === "server" ? [1, 0, hello] : [0, 0, [role === "client" ? "$/hello" : "$/channel", [hello], {}]];
  const saysHello = (mode & MODE.hello) !== 0;
  const chunks = saysHello ? [frameOf(wireMessage(codec, message))] : [];
  return { codec, saysHello, endsInOrder, chunks };
}

function waiting(mode: number, chunks: readonly Buffer[]): readonly Buffer[] {
  return (mode & MODE.waits) === 0 ? chunks : chunks.flatMap((chunk) => [Buffer.alloc(0), chunk]);
}

function framesOf(bytes: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at + 2 <= bytes.length;) {
    const head = bytes.readUInt16BE(at);
    const end = Math.min(at + 2 + (head & 0x7fff), bytes.length);
    frames.push(frameOf(bytes.subarray(at + 2, end), head > 0x7fff));
    at = end;
  }
  return frames;
}
