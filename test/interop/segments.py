"""A peer that takes and sends segments: large binary values beside its messages.

It is written after the section on segments of the protocol page.  Pieces are
smaller than those of the other implementation and end at odd places; receipts
come at other counts; what it holds back for a test is said by ``hold``.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import struct
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional

from codec import SerializationError, Tagged
from connection import EXTENDED, ProtocolError
from hello_peer import HelloConnection

MESSAGE, PIECE, WITHDRAWAL, RECEIPT, RELEASE = 1, 2, 3, 4, 5
TYPED_ARRAY_ID = -10
LEAST_BYTES = 32 * 1024
MAX_COUNT = 1024
COST = 512
PIECE_BYTES = 49_999
WINDOW_BYTES = 1_000_000
RECEIPT_BYTES = 60_001


@dataclass(frozen=True)
class TypedArray:
    """A typed array of JavaScript: the name of its class, and its bytes."""

    name: str
    data: bytes

    def digest(self) -> dict:
        """Return what tells whether all bytes are right."""
        return {"name": self.name, "length": len(self.data), "sha256": hashlib.sha256(self.data).hexdigest()}


def striped(length: int, seed: int) -> bytes:
    """Return bytes that tell their place, as the tests on the other side make them."""
    return bytes((index * 7 + (index >> 8) + seed) % 251 for index in range(length))


@dataclass
class Incoming:
    """A message that has been announced."""

    payload: bytes
    lengths: List[int]
    counted: int
    parts: List[bytearray] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether all of its segments are there."""
        return all(len(part) == length for part, length in zip(self.parts, self.lengths))


@dataclass
class Outgoing:
    """A message to be sent."""

    payload: bytes
    segments: List[bytes]
    handle: int = -1
    sent: int = 0

    @property
    def size(self) -> int:
        """Return the bytes of all segments."""
        return sum(map(len, self.segments))

    @property
    def counted(self) -> int:
        """Return what it counts beside others."""
        return self.size + len(self.payload) + COST * len(self.segments)


class SegmentConnection(HelloConnection):
    """A connection that says that it takes segments."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.incoming: Dict[int, Incoming] = {}
        self.incoming_counted = 0
        self.unconfirmed = 0
        self.current: List[Optional[bytes]] = []
        self.collected: List[bytes] = []
        self.queue: List[Outgoing] = []
        self.unreleased: Dict[int, Outgoing] = {}
        self.next_handle = 0xFFFFFFFE  # so that counting goes round
        self.under_way = 0
        self.pieces = 0
        self.max_pieces: Optional[int] = None
        self.withdrawals = 0
        self.moved = asyncio.Event()
        super().__init__(*args, **kwargs)
        self._sending = asyncio.ensure_future(self._send_segments())
        self.closed.add_done_callback(lambda _: self._sending.cancel())

    def own_hello(self) -> dict:
        own = super().own_hello()
        limits = {"maxSegmentBytes": 64 * 1024 * 1024, **own["limits"]}
        return {"segments": True, **own, "limits": limits}

    def _greeted(self, content: Any) -> None:
        super()._greeted(content)
        self.codec.add_reader(TYPED_ARRAY_ID, self._read_array)

    @property
    def max_announced(self) -> int:
        """Return how many bytes of segments the other side takes at a time."""
        if not self.said_hello or self.their_hello.get("segments") is not True:
            return 0
        return self.their_hello.get("limits", {}).get("maxSegmentBytes", 1 << 62)

    # -- values ------------------------------------------------------------

    def write_reference(self, value: Any) -> Any:
        if not isinstance(value, TypedArray):
            return super().write_reference(value)
        if not self.said_hello:
            raise SerializationError("a plain peer takes no typed arrays")
        return Tagged(TYPED_ARRAY_ID, [value.name, self._write_bytes(value.data)])

    def _write_bytes(self, data: bytes) -> Any:
        if len(data) >= LEAST_BYTES and self.max_announced > 0 and len(self.collected) < MAX_COUNT:
            self.collected.append(data)
            return len(self.collected) - 1
        return base64.b64encode(data).decode() if self.codec.name == "json" else data

    def _read_array(self, content: Any) -> TypedArray:
        name, data = content
        if isinstance(data, int):
            number, data = data, self.current[data]
            self.current[number] = None
            if data is None:
                raise SerializationError("a segment that stands in the message twice")
        elif isinstance(data, str):
            data = base64.b64decode(data, validate=True)
        return TypedArray(name, bytes(data))

    # -- what comes in -----------------------------------------------------

    async def read_extended(self, length: int) -> None:
        if not self.said_hello:
            raise ProtocolError("an extended frame before hello")
        if length < 5:
            raise ProtocolError("an extended frame of %d bytes" % length)
        kind, number = struct.unpack(">BI", await self.reader.readexactly(5))
        rest = length - 5
        if kind == PIECE and rest > 4:
            await self._read_piece(number, rest - 4)
        elif kind == MESSAGE:
            self._announced(number, await self.reader.readexactly(rest))
        elif rest == 0 and kind == WITHDRAWAL:
            self._forget(number)
            self.withdrawals += 1
        elif rest == 0 and kind == RECEIPT:
            self.under_way -= number
            if self.under_way < 0:
                raise ProtocolError("a receipt of more than was sent")
            self.moved.set()
        elif rest == 0 and kind == RELEASE:
            message = self.unreleased.pop(number, None)
            if message is None or message.sent < message.size:
                raise ProtocolError("a release of what was not sent")
            self.moved.set()
        else:
            raise ProtocolError("an extended frame of kind %d with %d bytes" % (kind, length))

    def _announced(self, handle: int, content: bytes) -> None:
        (count,) = struct.unpack_from(">I", content)
        if handle in self.incoming or not 1 <= count <= MAX_COUNT:
            raise ProtocolError("message %d with %d segments" % (handle, count))
        lengths = struct.unpack_from(">%dQ" % (2 * count), content, 4)
        if any(lengths[1::2]):
            raise ProtocolError("this codec has no packed segments")
        payload = content[4 + 16 * count :]
        message = Incoming(payload, list(lengths[::2]), sum(lengths) + len(payload) + COST * count)
        limit = self.own_hello()["limits"]["maxSegmentBytes"]
        if (sum(lengths) if self.incoming_counted == 0 else self.incoming_counted + message.counted) > limit:
            raise ProtocolError("more segments than this side takes")
        message.parts = [bytearray() for _ in message.lengths]
        self.incoming[handle] = message
        self.incoming_counted += message.counted
        self._finish(handle)

    async def _read_piece(self, handle: int, size: int) -> None:
        (index,) = struct.unpack(">I", await self.reader.readexactly(4))
        message = self.incoming.get(handle)
        if message is None or index >= len(message.lengths):
            raise ProtocolError("a piece of segment %d of %d, which was not announced" % (index, handle))
        if len(message.parts[index]) + size > message.lengths[index]:
            raise ProtocolError("a piece beyond the end")
        while size > 0:
            some = await self.reader.read(min(size, 1 << 16))
            if not some:
                raise asyncio.IncompleteReadError(b"piece", size)
            message.parts[index] += some
            size -= len(some)
            self.unconfirmed += len(some)
            if self.unconfirmed >= RECEIPT_BYTES:
                self._confirm()
        self._finish(handle)

    def _finish(self, handle: int) -> None:
        message = self.incoming[handle]
        if not message.complete:
            return
        self._confirm()
        self._forget(handle)
        self._send_short(RELEASE, handle)
        self.current = [bytes(part) for part in message.parts]
        try:
            self._dispatch(*self.codec.decode_with_problems(message.payload))
        finally:
            self.current = []

    def _forget(self, handle: int) -> None:
        message = self.incoming.pop(handle, None)
        if message is None:
            raise ProtocolError("message %d is not on its way" % handle)
        self.incoming_counted -= message.counted

    def _confirm(self) -> None:
        if self.unconfirmed:
            self._send_short(RECEIPT, self.unconfirmed)
            self.unconfirmed = 0

    # -- what goes out -----------------------------------------------------

    def send_payload(self, payload: bytes) -> None:
        segments, self.collected = self.collected, []
        if not segments:
            return super().send_payload(payload)
        message = Outgoing(payload, segments)
        if message.size > self.max_announced:
            raise SerializationError("%d bytes of segments; the other side takes %d" % (message.size, self.max_announced))
        self.queue.append(message)
        self.moved.set()

    def hold(self, pieces: Optional[int]) -> None:
        """Send so many pieces and no more, until the next call."""
        self.max_pieces = None if pieces is None else self.pieces + pieces
        self.moved.set()

    def withdraw(self) -> int:
        """Take back what has not been sent in full; the calls never get an answer."""
        withdrawn = [message for message in [*self.unreleased.values(), *self.queue] if message.sent < message.size]
        for message in withdrawn:
            if self.unreleased.pop(message.handle, None) is not None:
                self._send_short(WITHDRAWAL, message.handle)
        self.queue.clear()
        for answer in self.pending.values():
            answer.cancel()
        self.moved.set()
        return len(withdrawn)

    def _send_short(self, kind: int, number: int) -> None:
        self.send_bytes(struct.pack(">IBI", EXTENDED + 5, kind, number))

    async def _send_segments(self) -> None:
        while True:
            await self.moved.wait()
            self.moved.clear()
            self._announce()
            while await self._send_pieces():
                pass

    def _announce(self) -> None:
        while self.queue:
            message = self.queue[0]
            counted = sum(other.counted for other in self.unreleased.values())
            if (counted + message.counted if counted else message.size) > self.max_announced:
                return
            self.queue.pop(0)
            message.handle = self.next_handle
            self.next_handle = (self.next_handle + 1) % (1 << 32)
            self.unreleased[message.handle] = message
            head = struct.pack(">BII", MESSAGE, message.handle, len(message.segments))
            head += b"".join(struct.pack(">QQ", len(segment), 0) for segment in message.segments)
            self.send_bytes(struct.pack(">I", EXTENDED + len(head) + len(message.payload)) + head + message.payload)

    async def _send_pieces(self) -> bool:
        """Send a piece of each message; False if nothing could be sent."""
        sent = False
        for message in list(self.unreleased.values()):
            if self.under_way >= WINDOW_BYTES or (self.max_pieces is not None and self.pieces >= self.max_pieces):
                return False
            if message.handle not in self.unreleased or message.sent == message.size:
                continue
            index, start = 0, message.sent
            while start >= len(message.segments[index]):
                start -= len(message.segments[index])
                index += 1
            data = message.segments[index][start : start + PIECE_BYTES]
            head = struct.pack(">IBII", EXTENDED + 9 + len(data), PIECE, message.handle, index)
            message.sent += len(data)
            self.under_way += len(data)
            self.pieces += 1
            self.send_bytes(head + data)
            await self.writer.drain()
            sent = True
        return sent
