import { spawnSync } from "node:child_process";

/** A Python that has what a test needs, or why the test is skipped. */
export interface FoundPython {
  readonly python: string;
  readonly missing: string | undefined;
}

/** The first of `COLLOQUY_PYTHON`, `python3` and `/usr/bin/python3` that is 3.9 or later and has these modules. */
export function pythonWith(...modules: string[]): FoundPython {
  const probe = ["import sys", ...modules.map((name) => `import ${name}`), "sys.exit(sys.version_info < (3, 9))"];
  const candidates = [process.env["COLLOQUY_PYTHON"], "python3", "/usr/bin/python3"];
  const python = candidates.find(
    (path) =>
      path !== undefined && path !== "" && spawnSync(path, ["-c", probe.join("\n")], { stdio: "ignore" }).status === 0,
  );
  const missing = `no Python (3.9 or later) that has ${modules.join(" and ")}; COLLOQUY_PYTHON names one. Tests are skipped`;
  return { python: python ?? "", missing: python === undefined ? missing : undefined };
}
