import { forCallersOf } from "@colloquy/core";
import { planLaunch } from "./launch-options.ts";
import type { LaunchOptions } from "./launch-options.ts";
import { Launching, newPlace } from "./launching.ts";
import type { LaunchedContainer } from "./launching.ts";

/**
 * Starts a container in a process or thread of its own; resolves when it is ready. It ends with this process, however that ends: a
 * process notices that its parent is gone, shuts its container down, and is ended by force where it can't or takes longer than
 * `stopTimeout`.
 *
 * Rejects with `UNAVAILABLE` where it ends or fails before it is ready, or takes longer than `timeout`, with `INVALID_ARGUMENT` for
 * options that are none, and with `CANCELLED`.
 */
export async function launch(options: LaunchOptions): Promise<LaunchedContainer> {
  const plan = planLaunch(options);
  try {
    const launched = await new Launching(plan, newPlace(plan)).ready();
    return launched.tellAllReady();
  } catch (error) {
    throw forCallersOf(launch, error);
  }
}
