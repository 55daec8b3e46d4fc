import { randomUUID } from "node:crypto";
import { availableParallelism } from "node:os";
import { ColloquyError, quoted } from "@colloquy/core";
import { Container } from "./container.ts";
import type { Ending } from "./endings.ts";
import { launchAll } from "./launch-all.ts";
import { planLaunch } from "./launch-options.ts";
import type { LaunchOptions } from "./launch-options.ts";
import { allOrNone } from "./launching.ts";
import type { LaunchedContainer } from "./launching.ts";
import { Pool } from "./pool.ts";
import type { Placement, PoolMember } from "./pool.ts";
import { processChild } from "./process-child.ts";
import { supervise } from "./supervise.ts";
import type { SuperviseOptions } from "./supervise.ts";

export interface PoolOptions extends Omit<LaunchOptions, "address"> {
  /** How many processes or threads. Default: as many as this one can use cores. */
  readonly size?: number | undefined;
  /**
   * Whether members are started again at their addresses when they have ended, whatever their exit code; and how often, as `supervise`
   * takes it: by default once in 5 seconds, all members together. Default: false.
   */
  readonly supervise?: boolean | Pick<SuperviseOptions, "intensity" | "periodMs" | "backoff" | "onRestart"> | undefined;
  /** Default: `"round-robin"`. */
  readonly placement?: Placement | undefined;
  /** Through which the agents are called. Default: one of the pool's own, with the default options. */
  readonly container?: Container | undefined;
}

/** What ends the members, and who they are. */
interface Members {
  readonly members: readonly PoolMember[];
  /** Where there is a supervisor, its end. */
  readonly ended: Promise<Ending> | undefined;
  stop(): Promise<void>;
}

/**
 * Launches the same entry several times. Its container has a `Manager` as its agent 0, as `managed` makes it; each process or thread is
 * named `<name>-<number>`.
 *
 * Rejects as `launchAll` does.
 */
export async function launchPool(options: PoolOptions): Promise<Pool> {
  const { size = availableParallelism(), placement = "round-robin", container: given, ...more } = options;
  const { supervise: supervision = false, ...launchOptions } = more;
  check(size, placement);
  const { name, address } = planLaunch(launchOptions);
  if (address !== undefined)
    throw new ColloquyError("INVALID_ARGUMENT", "the members of a pool have addresses of their own: leave out address");
  const launches = Array.from({ length: size }, (_, index) => ({ ...launchOptions, name: `${name}-${index}` }));
  const { members, ended, stop } =
    supervision === false
      ? await launchMembers(launches)
      : await superviseMembers(launches, supervision === true ? {} : supervision);
  const container = given ?? (await Container.create(`local://pool-${randomUUID()}`));
  return new Pool({
    members,
    placement,
    container,
    ended,
    stop: async () => {
      await stop();
      if (given === undefined) await container.shutdown();
    },
  });
}

async function launchMembers(launches: readonly LaunchOptions[]): Promise<Members> {
  const launched = await launchAll(launches);
  const stop = async (): Promise<void> => {
    await Promise.all(launched.map((one) => one.stop()));
  };
  return { members: launched.map((one) => new LaunchedMember(one)), ended: undefined, stop };
}

/** A supervisor starts its children one after another. Their first lives are launched at once, before it. */
async function superviseMembers(launches: readonly LaunchOptions[], options: SuperviseOptions): Promise<Members> {
  const members = launches.map((one) => processChild(one));
  const ahead = await allOrNone(members.map((member) => async (failed) => member.launchAhead(failed)));
  try {
    const supervisor = await supervise(members, options);
    const stop = async (): Promise<void> => {
      // It stops them one after another, and starts none from now on: they can end at once.
      const stopping = supervisor.stop();
      await Promise.all(members.map(async (member) => member.launched?.stop()));
      await stopping;
    };
    return { members, ended: supervisor.ended, stop };
  } catch (error) {
    await Promise.all(ahead.map((one) => one.stop()));
    throw error;
  }
}

class LaunchedMember implements PoolMember {
  readonly name: string;
  readonly address: string;
  #launched: LaunchedContainer | undefined;

  constructor(launched: LaunchedContainer) {
    this.name = launched.name;
    this.address = launched.address;
    this.#launched = launched;
    void launched.exited.then(() => (this.#launched = undefined));
  }

  get launched(): LaunchedContainer | undefined {
    return this.#launched;
  }
}

function check(size: unknown, placement: unknown): void {
  if (!(Number.isSafeInteger(size) && (size as number) > 0))
    throw new ColloquyError("INVALID_ARGUMENT", `size is ${String(size)}; it takes a whole number from 1 on`);
  if (placement !== "round-robin" && placement !== "least-loaded") {
    const reason = `placement is ${quoted(String(placement))}; it takes "round-robin" or "least-loaded"`;
    throw new ColloquyError("INVALID_ARGUMENT", reason);
  }
}
