"""drive.py with ``--codec msgpack-blosc``: MsgPack in containers of python-blosc, as aiomas has it."""

from __future__ import annotations

import asyncio
from typing import Any

import blosc

import codec
import drive


class MsgPackBloscCodec(codec.MsgPackCodec):
    """Each payload is compressed with the defaults of ``blosc.compress``."""

    name = "msgpack-blosc"

    def encode(self, value: Any) -> bytes:
        return blosc.compress(super().encode(value))

    def _decode(self, payload: bytes) -> Any:
        return super()._decode(blosc.decompress(payload))


if __name__ == "__main__":
    codec.CODECS["msgpack-blosc"] = MsgPackBloscCodec
    asyncio.run(drive.Driver(drive.parse_options()).main())
