"""A peer that says hello, and may then do more than a plain one.

It understands notifications, ``meta``, exceptions as maps, references to
functions and services that hang under no root (``$/ref/<n>``), counted
release, and the built-in types as their ids and data.  To a plain peer it
is a plain peer.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Tuple

from codec import SerializationError, Tagged
from connection import NOTIFICATION, REQUEST, RESULT, Connection, ProtocolError, Proxy, RemoteException
from services import Service, coded, current_meta, find_function, path_of

UNDEFINED_ID, FUNCTION_ID, HOME_ID = -1, -2, -3
STANDARD_IDS = range(-13, -3)
REF = "$/ref/"


class _Undefined:
    """The one value ``undefined``."""

    def __repr__(self) -> str:
        return "undefined"


undefined = _Undefined()


@dataclass(frozen=True)
class Standard:
    """A value of a type that Python has no class for: a Date, Map, Set, ... by its type id and data."""

    type_id: int
    content: Any


class FunctionProxy(Proxy):
    """Stands for a function of the other side."""

    def __repr__(self) -> str:
        return "<function at %r>" % self._path


class Exports:
    """What this side has sent by reference; a number is never used twice."""

    def __init__(self) -> None:
        self.by_number: Dict[int, list] = {}
        self.numbers: Dict[Any, int] = {}
        self.next_number = 0

    def add(self, target: Any) -> str:
        """Count one more sending of *target* and return its path."""
        number = self.numbers.get(target)
        if number is None:
            number = self.next_number
            self.next_number += 1
            self.numbers[target] = number
            self.by_number[number] = [target, 0]
        self.by_number[number][1] += 1
        return REF + str(number)

    def release(self, number: int, count: int) -> None:
        """Take *count* sendings back; the reference ends with the last."""
        entry = self.by_number.get(number)
        if entry is None:
            return
        entry[1] -= count
        if entry[1] <= 0:
            del self.by_number[number]
            del self.numbers[entry[0]]

    def get(self, number: str) -> Any:
        """Return what has this number; a LookupError if nothing has."""
        entry = self.by_number.get(int(number)) if number.isdigit() else None
        if entry is None:
            raise coded(LookupError("reference %s is released" % number), "REFERENCE_RELEASED", "no")
        return entry[0]


class HelloConnection(Connection):
    """A connection that can say hello, and answer it."""

    def __init__(self, *args: Any, fields: Optional[dict] = None, **kwargs: Any) -> None:
        self.fields = fields or {}
        self.exports = Exports()
        self.received: Dict[str, int] = {}
        self.their_hello: Optional[dict] = None
        self.hello_id: Optional[int] = None
        self.requests = 0
        self.notifications: List[Tuple[str, list]] = []
        self.failed_notifications = 0
        super().__init__(*args, **kwargs)

    @property
    def said_hello(self) -> bool:
        """Whether the other side is more than a plain peer."""
        return self.their_hello is not None

    def own_hello(self) -> dict:
        """Return the map that this side says hello with."""
        return {"protocol": 1, "software": "python-peer", "codec": self.codec.name, "limits": {}, **self.fields}

    async def hello(self) -> bool:
        """Say hello; False if the other side is a plain peer."""
        self.hello_id = self.next_id
        try:
            await self.call("$/hello", [self.own_hello()])
        except RemoteException:
            return False
        return True

    def _greeted(self, content: Any) -> None:
        if not isinstance(content, dict):
            raise ProtocolError("hello is a map")
        self.their_hello = content
        self.codec.add_reader(UNDEFINED_ID, lambda _: undefined)
        self.codec.add_reader(FUNCTION_ID, lambda path: self._read_reference(FunctionProxy, path))
        self.codec.add_reader(HOME_ID, self._read_home)
        for type_id in STANDARD_IDS:
            self.codec.add_reader(type_id, lambda content, type_id=type_id: Standard(type_id, content))

    def _settle(self, kind: int, number: int, content: Any, problems: List[Exception]) -> None:
        # Here, not behind the await: the next frame may come in the same turn.
        if kind == RESULT and number == self.hello_id and not self.said_hello:
            self._greeted(content)
        super()._settle(kind, number, content, problems)

    # -- references --------------------------------------------------------

    def write_reference(self, value: Any) -> Any:
        if not self.said_hello:
            return super().write_reference(value)
        if value is undefined:
            return Tagged(UNDEFINED_ID, None)
        if isinstance(value, Standard):
            return Tagged(value.type_id, value.content)
        if isinstance(value, Proxy):
            if value._connection is self:
                return Tagged(HOME_ID, value._path)
            return self.exports.add(value)
        if isinstance(value, Service):
            path = path_of(self.root, value)
            return self.exports.add(value) if path is None else path
        if callable(value):
            return Tagged(FUNCTION_ID, self.exports.add(value))
        raise SerializationError("no serializer for %r" % type(value))

    def read_service(self, path: Any) -> Proxy:
        return self._read_reference(Proxy, path)

    def _read_reference(self, cls: Callable, path: Any) -> Proxy:
        if not isinstance(path, str):
            raise SerializationError("a path is a string")
        if path.startswith(REF):
            self.received[path] = self.received.get(path, 0) + 1
        return cls(self, path)

    def _read_home(self, path: str) -> Any:
        if path.startswith(REF):
            number, _, rest = path[len(REF) :].partition("/")
            return self._below(self.exports.get(number), rest)
        return self._below(self.root, path)

    def _below(self, target: Any, path: str) -> Any:
        for part in path.split("/") if path else []:
            target = target.member(part) if isinstance(target, Service) else getattr(target, part)
        return target

    def release(self, proxy: Proxy) -> None:
        """Tell the other side that a reference is not needed any more."""
        count = self.received.pop(proxy._path, 0)
        if count:
            self.notify("$/release", [[[int(proxy._path[len(REF) :]), count]]])

    # -- requests and notifications ----------------------------------------

    def notify(self, path: str, args: Any = (), kwargs: Optional[dict] = None) -> None:
        """Send a request that gets no answer."""
        if not self.said_hello:
            raise ProtocolError("a plain peer takes no notifications")
        self.send_message([NOTIFICATION, 0, [path, list(args), kwargs or {}]])

    def _dispatch(self, message: Any, problems: List[Exception]) -> None:
        # Also here in the turn of the frame: what follows hello may need it.
        if isinstance(message, list) and len(message) == 3 and message[0] == REQUEST:
            self.requests += 1
            path = message[2][0] if isinstance(message[2], list) and message[2] else None
            if path == "$/hello" and self.requests == 1 and self.hello_id is None:
                self._greeted(message[2][1][0])
        super()._dispatch(message, problems)

    def on_other(self, kind: int, content: Any, problems: List[Exception]) -> None:
        if kind != NOTIFICATION or not self.said_hello:
            super().on_other(kind, content, problems)
        asyncio.ensure_future(self._notified(content, problems))

    async def _notified(self, content: Any, problems: List[Exception]) -> None:
        try:
            self.notifications.append((content[0], content[1]))
            if problems:
                raise problems[0]
            await self.run(content)
        except Exception:  # nobody is told; the number is enough
            self.failed_notifications += 1

    async def run(self, content: Any) -> Any:
        if self.said_hello and isinstance(content, list) and len(content) == 4:
            current_meta.set(content[3])
            content = content[:3]
        return await super().run(content)

    def find_function(self, path: str) -> Callable:
        if not self.said_hello or not path.startswith("$/"):
            return super().find_function(path)
        if path.startswith(REF):
            number, _, rest = path[len(REF) :].partition("/")
            target = self.exports.get(number)
            if isinstance(target, Service):
                return find_function(target, rest)
            return target._at(rest) if isinstance(target, Proxy) else target
        control = {"hello": self._answer_hello, "ping": lambda: None, "cancel": self._cancel,
                   "release": self._release, "goaway": lambda *_: None}.get(path[2:])  # fmt: skip
        return control or super().find_function(path)

    def _answer_hello(self, fields: dict) -> dict:
        if fields is not self.their_hello:
            raise ValueError("hello is the first request, and is said once")
        return self.own_hello()

    def _cancel(self, number: int) -> None:
        task = self.running.get(number)
        if task is not None:
            task.cancel()

    def _release(self, pairs: list) -> None:
        for number, count in pairs:
            self.exports.release(number, count)

    def exception_content(self, error: BaseException) -> Any:
        if not self.said_hello:
            return super().exception_content(error)
        cancelled = isinstance(error, asyncio.CancelledError)
        content = {
            "name": type(error).__name__,
            "message": str(error),
            "code": getattr(error, "code", "CANCELLED" if cancelled else "REMOTE_ERROR"),
            "executed": getattr(error, "executed", "unknown" if cancelled else "yes"),
        }
        if error.__cause__ is not None:
            content["cause"] = self.exception_content(error.__cause__)
        return content
