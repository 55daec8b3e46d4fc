import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** A Python that can import what is named, or why there is none: for tests that are left out then. */
export function pythonWith(...modules: string[]): { readonly command: string } | { readonly missing: string } {
  const given = process.env["COLLOQUY_PYTHON"];
  const candidates = [...(given === undefined ? [] : [given]), "python3", "/usr/bin/python3"];
  for (const command of candidates) {
    const { status } = spawnSync(command, ["-c", `import ${modules.join(", ")}`], { timeout: 20_000 });
    if (status === 0) return { command };
  }
  return { missing: `no Python with ${modules.join(", ")} (${candidates.join(", ")}; COLLOQUY_PYTHON names another)` };
}

/** What a script of `test/interop` prints. */
export function runPython(command: string, script: string, args: readonly string[], input = ""): string {
  const path = fileURLToPath(new URL(`../../../test/interop/${script}`, import.meta.url));
  const { status, stdout, stderr } = spawnSync(command, ["-B", path, ...args], {
    input,
    encoding: "utf8",
    timeout: 50_000,
    maxBuffer: 256 * 1024 * 1024,
  });
  if (status !== 0) throw new Error(`${script} failed: ${stderr}`);
  return stdout;
}
