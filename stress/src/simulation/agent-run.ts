import { operateAgents, spawned } from "./agent-operations.ts";
import { Site, type AgentPlace } from "./homes.ts";
import { sleepFor } from "./party.ts";
import { REST_MS, restOf } from "./rest.ts";
import type { Side } from "./simulated-network.ts";
import { between, pick } from "./weather.ts";

const BOTH: readonly Side[] = ["near", "far"];
const FIRST_COUNT = 3;
const LONGEST_STALL_MS = 2000;
const LONGEST_BUSY_MS = 800;
const RESTART_SHARE = 0.03;

/** In it a connection is given up on which nothing comes and nothing leaves. */
function longestSilence({ limits, faultCount }: AgentPlace["plan"]): number {
  const { pingIntervalMs = 0, pingTimeoutMs = 0, writeStallMs = 0 } = limits;
  return faultCount === 0 ? 0 : pingIntervalMs + pingTimeoutMs + 2 * writeStallMs;
}

/** A run of containers whose agents come and go. The name of each phase before it begins. */
export async function* agentPhases(place: AgentPlace): AsyncGenerator<string> {
  const { plan, ledger, watch, signals, network, time } = place;
  const sites = Array.from({ length: plan.clientCount + 1 }, (_, index) => new Site("abc"[index]!, place));
  const onStep = time.onStep;
  time.onStep = () => {
    for (const site of sites) site.see();
    onStep();
  };
  await Promise.all(sites.map((site) => site.start()));
  for (let count = 0; count < FIRST_COUNT; count++) void spawned(place, sites);
  yield "the workload";
  await work(place, sites);
  for (const link of network.links) {
    link.heal();
    // One side would know of it before the other.
    link.spare();
  }
  yield "what was begun";
  await restOf(place);
  // The ledger knows nothing of monitors that are under way, nor that one may have to find out that its peer has gone without a word.
  await sleepFor(time, REST_MS + longestSilence(plan));
  // Before hello is answered nobody is pinged.
  if (sites.some((site) => site.lateMonitor !== undefined)) await sleepFor(time, plan.limits.helloTimeoutMs ?? 0);
  watch.checkRest();
  for (const site of sites) site.checkRest();
  yield "shutting down";
  await Promise.all(sites.map((site) => site.end()));
  if (time.timerCount > 0) ledger.break(`all is shut down, and ${time.timerCount} timers are left`);
  watch.checkEnd();
  signals.checkEnd();
  for (const site of sites) site.checkEnd();
  for (const link of network.links) if (!link.isOver) ledger.break(`all is shut down, and ${String(link)} is open`);
}

async function work(place: AgentPlace, sites: readonly Site[]): Promise<void> {
  const { plan, time, random } = place;
  const faults = new Set(Array.from({ length: plan.faultCount }, () => between(random, 0, plan.operationCount - 1)));
  for (let index = 0; index < plan.operationCount; index++) {
    if (random() < 0.4) await sleepFor(time, random() * plan.longestPauseMs);
    if (faults.has(index)) fail(place, sites);
    if (random() < RESTART_SHARE) void pick(random, sites).restart();
    operateAgents(place, sites);
  }
}

/** Has something go wrong. */
function fail({ random, network, time }: AgentPlace, sites: readonly Site[]): void {
  const open = network.links.filter(({ isOpen }) => isOpen);
  const link = open.length === 0 ? undefined : pick(random, open);
  const faults: readonly (() => void)[] = [
    () => link?.cutAfter(pick(random, BOTH), random() < 0.2 ? 0 : between(random, 1, 400)),
    () => link?.stall(between(random, 1, LONGEST_STALL_MS), pick(random, [BOTH, ["near"], ["far"]] as const)),
    () => link?.stall(Infinity, BOTH),
    () => void pick(random, sites).crash(random() < 0.4, between(random, 0, 300)),
    () => time.stall(between(random, 10, LONGEST_BUSY_MS)),
  ];
  pick(random, faults)();
}
