/**
 * Containers, fixtures and matchers for tests, and contract suites for implementations of one's own. Needs no test framework.
 *
 * @packageDocumentation
 */
export { checkClock } from "./clock-contract.ts";
export type { ClockUnderTest } from "./clock-contract.ts";
export { fixtures } from "./test-fixtures.ts";
export type { ContainerFixtures, FixtureMakers, FixtureUse } from "./test-fixtures.ts";
export { matchers } from "./test-matchers.ts";
export type { ColloquyMatchers, MatcherFunctions, MatcherOutcome } from "./test-matchers.ts";
export { testContainer } from "./test-container.ts";
export type { TestContainer, TestContainerOptions } from "./test-container.ts";
