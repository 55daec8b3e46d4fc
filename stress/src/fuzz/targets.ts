import { codecTargets } from "./codec-targets.ts";
import { connectionTargets } from "./connection-targets.ts";
import { FrameTarget } from "./frame-target.ts";
import { ExceptionTarget, RoundTripTarget } from "./other-targets.ts";
import { readerTargets } from "./reader-targets.ts";
import type { Target } from "./target.ts";

/** All targets by their names. */
export const targetFactories: Readonly<Record<string, () => Target | Promise<Target>>> = {
  frames: () => new FrameTarget(),
  ...codecTargets,
  "round-trips": () => new RoundTripTarget(),
  exceptions: () => new ExceptionTarget(),
  ...readerTargets,
  ...connectionTargets,
};
