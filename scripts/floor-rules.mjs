// What the table in `floors.mjs` means for one source file. The linter's config and the check read it from here.
import { dirname, relative } from "node:path/posix";
import { outsideModules, packages } from "../floors.mjs";

/** The number of the floor a file stands on, counted from 1 at the bottom; `undefined` when it isn't listed. */
export function floorOf(packageName, file) {
  const index = packages[packageName].floors.findIndex((floor) => floor.includes(file));
  return index === -1 ? undefined : index + 1;
}

/** How `from` writes an import of `to`; both are names as in the table. */
export function specifierOf(from, to) {
  const path = relative(dirname(from), `${to}.ts`);
  return path.startsWith(".") ? path : `./${path}`;
}

/** Every listed import that `file` may not have, as `{ name, message }`. */
export function forbiddenImports(packageName, file) {
  return [
    ...forbiddenFiles(packageName, file),
    ...forbiddenPackages(packageName, file),
    ...forbiddenBuiltins(packageName, file),
  ];
}

/** The imports that no unlisted file of a package may have. */
export function forbiddenForUnlisted(packageName) {
  return [...forbiddenPackages(packageName, ""), ...forbiddenBuiltins(packageName, "")];
}

function forbiddenFiles(packageName, file) {
  const own = floorOf(packageName, file);
  const found = [];
  for (const other of packages[packageName].floors.flat()) {
    const floor = floorOf(packageName, other);
    if (other === file || floor < own) continue;
    const message = `${other} stands on floor ${floor} of ${packageName} and ${file} on floor ${own}: import only from lower floors.`;
    found.push({ name: specifierOf(file, other), message });
  }
  return found;
}

function forbiddenPackages(packageName, file) {
  const found = [];
  for (const other of Object.keys(packages)) {
    const name = `@colloquy/${other}`;
    const lower = packages[packageName].imports.includes(other);
    const reason = `${packageName} imports only from the public entry of lower packages.`;
    if (!lower) found.push({ name, message: reason });
    if (!lower || file !== "testing") found.push({ name: `${name}/testing`, message: reason });
  }
  return found;
}

function forbiddenBuiltins(packageName, file) {
  const { outside } = packages[packageName];
  if (outside.includes(file)) return [];
  const where = outside.length === 0 ? "no file" : outside.map((name) => `${name}.ts`).join(", ");
  const message = `Only these files of ${packageName} touch the outside world: ${where}.`;
  return outsideModules
    .flatMap((name) => [name, `${name}/promises`])
    .flatMap((name) => [name, `node:${name}`])
    .map((name) => ({ name, message }));
}
