"""MsgPack in one small file: the standard types, no extensions.

``bin`` is bytes and ``str`` is text, in both directions.  Extension types, the
unused byte 0xc1, missing bytes and bytes left over are refused.
"""

from __future__ import annotations

import struct
from typing import Any, Callable, Optional

MAX_DEPTH = 200
"""How deep containers may be nested, in both directions."""


class MsgPackError(ValueError):
    """The bytes are not MsgPack, or the value has no MsgPack form."""


Hook = Callable[[Any], Any]


def encode(value: Any, default: Optional[Hook] = None, single_float: bool = False) -> bytes:
    """Return *value* as MsgPack.

    *default* is called with a value of an unknown type and returns what to
    write in its place.  *single_float* writes floats with 32 instead of 64 bits.
    """
    out = bytearray()
    _Encoder(out, default, ">Bf" if single_float else ">Bd").put(value, 0)
    return bytes(out)


def decode(payload: bytes, object_hook: Optional[Hook] = None) -> Any:
    """Return the one value that *payload* holds.

    *object_hook* is called with every map, innermost first, and returns what to
    put in its place.
    """
    decoder = _Decoder(payload, object_hook)
    value = decoder.take(0)
    if decoder.at != len(payload):
        raise MsgPackError("%d bytes left over" % (len(payload) - decoder.at))
    return value


class _Encoder:
    """Appends values to a bytearray."""

    def __init__(self, out: bytearray, default: Optional[Hook], float_format: str) -> None:
        self.out = out
        self.default = default
        self.float_format = float_format

    def put(self, value: Any, depth: int) -> None:
        """Append one value."""
        if depth > MAX_DEPTH:
            raise MsgPackError("nested too deeply")
        out = self.out
        if value is None:
            out.append(0xC0)
        elif value is False:
            out.append(0xC2)
        elif value is True:
            out.append(0xC3)
        elif isinstance(value, int):
            self.put_int(value)
        elif isinstance(value, float):
            out += struct.pack(self.float_format, 0xCB if self.float_format == ">Bd" else 0xCA, value)
        elif isinstance(value, str):
            text = value.encode("utf-8")
            self.put_length(len(text), 0xA0, 32, (0xD9, 0xDA, 0xDB))
            out += text
        elif isinstance(value, (bytes, bytearray, memoryview)):
            raw = bytes(value)
            self.put_length(len(raw), 0, 0, (0xC4, 0xC5, 0xC6))
            out += raw
        elif isinstance(value, (list, tuple)):
            self.put_length(len(value), 0x90, 16, (None, 0xDC, 0xDD))
            for item in value:
                self.put(item, depth + 1)
        elif isinstance(value, dict):
            self.put_length(len(value), 0x80, 16, (None, 0xDE, 0xDF))
            for key, item in value.items():
                self.put(key, depth + 1)
                self.put(item, depth + 1)
        elif self.default is not None:
            self.put(self.default(value), depth + 1)
        else:
            raise MsgPackError("no MsgPack form for %r" % type(value))

    def put_int(self, value: int) -> None:
        """Append an integer in its shortest form."""
        out = self.out
        if -32 <= value < 128:
            out.append(value & 0xFF)
        elif value >= 0:
            for byte, limit, form in ((0xCC, 8, ">BB"), (0xCD, 16, ">BH"), (0xCE, 32, ">BI"), (0xCF, 64, ">BQ")):
                if value < 1 << limit:
                    out += struct.pack(form, byte, value)
                    return
            raise MsgPackError("integer over 64 bits")
        else:
            for byte, limit, form in ((0xD0, 8, ">Bb"), (0xD1, 16, ">Bh"), (0xD2, 32, ">Bi"), (0xD3, 64, ">Bq")):
                if value >= -(1 << (limit - 1)):
                    out += struct.pack(form, byte, value)
                    return
            raise MsgPackError("integer over 64 bits")

    def put_length(self, count: int, fix: int, fix_limit: int, heads: tuple) -> None:
        """Append the head of a container or string: fix form, or 8, 16, 32 bits."""
        if count < fix_limit:
            self.out.append(fix | count)
            return
        for head, bits, form in zip(heads, (8, 16, 32), (">BB", ">BH", ">BI")):
            if head is not None and count < 1 << bits:
                self.out += struct.pack(form, head, count)
                return
        raise MsgPackError("longer than 32 bits can say")


_FIXED = {
    0xCA: ">f", 0xCB: ">d",
    0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q",
    0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q",
}  # fmt: skip
_BIN = {0xC4: ">B", 0xC5: ">H", 0xC6: ">I"}
_STR = {0xD9: ">B", 0xDA: ">H", 0xDB: ">I"}
_ARRAY = {0xDC: ">H", 0xDD: ">I"}
_MAP = {0xDE: ">H", 0xDF: ">I"}
_EXT = frozenset((0xC7, 0xC8, 0xC9, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8))


class _Decoder:
    """Reads values from bytes.  Memory follows the bytes, never a declared count."""

    def __init__(self, payload: bytes, object_hook: Optional[Hook]) -> None:
        self.payload = payload
        self.at = 0
        self.object_hook = object_hook

    def take(self, depth: int) -> Any:
        """Read one value."""
        if depth > MAX_DEPTH:
            raise MsgPackError("nested too deeply")
        head = self.raw(1)[0]
        if head < 0x80:
            return head
        if head >= 0xE0:
            return head - 0x100
        if head < 0x90:
            return self.map(head & 0x0F, depth)
        if head < 0xA0:
            return self.array(head & 0x0F, depth)
        if head < 0xC0:
            return self.text(head & 0x1F)
        if head == 0xC0:
            return None
        if head in (0xC2, 0xC3):
            return head == 0xC3
        if head in _FIXED:
            return self.number(_FIXED[head])
        if head in _BIN:
            return self.raw(self.number(_BIN[head]))
        if head in _STR:
            return self.text(self.number(_STR[head]))
        if head in _ARRAY:
            return self.array(self.number(_ARRAY[head]), depth)
        if head in _MAP:
            return self.map(self.number(_MAP[head]), depth)
        if head in _EXT:
            raise MsgPackError("extension types are refused")
        raise MsgPackError("byte 0x%02x is not used in MsgPack" % head)

    def raw(self, count: int) -> bytes:
        """Read *count* bytes."""
        end = self.at + count
        if end > len(self.payload):
            raise MsgPackError("%d bytes are missing" % (end - len(self.payload)))
        part = self.payload[self.at : end]
        self.at = end
        return part

    def number(self, form: str) -> Any:
        """Read one number of a fixed size."""
        return struct.unpack(form, self.raw(struct.calcsize(form)))[0]

    def text(self, count: int) -> str:
        """Read *count* bytes of UTF-8."""
        return self.raw(count).decode("utf-8")

    def array(self, count: int, depth: int) -> list:
        """Read *count* items."""
        items = []
        for _ in range(count):
            items.append(self.take(depth + 1))
        return items

    def map(self, count: int, depth: int) -> Any:
        """Read *count* entries."""
        entries = {}
        for _ in range(count):
            key = self.take(depth + 1)
            if not isinstance(key, (str, bytes, int, float, bool, type(None))):
                raise MsgPackError("a %s can't be the key of a map" % type(key).__name__)
            entries[key] = self.take(depth + 1)
        return entries if self.object_hook is None else self.object_hook(entries)
