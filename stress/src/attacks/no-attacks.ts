// What isn't an attack: how slow others become beside a process that computes, and beside clients that keep to the rules and want much.
import { greeted, outcomeOf } from "./attack.ts";
import type { Field, Outcome, ServerAttack } from "./attack.ts";
import { request } from "./raw-peer.ts";
import { MEBIBYTE, MESSAGE_BYTES, MOST_TEXT } from "./victim-limits.ts";

const ROUND_MS = 300;
const IN_FLIGHT = 64;

async function computes(field: Field): Promise<Outcome> {
  const end = performance.now() + ROUND_MS;
  while (performance.now() < end);
  return outcomeOf(await greeted(field));
}

/** Calls of one method on one connection, so many at a time. */
async function calls(field: Field, path: string, args: unknown[], atOnce: number): Promise<Outcome> {
  const peer = await greeted(field);
  const end = performance.now() + ROUND_MS;
  let id = 1;
  while (performance.now() < end) {
    await peer.send(...Array.from({ length: atOnce }, () => request(id++, path, args)));
    for (const [type] of await peer.messages(atOnce)) if (type !== 1) throw new Error("a call has failed");
  }
  return outcomeOf(peer);
}

export const noAttacks: readonly ServerAttack[] = [
  { row: "none", name: "a process that computes", end: "served", bytes: MEBIBYTE, round: computes },
  {
    row: "none",
    name: "a client with many small calls",
    end: "served",
    bytes: 4 * MEBIBYTE,
    round: (field) => calls(field, "add", [1, 2], IN_FLIGHT),
  },
  {
    row: "none",
    name: "a client with calls of the largest texts",
    end: "served",
    bytes: 2 * MESSAGE_BYTES,
    round: (field) => calls(field, "echo", ["x".repeat(MOST_TEXT)], 1),
  },
  {
    row: "none",
    name: "a client with calls of large arrays",
    end: "served",
    bytes: 2 * MESSAGE_BYTES,
    round: (field) => calls(field, "echo", [Array.from({ length: 100_000 }, (_, index) => index)], 1),
  },
];
