"""Pyro 4 with MsgPack and TCP_NODELAY.

Its proxies make one call at a time; several go together as a batch, its own way of pipelining. The server calls back
over a connection of its own to an object that the client serves.
"""

import sys
import threading
from typing import Any

import msgpack
import Pyro4

from harness import Meter, after_callback, announce, bump, drive

Pyro4.config.SERIALIZER = "msgpack"
Pyro4.config.SOCK_NODELAY = True
Pyro4.config.SERIALIZERS_ACCEPTED = {"msgpack"}


@Pyro4.expose
@Pyro4.behavior(instance_mode="session")
class Callee:
    def __init__(self) -> None:
        self._caller: Any = None

    def add(self, a: float, b: float) -> float:
        return a + b

    def echo(self, payload: Any) -> Any:
        return payload

    def set_caller(self, uri: str) -> None:
        self._caller = Pyro4.Proxy(uri)

    def callback(self, n: int) -> int:
        return after_callback(self._caller.bump(n))


@Pyro4.expose
class Caller:
    @Pyro4.callback
    def bump(self, n: int) -> int:
        return bump(n)


class Client:
    def __init__(self, address: str) -> None:
        daemon = Pyro4.Daemon(host="127.0.0.1")
        threading.Thread(target=daemon.requestLoop, daemon=True).start()
        self._callee = Pyro4.Proxy(address)
        self._callee.set_caller(str(daemon.register(Caller())))

    def call(self, operation: str, args: list[Any]) -> Any:
        return getattr(self._callee, operation)(*args)

    def keep_in_flight(self, operation: str, args: list[Any], in_flight: int, meter: Meter) -> None:
        is_wanted = True
        while is_wanted:
            batch = Pyro4.batch(self._callee)
            add_call = getattr(batch, operation)
            for _ in range(in_flight):
                add_call(*args)
            for result in batch():
                is_wanted = meter.take(result)

    def close(self) -> None:
        self._callee._pyroRelease()


def serve() -> None:
    daemon = Pyro4.Daemon(host="127.0.0.1")
    uri = daemon.register(Callee)
    announce(str(uri), {"Pyro4": Pyro4.__version__, "msgpack": ".".join(map(str, msgpack.version))})
    daemon.requestLoop()


if sys.argv[1] == "server":
    serve()
else:
    drive(Client(sys.argv[2]))
