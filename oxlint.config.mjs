import { packages } from "./floors.mjs";
import { forbiddenForUnlisted, forbiddenImports } from "./scripts/floor-rules.mjs";

const plugins = ["eslint", "typescript", "unicorn", "oxc", "import", "promise", "node"];

/** For every source file the imports its floor doesn't allow. A later entry replaces an earlier one. */
const floors = Object.keys(packages).flatMap((name) => [
  restrict(`packages/${name}/src/**/*.ts`, forbiddenForUnlisted(name)),
  ...packages[name].floors
    .flat()
    .map((file) => restrict(`packages/${name}/src/${file}.ts`, forbiddenImports(name, file))),
]);

function restrict(file, paths) {
  return { files: [file], rules: { "no-restricted-imports": ["error", { paths }] } };
}

export default {
  plugins,
  options: { typeAware: true, reportUnusedDisableDirectives: "error" },
  env: { node: true, es2024: true },
  ignorePatterns: ["**/dist/**", "**/coverage/**"],
  categories: { correctness: "error", suspicious: "error" },
  rules: {
    // Types that lie, promises nobody looks at.
    "typescript/no-floating-promises": "error",
    "typescript/no-misused-promises": ["error", { checksVoidReturn: { arguments: true, inheritedMethods: false } }],
    "typescript/no-deprecated": "error",
    "typescript/only-throw-error": "error",
    "typescript/return-await": ["error", "in-try-catch"],
    "typescript/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
    "typescript/ban-ts-comment": "error",
    "typescript/no-unsafe-function-type": "error",
    "typescript/consistent-type-imports": "error",
    "typescript/no-import-type-side-effects": "error",
    // One way to write it.
    eqeqeq: ["error", "always", { null: "ignore" }],
    "no-var": "error",
    "prefer-const": "error",
    "object-shorthand": "error",
    "no-throw-literal": "off",
    "no-fallthrough": "error",
    "no-self-compare": "error",
    "no-unreachable-loop": "error",
    "unicorn/prefer-node-protocol": "error",
    "import/no-cycle": "error",
    "import/no-duplicates": "error",
    "no-warning-comments": ["error", { terms: ["todo", "fixme", "xxx"], location: "anywhere" }],
    // These fight code that is right.
    "typescript/no-unsafe-type-assertion": "off",
    "typescript/no-extraneous-class": "off",
    "typescript/consistent-return": "off",
    "typescript/unbound-method": "off",
    "typescript/no-unnecessary-type-parameters": "off",
    "unicorn/consistent-function-scoping": "off",
    "unicorn/no-thenable": "off",
    "unicorn/no-array-sort": "off",
    "import/no-unassigned-import": "off",
    "promise/always-return": "off",
    "no-underscore-dangle": "off",
    "no-shadow": "off",
    "no-new": "off",
  },
  overrides: [
    {
      files: ["packages/*/src/**/*.ts"],
      rules: {
        "no-console": "error",
        "max-lines": ["error", { max: 320 }],
        "max-lines-per-function": ["error", { max: 60 }],
        "typescript/no-explicit-any": ["error", { ignoreRestArgs: true }],
      },
    },
    {
      files: ["scripts/**/*.mjs"],
      rules: {
        "max-lines": ["error", { max: 320 }],
        "max-lines-per-function": ["error", { max: 60 }],
      },
    },
    {
      files: ["**/*.test.ts", "**/*.test-d.ts", "**/test/**/*.ts"],
      plugins: [...plugins, "vitest"],
      rules: {
        "typescript/await-thenable": "off",
        "typescript/only-throw-error": "off",
        "typescript/no-explicit-any": "off",
        // Contract suites assert through functions of their own.
        "vitest/expect-expect": "off",
        "vitest/no-conditional-expect": "off",
        "vitest/require-mock-type-parameters": "off",
        "vitest/no-standalone-expect": "off",
        "vitest/valid-title": "off",
      },
    },
    ...floors,
  ],
};
