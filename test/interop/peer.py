"""A plain peer as a library and as a script: opens connections, and serves.

As a script it serves the fixed root of ``roots.py``, or calls one method::

    python3 peer.py --codec msgpack serve
    python3 peer.py call 127.0.0.1:5555 add '[3, 4]'

``serve`` prints one JSON line with the port.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from typing import Any, Callable, List, Optional, Tuple, Union

from codec import CODECS, Codec
from connection import Connection
from roots import make_root
from services import Service

Opener = Callable[..., Connection]
"""Makes a connection of reader, writer, codec and root."""


def parse_address(address: str) -> Union[str, Tuple[str, int]]:
    """Read ``host:port`` or ``tcp://host:port``; ``ipc://[/path]`` gives the path alone."""
    if address.startswith("ipc://"):
        return address[len("ipc://") :].strip("[]")
    match = re.fullmatch(r"(?:tcp://)?\[?([^/]*?)\]?:(\d+)", address)
    if match is None:
        raise ValueError("can't read the address %r" % address)
    return match.group(1), int(match.group(2))


async def connect(
    address: str, codec: Codec, root: Optional[Service] = None, opener: Opener = Connection
) -> Connection:
    """Open a connection; *root* is what this side serves on it."""
    where = parse_address(address)
    if isinstance(where, str):
        reader, writer = await asyncio.open_unix_connection(where)
    else:
        reader, writer = await asyncio.open_connection(*where)
    return opener(reader, writer, codec, root)


class Server:
    """Listens, with a connection and a codec of its own for each client."""

    def __init__(
        self, new_codec: Callable[[], Codec], root: Optional[Service] = None, opener: Opener = Connection
    ) -> None:
        self.new_codec, self.root, self.opener = new_codec, root, opener
        self.connections: List[Connection] = []
        self.on_connection: Optional[Callable[[Connection], Any]] = None
        self._server: Optional[asyncio.AbstractServer] = None

    async def listen(self, address: str = "127.0.0.1:0") -> str:
        """Start listening and return the address, with the port that the system chose."""
        where = parse_address(address)
        if isinstance(where, str):
            self._server = await asyncio.start_unix_server(self._accept, where)
            return "ipc://[%s]" % where
        self._server = await asyncio.start_server(self._accept, *where)
        host, port = self._server.sockets[0].getsockname()[:2]
        return "tcp://%s:%d" % ("[%s]" % host if ":" in host else host, port)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = self.opener(reader, writer, self.new_codec(), self.root)
        self.connections.append(connection)
        if self.on_connection is not None:
            self.on_connection(connection)

    async def close(self) -> None:
        """Stop listening and close every connection."""
        if self._server is not None:
            self._server.close()
        for connection in self.connections:
            await connection.close()


async def _serve(codec_name: str) -> None:
    server = Server(CODECS[codec_name], make_root())
    address = await server.listen()
    print(json.dumps({"port": parse_address(address)[1], "address": address}), flush=True)
    await asyncio.get_running_loop().create_future()


async def _call(codec_name: str, address: str, path: str, args: str) -> None:
    connection = await connect(address, CODECS[codec_name](), make_root())
    print(await connection.call(path, json.loads(args)))
    await connection.close()


def main() -> None:
    """Run as a script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--codec", choices=sorted(CODECS), default="json")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve")
    call = commands.add_parser("call")
    call.add_argument("address")
    call.add_argument("path")
    call.add_argument("args", nargs="?", default="[]")
    options = parser.parse_args()
    if options.command == "serve":
        asyncio.run(_serve(options.codec))
    else:
        asyncio.run(_call(options.codec, options.address, options.path, options.args))


if __name__ == "__main__":
    main()
