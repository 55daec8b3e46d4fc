import { defaultClientConditions, defaultServerConditions } from "vite";
import { defineConfig } from "vitest/config";
import { RUNS_ONCE } from "./packages/rpc/test/ways.ts";

// Tests run against the sources: this condition picks `./src/*.ts` in the exports of each package.
const source = "@colloquy/source";

const outside = ["**/node_modules/**", "**/dist/**"];

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
          exclude: outside,
        },
      },
      {
        extends: true,
        test: {
          name: "rpc over TCP",
          include: ["packages/rpc/test/**/*.test.ts"],
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
