"""Values in the driver's JSON lines: what JSON lacks is a map with one ``$`` key.

====================================  =================================================
``{"$bytes": hex}``                   bytes
``{"$date": iso}``                    a date
``{"$int": text}``                    an integer over 2^53
``{"$float": text}``                  a float: ``nan``, ``inf``, or one without fraction
``{"$map": [[key, value], ...]}``     a map with keys other than strings, or ``$`` keys
``{"$point": {"x": 1, "y": 2}}``      a Point
``{"$ndarray": {"dtype", "shape", "hex"}}``  an array
``{"$undefined": true}``              ``undefined``
``{"$standard": [id, data]}``         a value of a built-in type, by its id
``{"$service": path}``                a service of this side, by its path
``{"$new": "client"}``                a new service that hangs under no root
``{"$function": path}``               an exposed function of this side
``{"$proxy": n, "path": text}``       a proxy, known by its number from then on
====================================  =================================================
"""

from __future__ import annotations

import datetime
import math
from typing import Any, List, Optional

from codec import NdArray, Point, parse_date
from connection import Proxy
from hello_peer import FunctionProxy, Standard, undefined
from roots import ClientService
from services import Service, find, path_of

SAFE = 1 << 53


class Values:
    """Turns values into their form in JSON lines and back, and numbers the proxies."""

    def __init__(self, root: Optional[Service]) -> None:
        self.root = root
        self.proxies: List[Proxy] = []

    def read(self, form: Any) -> Any:
        """Return the value of a form."""
        if isinstance(form, list):
            return [self.read(item) for item in form]
        if not isinstance(form, dict):
            return form
        marker = next((key for key in form if key.startswith("$")), None)
        if marker is None:
            return {key: self.read(item) for key, item in form.items()}
        content = form[marker]
        reader = getattr(self, "_read_" + marker[1:], None)
        if reader is None:
            raise ValueError("unknown marker %r" % marker)
        return reader(content)

    def _read_bytes(self, content: str) -> bytes:
        return bytes.fromhex(content)

    def _read_date(self, content: str) -> datetime.datetime:
        return parse_date(content)

    def _read_int(self, content: str) -> int:
        return int(content)

    def _read_float(self, content: str) -> float:
        return float(content)

    def _read_map(self, content: list) -> dict:
        return {self.read(key): self.read(item) for key, item in content}

    def _read_point(self, content: dict) -> Point:
        return Point(content["x"], content["y"])

    def _read_ndarray(self, content: dict) -> NdArray:
        return NdArray(content["dtype"], tuple(content["shape"]), bytes.fromhex(content["hex"]))

    def _read_undefined(self, _: Any) -> Any:
        return undefined

    def _read_standard(self, content: list) -> Standard:
        return Standard(content[0], self.read(content[1]))

    def _read_service(self, content: str) -> Any:
        return find(self.root, content)

    def _read_new(self, content: str) -> Service:
        return {"client": ClientService}[content]()

    def _read_function(self, content: str) -> Any:
        return find(self.root, content)

    def _read_proxy(self, content: int) -> Proxy:
        return self.proxies[content]

    def write(self, value: Any) -> Any:
        """Return the form of a value."""
        if value is None or isinstance(value, (bool, str)):
            return value
        if isinstance(value, int):
            return value if -SAFE < value < SAFE else {"$int": str(value)}
        if isinstance(value, float):
            return value if math.isfinite(value) else {"$float": repr(value)}
        if isinstance(value, (list, tuple)):
            return [self.write(item) for item in value]
        if isinstance(value, dict):
            if all(isinstance(key, str) and not key.startswith("$") for key in value):
                return {key: self.write(item) for key, item in value.items()}
            return {"$map": [[self.write(key), self.write(item)] for key, item in value.items()]}
        return self._write_object(value)

    def _write_object(self, value: Any) -> dict:
        if isinstance(value, (bytes, bytearray)):
            return {"$bytes": bytes(value).hex()}
        if isinstance(value, datetime.datetime):
            return {"$date": value.isoformat()}
        if isinstance(value, Point):
            return {"$point": {"x": value.x, "y": value.y}}
        if isinstance(value, NdArray):
            return {"$ndarray": {"dtype": value.dtype, "shape": list(value.shape), "hex": value.raw.hex()}}
        if value is undefined:
            return {"$undefined": True}
        if isinstance(value, Standard):
            return {"$standard": [value.type_id, self.write(value.content)]}
        if isinstance(value, Service):
            return {"$service": path_of(self.root, value)}
        if isinstance(value, Proxy):
            if value not in self.proxies:
                self.proxies.append(value)
            kind = {"function": True} if isinstance(value, FunctionProxy) else {}
            return {"$proxy": self.proxies.index(value), "path": value._path, **kind}
        if callable(value):
            return {"$function": getattr(value, "__name__", "?")}
        raise TypeError("no form for %r" % type(value))
