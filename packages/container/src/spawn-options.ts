import { ColloquyError } from "@colloquy/core";
import { checkRestart } from "./child-spec.ts";
import type { RestartType } from "./endings.ts";
import { checkOptionNames } from "./known-options.ts";
import { RESTART_OPTION_NAMES } from "./restart-policy.ts";
import type { RestartOptions } from "./restart-policy.ts";

/** What each life of an agent has. */
export interface AgentOptions {
  /** Default: the next number. It stays when the agent is restarted. */
  readonly id?: string | undefined;
  /** A second word in the addresses of the container, beside the id: the agent is at `${container.address}/${name}`, too. */
  readonly name?: string | undefined;
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

const AGENT_OPTION_NAMES = ["id", "name"];
const CHILD_OPTION_NAMES = [...AGENT_OPTION_NAMES, "restart"];
const SPAWN_OPTION_NAMES = [...CHILD_OPTION_NAMES, ...RESTART_OPTION_NAMES];

/** @throws ColloquyError `INVALID_ARGUMENT` */
export function checkSpawnOptions(agent: unknown, options: SpawnOptions): void {
  checkOptionNames(options, SPAWN_OPTION_NAMES, "spawn");
  const { restart } = options;
  if (restart === undefined) {
    const name = RESTART_OPTION_NAMES.find((option) => options[option as keyof RestartOptions] !== undefined);
    if (name === undefined) return;
    throw new ColloquyError("INVALID_ARGUMENT", `${name} is for an agent that is restarted: give spawn a restart, too`);
  }
  checkRestart(restart);
  if (restart === "temporary" || typeof agent === "function") return;
  const reason = `a ${restart} agent needs a factory, as spawn(() => new Room(), ...): an agent lives once`;
  throw new ColloquyError("INVALID_ARGUMENT", reason);
}

/** @throws ColloquyError `INVALID_ARGUMENT` */
export function checkChildOptions(factory: unknown, options: ChildOptions): void {
  checkOptionNames(options, CHILD_OPTION_NAMES, "container.child");
  if (options.restart !== undefined) checkRestart(options.restart);
  if (typeof factory === "function") return;
  throw new ColloquyError("INVALID_ARGUMENT", "container.child takes a factory: () => new Room()");
}
