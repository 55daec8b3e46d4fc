import { ColloquyError } from "@colloquy/core";
import { refusalOf } from "./call.ts";
import type { CallOptions, RemoteNode } from "./proxy.ts";

/** Why what a proxy stands for can't be called; `lost`: the connection that a reference has come on is no more, and another is there. */
export function targetRefusal(node: RemoteNode, lost: boolean): ColloquyError | undefined {
  if (node.path === "")
    return new ColloquyError("INVALID_ARGUMENT", `${node.toString()} is a service, not a method: call one that it has`);
  if (node.reference === undefined) return undefined;
  if (node.reference.released) return new ColloquyError("REFERENCE_RELEASED", `${node.toString()} was released`);
  if (!lost) return undefined;
  const reason = `${node.toString()} has ended with the connection that it came on; get it again from the root`;
  return new ColloquyError("REFERENCE_RELEASED", reason);
}

/** Why a call with these options isn't sent; `plain`: the peer has said no hello. */
export function optionsRefusal(
  options: CallOptions,
  node: RemoteNode,
  plain: boolean,
  maxHopCount: number,
): ColloquyError | undefined {
  return (plain ? plainRefusal(options, node) : undefined) ?? refusalOf(options, maxHopCount);
}

/** The same for a peer that has said no hello, which can't be told of metadata, nor tell what is idempotent. */
export function plainRefusal(
  { metadata, idempotent }: { readonly metadata?: unknown; readonly idempotent?: boolean },
  node: RemoteNode | undefined,
): ColloquyError | undefined {
  if (metadata !== undefined) {
    const reason = `${String(node)} can't be called with metadata: that peer said no hello; leave it out`;
    return new ColloquyError("INVALID_ARGUMENT", reason);
  }
  if (idempotent !== true) return undefined;
  const reason = `the peer of ${String(node)} has said no hello: it can't tell what is idempotent; leave idempotent out`;
  return new ColloquyError("UNSUPPORTED", reason);
}
