/** How something that lives has ended. */
export interface Ending {
  readonly reason: "normal" | "shutdown" | "error";
  readonly error?: unknown;
}

export interface SupervisedChild {
  readonly ended: Promise<Ending>;
  stop(): Promise<unknown>;
}

export interface ChildSpec<C extends SupervisedChild = SupervisedChild> {
  readonly id: string;
  start(): Promise<C>;
  readonly restart?: "permanent" | "transient" | "temporary" | undefined;
}
