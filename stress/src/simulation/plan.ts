import type { Limits, Random } from "@colloquy/core";
import { seededRandom } from "@colloquy/core";
import { between, pick } from "./weather.ts";

/** What a run has, beside its seed. */
export type Kind =
  /** No faults and no edges: every call that nobody gives up has its result. */
  | "calm"
  /** Connections are closed, in order and with time: no call is lost. */
  | "orderly"
  /** Small limits. */
  | "narrow"
  /** Faults, often with small limits. */
  | "stormy"
  /** Containers whose agents come and go: half of them with faults. */
  | "agents";

export interface Plan {
  readonly kind: Kind;
  readonly clientCount: number;
  /** Clients that open their connection again by themselves. */
  readonly reconnects: boolean;
  readonly isJson: boolean;
  readonly limits: Partial<Limits>;
  readonly operationCount: number;
  /** Longest pause between two operations; most come in one turn. */
  readonly longestPauseMs: number;
  readonly faultCount: number;
  /** Some calls have large values, which travel beside their messages. */
  readonly hasLargeValues: boolean;
  /** Clients connect a second time, now and then, and call over both. */
  readonly hasTwins: boolean;
  /** The real event loop turns behind every event. */
  readonly turnsForReal: boolean;
}

const TURNED_SHARE = 1 / 16;
const TWIN_SHARE = 1 / 3;
const AGENTS_SHARE = 1 / 6;

export function planOf(seed: number): Plan {
  const random = seededRandom(`plan ${seed}`);
  const kind = pick<Kind>(random, ["calm", "orderly", "narrow", "stormy", "stormy", "stormy"]);
  const extra = seededRandom(`extra plan ${seed}`);
  const isNarrow = kind === "narrow" || (kind === "stormy" && random() < 0.5);
  const base: Plan = {
    kind,
    clientCount: between(random, 1, 2),
    reconnects: random() < 0.4,
    isJson: random() < 0.2,
    limits: {
      ...(isNarrow ? { ...narrowLimits(random), maxHeldBytes: pick(extra, HELD_BYTES) } : {}),
      ...(kind === "stormy" ? stormLimits(random) : {}),
    },
    operationCount: between(random, 10, 60),
    longestPauseMs: pick(random, [0, 1, 5, 30]),
    faultCount: kind === "stormy" ? between(random, 1, 4) : 0,
    hasLargeValues: random() < 0.4,
    turnsForReal: random() < TURNED_SHARE,
    hasTwins: extra() < TWIN_SHARE,
  };
  return extra() < AGENTS_SHARE ? withAgents(base, extra) : base;
}

function withAgents(base: Plan, random: Random): Plan {
  const faultCount = random() < 0.5 ? between(random, 1, 4) : 0;
  return { ...base, kind: "agents", limits: faultCount > 0 ? stormLimits(random) : {}, faultCount };
}

/** From what one small call holds on. */
const HELD_BYTES = [200, 1000, 4000, 1_000_000];

function narrowLimits(random: Random): Partial<Limits> {
  return {
    maxRunningCount: between(random, 1, 6),
    maxPendingCount: pick(random, [1, 1, 2, 4, 8]),
    maxReferenceCount: between(random, 1, 6),
    maxStreamCount: between(random, 1, 3),
    maxQueuedBytes: pick(random, [1, 64, 512, 4096]),
    maxHopCount: between(random, 1, 4),
    // Shorter than some calls take: who is waited for is pinged, and isn't taken for dead.
    pingIntervalMs: pick(random, [40, 30_000]),
    pingTimeoutMs: 150,
  };
}

/** Short ones, so that what is gone is missed soon. */
function stormLimits(random: Random): Partial<Limits> {
  return {
    helloTimeoutMs: pick(random, [100, 1000, 10_000]),
    writeStallMs: pick(random, [100, 1000]),
    pingIntervalMs: pick(random, [60, 300, 2000]),
    pingTimeoutMs: pick(random, [50, 500]),
    closeGraceMs: pick(random, [1, 50, 1000]),
  };
}
