"""Services: objects with exposed methods and sub-services, found by path."""

from __future__ import annotations

import contextvars
from typing import Any, Callable, Dict, Iterator, Optional, Tuple

current_meta: contextvars.ContextVar = contextvars.ContextVar("meta", default=None)
"""The ``meta`` map that came with the request that is being carried out, or None."""


def expose(function: Callable) -> Callable:
    """Mark a function or method: it may be called by the other side."""
    if not callable(function):
        raise ValueError("%r is not callable" % (function,))
    function.exposed = True
    return function


class Service:
    """Has exposed methods, and members by name: sub-services and exposed functions.

    ``members`` may change while the service is served.
    """

    def __init__(self, **members: Any) -> None:
        self.members: Dict[str, Any] = dict(members)

    def member(self, name: str) -> Any:
        """Return the sub-service or function *name*, or None."""
        if name in self.members:
            return self.members[name]
        if getattr(type(self), name, None) is None or name.startswith("_"):
            return None
        return getattr(self, name)


def coded(error: Exception, code: str, executed: str) -> Exception:
    """Mark an exception with what a peer that said hello is told of it."""
    error.code, error.executed = code, executed
    return error


def not_found(message: str) -> Exception:
    """Return the exception for a name that isn't there."""
    return coded(LookupError(message), "NOT_FOUND", "no")


def walk(root: Service, prefix: str = "") -> Iterator[Tuple[str, Service]]:
    """Yield path and service of *root* and of everything below it."""
    yield prefix, root
    for name, member in list(root.members.items()):
        if isinstance(member, Service):
            yield from walk(member, prefix + "/" + name if prefix else name)


def path_of(root: Optional[Service], service: Service) -> Optional[str]:
    """Return the path of *service* under *root*, or None."""
    if root is None:
        return None
    for path, candidate in walk(root):
        if candidate is service:
            return path
    return None


def find(root: Optional[Service], path: str) -> Any:
    """Return the service or function at *path*; a LookupError for a name that isn't there."""
    if root is None:
        raise not_found("nothing is served on this side")
    found: Any = root
    passed: list = []
    for name in path.split("/") if path else []:
        member = found.member(name) if isinstance(found, Service) else None
        if member is None:
            raise not_found('Name "%s" not found in "%s"' % (name, "/".join(passed)))
        passed.append(name)
        found = member
    return found


def find_function(root: Optional[Service], path: str) -> Callable:
    """Return the exposed function at *path*."""
    found = find(root, path)
    if isinstance(found, Service) or not getattr(found, "exposed", False):
        raise coded(AttributeError('"%s" is not exposed' % path), "NOT_EXPOSED", "no")
    return found
