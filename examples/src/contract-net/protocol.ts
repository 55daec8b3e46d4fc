import type { Task } from "./tables.ts";

/** What a bidder offers: when the task is done, in seconds from its award on. */
export interface Bid {
  readonly truck: string;
  readonly seconds: number;
}

/** The truck doesn't take the task. That is an answer, and no failure. */
export interface Refusal {
  readonly truck: string;
  readonly refused: string;
}

/** What initiators call. A contract net has four messages: call for proposals, bid or refusal, award, result. */
export interface Bidder {
  /** The call for proposals. Answers in its own time. */
  propose(task: Task): Promise<Bid | Refusal>;
  /** The award. Resolves with the result, when it has been done. Rejects where that has failed. */
  award(task: Task, bid: Bid): Promise<string>;
  /** Another one was awarded the task, or nobody. */
  reject(task: string): void;
}
