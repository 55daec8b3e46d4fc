import { hasKeys } from "./arguments.ts";
import type { CallScope } from "./call-scope.ts";
import { isStatedIdempotent } from "./idempotence.ts";
import { NO_METADATA } from "./metadata.ts";
import { PassedOn } from "./passed-on.ts";
import type { RemoteNode } from "./proxy.ts";
import type { RequestContent } from "./request-content.ts";

/** A call on something that another peer has lent us. */
export async function forward(
  target: RemoteNode,
  [, args, kwargs, meta]: RequestContent,
  context: CallScope,
): Promise<unknown> {
  const idempotent = isStatedIdempotent(meta);
  try {
    const { metadata } = context;
    return await target.caller.call(target, args, {
      context,
      ...(metadata !== NO_METADATA && { metadata }),
      ...(hasKeys(kwargs) && { kwargs }),
      ...(idempotent && { idempotent }),
    });
  } catch (error) {
    throw new PassedOn("passed on", { cause: error });
  }
}
