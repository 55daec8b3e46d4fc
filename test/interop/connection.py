"""A connection: messages, requests in both directions, proxies.

It speaks the base protocol and nothing else.  It doesn't know ``$``: a request
to ``$/hello`` is answered with an exception, like any unknown name.
"""

from __future__ import annotations

import asyncio
import inspect
import struct
import traceback
from typing import Any, Callable, Dict, List, Optional, Set, Tuple

from codec import Codec, SerializationError
from services import Service, find_function, path_of

REQUEST, RESULT, EXCEPTION, NOTIFICATION = 0, 1, 2, 3
MAX_FRAME_BYTES = 64 * 1024 * 1024
EXTENDED = 1 << 31


class ProtocolError(Exception):
    """The other side broke the protocol; the connection ends."""


class RemoteException(Exception):
    """What the other side answered instead of a result.

    ``origin`` is its address, ``text`` the text in it, ``form`` one of
    "string", "list" and "map", ``content`` what came.
    """

    def __init__(self, origin: str, content: Any) -> None:
        self.origin = origin
        self.content = content
        if isinstance(content, str):
            self.form, self.text = "string", content
        elif isinstance(content, list):
            lines = [str(part) for part in content]
            self.form, self.text = "list", ": ".join(lines[:2]) + "".join("\n" + line.rstrip("\n") for line in lines[2:])
        elif isinstance(content, dict):
            self.form, self.text = "map", "%s: %s" % (content.get("name"), content.get("message"))
        else:
            raise ProtocolError("an exception can't be a %s" % type(content).__name__)
        super().__init__(origin, self.text)


class Proxy:
    """Stands for a service, or a method of one, on the other side.

    An attribute is the proxy one part further down; a call is a request.
    """

    def __init__(self, connection: "Connection", path: str) -> None:
        self._connection = connection
        self._path = path

    def __getattr__(self, name: str) -> "Proxy":
        if name.startswith("_"):
            raise AttributeError(name)
        return self._at(name)

    def _at(self, path: str) -> "Proxy":
        return Proxy(self._connection, "/".join(part for part in (self._path, path) if part))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._connection.call(self._path, args, kwargs)

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, Proxy):
            return NotImplemented
        return self._connection is other._connection and self._path == other._path

    def __hash__(self) -> int:
        return hash((id(self._connection), self._path))

    def __repr__(self) -> str:
        return "<proxy of %r>" % self._path


class Connection:
    """One connection, the same on both sides once it is open."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, codec: Codec, root: Optional[Service] = None
    ) -> None:
        self.reader, self.writer = reader, writer
        self.codec = codec
        self.root = root
        self.origin = "%s:%s" % tuple((writer.get_extra_info("peername") or ("?", "?"))[:2])
        self.next_id = 0
        self.pending: Dict[int, asyncio.Future] = {}
        self.given_up: Set[int] = set()
        self.running: Dict[int, asyncio.Task] = {}
        self.late_replies = 0
        self.on_stray: Optional[Callable[[list], None]] = None
        self.on_frame: Optional[Callable[[str, bytes], None]] = None
        self.closed: asyncio.Future = asyncio.get_running_loop().create_future()
        self.service_type_id = codec.add_serializer(object, self.write_reference, self.read_service)
        self._reading = asyncio.ensure_future(self._read())

    @property
    def remote(self) -> Proxy:
        """The root of the other side."""
        return Proxy(self, "")

    # -- references --------------------------------------------------------

    def write_reference(self, value: Any) -> Any:
        """Return what stands for *value*: the path of one of this side's services."""
        if not isinstance(value, Service):
            raise SerializationError("%r is not a service" % type(value))
        if self.root is None:
            raise SerializationError("nothing is served on this side")
        path = path_of(self.root, value)
        if path is None:
            raise SerializationError("%r is not under the root of this connection" % type(value))
        return path

    def read_service(self, path: Any) -> Proxy:
        """Return a proxy of a service of the other side."""
        if not isinstance(path, str):
            raise SerializationError("a path is a string")
        return Proxy(self, path)

    # -- calls out ---------------------------------------------------------

    async def call(self, path: str, args: Any = (), kwargs: Optional[dict] = None) -> Any:
        """Send a request and wait for its answer."""
        return await self.request([path, list(args), kwargs or {}])

    async def request(self, content: Any) -> Any:
        """Send a request with any content and wait for its answer."""
        if self.closed.done():
            raise ConnectionResetError("the connection is closed")
        number = self._new_id()
        frame = self.codec.encode([REQUEST, number, content])
        answer = asyncio.get_running_loop().create_future()
        self.pending[number] = answer
        try:
            self.send_payload(frame)
            return await answer
        except asyncio.CancelledError:
            if number in self.pending:
                self.given_up.add(number)
            raise
        finally:
            self.pending.pop(number, None)

    def _new_id(self) -> int:
        while self.next_id in self.pending or self.next_id in self.given_up:
            self.next_id = (self.next_id + 1) % (1 << 32)
        number = self.next_id
        self.next_id = (number + 1) % (1 << 32)
        return number

    def send_message(self, message: Any) -> None:
        """Encode and send one message."""
        self.send_payload(self.codec.encode(message))

    def send_payload(self, payload: bytes) -> None:
        """Send one frame."""
        if self.on_frame is not None:
            self.on_frame("out", payload)
        self.send_bytes(struct.pack(">I", len(payload)) + payload)

    def send_bytes(self, raw: bytes) -> None:
        """Send bytes as they are."""
        if not self.writer.is_closing():
            self.writer.write(raw)

    # -- what comes in -----------------------------------------------------

    async def _read(self) -> None:
        reason: Optional[BaseException] = None
        try:
            while True:
                (length,) = struct.unpack(">I", await self.reader.readexactly(4))
                if length >= EXTENDED:
                    await self.read_extended(length - EXTENDED)
                    continue
                if length > MAX_FRAME_BYTES:
                    raise ProtocolError("a frame of %d bytes" % length)
                payload = await self.reader.readexactly(length)
                if self.on_frame is not None:
                    self.on_frame("in", payload)
                self._dispatch(*self.codec.decode_with_problems(payload))
        except asyncio.IncompleteReadError as error:
            if error.partial:
                reason = ProtocolError("the connection ended within a frame")
        except Exception as error:  # whatever it is, it ends this connection only
            reason = error
        finally:
            self._end(reason)

    async def read_extended(self, length: int) -> None:
        """Read an extended frame: only who has said so takes any."""
        raise ProtocolError("an extended frame")

    def _dispatch(self, message: Any, problems: List[Exception]) -> None:
        if not isinstance(message, list) or len(message) != 3:
            raise ProtocolError("a message has three parts")
        kind, number, content = message
        if type(kind) is not int or type(number) is not int or not 0 <= number < 1 << 32:
            raise ProtocolError("type and id of a message are numbers")
        if kind == REQUEST:
            if number in self.running:
                raise ProtocolError("request %d is live already" % number)
            task = asyncio.ensure_future(self._answer(number, content, problems))
            self.running[number] = task
            task.add_done_callback(lambda _: self.running.pop(number, None))
        elif kind in (RESULT, EXCEPTION):
            self._settle(kind, number, content, problems)
        else:
            self.on_other(kind, content, problems)

    def on_other(self, kind: int, content: Any, problems: List[Exception]) -> None:
        """Take a message of another type: a plain peer knows none."""
        raise ProtocolError("unknown message type %d" % kind)

    def _settle(self, kind: int, number: int, content: Any, problems: List[Exception]) -> None:
        answer = self.pending.pop(number, None)
        if answer is None:
            if number in self.given_up:
                self.given_up.discard(number)
                self.late_replies += 1
            elif self.on_stray is not None:
                self.on_stray([kind, number, content])
            else:
                raise ProtocolError("a reply to %d, which was never asked" % number)
        elif answer.done():  # cancelled in this very turn
            self.late_replies += 1
        elif problems:
            answer.set_exception(problems[0])
        elif kind == RESULT:
            answer.set_result(content)
        else:
            answer.set_exception(RemoteException(self.origin, content))

    async def _answer(self, number: int, content: Any, problems: List[Exception]) -> None:
        try:
            if problems:
                raise problems[0]
            payload = self.codec.encode([RESULT, number, await self.run(content)])
        except asyncio.CancelledError:
            if self.closed.done():
                return
            payload = self.codec.encode([EXCEPTION, number, self.exception_content(asyncio.CancelledError("cancelled"))])
        except Exception as error:  # a handler may throw anything
            payload = self.codec.encode([EXCEPTION, number, self.exception_content(error)])
        self.send_payload(payload)

    async def run(self, content: Any) -> Any:
        """Carry out one request and return its result."""
        path, args, kwargs = self.unpack(content)
        result = self.find_function(path)(*args, **kwargs)
        return await result if inspect.isawaitable(result) else result

    def find_function(self, path: str) -> Callable:
        """Return what a request to *path* calls."""
        return find_function(self.root, path)

    def unpack(self, content: Any) -> Tuple[str, list, dict]:
        """Take the content of a request apart: exactly path, args and kwargs."""
        if not isinstance(content, list) or len(content) != 3:
            raise TypeError("the content of a request is [path, args, kwargs]")
        path, args, kwargs = content
        if not isinstance(path, str) or not isinstance(args, list) or not isinstance(kwargs, dict):
            raise TypeError("the content of a request is [path, args, kwargs]")
        return path, args, kwargs

    def exception_content(self, error: BaseException) -> Any:
        """Return what is answered for an exception: the text of the traceback."""
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        return text.encode("utf-8", "backslashreplace").decode("utf-8")

    # -- the end -----------------------------------------------------------

    def _end(self, reason: Optional[BaseException]) -> None:
        if self.closed.done():
            return
        self.closed.set_result(reason)
        for answer in list(self.pending.values()):
            if not answer.done():
                answer.set_exception(ConnectionResetError("connection closed: %s" % (reason or "end of file")))
        for task in list(self.running.values()):
            task.cancel()
        self.writer.close()

    async def close(self) -> None:
        """Close the connection."""
        self._end(None)
        self._reading.cancel()
        try:
            await self.writer.wait_closed()
        except (ConnectionError, OSError):
            pass
