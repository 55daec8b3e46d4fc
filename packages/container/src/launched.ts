/** What a launched module's default export is called with. */
export interface LaunchContext {
  /** `args` of `launch`. */
  readonly args: unknown;
  /** Aborts when the process is to end. */
  readonly signal: AbortSignal;
}

/** What parent and child tell each other. */
export type LaunchMessage =
  | { readonly type: "start"; readonly entry: string; readonly args: unknown; readonly stopTimeout: number }
  | { readonly type: "ready"; readonly address: string }
  | { readonly type: "failed"; readonly reason: string };
