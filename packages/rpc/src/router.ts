import { quoted, refusal } from "@colloquy/core";
import type { ColloquyError, Limits } from "@colloquy/core";
import { ServiceTable } from "./expose.ts";
import { GatedMember, gateOf } from "./gate.ts";
import { checkServable, isExposed, isService, memberOf, subServices } from "./members.ts";
import { isReservedPath, joinPath, namesOf } from "./path.ts";

const MAX_SEARCHED_COUNT = 1000;

/** What a path leads to. */
export interface Resolved {
  /** What can be called (`isExposed`), or a service. */
  readonly member: object;
  /** The service whose member it is; the root itself for "". */
  readonly owner: object;
}

const NO_NAMES: readonly string[] = [];

/** Which gates end the way along a path, with a `GatedMember`: those of the services on it, or all but that of the first. */
export type Gates = "none" | "all" | "below";

/** Finds what paths name below one root, and the paths of services. */
export class Router {
  readonly #limits: Limits;
  #root: object | undefined;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Sets the root. @throws ColloquyError `INVALID_ARGUMENT` for what is no service. */
  serve(root: object): void {
    checkServable(root);
    this.#root = root;
  }

  /**
   * The function or service at a path, `""` for the root.
   *
   * @throws ColloquyError `NOT_FOUND`, `NOT_EXPOSED`, and `INVALID_ARGUMENT` for a path over the limits.
   */
  resolve(path: string, gates: Gates = "none"): Resolved {
    if (this.#root === undefined) throw refusal("NOT_FOUND", `${quoted(path)} not found: this side serves nothing`);
    return this.resolveBelow(this.#root, path, gates);
  }

  /** The same below any service. */
  resolveBelow(start: object, path: string, gates: Gates = "none"): Resolved {
    const names = this.#namesIn(path);
    let owner = start;
    let member = start;
    const first = gates === "none" ? names.length : gates === "all" ? 0 : 1;
    for (let index = 0; index < names.length; index++) {
      if (isExposed(member)) throw nothingBelow(names, index);
      if (index >= first) {
        const gate = gateOf(member);
        if (gate !== undefined) return { owner: member, member: new GatedMember(gate, names.slice(index).join("/")) };
      }
      owner = member;
      member = memberOf(owner, names, index);
    }
    return { owner, member };
  }

  #namesIn(path: string): readonly string[] {
    if (path === "") return NO_NAMES;
    this.#checkPath(path);
    const names = namesOf(path);
    const { maxPathPartCount } = this.#limits;
    if (names.length <= maxPathPartCount) return names;
    const reason = `path of more than ${maxPathPartCount} parts (maxPathPartCount)`;
    throw refusal("INVALID_ARGUMENT", reason, { limit: "maxPathPartCount" });
  }

  #checkPath(path: string): void {
    const { maxPathBytes } = this.#limits;
    // Three bytes at most for a UTF-16 unit.
    if (path.length > maxPathBytes || (path.length * 3 > maxPathBytes && Buffer.byteLength(path) > maxPathBytes)) {
      const reason = `path over the limit of ${maxPathBytes} bytes (maxPathBytes)`;
      throw refusal("INVALID_ARGUMENT", reason, { limit: "maxPathBytes" });
    }
  }

  /** The path of a service, or undefined where it doesn't hang under the root. */
  pathOf(target: object): string | undefined {
    if (this.#root === undefined) return undefined;
    const budget = { left: MAX_SEARCHED_COUNT };
    const found = this.#search(this.#root, target, "", this.#limits.maxPathPartCount, budget);
    // Nobody gets there.
    return found === undefined || isReservedPath(found) ? undefined : found;
  }

  #search(owner: object, target: object, path: string, depth: number, budget: { left: number }): string | undefined {
    if (owner === target) return path;
    if (depth === 0 || budget.left-- <= 0) return undefined;
    if (owner instanceof ServiceTable) {
      const name = owner.nameOf(target);
      return name === undefined ? undefined : joinPath(path, name);
    }
    for (const [name, sub] of subServices(owner)) {
      if (name === "" || name.includes("/") || !isService(sub)) continue;
      const found = this.#search(sub, target, joinPath(path, name), depth - 1, budget);
      if (found !== undefined) return found;
    }
    return undefined;
  }
}

/** A method has no members: the names from `index` on lead nowhere. */
function nothingBelow(names: readonly string[], index: number): ColloquyError {
  const rest = names.slice(index).join("/");
  const found = names.slice(0, index).join("/");
  return refusal("NOT_FOUND", `name ${quoted(rest)} not found in ${quoted(found)}`);
}
