import { ColloquyError, factoriesOf } from "@colloquy/core";
import type { CodecClass, Limits, LocalNetwork, SerializerFactory, TlsOptions } from "@colloquy/core";
import { connect, withOptions } from "@colloquy/rpc";
import type { Connection, Credentials, Remote } from "@colloquy/rpc";
import type { ActivityReport } from "./activity.ts";
import type { ClockService } from "./clock-service.ts";
import { dateSerializer } from "./date-serializer.ts";
import type { DrivenClock, Expectation, Membership, StepReport } from "./driven-clock.ts";

/** How a coordinator connects to members that are given by their addresses: as they have been created themselves. */
export interface MemberConnectOptions {
  /** Default: `JsonCodec`. */
  readonly codec?: CodecClass | undefined;
  readonly extraSerializers?: Iterable<SerializerFactory> | undefined;
  readonly tls?: TlsOptions | undefined;
  readonly dangerouslyAllowPlaintext?: boolean | undefined;
  readonly credentials?: Credentials;
  readonly limits?: Partial<Limits> | undefined;
  readonly network?: LocalNetwork | undefined;
}

/** A member as its coordinator sees it. What it is asked rejects with `UNAVAILABLE` once the member is gone. */
export interface CoordinatedMember {
  readonly name: string;
  join(): Promise<Membership>;
  begin(roots: readonly string[]): Promise<void>;
  prepare(t: number, signal: AbortSignal): Promise<void>;
  fire(signal: AbortSignal): Promise<StepReport>;
  settle(expected: readonly Expectation[], signal: AbortSignal): Promise<ActivityReport>;
  report(signal: AbortSignal): Promise<ActivityReport>;
  close(): Promise<void>;
}

const LEAVE_TIMEOUT_MS = 1000;

/** A container of this process. */
export function localMember(name: string, clock: DrivenClock): CoordinatedMember {
  const driver = {};
  return {
    name,
    join: async () => clock.join(driver),
    begin: async (roots) => clock.begin(driver, roots),
    prepare: async (t) => clock.prepare(driver, t),
    fire: (signal) => clock.fire(driver, signal),
    settle: (expected, signal) => clock.settle(driver, expected, signal),
    report: async () => clock.report(driver),
    close: async () => clock.leave(driver),
  };
}

/** A container at an address. Rejects as `connect` does. */
export async function remoteMember(address: string, options: MemberConnectOptions): Promise<CoordinatedMember> {
  const extraSerializers = [dateSerializer, ...factoriesOf(options.extraSerializers)];
  const connection: Connection = await connect(address, { ...options, extraSerializers });
  const { clock } = connection.remote as unknown as { clock: Remote<ClockService> };
  return {
    name: address,
    join: () => clock.join(),
    begin: (roots) => clock.begin([...roots]),
    prepare: (t, signal) => withOptions(clock.prepare, { signal })(t),
    fire: (signal) => withOptions(clock.fire, { signal })(),
    settle: (expected, signal) => withOptions(clock.settle, { signal })(expected),
    report: (signal) => withOptions(clock.report, { signal })(),
    close: async () => {
      // So that it is free for another one at once. One that doesn't answer is free when the connection has ended.
      if (connection.usable) await withOptions(clock.leave, { timeout: LEAVE_TIMEOUT_MS })().catch(() => undefined);
      await connection.close({ graceMs: 0 });
    },
  };
}

/** The failure of one member, which names it. */
export function failureOf(member: string, error: unknown): ColloquyError {
  const known = error instanceof ColloquyError ? error : undefined;
  const isGone = known?.code === "CONNECTION_LOST" || known?.code === "UNAVAILABLE" || known?.code === "CANCELLED";
  const reason = known?.message ?? String(error);
  if (known?.code === "NOT_FOUND") {
    const hint = "its container has no `coordinated: true`";
    return new ColloquyError("INVALID_ARGUMENT", `${member} can't be driven: ${hint}`, { cause: error });
  }
  if (isGone) return new ColloquyError("UNAVAILABLE", `member ${member} is gone: ${reason}`, { cause: error });
  return new ColloquyError(known?.code ?? "INTERNAL", `member ${member}: ${reason}`, { cause: error });
}
