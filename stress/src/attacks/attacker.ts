// The program of a child process that attacks. It takes the processor where nobody else wants it: attackers have machines of their own.
import { constants, setPriority } from "node:os";
import { answerQuestions } from "@colloquy/bench/subprocess";
import type { Field, Outcome } from "./attack.ts";
import { onClients, onServers } from "./attacks.ts";
import { RawPeer, rawServer } from "./raw-peer.ts";
import type { Credentials } from "./raw-peer.ts";

/** Keys of the authority that all trust, and of another one. */
export interface Keys {
  readonly own: Credentials;
  readonly stranger: Credentials;
}

/** `number`: of the attack, in its list. */
export type AttackerQuestion =
  | {
      readonly ask: "attack";
      readonly number: number;
      readonly port: number;
      readonly tls: boolean;
      readonly seconds: number;
      readonly keys: Keys;
    }
  | { readonly ask: "serve"; readonly number: number; readonly tls: Credentials | undefined }
  | { readonly ask: "failures" };

const failures: string[] = [];

try {
  setPriority(constants.priority.PRIORITY_LOW);
} catch {
  // Where that isn't allowed it has its share like all others.
}

answerQuestions(async (question: AttackerQuestion): Promise<string[] | number> => {
  if (question.ask === "failures") return failures;
  if (question.ask === "serve") {
    const { serve } = onClients[question.number]!;
    return rawServer(serve, (error) => void failures.push(String(error)), question.tls);
  }
  const { number, port, tls, seconds, keys } = question;
  const { round } = onServers[number]!;
  const field: Field = {
    dial: () => RawPeer.dial(port, tls ? keys.own : undefined),
    dialPlain: () => RawPeer.dial(port),
    dialStranger: () => RawPeer.dial(port, { ...keys.stranger, ca: keys.own.ca }),
  };
  return roundsFor(seconds, () => round(field));
});

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
