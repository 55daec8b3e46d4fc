import { rejection } from "@colloquy/core";
import { Answer } from "./answer.ts";
import { withoutChain } from "./call-chains.ts";
import { LimitedCall, isLimited, refusalOf } from "./call.ts";
import type { Arrived, LimitedCallHost } from "./call.ts";
import { ignore } from "./guard.ts";
import { failureOf } from "./limited-chain.ts";
import { localFunction } from "./local-function.ts";
import type { NamedMethod, NamedMethods } from "./local-function.ts";
import { isExposed } from "./members.ts";
import { pathBelow } from "./path.ts";
import { RemoteNode, childAt, nodeBelow, nodeOf } from "./proxy.ts";
import type { CallOptions, Caller } from "./proxy.ts";
import type { Router } from "./router.ts";

/** Nothing of such calls is on its way here. */
const NOTHING_ARRIVED: Arrived = { receivedBytes: 0, behindMs: 0 };

/**
 * What the peer has named, as a value: a method of this side is a function, whose calls are the peer's own; a service is the object itself.
 * What is a third peer's, or behind an accessor or a gate, is either: a proxy, whose calls are the peer's own, too.
 *
 * @throws ColloquyError
 */
export function namedValue(methods: NamedMethods, router: Router, named: NamedMethod): object {
  const node = nodeOf(named.start);
  if (node !== undefined) {
    // What would be a path of the connection to the third peer is refused now.
    nodeBelow(node, named.rest);
    return proxyOf(methods, named);
  }
  const member = router.named(named.start, named.rest);
  if (member === undefined) return proxyOf(methods, named);
  return isExposed(member) ? localFunction(methods, named) : member;
}

function proxyOf(methods: NamedMethods, named: NamedMethod): object {
  return childAt(new RemoteNode(new NamedCaller(methods, named), "", undefined, false), "");
}

/** Makes calls on what the peer has named, and on what is below it, as calls of that peer. Nobody has to await them. */
class NamedCaller implements Caller {
  readonly #methods: NamedMethods;
  readonly #named: NamedMethod;

  constructor(methods: NamedMethods, named: NamedMethod) {
    this.#methods = methods;
    this.#named = named;
  }

  /** What stands before paths in messages. */
  get remoteAddress(): string {
    return this.#named.path;
  }

  call(node: RemoteNode, args: unknown[], options: CallOptions = {}): Promise<unknown> {
    const answer = isLimited(options) ? this.#callWithin(node, args, options) : this.#call(node, args, options);
    answer.catch(ignore);
    return answer;
  }

  notify(node: RemoteNode, args: unknown[]): void {
    const { kwargs } = node.options ?? {};
    const method = this.#below(node);
    // Notifications are of no chain.
    const called = withoutChain(() => this.#methods.callNamed(method, args, { kwargs }));
    called.catch((error: unknown) => this.#methods.onLostNamed(method.path, error));
  }

  /** A stream that is the result can be read without being awaited. */
  #call(node: RemoteNode, args: unknown[], { kwargs }: CallOptions): Answer<unknown> {
    return new Answer((resolve) => resolve(this.#methods.callNamed(this.#below(node), args, { kwargs })));
  }

  #callWithin(node: RemoteNode, args: unknown[], options: CallOptions): Answer<unknown> {
    return new Answer((resolve) => {
      const refusal = refusalOf(options, Infinity);
      if (refusal !== undefined) return resolve(rejection(() => refusal));
      const abort = new AbortController();
      const host: LimitedCallHost = {
        arrived: NOTHING_ARRIVED,
        giveUp: () => {
          abort.abort();
          return true;
        },
      };
      const call = new LimitedCall(node, this, resolve, undefined, options, host);
      const { meta } = call;
      const extras = { kwargs: options.kwargs, meta, signal: abort.signal };
      this.#methods.callNamed(this.#below(node), args, extras).then(
        (value) => call.onResult(value),
        (error: unknown) => {
          if (call.settle()) resolve(failureOf(error));
        },
      );
    });
  }

  #below({ path }: RemoteNode): NamedMethod {
    const named = this.#named;
    return { path: pathBelow(named.path, path), start: named.start, rest: pathBelow(named.rest, path) };
  }
}
