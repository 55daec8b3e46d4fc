const WORDS = `
  __type__ __proto__ constructor prototype toString then toJSON hasOwnProperty $/hello $/channel $/ping $/stats $/cancel
  $/release $/pull $/abort $/shapes $/goaway $/auth $/ref/1 $/ref/2 $/result/0 $/describe echo math/add agents/0
  mailboxes/waits protocol software codec serializers limits maxMessageBytes maxSegmentBytes maxReferenceCount segments
  receiptBytes shapes root auth link deadline hops trace data idempotent chain name message code executed cause errors
  thrown stack fields AggregateError RangeError Float64Array Uint8Array BigInt64Array Float16Array DataView <f8 <i2 |u1
  >f4 |O C F
`
  .trim()
  .split(/\s+/);

const MSGPACK_HEADS = `
  81a85f5f747970655f5f92 d401 d40100 d40101 93d40100 94d40101 92d40102 c7 c8 c9 d601 dcffff ddffffffff deffff
  dfffffffff dbffffffff c6ffffffff cb7ff8000000000000 cf7fffffffffffffff d38000000000000000 cbffffffffffffffff
  ca7fc00000 c100 c101 c10200 c103 c104 c105 c106 c107 c108 c109 c10a c10b c10c c10d c10001 c10002 f0 f1 f2 f3 f4 f5
  f6 f7 f8 f9 fa fb fc fd fe ff
`
  .trim()
  .split(/\s+/);

/** Words of the protocol as they stand. */
export const plainWords: readonly Buffer[] = WORDS.map((word) => Buffer.from(word));

/** The same as MsgPack has them, with heads of types that mean something. */
export const msgpackWords: readonly Buffer[] = [
  ...WORDS.map((word) => Buffer.concat([Buffer.from([0xa0 + word.length]), Buffer.from(word)])).filter(
    ({ length }) => length <= 32,
  ),
  ...MSGPACK_HEADS.map((hex) => Buffer.from(hex, "hex")),
];

export const jsonWords: readonly Buffer[] = [
  ...WORDS.map((word) => Buffer.from(JSON.stringify(word))),
  ...[
    '{"__type__":[',
    '{"__type__":[-',
    "]}",
    "[[[[[[[[",
    "{}",
    "[]",
    ",",
    ":",
    "null",
    "true",
    "1e308",
    "-0",
    "1e999",
    "9007199254740993",
    '"\\u0000"',
    '"\\ud800"',
    '"\\ud83d\\ude00"',
    '"4294967294":',
    '"0":',
    '"AAAA"',
    '"AAA="',
    "\ufeff",
    "\\u005f",
  ].map((text) => Buffer.from(text)),
];

/** Starts of packed data, and what stands in their heads. */
export const packedWords: readonly Buffer[] = [
  "28b52ffd",
  "28b52ffd20",
  "789c",
  "1f8b0800",
  "0201",
  "02011308",
  "ffff",
  "00000000",
  "01000000",
  "f0ff",
  "1fff",
].map((hex) => Buffer.from(hex, "hex"));
