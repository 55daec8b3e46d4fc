import { randomUUID } from "node:crypto";
import { Container } from "./container.ts";
import type { ContainerOptions } from "./container-setup.ts";
import { ExternalClock } from "./external-clock.ts";

export interface TestContainerOptions extends Omit<ContainerOptions, "clock"> {
  /** What it is called in its address, `local://<name>`. Default: a name that no other container has. */
  readonly name?: string | undefined;
  /** Several containers may have one. Default: a new one, at 2020-01-01. */
  readonly clock?: ExternalClock | undefined;
}

/** A container whose clock the test sets: `await container.clock.advanceTo(5)`. */
export type TestContainer = Container & { readonly clock: ExternalClock };

/**
 * A container for a test: it takes no socket and no time. Containers of one process reach each other by their addresses; with a
 * `network` of their own only each other.
 *
 * Rejects as `Container.create` does.
 */
export async function testContainer(options: TestContainerOptions = {}): Promise<TestContainer> {
  const { name = `test-${randomUUID()}`, clock = new ExternalClock("2020-01-01"), ...others } = options;
  return (await Container.create(`local://${name}`, { ...others, clock })) as TestContainer;
}
