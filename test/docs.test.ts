import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { DEFAULT_LIMITS, ERROR_CODES, LIMITS_BEFORE_HELLO, MsgPackCodec, NdArray, StandardTypes } from "@colloquy/core";
import { describe, expect, test } from "vitest";

function page(name: string): string {
  return readFileSync(new URL(`../docs/${name}`, import.meta.url), "utf8");
}

const root = fileURLToPath(new URL("../", import.meta.url));
const pages = [
  "README.md",
  "SECURITY.md",
  ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join("docs", name)),
];

describe.each(pages)("%s", (name) => {
  const prose = readFileSync(join(root, name), "utf8").replaceAll(/^```[\s\S]*?^```/gm, "");

  test("has a target for every relative link and image", () => {
    const targets = [...prose.matchAll(/\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"/g)].map(
      (match) => match[1] ?? match[2]!,
    );
    const relative = targets.map((target) => target.split("#")[0]!).filter((path) => !/^(?:[a-z]+:|$)/.test(path));
    expect(relative.filter((path) => !existsSync(join(root, name, "..", path)))).toEqual([]);
  });

  test("has no line that is a bare word in capitals, where something was to be filled in", () => {
    expect(prose.split("\n").filter((line) => /^\s*[A-Z][A-Z_]+\s*$/.test(line))).toEqual([]);
  });
});

/** Guides and the files that their examples are. */
const examples: Readonly<Record<string, readonly string[]>> = {
  "guide/channels.md": ["main.ts"],
  "guide/streams.md": ["main.ts"],
  "guide/cancellation.md": ["main.ts"],
  "guide/pipelining.md": ["main.ts"],
  "guide/references.md": ["main.ts"],
  "guide/errors.md": ["main.ts"],
  "guide/interceptors.md": ["main.ts"],
  "guide/authentication.md": ["main.ts"],
  "guide/validation.md": ["main.ts"],
  "guide/types.md": ["main.ts"],
  "guide/processes.md": ["adder.ts", "main.ts"],
  "guide/resilience.md": ["main.ts"],
  "guide/operations.md": ["main.ts"],
  "guide/tls.md": ["main.ts"],
};

test("the examples of the guides are right for the type checker", async () => {
  const folder = mkdtempSync(join(root, "docs-types-"));
  try {
    for (const [name, files] of Object.entries(examples)) {
      const blocks = [...page(name).matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([, code]) => code!);
      mkdirSync(join(folder, name), { recursive: true });
      for (const [index, file] of files.entries()) writeFileSync(join(folder, name, file), blocks[index]!);
    }
    const compilerOptions = { noEmit: true, composite: false, isolatedDeclarations: false, noImplicitReturns: false };
    const config = { extends: "../tsconfig.base.json", compilerOptions, include: ["**/*.ts"] };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    const checked = promisify(execFile)(process.execPath, [tsc, "-p", folder], { timeout: 60_000 });
    expect(
      await checked.then(
        () => "",
        (error: { readonly stdout: string }) => error.stdout,
      ),
    ).toBe("");
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 70_000);

/** Runs the examples of a page as files of these names; resolves with what the last one prints. */
async function outputOf(name: string, files: readonly string[]): Promise<string> {
  const blocks = [...page(name).matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([, code]) => code!);
  const folder = mkdtempSync(join(root, "docs-example-"));
  try {
    for (const [index, file] of files.entries()) writeFileSync(join(folder, file), blocks[index]!);
    const tsx = join(root, "node_modules/tsx/dist/cli.mjs");
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [tsx, join(folder, files.at(-1)!)], {
      timeout: 30_000,
    });
    expect(stderr).toBe("");
    return stdout;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe("the examples of the guides, pasted into files, run as they stand:", () => {
  test("a channel", async () => {
    expect(await outputOf("guide/channels.md", ["main.ts"])).toBe("42\nRemoteError: numbers only\n");
  }, 40_000);

  test("streams", async () => {
    const freed = "the meter is free again\n";
    expect(await outputOf("guide/streams.md", ["main.ts"])).toBe(`${freed}${freed}231\n`);
  }, 40_000);

  test("cancellation and deadlines", async () => {
    const lines = (await outputOf("guide/cancellation.md", ["main.ts"])).trimEnd().split("\n");
    expect(lines.toSorted()).toEqual(
      [
        "CANCELLED",
        "soup: CANCELLED",
        "DEADLINE_EXCEEDED",
        "stew: DEADLINE_EXCEEDED",
        "pie, as far as it was eaten",
      ].toSorted(),
    );
  }, 40_000);

  test("pipelining", async () => {
    expect(await outputOf("guide/pipelining.md", ["main.ts"])).toBe("30 1\n");
  }, 40_000);

  test("references", async () => {
    expect(await outputOf("guide/references.md", ["main.ts"])).toBe("hall true\na\nb\nREFERENCE_RELEASED\n");
  }, 40_000);

  test("errors", async () => {
    const [, printed] = /It prints\n\n```\n([\s\S]*?)```/.exec(page("guide/errors.md"))!;
    expect(await outputOf("guide/errors.md", ["main.ts"])).toBe(printed);
  }, 40_000);

  test("interceptors", async () => {
    const time = "incoming balance took less than 1 s\n";
    const lines = `${time}ada of acme: 42\n${time}PERMISSION_DENIED: balance needs a tenant\n`;
    expect(await outputOf("guide/interceptors.md", ["main.ts"])).toBe(lines);
  }, 40_000);

  test.each(["guide/authentication.md", "guide/validation.md", "guide/types.md", "guide/operations.md"])(
    "%s, which shows what it prints",
    async (name) => {
      const shown = /^It prints\n\n```\n([\s\S]*?)^```/m.exec(page(name))?.[1];
      expect(await outputOf(name, ["main.ts"])).toBe(shown);
    },
    40_000,
  );

  test("lives of agents, and a tree of them", async () => {
    const shown = [...page("guide/lives.md").matchAll(/^It prints\n\n```\n([\s\S]*?)^```/gm)].map(([, text]) => text);
    expect(await outputOf("guide/lives.md", ["main.ts"])).toBe(shown[0]);
    expect(await outputOf("guide/lives.md", ["main.ts", "tree.ts"])).toBe(shown[1]);
  }, 60_000);

  test.each([
    ["a launched process", 2, "103\n"],
    ["a manager", 4, "3 rooms at 60 s\n{ code: 0, signal: null }\n"],
    ["a pool", 5, "1 rooms at 0 s, 2 rooms at 0 s, 3 rooms at 0 s, 4 rooms at 0 s\n[ 2, 2 ]\n"],
    ["a supervised process", 6, "unreachable\n103\n"],
  ])(
    "%s",
    async (_what, count, output) => {
      const files = ["adder.ts", "main.ts", "houses.ts", "town.ts", "street.ts", "watched.ts"].slice(0, count);
      expect(await outputOf("guide/processes.md", files)).toBe(output);
    },
    40_000,
  );

  test.each([
    ["channel.ts", "ping\n"],
    ["service.ts", "42\n"],
    ["agents.ts", "Neighbour 1 says hello to Ada\n"],
    ["clock.ts", "3600 2026-01-01T01:00:00.000Z\n"],
    ["main.ts", "15\n"],
  ])(
    "what stands beside aiomas, %s",
    async (file, output) => {
      const files = ["channel.ts", "service.ts", "agents.ts", "clock.ts", "adders.ts", "main.ts"];
      expect(await outputOf("coming-from-aiomas.md", files.slice(0, files.indexOf(file) + 1))).toBe(output);
    },
    40_000,
  );
  test("simulated time, in both ways", async () => {
    const text = page("guide/simulated-time.md");
    const [first, second] = [...text.matchAll(/It prints\n\n```\n([\s\S]*?)```/g)].map(([, shown]) => shown);
    expect(await outputOf("guide/simulated-time.md", ["main.ts"])).toBe(first);
    expect(await outputOf("guide/simulated-time.md", ["first.ts", "main.ts"])).toBe(second);
  }, 60_000);

  test("tests of agents", async () => {
    const [, code] = /^```ts\n([\s\S]*?)^```/m.exec(page("guide/testing.md"))!;
    const folder = mkdtempSync(join(root, "docs-example-"));
    try {
      writeFileSync(join(folder, "greeter.test.ts"), code!);
      writeFileSync(join(folder, "vitest.config.ts"), "export default {};");
      const vitest = join(root, "node_modules/vitest/vitest.mjs");
      const config = join(folder, "vitest.config.ts");
      const args = [vitest, "run", "--root", folder, "--config", config, "--reporter", "json"];
      const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 50_000 });
      expect(JSON.parse(stdout)).toMatchObject({ numPassedTests: 2, numFailedTests: 0, success: true });
    } finally {
      rmSync(folder, { recursive: true });
    }
  }, 60_000);

  test("mailboxes", async () => {
    const printed = /It prints\n\n```\n([\s\S]*?)```/.exec(page("guide/mailboxes.md"))?.[1];
    expect(await outputOf("guide/mailboxes.md", ["main.ts"])).toBe(printed);
  }, 40_000);

  test("a connection that comes and goes", async () => {
    const output = "heard 41\naway the server is closing\nheard 41\n42\n42\ntrue\n";
    expect(await outputOf("guide/resilience.md", ["main.ts"])).toBe(output);
  }, 40_000);
});

test("T26: the example of credentials compares digests, in a time that tells nothing", () => {
  const [, code] = /^```ts\n([\s\S]*?)^```/m.exec(page("guide/authentication.md"))!;
  expect(code).toContain("createHash");
  expect(code).toContain("timingSafeEqual");
  expect(code).not.toMatch(/credentials [!=]==/);
});

describe("docs/errors.md", () => {
  const sections = page("errors.md")
    .split(/^#+ /m)
    .filter((section) => section.startsWith("`"))
    .map((section) => [/^`(\w+)`\n/.exec(section)?.[1], section] as const);

  test("has a section for every error code, and for no other", () => {
    expect(sections).toHaveLength(ERROR_CODES.size);
    expect(new Set(sections.map(([code]) => code))).toEqual(ERROR_CODES);
  });

  test("says for each when it occurs, whether the call was executed and what to do, or that it is reserved", () => {
    for (const [code, section] of sections) {
      if (section.includes("Reserved.")) continue;
      expect(section, code).toMatch(/^- When: \S/m);
      expect(section, code).toMatch(/^- Executed: (no|yes|unknown)\b/m);
      expect(section, code).toMatch(/^- What to do: \S/m);
    }
  });
});

/** Fixed bounds that are "about" so much, caches, times, or other limits: tests of what has them hold those. */
const MEASURES: readonly string[] = [
  "of an exception: fields of all its errors",
  "of an exception: stacks of all its errors",
  "of an exception: fields that can't be encoded",
  "a piece of such a value",
  "of such values sent and not confirmed by the peer",
  "messages of the protocol's own that wait to be sent, such as releases and cancellations",
  "of a stream, asked for and not read yet",
  "abort signals of the peer",
  "members that a proxy remembers",
  "strings that the process remembers (MsgPack)",
  "paths that the process remembers, cut into names",
  "functions for shapes that the process compiles",
  "maps of a shape before a function is compiled",
  "memory that all connections share",
  "memory of large messages that is kept for the next ones",
  "work of one connection in a turn of the event loop",
  "packed or unpacked in one turn of the event loop",
  "how far back zstd looks",
  "how far back brotli looks",
  "memory that brotli works in, beyond what comes out",
  "questions about deadlocks under way on one connection",
  "slots that such a question asks for, and looks for",
  "questions that one about a deadlock leads to, one within another",
  "what searches for deadlocks have found, remembered",
];

describe("docs/limits.md", () => {
  const text = page("limits.md");
  const rows = [...text.matchAll(/^\| `(\w+)` +\| ([\d,]+|Infinity) +\| (\S[^|]*) \| (\S[^|]*) \|$/gm)];
  const notes = text.split(/^(?=- )/m).filter((note) => note.startsWith("- `"));

  test("has every limit once with its default, and no other", () => {
    expect(rows).toHaveLength(Object.keys(DEFAULT_LIMITS).length);
    const defaults = rows.map(([, name, value]) => [name, Number(value!.replaceAll(",", ""))]);
    expect(Object.fromEntries(defaults)).toEqual(DEFAULT_LIMITS);
  });

  test("has a test of each at its edge", () => {
    const tests = ["core", "rpc"].map((name) =>
      readFileSync(new URL(`../packages/${name}/test/limit-edges.test.ts`, import.meta.url), "utf8"),
    );
    const missing = Object.keys(DEFAULT_LIMITS).filter(
      (name) => !tests.some((text) => new RegExp(String.raw`\[\s*"${name}",`).test(text)),
    );
    expect(missing).toEqual([]);
  });

  test("has a test of each fixed bound at its edge, but for those that are measures of this implementation", () => {
    const [, table] = text
      .split("## Fixed bounds\n")[1]!
      .split("## Not bounded")[0]!
      .split(/^\| -.*$/m);
    const bounds = [...table!.matchAll(/^\| (\S[^|]*?) +\|/gm)].map(([, what]) => what!);
    const tests = ["core", "rpc", "container"].map((name) => {
      const url = new URL(`../packages/${name}/test/fixed-bounds.test.ts`, import.meta.url);
      return existsSync(url) ? readFileSync(url, "utf8") : "";
    });
    const untested = bounds.filter((what) => !tests.some((source) => source.includes(`"${what}`)));
    expect(untested).toEqual(MEASURES);
  });

  test("says of each what it bounds", () => {
    const noted = notes.flatMap((note) => [...note.split(": ")[0]!.matchAll(/`(\w+)`/g)].map(([, name]) => name));
    expect(noted).toEqual(Object.keys(DEFAULT_LIMITS));
  });

  test("names the bounds before hello, as the protocol page does", () => {
    const { maxMessageBytes, maxDecodedCost, maxDepth } = LIMITS_BEFORE_HELLO;
    const shown = (value: number): string => value.toLocaleString("en-US");
    for (const where of [text, page("protocol.md")]) {
      expect(where).toContain(`${shown(maxMessageBytes)} bytes`);
      expect(where).toContain(`${maxDepth} levels`);
      expect(where).toContain(`a decoded cost of ${shown(maxDecodedCost)}`);
    }
  });
});

describe("docs/protocol.md", () => {
  const rows = [...page("protocol.md").matchAll(/^\| (-\d+) +\|.*\| `([0-9a-f ]+)` +\|$/gm)];

  test("shows the bytes of a value of each built-in type", () => {
    expect(rows.map(([, id]) => Number(id))).toEqual(Array.from({ length: 16 }, (_, index) => -1 - index));
    const codec = new MsgPackCodec();
    const types = new StandardTypes(codec, "standard");
    types.expected = true;
    codec.setBuiltins(types);
    const shown = rows.map(([, , hex]) => hex!.replaceAll(" ", ""));
    const bytes = Uint8Array.of(1).buffer;
    const texts = [new Date(255), new Map([["a", 1]]), new Set([1]), -1n, new Error("x"), new URL("a:b")];
    const arrays = [Int16Array.of(-2), bytes, new DataView(bytes), NdArray.from([1], "float16")];
    const values = [undefined, ...texts, ...arrays];
    const head = "81a85f5f747970655f5f92";
    const written = values.map((value) => Buffer.from(codec.encode(value)).toString("hex"));
    expect(written).toEqual([shown[0], ...shown.slice(3, 13)].map((hex) => head + hex));
    expect(shown[1]).toBe(`fea7${Buffer.from("$/ref/1").toString("hex")}`);
    expect(shown[2]).toBe("fda0");
    expect(shown[13]).toBe(`f2a7${Buffer.from("$/ref/1").toString("hex")}`);
    expect(shown.slice(14)).toEqual(["f101", "f09205a0"]);
  });
});
