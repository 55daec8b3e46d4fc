/**
 * Services and proxies: what is exposed on one side is called on the other, both ways.
 *
 * @packageDocumentation
 */
export { Answer } from "./answer.ts";
export type { Authenticate, Credentials } from "./authentication.ts";
export { Backoff } from "./backoff.ts";
export type { BackoffOptions } from "./backoff.ts";
export { optionsAfter } from "./call-limits.ts";
export { chainConnectionsOf, chainSlotOf, currentChain, runInChain, withoutChain } from "./call-chains.ts";
export { isSlot } from "./call-meta.ts";
export { whenCollected } from "./collected.ts";
export { connect } from "./client.ts";
export type { ConnectOptions, ReconnectingConnectOptions } from "./client.ts";
export { Connection } from "./connection.ts";
export type { ConnectionTraffic, PeerOptions } from "./connection-setup.ts";
export { totalsOf } from "./connection-stats.ts";
export type { ConnectionStats, ConnectionTotals } from "./connection-stats.ts";
export type { CallContext, CallerConnection } from "./context.ts";
export type { HeldReference } from "./exports.ts";
export { Service, ServiceTable, expose, service } from "./expose.ts";
export type {
  IncomingCall,
  IncomingChanges,
  InterceptedCall,
  Interceptor,
  Interceptors,
  NextCall,
  OutgoingCall,
  OutgoingChanges,
} from "./interceptors.ts";
export type {
  CallMessage,
  CloseMessage,
  ConnectionMessage,
  HelloMessage,
  RefusalMessage,
  StreamMessage,
  TurnedAwayMessage,
} from "./hooks.ts";
export { notStarted, setGate } from "./gate.ts";
export type { Gate, GatedCall } from "./gate.ts";
export { isService } from "./members.ts";
export type { Metadata } from "./metadata.ts";
export type { AnyService, ExposeDecorator, ExposeOptions, ServiceMap } from "./expose.ts";
export type { Dialect } from "@colloquy/core";
export { notify, withOptions } from "./options.ts";
export { REST, parameterNames } from "./parameters.ts";
export { pipeline } from "./pipeline.ts";
export { RemoteNode, nodeOf, release, sameRemote, serviceProxy } from "./proxy.ts";
export type { CallOptions, Caller, Reference, WhileAway } from "./proxy.ts";
export { ReconnectingConnection } from "./reconnecting.ts";
export type { ReconnectOptions } from "./reconnect-options.ts";
export type { ReconnectingStats } from "./reconnecting.ts";
export { serve } from "./server.ts";
export type {
  StandardSchemaIssue,
  StandardSchemaProps,
  StandardSchemaResult,
  StandardSchemaV1,
} from "./standard-schema.ts";
export { takePromises } from "./pending-arguments.ts";
export { SilentFailures } from "./silent-failures.ts";
export type { MethodFailureListener } from "./silent-failures.ts";
export { SlotTable, digestOf } from "./slot-digests.ts";
export type { Server, ServeOptions, ServiceFactory } from "./server.ts";
export type {
  Received,
  Remote,
  RemoteCall,
  RemoteFunction,
  RemoteMember,
  RemoteStream,
  RemoteStreamCall,
  Sent,
} from "./types.ts";
export {
  ColloquyError,
  JsonCodec,
  MsgPackCodec,
  PublicError,
  RemoteError,
  SerializationError,
  serializable,
} from "@colloquy/core";
export type { ErrorClass, ErrorPolicy, PublicErrorOptions } from "@colloquy/core";
export type { ErrorCode, Limits, SerializableClass, SerializerFactory, TlsOptions } from "@colloquy/core";
