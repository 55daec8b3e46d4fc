import { subscribe } from "node:diagnostics_channel";
import { Container } from "@colloquy/container";
import {
  ColloquyError,
  LocalNetwork,
  MsgPackBloscCodec,
  MsgPackCodec,
  JsonCodec,
  StructuredCloneCodec,
  connectChannel,
  serveChannels,
  type Channel,
  type CodecClass,
  type Transport,
} from "@colloquy/core";
import { connect, serve, type Connection } from "@colloquy/rpc";
import { byteAttack, operationAttack, type Attack, type AttackMaker, type Role } from "./attacks.ts";
import { nextTurn } from "./checks.ts";
import { useRemote } from "./client-session.ts";
import { storedInputs } from "./corpus.ts";
import { HostilePeer } from "./hostile-peer.ts";
import { recordedInputs } from "./recordings.ts";
import { check, type Target } from "./target.ts";
import { Host, Root } from "./victims.ts";
import { wireCodecs, type WireCodec } from "./wire.ts";
import { jsonWords, msgpackWords } from "./words.ts";

/** Small, so that inputs get there. Pings would come in runs that last. */
export const limits = {
  maxMessageBytes: 16_384,
  maxSegmentBytes: 100_000,
  maxRunningCount: 16,
  maxReferenceCount: 16,
  maxStreamCount: 4,
  pingIntervalMs: Infinity,
  closeGraceMs: 20,
};
const codecs: Readonly<Record<WireCodec, CodecClass>> = {
  json: JsonCodec,
  msgpack: MsgPackCodec,
  "structured-clone": StructuredCloneCodec,
  "msgpack-blosc": MsgPackBloscCodec,
};
const settleLimitMs = 3000;
const leastTurns = 2000;
const operationSeedCount = 48;

/** A peer of this library that hostile ones meet. */
interface Victim {
  /** The side that attacks it has. */
  readonly role: Role;
  /** Resolves when the attack is over, and what this side has begun in it. */
  meet(attack: Attack): Promise<void>;
  /** Rejects where anything is left of ended connections, or others aren't served. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

class ConnectionTarget implements Target {
  readonly maxBytes = 1024;
  readonly atOnce = 16;
  readonly words = [...msgpackWords, ...jsonWords];
  readonly seeds: readonly Buffer[];
  readonly #victims: readonly Victim[];
  readonly #attackOf: AttackMaker;

  constructor(victims: readonly Victim[], attackOf: AttackMaker, seeds: readonly Buffer[]) {
    this.#victims = victims;
    this.#attackOf = attackOf;
    this.seeds = seeds;
  }

  async run(input: Buffer): Promise<void> {
    const victim = this.#victims[(input[0] ?? 0) >> 6 < this.#victims.length ? (input[0] ?? 0) >> 6 : 0]!;
    await victim.meet(this.#attackOf(input, victim.role));
  }

  async settled(): Promise<void> {
    for (const victim of this.#victims) await victim.settled();
  }

  async close(): Promise<void> {
    for (const victim of this.#victims) await victim.close();
  }
}

async function hostile(transport: Transport, attack: Attack): Promise<void> {
  // Behind other first bytes a server may have taken another codec.
  const codec = attack.saysHello ? new codecs[attack.codec]() : undefined;
  return new HostilePeer(transport, codec).carryOut(attack);
}

/** Resolves when `condition` holds; rejects with `what` where it never does. */
async function comesAbout(condition: () => boolean, what: () => string): Promise<void> {
  const end = performance.now() + settleLimitMs;
  // On a machine that does something else few turns are made in that time.
  for (let turns = 0; !condition(); turns++) {
    check(turns < leastTurns || performance.now() < end, what());
    await nextTurn();
  }
}

/** What a hostile client has left behind on a server. */
function checkEmpty(connection: Connection): void {
  const { pending, running, exportedReferences, importedReferences } = connection.stats();
  const left = pending + running + exportedReferences + importedReferences;
  check(left === 0, `an ended connection with ${JSON.stringify(connection.stats())}`);
}

async function serverVictim(): Promise<Victim> {
  const network = new LocalNetwork({ everyAddress: true });
  const ended: Connection[] = [];
  let unforeseen: Error | undefined;
  const onConnection = (connection: Connection): void =>
    void connection.onClose((error) => {
      ended.push(connection);
      if (error?.code === "INTERNAL") unforeseen = error;
    });
  const address = "local://server";
  const server = await serve(address, new Root(), { network, codec: "auto", limits, onConnection });
  const honest = await connect<Root>(address, { network, codec: MsgPackCodec, limits });
  let count = 0;
  return {
    role: "client",
    meet: async (attack) => hostile(network.connect(address)!, attack),
    settled: async () => {
      await comesAbout(
        () => server.connections.size === 1,
        () => `${server.connections.size - 1} connections don't end`,
      );
      for (const connection of ended.splice(0)) checkEmpty(connection);
      const failure = unforeseen;
      unforeseen = undefined;
      if (failure !== undefined) throw failure;
      check((await honest.remote.echo(++count)) === count, "an honest client gets a wrong answer");
    },
    close: async () => {
      await honest.close();
      await server.close();
    },
  };
}

async function containerVictim(): Promise<Victim> {
  const network = new LocalNetwork({ everyAddress: true });
  const address = "local://container";
  const container = await Container.create(address, { network, codec: "auto", limits });
  for (let count = 0; count < 2; count++) await container.spawn(new Host());
  const other = await Container.create("local://honest", { network, limits });
  const honest = await other.connect<Host>(`${address}/0`);
  await honest.echo(0);
  const connections = container.connections.length;
  return {
    role: "client",
    meet: async (attack) => hostile(network.connect(address)!, attack),
    settled: async () => {
      await comesAbout(
        () => container.connections.length === connections,
        () => "connections of a container don't end",
      );
      check((await honest.echo("x")) === "x" && container.agents.length === 2, "agents that aren't as they were");
    },
    close: async () => {
      await other.shutdown();
      await container.shutdown();
    },
  };
}

async function channelVictim(): Promise<Victim> {
  const network = new LocalNetwork({ everyAddress: true });
  const address = "local://channels";
  const ended: Channel[] = [];
  const answer = async (channel: Channel): Promise<void> => {
    ended.push(channel);
    for await (const request of channel) void request.reply(request.content).catch(() => {});
  };
  const server = await serveChannels(address, answer, { network, codec: "auto", limits });
  const honest = await connectChannel(address, { network, codec: JsonCodec, limits });
  await honest.send(0);
  ended.length = 0;
  return {
    role: "channel",
    meet: async (attack) => hostile(network.connect(address)!, attack),
    settled: async () => {
      await comesAbout(
        () => server.channels.size === 1,
        () => `${server.channels.size - 1} channels don't end`,
      );
      for (const channel of ended.splice(0))
        check(channel.stats().running + channel.stats().pending === 0, "a channel that isn't empty");
      check((await honest.send("x")) === "x", "an honest channel gets a wrong answer");
    },
    close: async () => {
      await honest.close();
      await server.close();
    },
  };
}

/** Clients that come to a hostile server, and what they do there. */
function clientVictim(open: (address: string, network: LocalNetwork, attack: Attack) => Promise<void>): Victim {
  const network = new LocalNetwork({ everyAddress: true });
  let count = 0;
  return {
    role: "server",
    async meet(attack) {
      const address = `local://hostile-${count++}`;
      let attacking: Promise<void> | undefined;
      const listener = network.listen(address, (transport: Transport) => {
        attacking = hostile(transport, attack);
      });
      let over = false;
      const session = open(address, network, attack).finally(() => (over = true));
      session.catch(() => {});
      await attacking;
      await comesAbout(
        () => over,
        () => "calls to a server that has gone don't settle",
      );
      await listener.close();
      await session;
    },
    settled: async () => {},
    close: async () => {},
  };
}

const rpcClient = (): Victim =>
  clientVictim(async (address, network, { codec }) => {
    const opening = connect<Root>(address, { network, codec: codecs[codec], service: new Root(), limits });
    const connection = await opening.catch(onlyOurs);
    if (connection === undefined) return;
    await useRemote(connection.remote);
    await connection.closed;
    checkEmpty(connection);
  });

const channelClient = (): Victim =>
  clientVictim(async (address, network, { codec }) => {
    const channel = await connectChannel(address, { network, codec: codecs[codec], limits });
    const calls = [1, new Map([["a", 1]]), new Uint8Array(20_000)].map((value) => channel.send(value).catch(onlyOurs));
    for await (const request of channel) void request.reply(request.content).catch(() => {});
    await Promise.all(calls);
  });

function onlyOurs(error: unknown): undefined {
  if (!(error instanceof ColloquyError) || error.code === "INTERNAL") throw error;
}

/** Control calls fail silently: here only for what is documented. What a subscriber throws is an uncaught exception. */
subscribe("colloquy:failed-notification", (published) => {
  const { path, error } = published as { readonly path: string; readonly error: unknown };
  const isControl = path === "" || (path.startsWith("$/") && !/^\$\/(?:ref|result)\//.test(path));
  if (isControl && !(error instanceof ColloquyError)) throw error;
});

async function bytesTarget(name: string, victims: readonly Victim[]): Promise<Target> {
  const recorded = await recordedInputs(victims[0]!.role, wireCodecs);
  return new ConnectionTarget(victims, byteAttack, [...recorded, ...storedInputs(name)]);
}

function operationsTarget(name: string, victims: readonly Victim[]): Target {
  const decisions = Array.from({ length: operationSeedCount }, (_, seed) =>
    Buffer.from(
      Array.from({ length: 120 }, (_, at) => (at === 0 ? seed * 5 : (at * at * (seed + 7) + seed * 13) & 255)),
    ),
  );
  return new ConnectionTarget(victims, operationAttack, [...decisions, ...storedInputs(name)]);
}

export const connectionTargets: Readonly<Record<string, () => Promise<Target>>> = {
  "server-bytes": async () => bytesTarget("server-bytes", [await serverVictim()]),
  "client-bytes": async () => bytesTarget("client-bytes", [rpcClient()]),
  "channel-bytes": async () => bytesTarget("channel-bytes", [await channelVictim(), channelClient()]),
  "container-bytes": async () => bytesTarget("container-bytes", [await containerVictim()]),
  "server-operations": async () => operationsTarget("server-operations", [await serverVictim()]),
  "client-operations": async () => operationsTarget("client-operations", [rpcClient()]),
  "channel-operations": async () => operationsTarget("channel-operations", [await channelVictim(), channelClient()]),
  "container-operations": async () => operationsTarget("container-operations", [await containerVictim()]),
};
