"""drive.py with NumPy: its arrays in place of the stand-in, with the serializer that aiomas documents.

``{"$ndarray": {"dtype", "shape", "hex"}}`` in the JSON lines is an array; the hex
is in C order.  ``"order": "F"`` makes one that lies in the order of Fortran.
"""

from __future__ import annotations

import asyncio
from typing import Any

import numpy

import codec
import drive
from values import Values


def ndarray_serializer() -> codec.Serializer:
    """Serializer of NumPy's arrays."""

    def write(array: numpy.ndarray) -> dict:
        return {"type": array.dtype.str, "shape": list(array.shape), "data": array.tobytes()}

    def read(content: dict) -> numpy.ndarray:
        return numpy.frombuffer(content["data"], dtype=numpy.dtype(content["type"])).reshape(content["shape"])

    return numpy.ndarray, write, read


class NumpyValues(Values):
    """Values in JSON lines, with NumPy's arrays."""

    def _read_ndarray(self, content: dict) -> numpy.ndarray:
        flat = numpy.frombuffer(bytes.fromhex(content["hex"]), dtype=numpy.dtype(content["dtype"]))
        return numpy.array(flat.reshape(content["shape"]), order=content.get("order", "C"))

    def _write_object(self, value: Any) -> dict:
        if isinstance(value, numpy.ndarray):
            return {"$ndarray": {"dtype": value.dtype.str, "shape": list(value.shape), "hex": value.tobytes().hex()}}
        return super()._write_object(value)


if __name__ == "__main__":
    codec.EXTRA["ndarray"] = ndarray_serializer
    drive.Values = NumpyValues
    asyncio.run(drive.Driver(drive.parse_options()).main())
