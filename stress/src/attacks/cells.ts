import { Subprocess } from "@colloquy/bench/subprocess";
import type { ClientAttack, ServerAttack } from "./attack.ts";
import type { AttackerQuestion, Keys } from "./attacker.ts";
import { onClients, onServers } from "./attacks.ts";
import type { HonestQuestion } from "./honest.ts";
import type { Calls } from "./honest-calls.ts";
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

function newVictim(): Subprocess {
  return new Subprocess(new URL("victim.js", import.meta.url), [process.execPath, ...VICTIM_FLAGS]);
}

function newProgram(name: "honest" | "attacker"): Subprocess {
  return new Subprocess(new URL(`${name}.js`, import.meta.url));
}

function askHonest<T>(honest: Subprocess, question: HonestQuestion): Promise<T> {
  return honest.ask<T>(question);
}

function askVictim<T>(victim: Subprocess, question: VictimQuestion): Promise<T> {
  return victim.ask<T>(question);
}

function askAttacker<T>(attacker: Subprocess, question: AttackerQuestion): Promise<T> {
  return attacker.ask<T>(question);
}

function portOf(address: string): number {
  return Number(address.split(":").at(-1));
}

/** Attacks a server for so long, while an honest client calls it. */
export async function attackServer(attack: ServerAttack, tls: boolean, seconds: number, keys: Keys): Promise<Cell> {
  const victim = newVictim();
  const honest = newProgram("honest");
  const attacker = newProgram("attacker");
  try {
    const own = tls ? keys.own : undefined;
    const options = attack.victim ?? {};
    const address = await askVictim<string>(victim, { ask: "serve", tls: own, options });
    const { codec = "auto", token } = options;
    await askHonest(honest, { ask: "open", address, tls: own, codec, token });
    const before = await askHonest<Calls>(honest, { ask: "call", seconds });
    await askVictim(victim, { ask: "mark" });
    const [outcomes, under] = await Promise.all([
      askAttacker<string[]>(attacker, {
        ask: "attack",
        number: onServers.indexOf(attack),
        port: portOf(address),
        tls,
        seconds,
        keys,
      }),
      askHonest<Calls>(honest, { ask: "call", seconds }),
    ]);
    const report = await askVictim<VictimReport>(victim, { ask: "report" });
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
    await Promise.all([victim.end(), honest.end(), attacker.end()]);
  }
}

/** Has a client call a server that attacks it, for so long, while it calls an honest one, too. */
export async function attackClient(attack: ClientAttack, tls: boolean, seconds: number, keys: Keys): Promise<Cell> {
  const victim = newVictim();
  const honest = newProgram("honest");
  const attacker = newProgram("attacker");
  try {
    const own = tls ? keys.own : undefined;
    const port = await askAttacker<number>(attacker, {
      ask: "serve",
      number: onClients.indexOf(attack),
      tls: { plain: undefined, stranger: keys.stranger, own }[attack.identity ?? "own"],
    });
    const address = await askHonest<string>(honest, { ask: "serve", tls: own });
    await askVictim(victim, { ask: "open", address, tls: own });
    const before = await askVictim<Calls>(victim, { ask: "call", seconds });
    await askVictim(victim, { ask: "mark" });
    const visiting: VictimQuestion = {
      ask: "visit",
      address: `tcp://127.0.0.1:${port}`,
      tls: own,
      seconds,
      options: attack.victim ?? {},
    };
    const { codes, calls: under } = await askVictim<{ codes: Record<string, number>; calls: Calls }>(victim, visiting);
    const report = await askVictim<VictimReport>(victim, { ask: "report" });
    const after = await askVictim<Calls>(victim, { ask: "call", seconds: 0.1 });
    const failed = await askAttacker<string[]>(attacker, { ask: "failures" });
    const unexpected = Object.keys(codes).filter((code) => !attack.codes.includes(code));
    return {
      ...common(attack, "client", tls, before, under, report),
      rounds: Object.values(codes).reduce((sum, count) => sum + count, 0),
      ends: Object.keys(codes).join(", "),
      wrong: [
        ...report.wrong,
        ...failed.slice(0, 3),
        ...(Object.keys(codes).length === 0 ? ["no call was made"] : []),
        ...unexpected.map((code) => `calls have ended with ${code}`),
        ...[...before.failures, ...under.failures, ...after.failures].map((text) => `an honest call: ${text}`),
      ],
    };
  } finally {
    await Promise.all([victim.end(), honest.end(), attacker.end()]);
  }
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
