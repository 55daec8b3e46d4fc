import { CLOSE_OPTIONS, Endpoint, checkOptions, messageOf } from "@colloquy/core";
import type { ColloquyError, Dialect, PeerTraits } from "@colloquy/core";
import { entranceOf, reauthenticate } from "./authentication.ts";
import { ReferenceBinding } from "./binding.ts";
import type { BoundConnection } from "./binding.ts";
import { CloseListeners, withoutGoodbye } from "./close-listeners.ts";
import type { CloseListener } from "./close-listeners.ts";
import type { CallScope } from "./call-scope.ts";
import type { Arrived, Call, CallEnd } from "./call.ts";
import { trafficOf } from "./connection-setup.ts";
import type { ConnectionOwner, ConnectionSetup, ConnectionTraffic } from "./connection-setup.ts";
import { statsOf } from "./connection-stats.ts";
import type { ConnectionStats } from "./connection-stats.ts";
import type { CallContext } from "./context.ts";
import { Exports } from "./exports.ts";
import type { HeldReference } from "./exports.ts";
import { Greeting } from "./greeting.ts";
import { ignore } from "./guard.ts";
import { tellClosed, tellGreeted, tellOpened } from "./hooks.ts";
import { Heartbeat, pingOf } from "./heartbeat.ts";
import { Imports } from "./imports.ts";
import { Incoming } from "./incoming.ts";
import { OutgoingCalls } from "./outgoing-calls.ts";
import { callThrough, notifyThrough } from "./outgoing-interceptors.ts";
import { RemoteNode, leadsTo, serviceProxy } from "./proxy.ts";
import type { CallOptions, Caller } from "./proxy.ts";
import { Router } from "./router.ts";
import { SilentFailures } from "./silent-failures.ts";
import type { Remote } from "./types.ts";

/** A connection to one peer: its services are called through `remote`, and it calls those that this side serves. */
export class Connection<T extends object = object> implements AsyncDisposable, BoundConnection {
  readonly #endpoint: Endpoint;
  readonly #dialect: Dialect;
  readonly #exports: Exports;
  readonly #imports: Imports;
  readonly #router: Router;
  readonly #binding: ReferenceBinding;
  readonly #greeting: Greeting;
  readonly #incoming: Incoming;
  readonly #listeners = new CloseListeners();
  /** Made where it is asked for. */
  #remote: object | undefined;
  readonly #calls: OutgoingCalls;
  #destroyed = false;
  #peerRoot: string | undefined;
  readonly #link: string | undefined;
  #peerLink: string | undefined;
  readonly #silent: SilentFailures;
  /** @internal */
  readonly rootCaller: Caller;
  readonly #owner: ConnectionOwner | undefined;
  readonly #outgoing: NonNullable<ConnectionSetup["interceptors"]>["outgoing"];
  /** For peers that said hello. */
  #heartbeat: Heartbeat | undefined;

  /** @internal */
  constructor(setup: ConnectionSetup) {
    const { transport, codec, limits, dialect, rootName, onMethodFailure, interceptors } = setup;
    this.#outgoing = interceptors?.outgoing;
    this.#owner = setup.owner;
    this.#link = setup.link;
    this.rootCaller = setup.owner ?? this;
    this.#silent = new SilentFailures(this, onMethodFailure, setup.errors, transport.reproducible);
    this.#dialect = dialect;
    this.#exports = new Exports(limits.maxReferenceCount, setup.traceReferences);
    this.#imports = new Imports(this, limits, transport.reproducible !== undefined);
    this.#router = new Router(limits);
    this.#incoming = new Incoming(this, limits, this.#router, this.#exports, this.#imports, this.#silent);
    this.#binding = new ReferenceBinding(this, this.#router, this.#exports, this.#imports, limits, this.#incoming);
    this.#endpoint = new Endpoint(transport, this.#binding.bound(codec), this.#incoming, limits);
    this.#endpoint.running.total = setup.runningTotal;
    this.#greeting = new Greeting(this.#endpoint, limits, rootName, this, entranceOf(setup, this, this.#silent));
    this.#calls = new OutgoingCalls(this, this.#endpoint, this.#greeting, this.#incoming, this.#silent, setup.owner);
    this.#incoming.wire(this.#endpoint, this.#greeting, interceptors?.incoming);
    // Now: what a server's factory calls waits for hello, too.
    if (dialect === "auto") this.#greeting.expect();
    else this.#greeting.skip();
  }

  /** The root service of the other side. */
  get remote(): Remote<T> {
    return (this.#remote ??= serviceProxy(new RemoteNode(this.rootCaller, "", undefined, false))) as Remote<T>;
  }

  /** Resolves when the connection has ended and all its calls have settled: with the error that ended it, or undefined. */
  get closed(): Promise<ColloquyError | undefined> {
    return this.#listeners.closed;
  }

  /** Address of the other side. */
  get remoteAddress(): string {
    return this.#endpoint.remoteAddress;
  }

  /** What `authenticate` has made of the other side's credentials, the last that were good; undefined on a client. */
  get identity(): unknown {
    return this.#greeting.identity;
  }

  /**
   * Shows new credentials, plain values, to `authenticate` of the other side, which replaces the identity. Rejects with
   * `UNAUTHENTICATED` where it refuses them; the old identity stays. One attempt at a time, others are `RESOURCE_EXHAUSTED`.
   */
  async reauthenticate(credentials: unknown): Promise<void> {
    await reauthenticate(this, credentials);
  }

  /** Name of the other side's root, where it serves the same one on all its connections. */
  get root(): string | undefined {
    return this.#peerRoot;
  }

  /** False once calls can't be made any more. */
  get usable(): boolean {
    return !this.#endpoint.ended && !this.#endpoint.draining && !this.#calls.goneAway;
  }

  /** Milliseconds of the latest ping's way there and back; undefined before the first. */
  get roundTripMs(): number | undefined {
    return this.#heartbeat?.roundTripMs;
  }

  /** Resolves with the milliseconds of a round trip. Rejects as calls do, and with `UNSUPPORTED` for a peer that said no hello. */
  ping(): Promise<number> {
    return pingOf(this.#heartbeat, this.remoteAddress);
  }

  /**
   * Calls `listener` once when the connection has ended and all its calls have settled, also where it was given twice. Returns a function
   * that takes back what this call has asked for.
   */
  onClose(listener: CloseListener): () => void {
    return this.#listeners.add(listener);
  }

  /**
   * Resolves when the memory of all arrays and bytes that were sent so far is the caller's again: they have left, or the
   * connection has ended. Until then a large one must not be changed. Never rejects.
   */
  flushed(): Promise<void> {
    return this.#endpoint.flushed();
  }

  /** Functions, services and streams of this side that the other one holds: what is never released shows here. */
  heldReferences(): readonly HeldReference[] {
    return this.#exports.held();
  }

  /** Counters of this connection, as they are now. */
  stats(): ConnectionStats {
    return statsOf(this.#endpoint, this.#exports, this.#imports, this.#incoming, this.#binding, this.#silent);
  }

  /** Messages so far, where the connection has a name that both sides know: `link` of the side that has opened it. */
  traffic(): ConnectionTraffic | undefined {
    return trafficOf(this.#endpoint, this.#peerRoot, this.#link ?? this.#peerLink, this.#link !== undefined);
  }

  /**
   * Refuses new calls in both directions, lets those finish that are under way, for `graceMs` at most (`Limits.closeGraceMs`),
   * and closes. Resolves when the connection has ended. Rejects for wrong options alone, with `INVALID_ARGUMENT`.
   */
  async close(options: { readonly graceMs?: number } = {}): Promise<void> {
    checkOptions("close", options, CLOSE_OPTIONS);
    // Before hello is done nothing is under way: what waits has not left.
    if (!this.#greeting.done) this.destroy();
    else if (!this.#endpoint.draining) {
      this.#incoming.closeStreams();
      this.#calls.tell("$/goaway", []);
      // What the peer sends before it reads this comes before its answer, and is carried out.
      this.#heartbeat?.ping(true).catch(ignore);
    }
    await this.#endpoint.close(options.graceMs);
    await this.closed;
  }

  /** Closes at once: calls under way fail with `CONNECTION_LOST`. */
  destroy(error?: ColloquyError): void {
    this.#destroyed = true;
    this.#endpoint.destroy(error);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** @internal Serves `root`, if there is one, and starts to read; says hello where this side has opened the connection. */
  async start(root: object | undefined, opened: boolean): Promise<void> {
    if (root !== undefined) this.#router.serve(root);
    if (this.#endpoint.ended) return;
    tellOpened(this);
    this.#endpoint.open();
    if (opened && this.#dialect === "auto") await this.#greeting.greet(this.#endpoint.codec!);
  }

  /** @internal */
  call(node: RemoteNode, args: unknown[], options: CallOptions | undefined): Promise<unknown> {
    if (this.#outgoing === undefined) return this.#calls.send(node, args, options);
    return callThrough(this.#outgoing, this, node, args, options);
  }

  /** @internal */
  send(node: RemoteNode, args: unknown[], options: CallOptions | undefined): Promise<unknown> {
    return this.#calls.send(node, args, options);
  }

  /** @internal */
  notify(node: RemoteNode, args: unknown[]): void {
    if (this.#outgoing === undefined) this.#calls.notify(node, args, node.options);
    else notifyThrough(this.#outgoing, this, node, args, (error) => this.#silent.onNotification(node.path, error));
  }

  /** @internal */
  onLostNotification(path: string, error: unknown): void {
    this.#silent.onNotification(path, error);
  }

  /** @internal */
  sendNotification(node: RemoteNode, args: unknown[], options: CallOptions | undefined): void {
    this.#calls.notify(node, args, options);
  }

  /** @internal */
  contextOf(path: string, { signal, deadline, hops, metadata, trace }: CallScope): CallContext {
    return { connection: this, path, signal, deadline, hops, metadata, trace };
  }

  /** @internal */
  onLookupFailure(path: string, error: unknown): unknown {
    return this.#silent.onMethod(path, error);
  }

  /** @internal */
  isHome(node: RemoteNode): boolean {
    return leadsTo(node, this, this.#peerRoot);
  }

  /** @internal */
  get takesResults(): boolean {
    return this.#incoming.extended;
  }

  /** @internal */
  get arrived(): Arrived {
    return this.#calls.arrived;
  }

  /** @internal */
  giveUp(call: Call, end?: CallEnd): boolean {
    return this.#calls.giveUp(call, end);
  }

  /** @internal */
  sendReleased(released: [id: number, count: number][]): void {
    this.#calls.tell("$/release", [released]);
  }

  /** @internal */
  sendAborted(id: number, reason: unknown): void {
    // A reason that can't cross is told in words.
    if (this.#calls.tryTell("$/abort", [id, reason]) !== undefined)
      this.#calls.tell("$/abort", [id, new Error(messageOf(reason))]);
  }

  /** @internal */
  sendForgotten(id: number): void {
    this.#calls.tell("$/abort", [id]);
  }

  /** @internal */
  onAbort(signal: number, fired: boolean, reason: unknown): void {
    if (fired) this.#binding.signals.onAborted(signal, reason);
    else this.#binding.signals.onForgotten(signal);
  }

  /** @internal */
  onGreeted(traits: PeerTraits | undefined): void {
    tellGreeted(this, traits === undefined);
    if (traits === undefined) {
      this.#endpoint.exceptionStyle = this.#dialect === "mosaik" ? "list" : "text";
      return;
    }
    this.#incoming.extend();
    this.#heartbeat = new Heartbeat(this.#endpoint);
    this.#peerRoot = traits.root;
    this.#peerLink = traits.link;
    if (traits.maxReferenceCount !== Infinity) this.#imports.maxCount = traits.maxReferenceCount;
    this.#binding.extend();
    this.#incoming.shareShapes(traits.shapeCount);
  }

  /** @internal */
  onGoAway(): void {
    this.#calls.goneAway = true;
    this.#endpoint.closer ??= "the other side";
    this.#incoming.closeStreams();
    this.#owner?.onGoAway(this);
  }

  /** @internal */
  onClosed(reason: ColloquyError | undefined): void {
    // A peer that closes in order says so before; one that has crashed doesn't. Plain peers never do.
    const isInOrder = !this.#incoming.extended || this.#calls.goneAway || this.#endpoint.draining || this.#destroyed;
    const error = reason ?? (isInOrder ? undefined : withoutGoodbye(this.remoteAddress));
    this.#greeting.close();
    this.#heartbeat?.stop();
    this.#binding.close(error);
    this.#imports.clear();
    // The callers' promises settle first: a few turns of the microtask queue.
    setImmediate(() => {
      tellClosed(this, error);
      this.#listeners.tell(error);
    });
  }
}
