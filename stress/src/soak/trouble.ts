import { setTimeout as sleep } from "node:timers/promises";
import type { Random } from "@colloquy/core";
import type { Link } from "../network/byte-proxy.ts";
import type { Cast } from "./actors.ts";

const mostStallMs = 1500;
const mostFrozenMs = 3000;

type Trouble = (cast: Cast, random: Random) => Promise<void> | void;

function anyLink({ steady, frail }: Cast, random: Random): Link | undefined {
  const links = [...steady.links, ...frail.links];
  return links[Math.floor(random() * links.length)];
}

/** What may happen, with how often each is drawn. */
const troubles: Readonly<Record<string, readonly [weight: number, trouble: Trouble]>> = {
  "cut in order": [4, (cast, random) => anyLink(cast, random)?.cut("FIN")],
  reset: [4, (cast, random) => anyLink(cast, random)?.cut("RST")],
  "swallowed from now on": [2, (cast, random) => anyLink(cast, random)?.swallow()],
  "stalled for a while": [
    3,
    async (cast, random) => {
      const link = anyLink(cast, random);
      link?.stall();
      await sleep(random() * mostStallMs);
      link?.go();
    },
  ],
  "client killed": [1, async (cast) => cast.replaceClient()],
  "server killed": [1, async (cast) => cast.replaceServer(false)],
  "server closed": [1, async (cast) => cast.replaceServer(true)],
  "server frozen for a while": [
    1,
    async ({ frailServer }, random) => {
      frailServer.freeze();
      await sleep(random() * mostFrozenMs);
      frailServer.thaw();
    },
  ],
};

const drawn = Object.entries(troubles).flatMap(([name, [weight]]) => Array.from({ length: weight }, () => name));

/** Makes one random trouble, waits until it is over, and returns its name. */
export async function makeTrouble(cast: Cast, random: Random): Promise<string> {
  const name = drawn[Math.floor(random() * drawn.length)]!;
  await troubles[name]![1](cast, random);
  return name;
}
