import { Service, connect, expose, serve, withOptions } from "../src/index.ts";
import type {
  IncomingCall,
  InterceptedCall,
  Interceptor,
  Interceptors,
  OutgoingCall,
  Remote,
  StandardSchemaV1,
} from "../src/index.ts";

declare const both: Interceptor;
declare const incoming: Interceptor<IncomingCall>;
declare const outgoing: Interceptor<OutgoingCall>;
declare const other: Remote<{ method(): number }>;

// One function stands for both directions; one of a direction doesn't for the other.
export const right: Interceptors[] = [
  { incoming: both, outgoing: both },
  { incoming: [both, incoming], outgoing: [outgoing, both] },
  { incoming: (call, next) => next({ args: [call.connection.identity] }) },
  { outgoing: (call, next) => next({ timeout: call.timeout ?? 5, signal: AbortSignal.timeout(1) }) },
  // It may be handed on whole, or as a copy.
  { incoming: (call, next) => next(call), outgoing: (call, next) => next({ ...call, args: [] }) },
];
// @ts-expect-error -- an outgoing call has no deadline of a caller
export const wrongWay: Interceptors = { outgoing: incoming };
// @ts-expect-error -- an incoming call has no time limit of its own
export const noTimeout: Interceptors = { incoming: (call, next) => next({ timeout: 5 }) };
// @ts-expect-error -- the path stays
export const noPath: Interceptors = { incoming: (call, next) => next({ path: "other" }) };

export function narrowed(call: InterceptedCall): number | undefined {
  return call.direction === "incoming" ? call.deadline : call.timeout;
}

// An incoming call is a context, an outgoing one isn't.
export const inherits = (call: IncomingCall): unknown => withOptions(other.method, { context: call });
// @ts-expect-error -- there is no deadline and there are no hops
export const inheritsNot = (call: OutgoingCall): unknown => withOptions(other.method, { context: call });

declare const schema: StandardSchemaV1<string, { readonly parsed: true }>;

export class Checked extends Service {
  // Parameters stay as they are declared.
  @expose({ input: schema, output: schema }) one(text: string): string {
    return text;
  }
  @expose({ input: [schema, schema] }) two(_a: number, _b: string): void {}
  // @ts-expect-error -- a function is no schema
  @expose({ input: () => true }) wrong(): void {}
}

export async function options(): Promise<void> {
  await serve("local://x", new Checked(), { authenticate: (credentials) => credentials === "x" && { name: "x" } });
  await serve("local://x", new Checked(), { authenticate: async (_credentials, { remoteAddress }) => remoteAddress });
  const connection = await connect<Checked>("local://x", { credentials: async () => ({ token: "x" }) });
  await connection.reauthenticate({ token: "y" });
  withOptions(connection.remote.one, { metadata: { a: 1 }, trace: "00" });
}
