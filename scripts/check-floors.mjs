// Holds every source file against `floors.mjs`: it is listed, and so is each import it has, dynamic ones included.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { join as joinPosix, dirname } from "node:path/posix";
import { isBuiltin } from "node:module";
import ts from "typescript";
import { packages } from "../floors.mjs";
import { floorOf, forbiddenForUnlisted, forbiddenImports } from "./floor-rules.mjs";
import { root } from "./workspace.mjs";

const problems = Object.keys(packages).flatMap(checkPackage);
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;

function checkPackage(packageName) {
  const folder = join(root, "packages", packageName, "src");
  const files = readdirSync(folder, { recursive: true })
    .map((name) => name.replaceAll("\\", "/"))
    .filter((name) => name.endsWith(".ts"));
  const twice = packages[packageName].floors.flat().filter((name, at, all) => all.indexOf(name) !== at);
  return [
    ...twice.map((name) => `floors.mjs lists ${name} of ${packageName} twice`),
    ...files.flatMap((name) => checkFile(packageName, name, readFileSync(join(folder, name), "utf8"))),
  ];
}

function checkFile(packageName, name, text) {
  const file = name.replace(/\.ts$/, "");
  const shown = `packages/${packageName}/src/${name}`;
  const listed = floorOf(packageName, file) !== undefined;
  const forbidden = new Map(
    (listed ? forbiddenImports(packageName, file) : forbiddenForUnlisted(packageName)).map((rule) => [
      rule.name,
      rule.message,
    ]),
  );
  const problems = listed ? [] : [`${shown} doesn't stand in floors.mjs`];
  for (const { fileName: specifier } of ts.preProcessFile(text, true, true).importedFiles) {
    const message = forbidden.get(specifier) ?? unknownImport(packageName, file, specifier);
    if (message) problems.push(`${shown} imports ${specifier}: ${message}`);
  }
  return problems;
}

/** Says what is wrong with an import that no rule of the table names. */
function unknownImport(packageName, file, specifier) {
  if (specifier.startsWith(".")) {
    const target = joinPosix(dirname(file), specifier);
    if (target.startsWith("..")) return "it lies outside the package's src.";
    if (!target.endsWith(".ts")) return "write the .ts ending.";
    return floorOf(packageName, target.slice(0, -3)) ? undefined : "it doesn't stand in floors.mjs.";
  }
  if (isBuiltin(specifier)) return specifier.startsWith("node:") ? undefined : "write the node: prefix.";
  const { imports, external } = packages[packageName];
  const lower = imports.flatMap((name) => [`@colloquy/${name}`, `@colloquy/${name}/testing`]);
  if (lower.includes(specifier) || external.includes(specifier)) return undefined;
  return `it is not a dependency that floors.mjs allows ${packageName}.`;
}
