import { JsonCodec, MsgPackBloscCodec, MsgPackCodec, StructuredCloneCodec } from "@colloquy/core";
import type { CodecClass, SerializerFactory } from "@colloquy/core";
import { describe, expect, test } from "vitest";
import { Service, expose, release } from "../src/index.ts";
import { failureOf, pair, until } from "./support.ts";

/** What only leaves in one piece. */
class Bomb {}
const bomb: SerializerFactory<Bomb> = () => [
  Bomb,
  () => "tick",
  () => {
    throw new Error("bang");
  },
];

class Thing extends Service {
  @expose name(): string {
    return "thing";
  }
}

class Taker extends Service {
  @expose take(...values: unknown[]): number {
    return values.length;
  }
  @expose drop(...values: object[]): void {
    for (const value of values) release(value);
  }
  @expose async call(fn: () => Promise<number>): Promise<number> {
    return fn();
  }
  @expose give(): unknown {
    return [new Thing(), new Bomb(), new Thing(), () => {}];
  }
}

const codecs: readonly (readonly [string, CodecClass])[] = [
  ["JSON", JsonCodec],
  ["MsgPack", MsgPackCodec],
  ["Blosc", MsgPackBloscCodec],
  ["structured clones", StructuredCloneCodec],
];

describe.each(codecs)("references in a message in %s that can't be decoded", (_name, codec) => {
  const options = { codec, extraSerializers: [bomb] };

  test("are known to its receiver, wherever they stand in it, and each sending counts once", async () => {
    await using link = await pair(new Taker(), { ...options, serve: options });
    const [before, behind, both, thing] = [() => 1, () => 2, () => 3, new Thing()];
    async function* stream(): AsyncGenerator<number> {
      yield 1;
    }
    const deep = { deep: [behind, both, thing] };
    const failing = link.remote.take(before, both, new Bomb(), deep, stream(), [new Bomb(), () => 4]);
    expect(await failureOf(failing)).toMatchObject({ code: "SERIALIZATION_ERROR", executed: "no" });
    expect(link.client.stats().exportedReferences).toBe(6);
    expect(link.peer.stats().importedReferences).toBe(6);
    // The release takes all sendings before it, and not the one that crosses it.
    const dropped = link.remote.drop(before, behind, both, thing);
    expect(await link.remote.call(both)).toBe(3);
    await dropped;
    await link.remote.drop(both);
    await until(() => link.client.stats().exportedReferences === 2);
  });

  test("are known to it in a result, too", async () => {
    await using link = await pair(new Taker(), { ...options, serve: options });
    expect(await failureOf(link.remote.give())).toMatchObject({ code: "SERIALIZATION_ERROR" });
    expect(link.peer.stats().exportedReferences).toBe(3);
    expect(link.client.stats().importedReferences).toBe(3);
  });
});
