/** What decoded values cost, in bytes of memory, towards `Limits.maxDecodedCost`. */
export const CONTAINER_COST = 64;
export const ENTRY_COST = 32;
export const SCALAR_COST = 8;
export const TEXT_COST = 24;
