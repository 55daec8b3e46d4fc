import { defaultClientConditions, defaultServerConditions } from "vite";
import { defineConfig } from "vitest/config";
import { RUNS_ONCE } from "./packages/rpc/test/ways.ts";

// Tests run against the sources: this condition picks `./src/*.ts` in the exports of each package.
const source = "@colloquy/source";

const outside = ["**/node_modules/**", "**/dist/**"];

/** What waits for times of tens of milliseconds, in this process or in its children: these files have the machine for themselves. */
const alone = [
  "packages/rpc/test/call.test.ts",
  "packages/rpc/test/deadlines.test.ts",
  "packages/rpc/test/limited-chain.test.ts",
  "packages/rpc/test/parity.test.ts",
  "test/docs.test.ts",
];
/** Vitest leaves one core free, which on a machine of two is half of the time. */
const maxWorkers = "100%";

export default defineConfig({
  resolve: { conditions: [source, ...defaultClientConditions] },
  ssr: { resolve: { conditions: [source, ...defaultServerConditions] } },
  // The oldest supported runtime has neither standard decorators nor `using`.
  esbuild: { target: "node20" },
  test: {
    projects: [
      {
        extends: true,
        test: {
          name: "all",
          include: ["packages/*/test/**/*.test.ts", "test/**/*.test.ts", "examples/**/*.test.ts"],
          exclude: [...outside, ...alone],
          maxWorkers,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: { name: "alone", include: alone, exclude: outside, maxWorkers: 1, sequence: { groupOrder: 0 } },
      },
      {
        extends: true,
        test: {
          name: "rpc over TCP",
          include: ["packages/rpc/test/**/*.test.ts"],
          maxWorkers,
          sequence: { groupOrder: 2 },
          exclude: [
            ...outside,
            ...[...RUNS_ONCE.withoutConnection, ...RUNS_ONCE.ownSockets].map((name) => `packages/rpc/test/${name}`),
          ],
          env: { COLLOQUY_TEST_TRANSPORT: "tcp" },
          setupFiles: ["packages/rpc/test/over-tcp.setup.ts"],
        },
      },
    ],
    environment: "node",
    pool: "forks",
    restoreMocks: true,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
