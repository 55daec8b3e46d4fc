import { defaultClientConditions, defaultServerConditions } from "vite";
import { defineConfig } from "vitest/config";

// Tests run against the sources: this condition picks `./src/*.ts` in the exports of each package.
const source = "@colloquy/source";

export default defineConfig({
  resolve: { conditions: [source, ...defaultClientConditions] },
  ssr: { resolve: { conditions: [source, ...defaultServerConditions] } },
  // The oldest supported runtime has neither standard decorators nor `using`.
  esbuild: { target: "node20" },
  test: {
    include: ["packages/*/test/**/*.test.ts", "test/**/*.test.ts", "examples/**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/dist/**"],
    environment: "node",
    pool: "forks",
    restoreMocks: true,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
