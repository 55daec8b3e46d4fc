import { ColloquyError, OPTION, checkOptions, isClass, ownName } from "@colloquy/core";
import type { OptionKinds } from "@colloquy/core";
import { RESTART } from "./child-spec.ts";
import type { RestartType } from "./endings.ts";
import { MAILBOX } from "./mailbox.ts";
import type { MailboxMode } from "./mailbox.ts";
import { RESTART_OPTIONS } from "./restart-policy.ts";
import type { RestartOptions } from "./restart-policy.ts";

/** What each life of an agent has. */
export interface AgentOptions {
  /** Default: the next number. It stays when the agent is restarted. */
  readonly id?: string | undefined;
  /** A second word in the addresses of the container, beside the id: the agent is at `${container.address}/${name}`, too. */
  readonly name?: string | undefined;
  /** How many of its calls run at a time. Default: `static mailbox` of the class, else `"interleave"`: all. */
  readonly mailbox?: MailboxMode | undefined;
}

export interface ChildOptions extends AgentOptions {
  /** Default: `"permanent"`. */
  readonly restart?: RestartType | undefined;
}

/** `intensity`, `periodMs` and `backoff` are for an agent with `restart`. */
export interface SpawnOptions extends AgentOptions, RestartOptions {
  /**
   * Supervises the agent: it is started again, by its factory, whenever it has ended (`"permanent"`), or has failed (`"transient"`), or
   * not (`"temporary"`). Default: it isn't supervised.
   */
  readonly restart?: RestartType | undefined;
}

const CHILD_OPTIONS: OptionKinds = Object.freeze({
  id: OPTION.text,
  name: OPTION.text,
  restart: RESTART,
  mailbox: MAILBOX,
});
const SPAWN_OPTIONS: OptionKinds = Object.freeze({ ...CHILD_OPTIONS, ...RESTART_OPTIONS });

/** @throws ColloquyError `INVALID_ARGUMENT` */
export function checkSpawnOptions(agent: unknown, options: SpawnOptions): void {
  if (isClass(agent)) {
    const reason = `spawn takes an agent, or a factory: new ${ownName(agent)}(), or () => new ${ownName(agent)}()`;
    throw new ColloquyError("INVALID_ARGUMENT", reason);
  }
  checkOptions("spawn", options, SPAWN_OPTIONS);
  const { restart } = options;
  if (restart === undefined) {
    const name = Object.keys(RESTART_OPTIONS).find((option) => options[option as keyof RestartOptions] !== undefined);
    if (name === undefined) return;
    throw new ColloquyError("INVALID_ARGUMENT", `${name} is for an agent that is restarted: give spawn a restart, too`);
  }
  if (restart === "temporary" || typeof agent === "function") return;
  const reason = `a ${restart} agent needs a factory, as spawn(() => new Room(), ...): an agent lives once`;
  throw new ColloquyError("INVALID_ARGUMENT", reason);
}

/** @throws ColloquyError `INVALID_ARGUMENT` */
export function checkChildOptions(factory: unknown, options: ChildOptions): void {
  checkOptions("container.child", options, CHILD_OPTIONS);
  if (typeof factory === "function" && !isClass(factory)) return;
  const name = isClass(factory) ? ownName(factory) : "Room";
  throw new ColloquyError("INVALID_ARGUMENT", `container.child takes a factory: () => new ${name}()`);
}
