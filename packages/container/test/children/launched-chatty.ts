/** Uses the channel to its parent for messages of its own: before it is ready, and like those of launched containers. */
import { setTimeout as sleep } from "node:timers/promises";
import { parentPort } from "node:worker_threads";
import { Container } from "@colloquy/container";
import type { LaunchContext } from "@colloquy/container";

export default async function run({ address }: LaunchContext): Promise<Container> {
  for (const message of [null, "hello", 5, { type: "ready" }]) {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- no window
    if (process.send === undefined || parentPort !== null) parentPort!.postMessage(message);
    else process.send(message);
  }
  await sleep(20);
  return Container.create(address);
}
