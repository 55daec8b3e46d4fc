import { describe, expect, test } from "vitest";
import { ColloquyError } from "@colloquy/core";
import { Agent, Container, ExternalClock, launch } from "../src/index.ts";

class Greeter extends Agent {}

let count = 0;
const newAddress = (): string => `local://container-options-${process.pid}-${count++}`;

const functions = {
  "Container.create": (options: unknown) => Container.create(newAddress(), options as never),
  "container.connect": async (options: unknown) => {
    await using container = await Container.create(newAddress());
    await container.connect(`${container.address}/0`, options as never);
  },
  spawn: async (options: unknown) => {
    await using container = await Container.create(newAddress());
    await container.spawn(new Greeter(), options as never);
  },
  shutdown: async (options: unknown) => {
    await using container = await Container.create(newAddress());
    await container.shutdown(options as never);
  },
  launch: (options: unknown) => launch(options as never),
  ExternalClock: async (options: unknown) => new ExternalClock("2026-01-01", options as never),
};

describe("Options that are none are refused", () => {
  test.each<[keyof typeof functions, unknown, string]>([
    ["Container.create", { clok: 5 }, 'unknown option "clok" of Container.create; did you mean "clock"?'],
    ["Container.create", { extraSerialisers: [] }, 'of Container.create; did you mean "extraSerializers"?'],
    ["Container.create", { clock: {} }, "option clock of Container.create is Object; it takes a Clock"],
    [
      "Container.create",
      { dialect: 1 },
      'option dialect of Container.create is 1; it takes "auto", "aiomas" or "mosaik"',
    ],
    ["Container.create", { onTaskFailure: 1 }, "option onTaskFailure of Container.create is 1; it takes a function"],
    ["Container.create", { codec: "json" }, 'codec is "json"; it takes a class'],
    ["Container.create", { limits: { maxDept: 1 } }, 'unknown option "maxDept" of limits; did you mean "maxDepth"?'],
    ["Container.create", { tls: { CA: "x" } }, 'unknown option "CA" of tls; did you mean "ca"?'],
    ["container.connect", { timout: 5 }, 'unknown option "timout" of container.connect; did you mean "timeout"?'],
    ["container.connect", { timeout: "5s" }, 'option timeout of container.connect is "5s"; it takes milliseconds'],
    ["spawn", { nmae: "a" }, 'unknown option "nmae" of spawn; did you mean "name"?'],
    ["spawn", { id: 5 }, "option id of spawn is 5; it takes a text"],
    ["shutdown", { grace: 5 }, 'unknown option "grace" of shutdown; did you mean "graceMs"?'],
    ["shutdown", { graceMs: "5" }, 'option graceMs of shutdown is "5"; it takes milliseconds'],
    ["launch", { entry: "x.js", arguments: [] }, 'unknown option "arguments" of launch; it takes entry,'],
    ["launch", { args: 1 }, "option entry of launch is undefined; it takes the path or the file: URL of a module"],
    ["launch", undefined, "option entry of launch is undefined"],
    ["launch", { entry: "x.js", timeout: "5s" }, 'option timeout of launch is "5s"; it takes milliseconds'],
    ["launch", { entry: "x.js", execArgv: "--x" }, 'option execArgv of launch is "--x"; it takes an array of texts'],
    ["launch", "x.js", "launch takes a plain object of options, not a string"],
    ["ExternalClock", { initTme: 5 }, 'unknown option "initTme" of ExternalClock; did you mean "initTime"?'],
  ])("%s(%o): %s", async (name, options, message) => {
    const error: unknown = await functions[name](options).then(
      () => undefined,
      (failure: unknown) => failure,
    );
    expect(error).toBeInstanceOf(ColloquyError);
    expect(error).toMatchObject({ code: "INVALID_ARGUMENT", message: expect.stringContaining(message) });
  });
});
