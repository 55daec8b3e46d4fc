"""RPyC with its defaults and TCP_NODELAY.

Numbers travel by value, functions by reference; calls that overlap are asynchronous ones. There is no echo: an object
would travel by reference, too, and stay where it is.
"""

import socket
import sys
from collections import deque
from typing import Any, Callable

import rpyc
from rpyc.core.stream import SocketStream
from rpyc.utils.server import ThreadedServer

from harness import Meter, after_callback, announce, bump, drive


class Callee(rpyc.Service):
    def exposed_add(self, a: float, b: float) -> float:
        return a + b

    def exposed_callback(self, n: int, ask: Callable[[int], int]) -> int:
        return after_callback(ask(n))


class Client:
    def __init__(self, address: str) -> None:
        host, port = address.split(":")
        self._connection = rpyc.connect_stream(SocketStream.connect(host, int(port), nodelay=True))
        root = self._connection.root
        self._methods = {"add": root.add, "callback": root.callback}

    def call(self, operation: str, args: list[Any]) -> Any:
        return self._methods[operation](*self._arguments(operation, args))

    def keep_in_flight(self, operation: str, args: list[Any], in_flight: int, meter: Meter) -> None:
        start = rpyc.async_(self._methods[operation])
        arguments = self._arguments(operation, args)
        under_way = deque(start(*arguments) for _ in range(in_flight))
        while under_way:
            if meter.take(under_way.popleft().value):
                under_way.append(start(*arguments))

    def close(self) -> None:
        self._connection.close()

    def _arguments(self, operation: str, args: list[Any]) -> list[Any]:
        return [*args, bump] if operation == "callback" else args


def serve() -> None:
    server = ThreadedServer(Callee, hostname="127.0.0.1", port=0)
    server.listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    announce(f"127.0.0.1:{server.port}", {"rpyc": ".".join(map(str, rpyc.version.version))})
    server.start()


if sys.argv[1] == "server":
    serve()
else:
    drive(Client(sys.argv[2]))
