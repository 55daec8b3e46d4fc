const MAX_LENGTH = 256;

/**
 * The name of a class or function for texts, cut; empty where it has none. Only a text that it has itself is one: a class may have a static
 * method of that name, and a getter isn't run.
 */
export function ownName(of: object): string {
  let name: unknown;
  try {
    name = Object.getOwnPropertyDescriptor(of, "name")?.value;
  } catch {
    // A proxy that throws.
  }
  return typeof name === "string" ? name.slice(0, MAX_LENGTH) : "";
}
