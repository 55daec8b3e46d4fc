import { NdArray } from "./ndarray.ts";
import { arrayOn } from "./ndarray-serializer.ts";
import { bytesIn, bytesOut } from "./standard-bytes.ts";
import { arrayOf } from "./standard-values.ts";
import type { StandardType } from "./standard-values.ts";

/** What an array takes beyond the data that it is made of. */
export const NDARRAY_COST = 4096;

/** Its dtype, shape, order, and the bytes of its elements. */
export const NDARRAY: StandardType<NdArray> = {
  id: -13,
  classes: [NdArray],
  write(array, codec) {
    // What has to be packed is so when the array can leave.
    const { dtype, shape, order, data } = codec.segments.support === "unknown" ? array : array.contiguous();
    return [dtype, shape, order, bytesOut(data, codec, array.itemBytes)];
  },
  read(given, codec, budget) {
    const [dtype, shape, order, bytes] = arrayOf(given, "an NdArray");
    budget.spend(NDARRAY_COST);
    return arrayOn(bytesIn(bytes, codec, budget), dtype, shape, order);
  },
};
