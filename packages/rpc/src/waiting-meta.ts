import type { LimitedCall, LimitedCallHost } from "./call.ts";
import { plainRefusal } from "./refusals.ts";

/** Calls that were made before hello was done: what their requests tell beside path and arguments depends on the peer. */
export class WaitingMeta {
  readonly #waiting: { readonly call: LimitedCall; readonly content: unknown[] }[] = [];

  add(call: LimitedCall, content: unknown[]): void {
    this.#waiting.push({ call, content });
  }

  /** The peer is known, and nothing has left yet. Calls that tell what a plain one needn't heed fail there. */
  settle(extended: boolean, host: LimitedCallHost): void {
    for (const { call, content } of this.#waiting) {
      if (call.settled) continue;
      if (extended) {
        addMeta(call, content);
        continue;
      }
      const refusal = plainRefusal(call, call.node);
      if (refusal === undefined) continue;
      host.giveUp(call);
      call.onFailure(refusal);
    }
  }
}

/** Adds to the content of a request what its call has to tell. */
export function addMeta(call: LimitedCall, content: unknown[]): void {
  const { meta } = call;
  if (meta !== undefined) content.push(meta);
}
