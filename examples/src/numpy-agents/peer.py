"""Calls an agent with arrays of NumPy, over the protocol of aiomas: length-prefixed MsgPack.

usage: peer.py tcp://host:port/id
"""

import socket
import struct
import sys
from urllib.parse import urlparse

import msgpack
import numpy

DATES, ARRAYS = 0, 1
"""Type ids of a container: dates first, then the extra serializers."""


def write(value):
    """The documented serializer of aiomas, in the form that the wire has."""
    if isinstance(value, numpy.ndarray):
        data = {"type": value.dtype.str, "shape": list(value.shape), "data": value.tobytes()}
        return {"__type__": [ARRAYS, data]}
    raise TypeError(type(value))


def read(value):
    if "__type__" not in value:
        return value
    type_id, data = value["__type__"]
    if type_id != ARRAYS:
        raise TypeError(f"type id {type_id}")
    return numpy.frombuffer(data["data"], dtype=data["type"]).reshape(data["shape"])


def receive(stream, count):
    data = b""
    while len(data) < count:
        chunk = stream.recv(count - len(data))
        if not chunk:
            raise ConnectionResetError("the container has closed the connection")
        data += chunk
    return data


def call(stream, number, path, *args):
    payload = msgpack.packb([0, number, [path, list(args), {}]], default=write)
    stream.sendall(struct.pack(">I", len(payload)) + payload)
    (length,) = struct.unpack(">I", receive(stream, 4))
    kind, _, content = msgpack.unpackb(receive(stream, length), object_hook=read)
    if kind == 2:
        raise RuntimeError(content)
    return content


url = urlparse(sys.argv[1])
with socket.create_connection((url.hostname, url.port)) as stream:
    wanted = numpy.linspace(0, 5, 6).reshape(2, 3)
    limited = call(stream, 0, f"agents{url.path}/limit", wanted, 2.5)
    print(limited.dtype, limited.shape)
    print(limited)
    assert (limited == numpy.minimum(wanted, 2.5)).all()
