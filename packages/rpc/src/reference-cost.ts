/**
 * What values that cross by reference take beyond their data, in bytes of memory, towards `Limits.maxDecodedCost`, `docs/limits.md`. What
 * takes longer to make than its memory tells counts with its time.
 */
export const FUNCTION_COST = 512;
export const SERVICE_COST = 512;
export const STREAM_COST = 1024;
/** The search along its path is in it. */
export const HOME_COST = 2048;
/** A signal that is made; one that is there already costs nothing. */
export const SIGNAL_COST = 4096;
/** One that has fired, with an error for its reason. */
export const FIRED_SIGNAL_COST = 8192;
/** The result of another request, and what is below one. */
export const RESULT_COST = 256;
export const RESULT_MEMBER_COST = 2048;
