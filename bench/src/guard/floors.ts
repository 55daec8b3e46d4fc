/** What a peer has to reach, as a ratio to another peer of the same round; more is better, also where less is. */
export interface Floor {
  /** Name of a figure of a workload. */
  readonly figure: string;
  readonly peer: string;
  readonly reference: string;
  readonly atLeast: number;
  /** How far below counts as noise where no option says so, in place of `defaultTolerance`. */
  readonly tolerance?: number;
  /** Takes long, and runs only when all floors are wanted. */
  readonly isSlow?: boolean;
}

/** How far below a floor counts as noise: 0.1 lets pass what reaches nine tenths of it. */
export const defaultTolerance = 0.1;

/** A single call at a time is steadier than the rest: the median of rounds of one program differs by less than this. */
const latencyTolerance = 0.05;

/** Memory may be 1.3 times that of the reference. */
const memoryFloor = 1 / 1.3;

/** What Colloquy doesn't fall below. */
export const floors: readonly Floor[] = [
  { figure: "W1", peer: "colloquy", reference: "batched-loop", atLeast: 1, tolerance: latencyTolerance },
  { figure: "W1", peer: "colloquy-agents", reference: "batched-loop", atLeast: 1, tolerance: latencyTolerance },
  { figure: "W2", peer: "colloquy-agents", reference: "batched-loop", atLeast: 1.5 },
  { figure: "W2", peer: "colloquy-agents", reference: "hand-tuned", atLeast: 0.5 },
  { figure: "W2", peer: "colloquy-json", reference: "batched-json", atLeast: 0.9 },
  { figure: "W3", peer: "colloquy", reference: "batched-loop", atLeast: 1.2 },
  { figure: "W3", peer: "colloquy-agents", reference: "batched-loop", atLeast: 1.2 },
  { figure: "W5", peer: "colloquy", reference: "batched-loop", atLeast: 1 },
  { figure: "W5", peer: "colloquy-agents", reference: "batched-loop", atLeast: 1 },
  { figure: "W6 server", peer: "colloquy", reference: "batched-loop", atLeast: memoryFloor, isSlow: true },
  { figure: "W6 client", peer: "colloquy", reference: "batched-loop", atLeast: memoryFloor, isSlow: true },
];
