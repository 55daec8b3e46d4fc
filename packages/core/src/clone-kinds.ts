/** First byte of a structured clone, and in front of the kind of each value that MsgPack has no form of; unused in MsgPack. */
export const CLONE_BYTE = 0xc1;

/**
 * Kinds of values, `docs/protocol.md` section 3. Those that are built-in types have their numbers, without the sign.
 */
export const KIND = {
  reference: 0,
  undefined: 1,
  extended: 2,
  hole: 3,
  date: 4,
  map: 5,
  set: 6,
  bigint: 7,
  error: 8,
  url: 9,
  typedArray: 10,
  buffer: 11,
  view: 12,
  ndarray: 13,
} as const;
