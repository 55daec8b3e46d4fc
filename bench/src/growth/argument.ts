import type { Argument } from "./points.ts";

const floatBytes = 9;
const leafBytes = 35;

/** The argument of a point. */
export function makeArgument({ shape, bytes }: Argument): unknown {
  switch (shape) {
    case "string":
      return Buffer.alloc(bytes, "abcdefghij").toString("latin1");
    case "numbers":
      return Array.from({ length: Math.ceil(bytes / floatBytes) }, (_, index) => index + 0.25);
    case "object":
      return tree(Math.ceil(bytes / leafBytes));
  }
}

/** A binary tree with so many leaves. */
function tree(leafCount: number): object {
  if (leafCount <= 1) return { id: 0.5, name: "leaf" };
  const left = leafCount >> 1;
  return { left: tree(left), right: tree(leafCount - left) };
}

/** What tells both sides that the argument has come as a whole, without walking it. */
export function sizeOf(argument: unknown): number {
  if (typeof argument === "string" || Array.isArray(argument)) return argument.length;
  return typeof argument === "object" && argument !== null ? Object.keys(argument).length : -1;
}
