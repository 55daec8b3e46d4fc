import { ColloquyError } from "@colloquy/core";
import type { LimitedCall, LimitedCallHost } from "./call.ts";
import type { RemoteNode } from "./proxy.ts";

/** Calls that were made before hello was done: what their requests tell beside path and arguments depends on the peer. */
export class WaitingMeta {
  readonly #waiting: { readonly call: LimitedCall; readonly content: unknown[] }[] = [];

  add(call: LimitedCall, content: unknown[]): void {
    this.#waiting.push({ call, content });
  }

  /** The peer is known, and nothing has left yet. A plain one gets no metadata: calls that have some fail. */
  settle(extended: boolean, host: LimitedCallHost): void {
    for (const { call, content } of this.#waiting) {
      if (call.settled) continue;
      if (extended) addMeta(call, content);
      else if (call.metadata !== undefined) {
        host.giveUp(call);
        call.onFailure(noMetadata(call.node));
      }
    }
  }
}

/** Adds to the content of a request what its call has to tell. */
export function addMeta(call: LimitedCall, content: unknown[]): void {
  const { meta } = call;
  if (meta !== undefined) content.push(meta);
}

/** What a call with metadata fails with at a plain peer. */
export function noMetadata(node: RemoteNode | undefined): ColloquyError {
  const reason = `${String(node)} can't be called with metadata: that peer said no hello; leave it out`;
  return new ColloquyError("INVALID_ARGUMENT", reason);
}
