import { readDtype } from "./dtype.ts";
import { SerializationError, describeType } from "./errors.ts";
import { messageOf } from "./readable.ts";
import { NdArray } from "./ndarray.ts";
import type { SerializerFactory } from "./serializers.ts";

/**
 * A serializer of arrays for peers in Python, an entry of `extraSerializers`: the map `{type, shape, data}` of aiomas' documented
 * serializer for NumPy. `type` is NumPy's `dtype.str`, `data` the bytes in C order. It takes a codec that has bytes
 * (`MsgPackCodec`) where the peer is a plain one.
 *
 * An array that doesn't lie in C order is copied for it; one that comes is a view of the bytes that came.
 */
export const ndarraySerializer: SerializerFactory<NdArray> = () => [
  NdArray,
  ({ dtype, shape, bytes }: NdArray) => ({ type: dtype, shape, data: bytes }),
  (data: unknown): NdArray => {
    if (typeof data !== "object" || data === null)
      throw new SerializationError(`${describeType(data)} in place of the map {type, shape, data} of an array`);
    const { type, shape, data: bytes } = data as Record<string, unknown>;
    return arrayOn(bytes, type, shape, "C");
  },
];

/**
 * The array that a peer has described.
 *
 * @throws SerializationError where that doesn't fit.
 */
export function arrayOn(bytes: unknown, dtype: unknown, shape: unknown, order: unknown): NdArray {
  if (!(bytes instanceof Uint8Array))
    throw new SerializationError(`${describeType(bytes)} in place of the bytes of an array`);
  if (!Array.isArray(shape)) throw new SerializationError(`${describeType(shape)} in place of the shape of an array`);
  if (order !== "C" && order !== "F") throw new SerializationError('malformed array: its order is neither "C" nor "F"');
  try {
    return new NdArray(bytes, { dtype: readDtype(dtype).text, shape: shape as number[], order });
  } catch (error) {
    throw new SerializationError(`malformed array: ${messageOf(error)}`, { cause: error });
  }
}
