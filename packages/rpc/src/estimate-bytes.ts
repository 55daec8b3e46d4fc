const SCALAR_BYTES = 9;
const DEEPEST = 32;

/** About how many bytes a value takes in a message. What has more than `enough` isn't counted further. */
export function estimateBytes(value: unknown, enough: number): number {
  return estimate(value, enough, DEEPEST);
}

function estimate(value: unknown, enough: number, depth: number): number {
  if (typeof value === "string") return SCALAR_BYTES + value.length;
  if (typeof value !== "object" || value === null || depth === 0) return SCALAR_BYTES;
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return SCALAR_BYTES + value.byteLength;
  let bytes = SCALAR_BYTES;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length && bytes <= enough; index++)
      bytes += estimate(value[index], enough - bytes, depth - 1);
  } else if (value instanceof Map) {
    for (const [key, item] of value) {
      bytes += estimate(key, enough - bytes, depth - 1) + estimate(item, enough - bytes, depth - 1);
      if (bytes > enough) break;
    }
  } else if (value instanceof Set) {
    for (const item of value) {
      bytes += estimate(item, enough - bytes, depth - 1);
      if (bytes > enough) break;
    }
  } else {
    for (const key in value) {
      bytes += key.length + estimate((value as Record<string, unknown>)[key], enough - bytes, depth - 1);
      if (bytes > enough) break;
    }
  }
  return bytes;
}
