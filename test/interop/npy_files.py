"""Writes and checks ``.npy`` files with NumPy; one JSON line for each.

::

    python3 npy_files.py write FOLDER     # all dtypes and orders
    python3 npy_files.py check FOLDER     # what np.load makes of the files there

A line is ``{"file", "dtype", "shape", "fortran", "hex"}``, the bytes of the elements
in C order; ``check`` adds ``"same"``: whether NumPy writes the same file.
"""

from __future__ import annotations

import io
import json
import pathlib
import sys
from typing import Dict

import numpy as np

DTYPES = ["b1", "i1", "u1"] + [
    order + code
    for order in "<>"
    for code in ["i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "c8", "c16"]
]


def arrays() -> Dict[str, np.ndarray]:
    """Return arrays by the name of their file."""
    made = {}
    random = np.random.RandomState(5)
    for dtype in DTYPES:
        name = dtype.replace("<", "little-").replace(">", "big-")
        matrix = (random.standard_normal((4, 6)) * 50).astype(dtype)
        made[name + "-C"] = matrix
        made[name + "-F"] = np.asfortranarray(matrix)
        made[name + "-gaps"] = matrix[::-1, 1::2]
        made[name + "-none"] = np.zeros((2, 0, 3), dtype)
        made[name + "-scalar"] = np.array(matrix[0, 0])
        made[name + "-3d"] = matrix.reshape(2, 3, 4).transpose(1, 0, 2)
    doubles = np.concatenate([random.standard_normal(2000) * 10.0 ** random.randint(-9, 6, 2000), [65519.99, 65520.0]])
    made["doubles"] = doubles
    with np.errstate(over="ignore"):
        made["halves"] = doubles.astype("<f2")
    return made


def describe(file: pathlib.Path, array: np.ndarray, **more: bool) -> None:
    """Print the line of a file."""
    fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    line = {"file": file.name, "dtype": array.dtype.str, "shape": array.shape, "fortran": fortran}
    print(json.dumps({**line, "hex": array.tobytes().hex(), **more}))


def main() -> None:
    """Run as a script."""
    command, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    if command == "write":
        for name, array in arrays().items():
            file = folder / (name + ".npy")
            np.save(file, array)
            describe(file, array)
    else:
        for file in sorted(folder.glob("*.npy")):
            array = np.load(file, allow_pickle=False)
            again = io.BytesIO()
            np.save(again, array)
            describe(file, array, same=again.getvalue() == file.read_bytes())


if __name__ == "__main__":
    main()
