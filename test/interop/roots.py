"""The fixed services that tests call."""

from __future__ import annotations

import asyncio
from typing import Any, List, Optional

from services import Service, current_meta, expose, find


def _method(service: Any, method: str) -> Any:
    """Return *method* (parts joined by ``/``) of a proxy; the proxy itself for an empty one."""
    for part in method.split("/") if method else []:
        service = getattr(service, part)
    return service


class Methods(Service):
    """What the root and the agents have in common."""

    def __init__(self, **members: Any) -> None:
        super().__init__(**members)
        self.kept: Any = None

    @expose
    def add(self, a: Any, b: Any) -> Any:
        """Add two values."""
        return a + b

    @expose
    def echo(self, x: Any) -> Any:
        """Return what came."""
        return x

    @expose
    def fail(self, message: str) -> None:
        """Raise a ValueError."""
        raise ValueError(message)

    @expose
    def kw(self, **kwargs: Any) -> dict:
        """Return the keyword arguments."""
        return kwargs

    @expose
    async def sleep(self, seconds: float, value: Any = None) -> Any:
        """Return *value* after a while."""
        await asyncio.sleep(seconds)
        return value

    @expose
    async def call_back(self, service: Any, method: str, *args: Any) -> Any:
        """Call a method of the service that was handed in, and return its result."""
        return await _method(service, method)(*args)

    @expose
    def keep(self, service: Any) -> None:
        """Keep a service for later."""
        self.kept = service

    @expose
    async def call_kept(self, method: str, *args: Any) -> Any:
        """Call a method of the service that was kept, and return its result."""
        return await _method(self.kept, method)(*args)

    @expose
    def give_kept(self) -> Any:
        """Return the service that was kept."""
        return self.kept

    @expose
    def give(self, path: str) -> Any:
        """Return the service at *path* below this one."""
        return find(self, path)

    @expose
    def meta(self) -> Any:
        """Return the ``meta`` map that this very request came with, or None."""
        return current_meta.get()

    def hidden(self) -> str:
        """Is not exposed."""
        return "not for you"


class Deep(Service):
    """The end of the path ``sub/deep/method``."""

    @expose
    def method(self, *args: Any) -> list:
        """Return a name and the arguments."""
        return ["deep", *args]


class ClientService(Service):
    """What a client serves: it is called back while a call of its own is under way."""

    @expose
    def double(self, x: Any) -> Any:
        """Return twice the value."""
        return x * 2

    @expose
    def greet(self, name: str) -> str:
        """Return a greeting."""
        return "Hello %s" % name

    @expose
    async def ask(self, service: Any, method: str, *args: Any) -> Any:
        """Call a method of the service that was handed in, and return its result."""
        return await _method(service, method)(*args)


class TestAgent(Methods):
    """An agent of a container."""

    __test__ = False


class ContainerRoot(Methods):
    """The root of a container: has agents and tells their classes."""

    @expose
    def validate_aid(self, aid: str) -> Optional[str]:
        """Return the class name of an agent, or None."""
        agent = self.members["agents"].members.get(aid)
        return type(agent).__name__ if agent is not None else None


def make_root(container: bool = False, agents: int = 2) -> Service:
    """Return a new root; the root of a container has agents "0", "1", ..."""
    members = {"sub": Service(deep=Deep()), "client": ClientService()}
    if not container:
        return Methods(**members)
    names: List[str] = [str(number) for number in range(agents)]
    return ContainerRoot(agents=Service(**{name: TestAgent() for name in names}), **members)
