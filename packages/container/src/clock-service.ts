import { expose, service } from "@colloquy/rpc";
import type { CallContext, ServiceMap } from "@colloquy/rpc";
import type { ActivityReport } from "./activity.ts";
import type { DrivenClock, Expectation, Membership, StepReport } from "./driven-clock.ts";

/** What coordinators call below the root of a container: `clock`. */
export interface ClockService {
  join(): Promise<Membership>;
  leave(): Promise<void>;
  begin(members: readonly string[]): Promise<void>;
  prepare(t: number): Promise<void>;
  fire(): Promise<StepReport>;
  settle(expected: readonly Expectation[]): Promise<ActivityReport>;
  report(): Promise<ActivityReport>;
}

/** Lets coordinators on other connections drive a clock: one at a time, until it leaves or its connection ends. */
export function clockService(clock: DrivenClock): ServiceMap<object> {
  const withCaller = { context: true } as const;
  return service({
    join: expose(({ connection }: CallContext) => {
      const membership = clock.join(connection);
      connection.onClose(() => clock.leave(connection));
      return membership;
    }, withCaller),
    leave: expose(({ connection }: CallContext) => clock.leave(connection), withCaller),
    begin: expose((members: string[], { connection }: CallContext) => clock.begin(connection, members), withCaller),
    prepare: expose((t: number, { connection }: CallContext) => clock.prepare(connection, t), withCaller),
    fire: expose(({ connection, signal }: CallContext) => clock.fire(connection, signal), withCaller),
    settle: expose(
      (expected: Expectation[], { connection, signal }: CallContext) => clock.settle(connection, expected, signal),
      withCaller,
    ),
    report: expose(({ connection }: CallContext) => clock.report(connection), withCaller),
  });
}
