/**
 * Contract suites for implementations of one's own.
 *
 * @packageDocumentation
 */
export { checkClock } from "./clock-contract.ts";
export type { ClockUnderTest } from "./clock-contract.ts";
