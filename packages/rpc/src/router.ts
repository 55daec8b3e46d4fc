import { ColloquyError, quoted } from "@colloquy/core";
import type { Limits } from "@colloquy/core";
import { ServiceTable } from "./expose.ts";
import { checkServable, isService, memberOf, subServices } from "./members.ts";
import type { Exposed } from "./members.ts";
import { joinPath } from "./path.ts";

const MAX_SEARCHED_COUNT = 1000;

/** What a path leads to. */
export type Resolved = { readonly exposed: Exposed; readonly owner: object } | { readonly service: object };

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
  resolve(path: string): Resolved {
    if (this.#root === undefined)
      throw new ColloquyError("NOT_FOUND", `${quoted(path)} not found: this side serves nothing`);
    return this.resolveBelow(this.#root, path);
  }

  /** The same below any service. */
  resolveBelow(start: object, path: string): Resolved {
    if (path === "") return { service: start };
    const { maxPathBytes } = this.#limits;
    // Three bytes at most for a UTF-16 unit.
    if (path.length > maxPathBytes || (path.length * 3 > maxPathBytes && Buffer.byteLength(path) > maxPathBytes)) {
      throw new ColloquyError("INVALID_ARGUMENT", `path over the limit of ${maxPathBytes} bytes (maxPathBytes)`);
    }
    let owner = start;
    let from = 0;
    for (let count = 1; ; count++) {
      if (count > this.#limits.maxPathPartCount) {
        throw new ColloquyError(
          "INVALID_ARGUMENT",
          `path of more than ${this.#limits.maxPathPartCount} parts (maxPathPartCount)`,
        );
      }
      const slash = path.indexOf("/", from);
      const name = slash < 0 ? path.slice(from) : path.slice(from, slash);
      const member = memberOf(owner, name, path.slice(0, Math.max(from - 1, 0)));
      if (slash < 0) return "call" in member ? { exposed: member, owner } : member;
      if ("call" in member) {
        throw new ColloquyError(
          "NOT_FOUND",
          `name ${quoted(path.slice(slash + 1))} not found in ${quoted(path.slice(0, slash))}`,
        );
      }
      owner = member.service;
      from = slash + 1;
    }
  }

  /** The path of a service, or undefined where it doesn't hang under the root. */
  pathOf(target: object): string | undefined {
    if (this.#root === undefined) return undefined;
    const budget = { left: MAX_SEARCHED_COUNT };
    return this.#search(this.#root, target, "", this.#limits.maxPathPartCount, budget);
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
