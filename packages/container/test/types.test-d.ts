import { expose } from "@colloquy/rpc";
import type { CallContext, Remote, RemoteCall, RemoteStreamCall } from "@colloquy/rpc";
import { expectTypeOf } from "vitest";
import { Agent } from "../src/index.ts";
import type { Container, DateTime } from "../src/index.ts";

class Greeter extends Agent {
  readonly members = new Set<string>();

  @expose greet(name: string): string {
    return `Hello ${name}`;
  }

  @expose async later(date: DateTime): Promise<DateTime> {
    return date;
  }

  @expose({ context: true }) slow(count: number, context: CallContext): number {
    return context.signal.aborted ? 0 : count;
  }

  @expose async meet(other: Remote<Greeter>): Promise<string> {
    return other.greet(this.address);
  }

  @expose me(): this {
    return this;
  }

  @expose async *count(limit: number): AsyncGenerator<number> {
    for (let n = 0; n < limit; n++) yield n;
  }

  @expose clone(): Greeter {
    return this;
  }
}

declare const container: Container;
declare const greeter: Remote<Greeter>;

// Methods return promises.
expectTypeOf(greeter.greet("Ada")).toEqualTypeOf<RemoteCall<string>>();
expectTypeOf(greeter.slow(1)).toEqualTypeOf<RemoteCall<number>>();
expectTypeOf(greeter.count(3)).toEqualTypeOf<RemoteStreamCall<number>>();
expectTypeOf(container.connect<Greeter>("local://a/0")).toEqualTypeOf<Promise<Remote<Greeter>>>();
expectTypeOf(container.spawn(new Greeter())).toEqualTypeOf<Promise<Greeter>>();
expectTypeOf(container.spawn(() => new Greeter())).toEqualTypeOf<Promise<Greeter>>();
expectTypeOf(container.spawn(async () => new Greeter())).toEqualTypeOf<Promise<Greeter>>();

// Dates stay dates.
expectTypeOf(greeter.later).parameter(0).toEqualTypeOf<DateTime | RemoteCall<DateTime>>();
expectTypeOf(greeter.later).returns.resolves.toEqualTypeOf<DateTime>();

// Agents go as agents or proxies, and arrive as proxies.
void greeter.meet(new Greeter());
void greeter.meet(greeter);
expectTypeOf(greeter.clone()).resolves.toEqualTypeOf<Remote<Greeter>>();

// The methods are there and nothing else: no member of Agent's own, no field.
type Names = Exclude<keyof Remote<Greeter>, symbol>;
expectTypeOf<Names>().toEqualTypeOf<"greet" | "later" | "slow" | "meet" | "me" | "count" | "clone">();
// @ts-expect-error -- an agent is ended where it lives
void greeter.stop();
// @ts-expect-error -- containers are local
void greeter.container;
// @ts-expect-error -- the address is known where the proxy was made
void greeter.address;
// @ts-expect-error -- fields aren't remote
void greeter.members;
// @ts-expect-error -- tasks are the agent's own
void greeter.task;
// @ts-expect-error -- the name is a text
void greeter.greet(5);
// @ts-expect-error -- what has no address isn't passed as an agent
void greeter.meet({});
// @ts-expect-error -- a container takes agents only
void container.spawn({ greet: () => "hi" });
