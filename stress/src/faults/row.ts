/** How much is done of each row. */
export type Size = "full" | "smoke";

/** What a row has shown, or why it can't be had on this machine. */
export type Outcome =
  | { readonly kind: "shown"; readonly figure: string; readonly isGood: boolean; readonly wrong?: readonly string[] }
  | { readonly kind: "skipped"; readonly reason: string };

/** One fault that is made, and what has to hold then. */
export interface Row {
  readonly name: string;
  readonly fault: string;
  readonly bar: string;
  readonly run: (size: Size) => Promise<Outcome>;
}

export function shown(figure: string, isGood: boolean, wrong: readonly string[] = []): Outcome {
  return { kind: "shown", figure, isGood: isGood && wrong.length === 0, wrong };
}

export function skipped(reason: string): Outcome {
  return { kind: "skipped", reason };
}
