"""What Python makes of values. `echo.py json|msgpack|numpy` reads frames and writes each value back in one: a byte that is
1, and the payload, or one that is 0, and what went wrong. `echo.py made` writes payloads of msgpack in hex, by what they are.
`echo.py versions` tells what is installed."""

import datetime
import json
import struct
import sys

try:
    import msgpack
except ImportError:
    msgpack = None
try:
    import numpy
except ImportError:
    numpy = None


def frames(stream):
    while True:
        head = stream.read(4)
        if len(head) < 4:
            return
        yield stream.read(struct.unpack(">L", head)[0])


def through_json(payload):
    # Half of them with escapes in place of all that isn't ASCII.
    return json.dumps(json.loads(payload.decode("utf-8")), ensure_ascii=len(payload) % 2 == 0).encode("utf-8")


def through_msgpack(payload):
    value = msgpack.unpackb(payload, raw=False, strict_map_key=True)
    return msgpack.packb(value, use_bin_type=True)


def through_numpy(payload):
    """Bytes that are numbers of float64: they come back doubled."""
    array = numpy.frombuffer(msgpack.unpackb(payload, raw=False), dtype="<f8")
    return msgpack.packb((array * 2).tobytes(), use_bin_type=True)


def made():
    utc = datetime.timezone.utc
    values = {
        "a tuple": msgpack.packb((1, "a")),
        "float32": msgpack.packb([1.5, -0.25], use_single_float=True),
        "bytes": msgpack.packb(b"\x00\xff", use_bin_type=True),
        "bytes as raw, which are text": msgpack.packb(b"abc", use_bin_type=False),
        "bytes as raw, which aren't": msgpack.packb(b"\x00\xff", use_bin_type=False),
        "integers of 64 bits": msgpack.packb([2**64 - 1, -(2**63)]),
        "integers as keys": msgpack.packb({1: 2}),
        "an extension": msgpack.packb(msgpack.ExtType(5, b"x")),
        "a timestamp": msgpack.packb(datetime.datetime(2026, 1, 1, tzinfo=utc), datetime=True),
    }
    return {name: payload.hex() for name, payload in values.items()}


def main():
    if sys.argv[1] == "versions":
        found = {"msgpack": msgpack and list(msgpack.version), "numpy": numpy and numpy.__version__}
        print(json.dumps(found))
        return
    if sys.argv[1] == "made":
        print(json.dumps(made()))
        return
    way = {"json": through_json, "msgpack": through_msgpack, "numpy": through_numpy}[sys.argv[1]]
    out = sys.stdout.buffer
    for payload in frames(sys.stdin.buffer):
        try:
            answer = b"\x01" + way(payload)
        except Exception as error:  # told, and the test fails
            answer = b"\x00" + repr(error).encode("utf-8")
        out.write(struct.pack(">L", len(answer)) + answer)


if __name__ == "__main__":
    main()
