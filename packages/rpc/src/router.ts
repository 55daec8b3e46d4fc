import { quoted, refusal } from "@colloquy/core";
import type { ColloquyError, Limits } from "@colloquy/core";
import { ServiceTable } from "./expose.ts";
import { GatedMember, gateOf } from "./gate.ts";
import { checkServable, isAccessor, isExposed, isService, memberOf, subServices } from "./members.ts";
import { isReservedPath, joinPath, namesOf } from "./path.ts";

/** Of services: as many are searched, and remembered. */
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
  /** Services by the paths that the peer has got of them, where those lead through accessors or gates. */
  #told: Map<string, WeakRef<object>> | undefined;

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
    return this.resolveBelow(this.#rootFor(path), path, gates);
  }

  #rootFor(path: string): object {
    if (this.#root === undefined) throw refusal("NOT_FOUND", `${quoted(path)} not found: this side serves nothing`);
    return this.#root;
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

  /**
   * What a path below a service, or below the root, leads to, where nothing has to run for that: undefined for what is behind an accessor, and
   * for services behind a gate, but for those whose path the peer has got.
   *
   * @throws as `resolve`
   */
  named(start: object | undefined, path: string): object | undefined {
    const from = start ?? this.#rootFor(path);
    return this.#unread(from, path) ?? (from === this.#root ? this.#told?.get(path)?.deref() : undefined);
  }

  #unread(start: object, path: string): object | undefined {
    const names = this.#namesIn(path);
    let member = start;
    let isGated = false;
    for (const [index, name] of names.entries()) {
      if (isExposed(member)) throw nothingBelow(names, index);
      if (isAccessor(member, name)) return undefined;
      isGated ||= gateOf(member) !== undefined;
      member = memberOf(member, names, index);
    }
    return isGated && !isExposed(member) ? undefined : member;
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
    if (found === undefined || isReservedPath(found)) return undefined;
    if (this.#unread(this.#root, found) === undefined) this.#remember(found, target);
    return found;
  }

  #remember(path: string, target: object): void {
    const told = (this.#told ??= new Map<string, WeakRef<object>>());
    if (told.size >= MAX_SEARCHED_COUNT && !told.has(path)) told.delete(told.keys().next().value!);
    told.set(path, new WeakRef(target));
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
