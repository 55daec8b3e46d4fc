import { spawnSync } from "node:child_process";

/** The first of `COLLOQUY_PYTHON`, `python3` and `/usr/bin/python3` that has these modules. */
export function findPython(modules: readonly string[]): string | undefined {
  const candidates = [process.env["COLLOQUY_PYTHON"], "python3", "/usr/bin/python3"];
  const program = modules.map((name) => `import ${name}`).join("\n");
  return candidates.find((path) => path !== undefined && path !== "" && hasModules(path, program));
}

function hasModules(path: string, program: string): boolean {
  return spawnSync(path, ["-c", program], { stdio: "ignore" }).status === 0;
}
