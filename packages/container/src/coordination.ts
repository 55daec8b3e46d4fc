import { describeType } from "@colloquy/core";
import type { Dialect } from "@colloquy/rpc";
import type { ActivitySource } from "./activity.ts";
import { invalidArgument } from "./clock.ts";
import type { Clock } from "./clock.ts";
import { ExternalClock } from "./external-clock.ts";
import { DrivenClock } from "./driven-clock.ts";

/** What of a container's options says whether its clock may be driven. */
export interface CoordinationOptions {
  readonly coordinated?: boolean | undefined;
  readonly clock?: Clock | undefined;
  readonly dialect?: Dialect | undefined;
}

/**
 * The clock of a container for its coordinator; undefined where it is to have none.
 *
 * @throws ColloquyError `INVALID_ARGUMENT` for a clock that can't be set, and for a dialect in which messages can't be compared.
 */
export function drivenClock(
  { coordinated = false, clock, dialect = "auto" }: CoordinationOptions,
  source: Omit<ActivitySource, "clock">,
  end: AbortSignal,
): DrivenClock | undefined {
  if (typeof coordinated !== "boolean")
    throw invalidArgument(`coordinated must be a boolean but is ${describeType(coordinated)}`);
  if (!coordinated) return undefined;
  if (!(clock instanceof ExternalClock))
    throw invalidArgument("a container that is coordinated needs a clock that can be set: an ExternalClock");
  if (dialect !== "auto") {
    const reason = "who is coordinated tells others its name in hello";
    throw invalidArgument(`a container that is coordinated can't have the dialect ${dialect}: ${reason}`);
  }
  return new DrivenClock(
    {
      root: source.root,
      links: source.links,
      accepted: () => source.accepted(),
      clock,
    },
    end,
  );
}
