"""Codecs: values to payloads and back, with the table of type ids.

A value that the codec doesn't know is sent as ``{"__type__": [typeid, data]}``.
The type id is the number of its serializer in the order of registration.
"""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

import mpack

Serializer = Tuple[type, Callable[[Any], Any], Callable[[Any], Any]]
"""A class, value -> data, data -> value."""


class Tagged(NamedTuple):
    """What the ``object`` fallback may return to choose a type id other than its own."""

    type_id: int
    content: Any


class SerializationError(Exception):
    """A value can't be sent, or what came can't be read."""


@dataclass(frozen=True)
class Point:
    """A user's own type, for tests of extra serializers."""

    x: float
    y: float


@dataclass(frozen=True)
class NdArray:
    """What the documented NumPy serializer sends, without NumPy: dtype, shape, raw bytes."""

    dtype: str
    shape: Tuple[int, ...]
    raw: bytes


def point_serializer() -> Serializer:
    """Serializer of :class:`Point`."""
    return Point, lambda p: {"x": p.x, "y": p.y}, lambda d: Point(d["x"], d["y"])


def ndarray_serializer() -> Serializer:
    """Serializer of :class:`NdArray`, the map of the documented NumPy serializer."""

    def write(array: NdArray) -> dict:
        return {"type": array.dtype, "shape": list(array.shape), "data": array.raw}

    return NdArray, write, lambda d: NdArray(d["type"], tuple(d["shape"]), d["data"])


def date_serializer() -> Serializer:
    """Serializer of dates: the ISO 8601 text.  Containers have it as type 0."""
    return datetime.datetime, lambda d: d.isoformat(), parse_date


def parse_date(text: str) -> datetime.datetime:
    """Read ISO 8601 text; ``Z`` is UTC."""
    return datetime.datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)


EXTRA = {"point": point_serializer, "ndarray": ndarray_serializer}
"""Extra serializers by name."""


class Codec:
    """Base of the codecs: the table of type ids, and the two hooks."""

    name = ""

    def __init__(self, serializers: Tuple[Callable[[], Serializer], ...] = (), container: bool = False) -> None:
        self._by_class: Dict[type, Tuple[int, Callable[[Any], Any]]] = {}
        self._by_id: Dict[int, Callable[[Any], Any]] = {}
        self._problems: List[Exception] = []
        if container:
            self.add_serializer(*date_serializer())
        for serializer in serializers:
            self.add_serializer(*serializer())

    def add_serializer(self, cls: type, write: Callable[[Any], Any], read: Callable[[Any], Any]) -> int:
        """Register a class and return its type id.  ``object`` is the fallback for all others."""
        if cls in self._by_class:
            raise ValueError("there is a serializer for %r already" % cls)
        type_id = len(self._by_class)
        self._by_class[cls] = (type_id, write)
        self._by_id[type_id] = read
        return type_id

    def add_reader(self, type_id: int, read: Callable[[Any], Any]) -> None:
        """Register how values of a built-in type (a negative id) are read."""
        self._by_id[type_id] = read

    def encode(self, value: Any) -> bytes:
        """Return *value* as a payload."""
        raise NotImplementedError

    def _decode(self, payload: bytes) -> Any:
        raise NotImplementedError

    def decode(self, payload: bytes) -> Any:
        """Return the value in *payload*; an extended value that can't be read raises."""
        value, problems = self.decode_with_problems(payload)
        if problems:
            raise problems[0]
        return value

    def decode_with_problems(self, payload: bytes) -> Tuple[Any, List[Exception]]:
        """Return the value, and what went wrong with the extended values in it.

        Those stand as None in the value.  So the id of a message is known even
        when its content can't be read, and the call can be answered.
        """
        self._problems = []
        value = self._decode(payload)
        return value, self._problems

    def _write_object(self, value: Any) -> dict:
        entry = self._by_class.get(type(value)) or self._by_class.get(object)
        if entry is None:
            raise SerializationError("no serializer for %r" % type(value))
        type_id, write = entry
        content = write(value)
        if isinstance(content, Tagged):
            type_id, content = content
        return {"__type__": [type_id, content]}

    def _read_object(self, entries: dict) -> Any:
        if "__type__" not in entries:
            return entries
        try:
            type_id, content = entries["__type__"]
            return self._by_id[type_id](content)
        except Exception as error:  # any serializer may throw anything
            problem = SerializationError("can't read %.80r: %r" % (entries["__type__"], error))
            self._problems.append(problem)
            return None


class JsonCodec(Codec):
    """JSON as ``json.dumps`` writes it: ASCII, a space behind each comma and colon."""

    name = "json"

    def encode(self, value: Any) -> bytes:
        return json.dumps(value, default=self._write_object).encode("utf-8")

    def _decode(self, payload: bytes) -> Any:
        return json.loads(payload.decode("utf-8"), object_hook=self._read_object)


class MsgPackCodec(Codec):
    """MsgPack: ``bin`` for bytes, ``str`` for text."""

    name = "msgpack"

    def encode(self, value: Any) -> bytes:
        return mpack.encode(value, default=self._write_object)

    def _decode(self, payload: bytes) -> Any:
        return mpack.decode(payload, object_hook=self._read_object)


CODECS = {"json": JsonCodec, "msgpack": MsgPackCodec}
"""Codec classes by name."""
