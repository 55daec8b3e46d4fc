"""Checks ``mpack`` by literal bytes, and the codecs by the recorded frames."""

from __future__ import annotations

import datetime
import json
import math
import os
import pathlib
import struct
import unittest

import mpack
from codec import CODECS, NdArray, Point, SerializationError, ndarray_serializer, point_serializer

VECTORS = pathlib.Path(
    os.environ.get("VECTORS") or pathlib.Path(__file__).resolve().parents[2] / "test-vectors" / "aiomas.json"
)

EDGES = [
    (None, "c0"), (False, "c2"), (True, "c3"),
    (0, "00"), (127, "7f"), (128, "cc80"), (255, "ccff"), (256, "cd0100"), (65535, "cdffff"),
    (65536, "ce00010000"), (2**32 - 1, "ceffffffff"), (2**32, "cf0000000100000000"), (2**64 - 1, "cf" + "ff" * 8),
    (-1, "ff"), (-32, "e0"), (-33, "d0df"), (-128, "d080"), (-129, "d1ff7f"), (-32768, "d18000"),
    (-32769, "d2ffff7fff"), (-(2**31), "d280000000"), (-(2**31) - 1, "d3ffffffff7fffffff"),
    (-(2**63), "d3" + "80" + "00" * 7),
    (1.5, "cb3ff8000000000000"), (-0.0, "cb8000000000000000"), (math.inf, "cb7ff0000000000000"),
    ("", "a0"), ("a" * 31, "bf" + "61" * 31), ("a" * 32, "d920" + "61" * 32), ("a" * 255, "d9ff" + "61" * 255),
    ("a" * 256, "da0100" + "61" * 256), ("a" * 65536, "db00010000" + "61" * 65536),
    (b"", "c400"), (b"\1" * 255, "c4ff" + "01" * 255), (b"\1" * 256, "c50100" + "01" * 256),
    (b"\1" * 65536, "c600010000" + "01" * 65536),
    ([], "90"), ([0] * 15, "9f" + "00" * 15), ([0] * 16, "dc0010" + "00" * 16),
    ([0] * 65536, "dd00010000" + "00" * 65536),
    ({}, "80"), ({1: 2}, "810102"), ({"a": [None]}, "81a16191c0"),
]  # fmt: skip


def from_json(value):
    """Return a value of the vectors: ``{"$bytes": hex}`` is bytes."""
    if isinstance(value, list):
        return [from_json(item) for item in value]
    if isinstance(value, dict):
        if set(value) == {"$bytes"}:
            return bytes.fromhex(value["$bytes"])
        return {key: from_json(item) for key, item in value.items()}
    return value


class MsgPackTest(unittest.TestCase):
    """The encoder and the decoder."""

    def test_writes_and_reads_the_edges_of_each_form(self):
        for value, text in EDGES:
            with self.subTest(value=str(value)[:40]):
                self.assertEqual(mpack.encode(value).hex(), text)
                back = mpack.decode(bytes.fromhex(text))
                self.assertEqual((type(back), back), (type(value), value))

    def test_writes_and_reads_maps_of_every_size(self):
        for count, head in ((15, "8f"), (16, "de0010"), (65535, "deffff"), (65536, "df00010000")):
            value = {str(number): number for number in range(count)}
            payload = mpack.encode(value)
            self.assertTrue(payload.hex().startswith(head))
            self.assertEqual(mpack.decode(payload), value)

    def test_reads_and_writes_single_floats(self):
        self.assertEqual(mpack.decode(bytes.fromhex("ca3fc00000")), 1.5)
        self.assertEqual(mpack.encode([1.5], single_float=True).hex(), "91ca3fc00000")
        self.assertTrue(math.isnan(mpack.decode(mpack.encode(math.nan))))

    def test_reads_longer_forms_than_needed(self):
        self.assertEqual(mpack.decode(bytes.fromhex("dc0002d30000000000000001da000161")), [1, "a"])

    def test_keeps_the_sign_of_zero(self):
        self.assertEqual(math.copysign(1, mpack.decode(mpack.encode(-0.0))), -1)

    def test_refuses_what_is_not_standard_msgpack(self):
        bad = ["", "c1", "d4017f", "c70101ff", "c80001ff00", "c9000000010000", "d50100", "d6", "d7", "d8",
               "0000", "92c0", "a2c3", "cd00", "81", "8100", "8190c0", "dd7fffffff", "c6ffffffff00"]  # fmt: skip
        for text in bad:
            with self.subTest(text), self.assertRaises(mpack.MsgPackError):
                mpack.decode(bytes.fromhex(text))
        with self.assertRaises(ValueError):  # not UTF-8
            mpack.decode(bytes.fromhex("a2c328"))

    def test_refuses_what_has_no_form(self):
        for value in (2**64, -(2**63) - 1, object(), {1, 2}):
            with self.subTest(str(value)), self.assertRaises(mpack.MsgPackError):
                mpack.encode(value)

    def test_refuses_deep_nesting_without_a_crash(self):
        with self.assertRaises(mpack.MsgPackError):
            mpack.decode(b"\x91" * 100_000 + b"\xc0")
        nested = []
        for _ in range(1000):
            nested = [nested]
        with self.assertRaises(mpack.MsgPackError):
            mpack.encode(nested)


class VectorTest(unittest.TestCase):
    """The codecs against frames as aiomas writes them."""

    @classmethod
    def setUpClass(cls):
        cls.vectors = [v for v in json.loads(VECTORS.read_text("utf-8"))["vectors"] if v["codec"] in CODECS]

    def frame(self, codec, message):
        payload = codec.encode(message)
        return (struct.pack(">I", len(payload)) + payload).hex()

    def test_writes_and_reads_every_frame(self):
        self.assertGreater(len(self.vectors), 30)
        for vector in self.vectors:
            with self.subTest(vector["name"], codec=vector["codec"]):
                message = from_json(vector["message"])
                codec = CODECS[vector["codec"]]()
                self.assertEqual(self.frame(codec, message), vector["frame"])
                payload = bytes.fromhex(vector["frame"])[4:]
                plain = json.loads(payload) if codec.name == "json" else mpack.decode(payload)
                self.assertEqual(plain, message)

    def test_numbers_types_as_the_frames_do(self):
        date = datetime.datetime(2016, 1, 1, tzinfo=datetime.timezone.utc)
        floats = struct.pack("<64d", *(math.sin(i / 10) for i in range(64)))
        service = type("AnyService", (), {})()
        cases = {
            "agent passed as argument, container": ([], True, "agents/1", service),
            "service passed as argument, plain rpc": ([], False, "client", service),
            "root service passed as argument": ([], False, "", service),
            "date, container": ([], True, "", date),
            "extra serializer, plain rpc": ([point_serializer], False, "", Point(1, 2)),
            "extra serializer, container": ([point_serializer], True, "", Point(1, 2)),
            "numpy array by the documented serializer": ([ndarray_serializer], False, "", NdArray("<f8", (8, 8), floats)),
        }
        seen = 0
        for vector in self.vectors:
            if vector["name"] not in cases:
                continue
            extra, container, path, value = cases[vector["name"]]
            with self.subTest(vector["name"], codec=vector["codec"]):
                codec = CODECS[vector["codec"]](extra, container)
                codec.add_serializer(object, lambda _: path, lambda path: ("proxy", path))
                message = from_json(vector["message"])
                if message[0] == 0:
                    message[2][1] = [value]
                else:
                    message[2] = value
                self.assertEqual(self.frame(codec, message), vector["frame"])
                back = codec.decode(bytes.fromhex(vector["frame"])[4:])
                expected = ("proxy", path) if value is service else value
                self.assertEqual(back[2][1][0] if message[0] == 0 else back[2], expected)
                seen += 1
        self.assertEqual(seen, 2 * len(cases) - 1)

    def test_tells_what_cannot_be_read_and_keeps_the_rest(self):
        for cls in CODECS.values():
            codec = cls()
            payload = codec.encode([0, 7, {"__type__": [5, "x"]}])
            message, problems = codec.decode_with_problems(payload)
            self.assertEqual(message, [0, 7, None])
            self.assertIsInstance(problems[0], SerializationError)

    def test_refuses_unknown_types_and_a_second_serializer(self):
        for cls in CODECS.values():
            with self.assertRaises(SerializationError):
                cls().encode(Point(1, 2))
            with self.assertRaises(ValueError):
                cls([point_serializer, point_serializer])


if __name__ == "__main__":
    unittest.main()
