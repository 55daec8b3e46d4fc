"""Drives a Python peer by JSON lines, so that tests in another language can script it.

Started as a server or a client::

    python3 drive.py --mode server [--listen 127.0.0.1:0]
    python3 drive.py --mode client --address 127.0.0.1:5555

with ``--codec json|msgpack``, ``--container``, ``--extra point`` (any number, in
order), ``--hello``, ``--hello-fields JSON``, ``--no-root`` and ``--record``.  A
server prints ``{"port": n, "address": text}`` first, and each open connection is
one line ``{"connected": k, "peer": text}``; ``k`` counts from 0.

Each line on stdin is a command ``{"op": name, ...}``; ``README.md`` lists them.
Commands start in their order and don't wait for one another.  Each prints one
line, ``{"result": value}``, ``{"exception": {...}}`` (the other side's) or
``{"error": {...}}`` (this side's), with the ``id`` of the command if it has one.
At the end of stdin what is under way is finished first.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import struct
import sys
import threading
from functools import partial
from typing import Any, Dict, List, Optional

from codec import CODECS, EXTRA, Codec
from connection import Connection, RemoteException
from hello_peer import HelloConnection
from peer import Server, connect
from roots import make_root
from values import Values


def emit(line: dict) -> None:
    """Print one line."""
    sys.stdout.write(json.dumps(line, allow_nan=False) + "\n")
    sys.stdout.flush()


class Driver:
    """Carries out the commands; the method ``op_x`` is the command ``x``."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.root = None if options.no_root else make_root(options.container)
        self.values = Values(self.root)
        self.connections: List[Connection] = []
        self.frames: Dict[int, list] = {}
        self.running: Dict[Any, asyncio.Task] = {}
        self.server: Optional[Server] = None

    # -- connections -------------------------------------------------------

    def new_codec(self) -> Codec:
        """Return a codec for one connection."""
        return CODECS[self.options.codec]([EXTRA[name] for name in self.options.extra], self.options.container)

    @property
    def opener(self) -> Any:
        """What makes a connection."""
        return partial(HelloConnection, fields=self.options.hello_fields) if self.options.hello else Connection

    async def start(self) -> None:
        """Listen or connect."""
        if self.options.mode == "server":
            self.server = Server(self.new_codec, self.root, self.opener)
            self.server.on_connection = self.watch
            address = await self.server.listen(self.options.listen)
            port = None if address.startswith("ipc:") else int(address.rpartition(":")[2])
            emit({"port": port, "address": address})
        elif self.options.address:
            await self.op_connect({"address": self.options.address})

    def watch(self, connection: Connection) -> int:
        """Number a connection and tell when it has closed."""
        number = len(self.connections)
        self.connections.append(connection)
        if self.options.record:
            frames = self.frames[number] = []
            connection.on_frame = lambda way, payload: frames.append([way, payload.hex()])
        connection.closed.add_done_callback(
            lambda done: emit({"closed": True, "connection": number, "reason": _text(done.result())})
        )
        if self.server is not None:
            emit({"connected": number, "peer": connection.origin})
        return number

    def connection(self, command: dict) -> Connection:
        """Return the connection that a command names; the newest one if it names none."""
        return self.connections[command.get("connection", -1)]

    # -- commands ----------------------------------------------------------

    async def op_connect(self, command: dict) -> Any:
        """Open one more connection."""
        connection = await connect(command["address"], self.new_codec(), self.root, self.opener)
        number = self.watch(connection)
        line = {"connected": number, "peer": connection.origin}
        if isinstance(connection, HelloConnection):
            await connection.hello()
            line["hello"] = self.values.write(connection.their_hello)
        emit(line)
        return number

    async def op_call(self, command: dict) -> Any:
        """Call a path of the other side, or a proxy; ``meta`` and ``timeout`` (seconds) as wanted."""
        connection, path = self.connection(command), command.get("path", "")
        if "target" in command:
            proxy = self.values.read(command["target"])._at(path)
            connection, path = proxy._connection, proxy._path
        content = [path, self.values.read(command.get("args", [])), self.values.read(command.get("kwargs", {}))]
        if "meta" in command:
            content.append(self.values.read(command["meta"]))
        return await asyncio.wait_for(connection.request(content), command.get("timeout"))

    async def op_notify(self, command: dict) -> None:
        """Send a notification."""
        self.connection(command).notify(command["path"], self.values.read(command.get("args", [])))

    async def op_send(self, command: dict) -> None:
        """Send any message with this codec.  Replies to it are printed as ``stray``."""
        connection = self._with_strays(command)
        connection.send_message(self.values.read(command["message"]))

    async def op_raw(self, command: dict) -> None:
        """Send bytes as they are."""
        self._with_strays(command).send_bytes(bytes.fromhex(command["hex"]))

    def _with_strays(self, command: dict) -> Connection:
        connection = self.connection(command)
        number = self.connections.index(connection)
        connection.on_stray = lambda message: emit({"stray": self.values.write(message), "connection": number})
        return connection

    async def op_cancel(self, command: dict) -> None:
        """Give up the command ``target``: this side waits no longer and tells nobody."""
        self.running[command["target"]].cancel()

    async def op_release(self, command: dict) -> None:
        """Release a proxy."""
        proxy = self.values.read(command["proxy"])
        proxy._connection.release(proxy)

    async def op_set_next_id(self, command: dict) -> None:
        """Set the id of the next request."""
        self.connection(command).next_id = command["value"]

    async def op_frames(self, command: dict) -> list:
        """Return the payloads since the last time: ``["in" or "out", hex]``."""
        frames = self.frames[self.connections.index(self.connection(command))]
        taken = frames[:]
        del frames[: len(taken)]
        return taken

    async def op_stats(self, command: dict) -> dict:
        """Return what the connection counts."""
        connection = self.connection(command)
        stats = {
            "pending": len(connection.pending),
            "running": len(connection.running),
            "late_replies": connection.late_replies,
            "closed": connection.closed.done(),
        }
        if isinstance(connection, HelloConnection):
            stats.update(
                hello=connection.their_hello,
                exports={str(number): entry[1] for number, entry in connection.exports.by_number.items()},
                received=connection.received,
                notifications=[list(entry) for entry in connection.notifications],
                failed_notifications=connection.failed_notifications,
            )
        return stats

    async def op_wait_closed(self, command: dict) -> Any:
        """Wait until a connection has closed, and return why."""
        return _text(await asyncio.shield(self.connection(command).closed))

    async def op_close(self, command: dict) -> None:
        """Close a connection; ``how`` is "close", "eof" (this direction only) or "abort" (RST)."""
        connection, how = self.connection(command), command.get("how", "close")
        if how == "eof":
            connection.writer.write_eof()
        elif how == "abort":
            _reset_on_close(connection)
            connection.writer.transport.abort()
        else:
            await connection.close()

    async def op_exit(self, command: dict) -> None:
        """End at once."""
        sys.stdout.flush()
        os._exit(0)

    # -- the loop ----------------------------------------------------------

    async def run(self, command: dict) -> None:
        """Carry out one command and print its outcome."""
        line: dict = {"id": command["id"]} if "id" in command else {}
        try:
            operation = getattr(self, "op_%s" % command.get("op"), None)
            if operation is None:
                raise ValueError("unknown op %r" % command.get("op"))
            line["result"] = self.values.write(await operation(command))
        except RemoteException as error:
            line["exception"] = {"origin": error.origin, "form": error.form, "text": error.text}
            if error.form != "string":
                line["exception"]["content"] = self.values.write(error.content)
        except (Exception, asyncio.CancelledError) as error:
            line["error"] = {"type": type(error).__name__, "message": str(error)}
        emit(line)

    async def main(self) -> None:
        """Start, take commands until the end of stdin, finish."""
        lines: asyncio.Queue = asyncio.Queue()
        _read_stdin(lines)
        try:
            await self.start()
        except Exception as error:
            emit({"error": {"type": type(error).__name__, "message": str(error)}})
            raise SystemExit(1)
        while True:
            text = await lines.get()
            if text is None:
                break
            if text.strip():
                self._begin(text)
        while self.running:
            await asyncio.wait(list(self.running.values()))
        for connection in self.connections:
            await connection.close()

    def _begin(self, text: str) -> None:
        command = json.loads(text)
        task = asyncio.ensure_future(self.run(command))
        key = command.get("id", task)
        self.running[key] = task
        task.add_done_callback(lambda _: self.running.pop(key, None))


def _text(error: Optional[BaseException]) -> Optional[str]:
    return None if error is None else "%s: %s" % (type(error).__name__, error)


def _reset_on_close(connection: Connection) -> None:
    linger = struct.pack("ii", 1, 0)
    connection.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


def _read_stdin(lines: asyncio.Queue) -> None:
    loop = asyncio.get_running_loop()

    def read() -> None:
        for text in iter(sys.stdin.readline, ""):
            loop.call_soon_threadsafe(lines.put_nowait, text)
        loop.call_soon_threadsafe(lines.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()


def parse_options(argv: Optional[List[str]] = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", choices=("client", "server"), required=True)
    parser.add_argument("--codec", choices=sorted(CODECS), default="json")
    parser.add_argument("--address", help="where a client connects; without it, wait for the op connect")
    parser.add_argument("--listen", default="127.0.0.1:0", help="where a server listens")
    parser.add_argument("--container", action="store_true", help="number types and serve agents as a container does")
    parser.add_argument("--extra", choices=sorted(EXTRA), action="append", default=[], help="an extra serializer")
    parser.add_argument("--hello", action="store_true", help="say hello, and answer it")
    parser.add_argument("--hello-fields", type=json.loads, default={}, help="more fields of the own hello")
    parser.add_argument("--no-root", action="store_true", help="serve nothing")
    parser.add_argument("--record", action="store_true", help="keep the payloads for the op frames")
    return parser.parse_args(argv)


if __name__ == "__main__":
    try:
        asyncio.run(Driver(parse_options()).main())
    except KeyboardInterrupt:
        pass
