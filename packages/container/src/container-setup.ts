import { randomUUID } from "node:crypto";
import { JsonCodec, checkOptions, factoriesOf, parseAddress, resolveLimits, seededRandom, warn } from "@colloquy/core";
import type {
  CodecOption,
  ErrorPolicy,
  Limits,
  LocalNetwork,
  OptionKind,
  SerializerFactory,
  TlsOptions,
} from "@colloquy/core";
import { chainConnectionsOf, chainSlotOf, connect, expose, service } from "@colloquy/rpc";
import type { Authenticate, Credentials, Dialect, Interceptors, MethodFailureListener } from "@colloquy/rpc";
import type { Agent, TaskFailureListener } from "./agent.ts";
import type { GiveUpListener, LivesSetup } from "./agent-lives.ts";
import { AgentTable } from "./agent-table.ts";
import type { Clock } from "./clock.ts";
import { clockService } from "./clock-service.ts";
import { ContainerServer } from "./container-server.ts";
import { drivenClock } from "./coordination.ts";
import { dateSerializer } from "./date-serializer.ts";
import type { DrivenClock } from "./driven-clock.ts";
import { Links } from "./links.ts";
import { Mailboxes } from "./mailbox.ts";
import { OPTION_KINDS } from "./option-kinds.ts";
import { RemoteContainers } from "./remote-containers.ts";
import { SystemClock } from "./system-clock.ts";
import { Watchers } from "./watchers.ts";

export interface ContainerOptions {
  /** Default: `JsonCodec`. `"auto"`: what each client speaks; this container's own connections then speak JSON. */
  readonly codec?: CodecOption | undefined;
  /** Types beyond dates, which have the id 0; the same on all containers, in the same order. */
  readonly extraSerializers?: Iterable<SerializerFactory> | undefined;
  /** Default: a `SystemClock` of this container, which ends with it. */
  readonly clock?: Clock | undefined;
  /** Lets whoever connects drive the clock, which is an `ExternalClock`: `coordinate`. Default: false, nobody can. */
  readonly coordinated?: boolean | undefined;
  /** Where `local://` names live. Default: one network for the process. */
  readonly network?: LocalNetwork | undefined;
  /** What other containers know this one by; no two have the same. Default: a random name. */
  readonly rootName?: string | undefined;
  /** Certificates for both directions. */
  readonly tls?: TlsOptions | undefined;
  /** Lets connections to and from other hosts go without `tls`: as in `serve` and `connect`. Default: false. */
  readonly dangerouslyAllowPlaintext?: boolean | undefined;
  /** Host name for addresses, where that of the listening socket isn't what others reach. */
  readonly advertise?: string | undefined;
  readonly limits?: Partial<Limits> | undefined;
  /** Default: `"auto"`. */
  readonly dialect?: Dialect | undefined;
  /** Told of what an exposed method of an agent has thrown, with its path. The caller gets what `errors` lets out. */
  readonly onMethodFailure?: MethodFailureListener | undefined;
  /** What leaves with errors, and the classes of those that come: as with `serve` and `connect`. */
  readonly errors?: ErrorPolicy | undefined;
  /** Functions around the calls of all connections: those of other containers, and those to them. */
  readonly interceptors?: Interceptors | undefined;
  /** Says who another container is that connects to this one: as in `serve`. */
  readonly authenticate?: Authenticate | undefined;
  /** What this container shows to those that it connects to: as in `connect`. */
  readonly credentials?: Credentials;
  /** Takes what a task of an agent throws, and what agents `fail` with. Default: a warning of the process. */
  readonly onTaskFailure?: TaskFailureListener | undefined;
  /**
   * Told that an agent with `restart` isn't restarted any more: it has ended more often than its `intensity` allows. Default: a warning of
   * the process.
   */
  readonly onGiveUp?: GiveUpListener | undefined;
  /** When all containers of a start are up: `onReady` of agents waits for it. Default: at once. */
  readonly readyWhen?: Promise<unknown> | undefined;
}

const CALLS = { connectionsOf: chainConnectionsOf, slotOf: chainSlotOf };

/** What a container consists of. */
export interface ContainerSetup extends Omit<LivesSetup, "home"> {
  readonly clock: Clock;
  readonly server: ContainerServer;
  readonly remotes: RemoteContainers;
  readonly watchers: Watchers;
  readonly coordinated: DrivenClock | undefined;
  readonly end: AbortController;
}

/** Listens, and makes the parts of a container. Rejects as `Container.create` does. */
export async function setUp(address: string, options: ContainerOptions): Promise<ContainerSetup> {
  const kinds: Readonly<Record<keyof ContainerOptions, OptionKind>> = OPTION_KINDS.create;
  checkOptions("Container.create", options, kinds);
  const end = new AbortController();
  const agents = new AgentTable();
  const ownLimits = resolveLimits(options.limits);
  const { closeGraceMs: graceMs, maxReferenceCount } = ownLimits;
  const watchers = new Watchers(agents, maxReferenceCount);
  const { network, rootName = randomUUID() } = options;
  const links = new Links();
  const source = { root: rootName, links, accepted: () => server.connections };
  const coordinated = drivenClock(options, source, end.signal);
  const clockMembers = coordinated === undefined ? {} : { clock: clockService(coordinated) };
  // What aiomas asks first: the class name of an agent, or null where there is none.
  const validate = expose((id: unknown) => agents.classNameOf(id));
  const newName = (): string => network?.reproducible?.newId() ?? randomUUID();
  const random = network?.reproducible === undefined ? Math.random : seededRandom(`pauses of ${rootName}`);
  const mailboxes = new Mailboxes({ root: rootName, newName, random, calls: CALLS, limits: ownLimits });
  const members = { validate_aid: validate, agents, mailboxes: mailboxes.service };
  const root = service({ ...members, ...watchers.methods, ...clockMembers });
  const extraSerializers = [dateSerializer, ...factoriesOf(options.extraSerializers)];
  const { codec = JsonCodec, tls, dangerouslyAllowPlaintext, limits, dialect } = options;
  const { onMethodFailure, interceptors, errors } = options;
  const ownCodec = codec === "auto" ? JsonCodec : codec;
  const security = { tls, dangerouslyAllowPlaintext };
  const told = { onMethodFailure, interceptors, errors };
  const common = { ...security, ...told, extraSerializers, limits, dialect, rootName, network };
  const { authenticate, credentials, advertise } = options;
  const server = await ContainerServer.listen(address, root, { ...common, codec, advertise, authenticate });
  const outgoing = { ...common, codec: ownCodec, service: root, credentials, localName: localNameOf(server.address) };
  const remotes = new RemoteContainers((base, open) =>
    links.open(base, (link) => {
      const own = { network: server.networkTo(base) ?? network, ...(coordinated && { link }) };
      return connect(base, { ...outgoing, ...own, ...open });
    }),
  );
  const clock = options.clock ?? new SystemClock({ signal: end.signal });
  const { onTaskFailure = warnOfTask, onGiveUp = warnOfGiveUp } = options;
  options.readyWhen?.catch((error: unknown) => warn(`readyWhen of ${server.address} failed: no onReady runs`, error));
  const { readyWhen } = options;
  const lives = { random, agents, mailboxes, graceMs, onTaskFailure, onGiveUp, readyWhen };
  return { ...lives, clock, server, remotes, watchers, coordinated, end };
}

/** By what name others on a network within the process know this container. */
function localNameOf(address: string): string | undefined {
  const parsed = parseAddress(address);
  return parsed.kind === "local" ? parsed.name : undefined;
}

function warnOfTask(error: unknown, agent: Agent): void {
  warn(`a task of ${String(agent)} failed`, error);
}

function warnOfGiveUp(error: unknown, agent: Agent): void {
  warn(`${String(agent)} isn't restarted any more`, error);
}
