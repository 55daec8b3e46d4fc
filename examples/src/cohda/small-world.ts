import { randomOf } from "../random.ts";

/** Of each agent, the numbers of those that it talks to. */
export type Topology = readonly (readonly number[])[];

/**
 * A small world: a ring in which each agent knows the `k` next ones on both sides, and shortcuts across it, one for each agent with this
 * probability. Both ends of a connection know each other.
 */
export function smallWorld(agentCount: number, k: number, shortcuts: number, seed: number): Topology {
  const random = randomOf(seed);
  const neighbours = Array.from({ length: agentCount }, () => new Set<number>());
  const link = (a: number, b: number): void => {
    if (a === b) return;
    neighbours[a]!.add(b);
    neighbours[b]!.add(a);
  };
  for (let agent = 0; agent < agentCount; agent++) {
    for (let step = 1; step <= k; step++) link(agent, (agent + step) % agentCount);
    if (random() < shortcuts) link(agent, Math.floor(random() * agentCount));
  }
  return neighbours.map((set) => [...set].sort((a, b) => a - b));
}
