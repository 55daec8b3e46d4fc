// Sets up what is missing, builds, and runs the tests; arguments go to vitest. The last line is the count.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build, install, run } from "./workspace.mjs";

const count = { passed: 0, failed: 0, skipped: 0, once: 0 };
let passed = false;

if (await install()) {
  // Tests run against the sources, so a failed build doesn't keep them from running; it counts as one failure.
  const built = await build();
  if (!built) count.failed += 1;
  passed = (await runTests()) && built;
} else {
  count.failed += 1;
}

if (count.once > 0)
  console.log(`${count.once} tests of rpc that need a socket or a turn of this process run one way only`);
const skipped = count.skipped > 0 ? `, ${count.skipped} skipped` : "";
console.log(`${count.passed} passed, ${count.failed} failed${skipped}`);
process.exitCode = passed && count.failed === 0 ? 0 : 1;

/** Runs vitest and adds its report to the count. Says whether it ran any test and all went well. */
async function runTests() {
  const folder = mkdtempSync(join(tmpdir(), "colloquy-test-"));
  const report = join(folder, "report.json");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  try {
    const { code } = await run("vitest run", { args: [...reporters, ...process.argv.slice(2)], live: true });
    const failedBefore = count.failed;
    const ran = addReport(readReport(report));
    if (ran === 0) console.log("No test ran.");
    // Errors outside of any test, or a worker that died.
    const found = ran + count.skipped > 0;
    if (code !== 0 && found && count.failed === failedBefore) count.failed += 1;
    return code === 0 && ran > 0;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    count.failed += 1;
    return { testResults: [] };
  }
}

/** Adds the tests of every file to the count; returns how many passed or failed. */
function addReport({ testResults }) {
  let ran = 0;
  for (const { name, status, assertionResults } of testResults) {
    const withStatus = (wanted) => assertionResults.filter((test) => test.status === wanted).length;
    const failedTests = withStatus("failed");
    // A file that fails without a failed test didn't load, or failed in a hook.
    const failed = status === "failed" && failedTests === 0 ? 1 : failedTests;
    const passedTests = withStatus("passed");
    count.passed += passedTests;
    count.failed += failed;
    const others = assertionResults.length - failedTests - passedTests;
    // These have run in the other one of its two runs, `packages/rpc/test/ways.ts`.
    if (name.includes("/packages/rpc/test/")) count.once += others;
    else count.skipped += others;
    ran += passedTests + failed;
  }
  return ran;
}
