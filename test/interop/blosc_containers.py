"""Containers of python-blosc, and values out of containers.

    python3 blosc_containers.py vectors      the containers of test-vectors/blosc.json, as JSON
    python3 blosc_containers.py all          one JSON line for each container of a larger set
    python3 blosc_containers.py read         reads one container in base64 from each line, prints its value in base64
    python3 blosc_containers.py messages     the same for MsgPack in containers, as aiomas does it: prints the value as JSON,
                                             and a container of the same value in base64
"""

import base64
import json
import math
import struct
import sys

import blosc

SHUFFLES = {"none": blosc.NOSHUFFLE, "bytes": blosc.SHUFFLE, "bits": blosc.BITSHUFFLE}
SQUARES = b"".join(struct.pack("<Q", index * index) for index in range(320))


def container(value, typesize, shuffle, compressor, level=5):
    return blosc.compress(value, typesize=typesize, clevel=level, shuffle=SHUFFLES[shuffle], cname=compressor)


def vectors():
    found = []
    forms = [("none", 1, 0), ("bytes", 4, 0), ("bits", 8, 0), ("bytes", 16, 0), ("bytes", 20, 1024)]
    for compressor in blosc.compressor_list():
        for shuffle, typesize, blocksize in forms:
            blosc.set_blocksize(blocksize)
            packed = container(SQUARES, typesize, shuffle, compressor)
            found.append(
                {
                    "compressor": compressor,
                    "shuffle": shuffle,
                    "typeSize": typesize,
                    "blockSize": blocksize,
                    "container": packed.hex(),
                }
            )
    blosc.set_blocksize(0)
    return {"value": "320 little-endian unsigned 64-bit integers: the squares of 0 to 319", "vectors": found}


def values():
    return {
        "one byte": b"x",
        "short text": b"hello world, this is short",
        "text": b'{"id":12,"name":"user","value":1.5},' * 400,
        "zeros": bytes(50_000),
        "integers": struct.pack("<9001i", *range(9001)),
        "numbers": struct.pack("<20000d", *[math.sin(index / 100) for index in range(20_000)]),
        "no whole elements": struct.pack("<1003d", *[index * 0.5 for index in range(1003)]) + b"abc",
        "noise": bytes((index * index * 31 + (index >> 3) * 7) % 251 for index in range(3000)),
    }


def every():
    for name, value in values().items():
        for compressor in blosc.compressor_list():
            for shuffle in SHUFFLES:
                for typesize in (1, 2, 3, 4, 8, 16, 17):
                    for level in (0, 1, 9):
                        packed = container(value, typesize, shuffle, compressor, level)
                        form = f"{name}, {compressor}, shuffle {shuffle}, type size {typesize}, level {level}"
                        yield {"form": form, "value": name, "container": base64.b64encode(packed).decode()}


def main(mode):
    if mode == "vectors":
        print(json.dumps(vectors(), indent=1))
    elif mode == "all":
        print(json.dumps({name: base64.b64encode(value).decode() for name, value in values().items()}))
        for line in every():
            print(json.dumps(line))
    elif mode == "read":
        for line in sys.stdin:
            print(base64.b64encode(blosc.decompress(base64.b64decode(line))).decode())
    elif mode == "messages":
        import msgpack

        for line in sys.stdin:
            value = msgpack.unpackb(blosc.decompress(base64.b64decode(line)))
            packed = blosc.compress(msgpack.packb(value))
            print(json.dumps([value, base64.b64encode(packed).decode()]))


main(sys.argv[1])
