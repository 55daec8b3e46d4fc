import { Subprocess } from "@colloquy/bench/subprocess";
import type { ClientAttack, Field, Outcome, ServerAttack } from "./attack.ts";
import type { HonestQuestion } from "./honest.ts";
import type { Calls } from "./honest-calls.ts";
import { RawPeer, rawServer } from "./raw-peer.ts";
import type { Credentials } from "./raw-peer.ts";
import { ENGINE_BYTES, VICTIM_FLAGS } from "./victim-limits.ts";
import type { VictimQuestion, VictimReport } from "./victim.ts";

/** What one attack has done. */
export interface Cell {
  readonly row: string;
  readonly name: string;
  readonly role: "server" | "client";
  readonly tls: boolean;
  readonly rounds: number;
  readonly ends: string;
  readonly calls: number;
  readonly p99Before: number;
  readonly p99Under: number;
  readonly grownBytes: number;
  readonly budgetBytes: number;
  readonly wrong: readonly string[];
}

/** Keys of the authority that all trust, and of another one. */
export interface Keys {
  readonly own: Credentials;
  readonly stranger: Credentials;
}

function newVictim(): Subprocess {
  return new Subprocess(new URL("victim.js", import.meta.url), [process.execPath, ...VICTIM_FLAGS]);
}

function askHonest<T>(honest: Subprocess, question: HonestQuestion): Promise<T> {
  return honest.ask<T>(question);
}

function askVictim<T>(victim: Subprocess, question: VictimQuestion): Promise<T> {
  return victim.ask<T>(question);
}

function portOf(address: string): number {
  return Number(address.split(":").at(-1));
}

async function together<A, B>(
  victim: Subprocess,
  attack: Promise<A>,
  calls: Promise<B>,
): Promise<[A, B, VictimReport]> {
  const [attacked, called] = await Promise.all([attack, calls]);
  return [attacked, called, await askVictim<VictimReport>(victim, { ask: "report" })];
}

/** Attacks a server for so long, while an honest client calls it. */
export async function attackServer(attack: ServerAttack, tls: boolean, seconds: number, keys: Keys): Promise<Cell> {
  const victim = newVictim();
  const honest = new Subprocess(new URL("honest.js", import.meta.url));
  try {
    const own = tls ? keys.own : undefined;
    const options = attack.victim ?? {};
    const address = await askVictim<string>(victim, { ask: "serve", tls: own, options });
    const { codec = "auto", token } = options;
    await askHonest(honest, { ask: "open", address, tls: own, codec, token });
    const before = await askHonest<Calls>(honest, { ask: "call", seconds });
    await askVictim(victim, { ask: "mark" });
    const port = portOf(address);
    const field: Field = {
      dial: () => RawPeer.dial(port, own),
      dialPlain: () => RawPeer.dial(port),
      dialStranger: () => RawPeer.dial(port, { ...keys.stranger, ca: keys.own.ca }),
    };
    const calls = askHonest<Calls>(honest, { ask: "call", seconds });
    const [outcomes, under, report] = await together(
      victim,
      roundsFor(seconds, () => attack.round(field)),
      calls,
    );
    const after = await askHonest<Calls>(honest, { ask: "call", seconds: 0.1 });
    const unexpected = outcomes.filter((outcome) => outcome !== attack.end);
    return {
      ...common(attack, "server", tls, before, under, report),
      rounds: outcomes.length,
      ends: [...new Set(outcomes)].join(", "),
      wrong: [
        ...report.wrong,
        ...unexpected
          .slice(0, 3)
          .map((outcome) => `a round has ${outcome}, not ${attack.end} (${report.ends.join(" | ")})`),
        ...[...before.failures, ...under.failures, ...after.failures].map((text) => `an honest call: ${text}`),
      ],
    };
  } finally {
    await Promise.all([victim.end(), honest.end()]);
  }
}

/** Has a client call a server that attacks it, for so long, while it calls an honest one, too. */
export async function attackClient(attack: ClientAttack, tls: boolean, seconds: number, keys: Keys): Promise<Cell> {
  const victim = newVictim();
  const honest = new Subprocess(new URL("honest.js", import.meta.url));
  const failed: string[] = [];
  const isPlain = !tls || attack.row === "T25";
  const server = await rawServer(
    attack.serve,
    (error) => void failed.push(String(error)),
    isPlain ? undefined : keys.own,
  );
  try {
    const own = tls ? keys.own : undefined;
    const address = await askHonest<string>(honest, { ask: "serve", tls: own });
    await askVictim(victim, { ask: "open", address, tls: own });
    const before = await askVictim<Calls>(victim, { ask: "call", seconds });
    await askVictim(victim, { ask: "mark" });
    const visiting: VictimQuestion = { ask: "visit", address: `tcp://127.0.0.1:${server.port}`, tls: own, seconds };
    const { codes, calls: under } = await askVictim<{ codes: Record<string, number>; calls: Calls }>(victim, visiting);
    const report = await askVictim<VictimReport>(victim, { ask: "report" });
    const after = await askVictim<Calls>(victim, { ask: "call", seconds: 0.1 });
    const unexpected = Object.keys(codes).filter((code) => !attack.codes.includes(code));
    return {
      ...common(attack, "client", tls, before, under, report),
      rounds: Object.values(codes).reduce((sum, count) => sum + count, 0),
      ends: Object.keys(codes).join(", "),
      wrong: [
        ...report.wrong,
        ...failed.slice(0, 3),
        ...unexpected.map((code) => `calls have ended with ${code}`),
        ...[...before.failures, ...under.failures, ...after.failures].map((text) => `an honest call: ${text}`),
      ],
    };
  } finally {
    await Promise.all([victim.end(), honest.end(), server.close()]);
  }
}

async function roundsFor(seconds: number, round: () => Promise<Outcome>): Promise<string[]> {
  const outcomes: string[] = [];
  const end = performance.now() + 1000 * seconds;
  while (performance.now() < end) {
    try {
      outcomes.push(await round());
    } catch (error) {
      outcomes.push(`failed: ${(error as Error).message}`);
    }
  }
  return outcomes;
}

function common(
  attack: ServerAttack | ClientAttack,
  role: Cell["role"],
  tls: boolean,
  before: Calls,
  under: Calls,
  { grownBytes }: VictimReport,
): Omit<Cell, "rounds" | "ends" | "wrong"> {
  const { row, name, bytes } = attack;
  return {
    row,
    name,
    role,
    tls,
    calls: under.count,
    p99Before: before.p99Ms,
    p99Under: under.p99Ms,
    grownBytes,
    budgetBytes: bytes + ENGINE_BYTES,
  };
}
