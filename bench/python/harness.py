"""What the Python peers share: orders as JSON lines on standard input, reports as JSON lines on standard output.

A program ends when its standard input does, so that none outlives the process that started it.
"""

import json
import os
import queue
import sys
import threading
import time
from typing import Any, Iterator, Protocol

MAX_SAMPLE_COUNT = 2**20


class Meter:
    """Counts what comes back while warm-up and timed window last."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._operation: str = order["operation"]
        self._args: list[Any] = order["args"]
        self._timed_from = time.perf_counter() + order["warmUpMs"] / 1000
        self._end = self._timed_from + order["timedMs"] / 1000
        self._start: float | None = None
        self._count = 0
        self._seconds: float | None = None

    def take(self, result: Any) -> bool:
        """Takes one result; false when no call should be started any more."""
        require_right(self._operation, self._args, result)
        if self._seconds is not None:
            return False
        now = time.perf_counter()
        if self._start is None:
            if now >= self._timed_from:
                self._start = now
            return True
        self._count += 1
        if now < self._end:
            return True
        self._seconds = now - self._start
        return False

    def measurement(self) -> dict[str, Any]:
        if self._seconds is None:
            raise RuntimeError("no call ended within the timed window")
        return {"value": self._count / self._seconds, "calls": self._count}


class Client(Protocol):
    """The calling side of a peer, over one connection."""

    def call(self, operation: str, args: list[Any]) -> Any:
        """Makes one call and waits for its result."""

    def keep_in_flight(self, operation: str, args: list[Any], in_flight: int, meter: Meter) -> None:
        """Keeps so many calls in flight and gives the meter each result until it wants no more."""

    def close(self) -> None: ...


def bump(n: int) -> int:
    """What runs in the client when the server calls back."""
    return n + 1


def after_callback(bumped: int) -> int:
    """What the server makes of the client's answer."""
    return bumped * 2


def tell(report: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(report) + "\n")
    sys.stdout.flush()


def orders() -> Iterator[dict[str, Any]]:
    """Orders as they come. A thread reads them, so that the end of input is seen in the midst of work, too."""
    waiting: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            waiting.put(json.loads(line))
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    while True:
        yield waiting.get()


def announce(address: str, versions: dict[str, str]) -> None:
    """Tells where the server listens; it runs until there is no more input."""
    python = ".".join(map(str, sys.version_info[:3]))
    tell({"address": address, "versions": {"python": python, **versions}})

    def wait() -> None:
        sys.stdin.read()
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()


def drive(client: Client) -> None:
    """Does what the orders say, one after another."""
    tell({"ready": True})
    for order in orders():
        try:
            if order["operation"] == "measure":
                result = measure(client, order["args"][0])
            elif order["operation"] == "close":
                result = client.close()
            else:
                result = client.call(order["operation"], order["args"])
            tell({"id": order["id"], "result": result})
        except Exception as error:
            tell({"id": order["id"], "error": f"{type(error).__name__}: {error}"})


def measure(client: Client, order: dict[str, Any]) -> dict[str, Any]:
    if order["kind"] == "latency":
        return measure_latency(client, order)
    meter = Meter(order)
    client.keep_in_flight(order["operation"], order["args"], order["inFlight"], meter)
    return meter.measurement()


def measure_latency(client: Client, order: dict[str, Any]) -> dict[str, Any]:
    operation, args = order["operation"], order["args"]
    samples: list[float] = []
    clock = time.perf_counter
    before = clock()
    timed_from = before + order["warmUpMs"] / 1000
    end = timed_from + order["timedMs"] / 1000
    while before < end and len(samples) < MAX_SAMPLE_COUNT:
        require_right(operation, args, client.call(operation, args))
        now = clock()
        if before >= timed_from:
            samples.append((now - before) * 1e6)
        before = now
    if not samples:
        raise RuntimeError("no call ended within the timed window")
    samples.sort()
    return {"value": quantile(samples, 0.5), "calls": len(samples), "p99": quantile(samples, 0.99)}


def quantile(ascending: list[float], share: float) -> float:
    """The value below which that share lies, interpolated between neighbours."""
    place = (len(ascending) - 1) * share
    below = int(place)
    low, high = ascending[below], ascending[min(below + 1, len(ascending) - 1)]
    return low + (high - low) * (place - below)


def require_right(operation: str, args: list[Any], result: Any) -> None:
    if operation == "add":
        is_right = result == args[0] + args[1]
    elif operation == "echo":
        is_right = result is not args[0] and result["comment"] == args[0]["comment"]
    else:
        is_right = result == after_callback(bump(args[0]))
    if not is_right:
        raise ValueError(f"wrong result while measuring: {result!r}")
