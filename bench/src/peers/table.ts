import type { Peer } from "../peer.ts";

/** Every peer by name, in the order of the report; each is loaded only in the processes that run it. */
export const peers: Readonly<Record<string, () => Promise<Peer>>> = {
  "batched-loop": async () => (await import("./batched-loop.ts")).batchedLoop,
  "naive-loop": async () => (await import("./naive-loop.ts")).naiveLoop,
  colloquy: async () => (await import("./colloquy.ts")).colloquy,
  "colloquy-agents": async () => (await import("./colloquy-agents.ts")).colloquyAgents,
};

/** The peer that all ratios are relative to. */
export const yardstick = "batched-loop";
