import { strictEqual } from "node:assert/strict";
import type { Remote } from "@colloquy/rpc";
import { samplePayload } from "../payload.ts";
import { afterCallback, bump } from "../peer.ts";
import type { Callee } from "./services.ts";

const inFlight = 64;
const payload = samplePayload();

/** Makes `count` calls of all kinds in turn. Rejects at the first wrong or failed one. */
export async function callMix(remote: Remote<Callee>, count: number): Promise<void> {
  let made = 0;
  const loop = async (): Promise<void> => {
    while (made < count) await call(remote, made++);
  };
  await Promise.all(Array.from({ length: inFlight }, loop));
}

async function call(remote: Remote<Callee>, n: number): Promise<void> {
  switch (n % 4) {
    case 0:
      return strictEqual(await remote.add(n, 4), n + 4);
    case 1: {
      const echoed = await remote.echo({ ...payload, id: n });
      return strictEqual(echoed.id, n);
    }
    case 2:
      return strictEqual(await remote.callback(n), afterCallback(bump(n)));
    default:
      // A function of its own for each call, so that references come and go.
      return strictEqual(await remote.callFunction((value) => bump(value), n), afterCallback(bump(n)));
  }
}
