import { fileURLToPath } from "node:url";
import ts from "typescript";
import { expect, test } from "vitest";

/** Of what the type checker makes, for a program that calls every method of a service of 200. */
const MAX_INSTANTIATION_COUNT = 30_000;
const METHOD_COUNT = 200;

const entry = fileURLToPath(new URL("../src/index.ts", import.meta.url));
const file = fileURLToPath(new URL("types-budget-program.ts", import.meta.url));

/** A program that uses a service with so many methods of the usual kinds. */
function program(methodCount: number): string {
  const kinds = [
    (name: string) => [`${name}(a: number, b: string) { return a + b.length; }`, `await remote.${name}(1, "x")`],
    (name: string) => [
      `async ${name}(o: Options) { return new Map([[o.name, o.at]]); }`,
      `(await remote.${name}(o)).get("a")`,
    ],
    (name: string) => [`${name}() { return new Room(); }`, `await (await remote.${name}()).title()`],
    (name: string) => [`async *${name}(to: number) { yield { to }; }`, `remote.${name}(3)[Symbol.asyncIterator]()`],
    (name: string) => [
      `({ context: true }) ${name}(hear: (text: string) => void, c: CallContext) { hear(c.path); }`,
      `await remote.${name}(() => {})`,
    ],
  ] as const;
  const methods = Array.from({ length: methodCount }, (_, index) => kinds[index % kinds.length]!(`method${index}`));
  return `import { Service, expose } from "./src.ts"; import type { CallContext, Remote } from "./src.ts";
interface Options { readonly name: string; readonly at: Date; readonly list: readonly number[] }
class Room extends Service { @expose title() { return "room"; } }
class Many extends Service { ${methods.map(([method = ""]) => `@expose${method.startsWith("(") ? "" : " "}${method}`).join("\n")} }
export async function use(remote: Remote<Many>, o: Options) { ${methods.map(([, call]) => `${call};`).join("\n")} }`;
}

function instantiationsOf(methodCount: number): number {
  const text = program(methodCount).replaceAll("./src.ts", entry);
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    allowImportingTsExtensions: true,
    skipLibCheck: true,
    lib: ["lib.es2023.d.ts", "lib.esnext.disposable.d.ts", "lib.esnext.decorators.d.ts"],
    customConditions: ["@colloquy/source"],
    types: ["node"],
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (name) => name === file || fileExists(name);
  host.getSourceFile = (name, ...rest) =>
    name === file ? ts.createSourceFile(name, text, ts.ScriptTarget.ES2022, true) : getSourceFile(name, ...rest);
  const checked = ts.createProgram([file], options, host);
  const problems = checked.getSemanticDiagnostics(checked.getSourceFile(file));
  expect(problems.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"))).toEqual([]);
  return checked.getInstantiationCount();
}

test("a service of 200 methods stays in the budget of the type checker", { timeout: 60_000 }, () => {
  const alone = instantiationsOf(0);
  const count = instantiationsOf(METHOD_COUNT) - alone;
  console.log(`${count} instantiations for ${METHOD_COUNT} methods`);
  expect(count).toBeLessThan(MAX_INSTANTIATION_COUNT);
});
