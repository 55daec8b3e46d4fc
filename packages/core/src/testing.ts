/**
 * Contracts for codecs and transports of one's own, as functions that reject with the rule that is broken.
 *
 * @packageDocumentation
 */
export { checkCodec } from "./codec-contract.ts";
export { checkTransport } from "./transport-contract.ts";
export type { TransportHarness } from "./transport-contract.ts";
