import { LocalNetwork } from "@colloquy/core";
import { ExternalClock } from "./external-clock.ts";
import { testContainer } from "./test-container.ts";
import type { TestContainer, TestContainerOptions } from "./test-container.ts";

/** What a test gets that is made by `test.extend(fixtures)`. */
export interface ContainerFixtures {
  /** Where the containers of this test find each other, and nobody else. */
  readonly network: LocalNetwork;
  /** The clock of this test's containers. */
  readonly clock: ExternalClock;
  readonly container: TestContainer;
  /** Makes further containers on the same network and clock; all end with the test. */
  readonly newContainer: (options?: TestContainerOptions) => Promise<TestContainer>;
}

/** How a fixture hands over what it has made; it goes on when the test is over. */
export type FixtureUse<T> = (value: T) => Promise<void>;

/** How each fixture is made from others, and ended. */
export interface FixtureMakers {
  network(needed: object, use: FixtureUse<LocalNetwork>): Promise<void>;
  clock(needed: object, use: FixtureUse<ExternalClock>): Promise<void>;
  container(needed: Pick<ContainerFixtures, "newContainer">, use: FixtureUse<TestContainer>): Promise<void>;
  newContainer(
    needed: Pick<ContainerFixtures, "network" | "clock">,
    use: FixtureUse<ContainerFixtures["newContainer"]>,
  ): Promise<void>;
}

/** Fixtures for `test.extend` of vitest, and of what has the same. */
export const fixtures: Readonly<FixtureMakers> = Object.freeze({
  // oxlint-disable-next-line eslint/no-empty-pattern -- vitest reads from the pattern what a fixture needs
  async network({}, use) {
    await use(new LocalNetwork());
  },
  // oxlint-disable-next-line eslint/no-empty-pattern
  async clock({}, use) {
    await use(new ExternalClock("2020-01-01"));
  },
  async container({ newContainer }, use) {
    await use(await newContainer());
  },
  async newContainer({ network, clock }, use) {
    const containers: TestContainer[] = [];
    await use(async (options = {}) => {
      const container = await testContainer({ network, clock, ...options });
      containers.push(container);
      return container;
    });
    await Promise.all(containers.map((container) => container.shutdown({ graceMs: 0 })));
  },
} satisfies FixtureMakers);
