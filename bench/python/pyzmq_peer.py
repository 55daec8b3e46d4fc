"""ZeroMQ has messages, not calls: those are made of a DEALER, a ROUTER, MsgPack and a map of pending calls."""

import sys
from typing import Any, Callable

import msgpack
import zmq

from harness import Meter, after_callback, announce, bump, drive

REQUEST = 0
RESULT = 1
CONNECT_LIMIT_MS = 5000

OnResult = Callable[[Any], None]


class Calls:
    """Calls in both directions between two ends; `send` takes one whole message."""

    def __init__(self, send: Callable[[bytes], Any]) -> None:
        self._send = send
        self._pending: dict[int, OnResult] = {}
        self._next_id = 0

    def start(self, path: str, args: list[Any], on_result: OnResult) -> None:
        call_id = self._next_id
        self._next_id += 1
        self._pending[call_id] = on_result
        self._send(msgpack.packb([REQUEST, call_id, path, args]))

    def accept(self, body: bytes) -> None:
        message = msgpack.unpackb(body)
        if message[0] == RESULT:
            self._pending.pop(message[1])(message[2])
        else:
            _, call_id, path, args = message
            getattr(self, f"serve_{path}")(call_id, *args)

    def answer(self, call_id: int, result: Any) -> None:
        self._send(msgpack.packb([RESULT, call_id, result]))


class CalleeCalls(Calls):
    def serve_add(self, call_id: int, a: float, b: float) -> None:
        self.answer(call_id, a + b)

    def serve_echo(self, call_id: int, payload: Any) -> None:
        self.answer(call_id, payload)

    def serve_callback(self, call_id: int, n: int) -> None:
        self.start("bump", [n], lambda bumped: self.answer(call_id, after_callback(bumped)))


class CallerCalls(Calls):
    def serve_bump(self, call_id: int, n: int) -> None:
        self.answer(call_id, bump(n))


class Client:
    def __init__(self, address: str) -> None:
        self._socket = create_socket(zmq.DEALER)
        self._socket.connect(address)
        self._calls = CallerCalls(self._socket.send)
        self._await_server(address)

    def call(self, operation: str, args: list[Any]) -> Any:
        results: list[Any] = []
        self._calls.start(operation, args, results.append)
        while not results:
            self._calls.accept(self._socket.recv())
        return results[0]

    def keep_in_flight(self, operation: str, args: list[Any], in_flight: int, meter: Meter) -> None:
        under_way = in_flight

        def on_result(result: Any) -> None:
            nonlocal under_way
            if meter.take(result):
                self._calls.start(operation, args, on_result)
            else:
                under_way -= 1

        for _ in range(in_flight):
            self._calls.start(operation, args, on_result)
        while under_way > 0:
            self._calls.accept(self._socket.recv())

    def _await_server(self, address: str) -> None:
        """A ZeroMQ socket waits for a server that isn't there yet; so the first answer tells whether there is one."""
        self._calls.start("add", [0, 0], lambda _: None)
        if self._socket.poll(CONNECT_LIMIT_MS) == 0:
            raise ConnectionError(f"no answer from {address}")
        self._calls.accept(self._socket.recv())

    def close(self) -> None:
        self._socket.close()


def create_socket(kind: int) -> zmq.Socket:
    """A ROUTER drops what passes its high-water mark, which would leave calls without an answer: so there is none."""
    socket = zmq.Context.instance().socket(kind)
    socket.set_hwm(0)
    socket.linger = 0
    return socket


def serve() -> None:
    router = create_socket(zmq.ROUTER)
    port = router.bind_to_random_port("tcp://127.0.0.1")
    versions = {"pyzmq": zmq.__version__, "libzmq": zmq.zmq_version(), "msgpack": ".".join(map(str, msgpack.version))}
    announce(f"tcp://127.0.0.1:{port}", versions)
    clients: dict[bytes, Calls] = {}
    while True:
        identity, body = router.recv_multipart()
        calls = clients.get(identity)
        if calls is None:
            calls = clients[identity] = CalleeCalls(lambda answer, to=identity: router.send_multipart((to, answer)))
        calls.accept(body)


if sys.argv[1] == "server":
    serve()
else:
    drive(Client(sys.argv[2]))
