"""Checks ``drive.py``: one driven client against one driven server, in every codec."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import unittest

from codec import CODECS

SCRIPT = str(pathlib.Path(__file__).resolve().parent / "drive.py")


class Driven:
    """A driver in a child process."""

    def __init__(self, *arguments):
        command = [sys.executable, "-B", SCRIPT, *arguments]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def line(self):
        """Return the next line."""
        return json.loads(self.child.stdout.readline())

    def send(self, op, **fields):
        """Write a command."""
        self.child.stdin.write(json.dumps({"op": op, **fields}) + "\n")
        self.child.stdin.flush()

    def ask(self, op, **fields):
        """Write a command and return the next line."""
        self.send(op, **fields)
        return self.line()

    def call(self, path, *args, **fields):
        """Call a path and return the outcome."""
        return self.ask("call", path=path, args=args, **fields)

    def close(self):
        """End the process and return its exit code."""
        self.child.stdin.close()
        self.child.stdout.read()
        self.child.stdout.close()
        return self.child.wait(5)


class DriveTest(unittest.TestCase):
    """The command language."""

    def start(self, *arguments, client=()):
        server = Driven("--mode", "server", *arguments)
        self.addCleanup(server.close)
        address = server.line()["address"]
        driven = Driven("--mode", "client", "--address", address, *arguments, *client)
        self.addCleanup(driven.close)
        self.assertEqual(driven.line()["connected"], 0)
        self.assertEqual(server.line()["connected"], 0)
        return server, driven

    def test_calls_both_ways(self):
        for codec in CODECS:
            with self.subTest(codec):
                server, client = self.start("--codec", codec)
                self.assertEqual(client.call("add", 3, 4, id=5), {"id": 5, "result": 7})
                self.assertEqual(client.call("kw", kwargs={"x": 1}), {"result": {"x": 1}})
                self.assertEqual(client.call("call_back", {"$service": "client"}, "double", 21), {"result": 42})
                self.assertEqual(server.call("client/greet", "Ada"), {"result": "Hello Ada"})
                exception = client.call("fail", "boom")["exception"]
                self.assertEqual((exception["form"], exception["text"][-17:]), ("string", "ValueError: boom\n"))
                self.assertEqual(client.call("echo", {"$new": "client"})["error"]["type"], "SerializationError")
                proxy = client.call("give", "sub")["result"]
                self.assertEqual(proxy, {"$proxy": 0, "path": "sub"})
                self.assertEqual(client.call("deep/method", 1, target=proxy), {"result": ["deep", 1]})
                self.assertEqual(client.ask("nonsense")["error"]["type"], "ValueError")

    def test_carries_values_that_json_lacks(self):
        values = [{"$date": "2016-01-01T00:00:00+00:00"}, {"$int": str(2**60)}, {"$float": "nan"}, 0.5,
                  {"$point": {"x": 1, "y": 2}}]  # fmt: skip
        only_msgpack = [{"$bytes": "00ff"}, {"$map": [[1, "one"]]},
                        {"$ndarray": {"dtype": "<f8", "shape": [1], "hex": "00" * 8}}]  # fmt: skip
        for codec in CODECS:
            with self.subTest(codec):
                _, client = self.start("--codec", codec, "--container", "--extra", "point", "--extra", "ndarray")
                sent = values + (only_msgpack if codec == "msgpack" else [])
                self.assertEqual(client.call("agents/0/echo", sent), {"result": sent})
                self.assertEqual(client.call("validate_aid", "0"), {"result": "TestAgent"})
                self.assertEqual(client.call("validate_aid", "9"), {"result": None})

    def test_sends_raw_bytes_and_any_message(self):
        server, client = self.start(client=["--record"])
        client.send("raw", hex="0000001e" + b'[0, 900, ["add", [3, 4], {}] ]'.hex())
        lines = [client.line(), client.line()]
        self.assertIn({"stray": [1, 900, 7], "connection": 0}, lines)
        self.assertEqual(client.ask("frames")["result"], [["in", b"[1, 900, 7]".hex()]])
        self.assertEqual(client.ask("send", message=[9, 0, None]), {"result": None})
        self.assertEqual(client.line(), {"closed": True, "connection": 0, "reason": None})
        self.assertEqual(server.line()["reason"], "ProtocolError: unknown message type 9")
        self.assertEqual(client.call("add", 1, 2)["error"]["type"], "ConnectionResetError")

    def test_cancels_closes_and_connects_again(self):
        server, client = self.start()
        client.send("call", path="sleep", args=[9], id="slow")
        client.send("cancel", target="slow")
        outcomes = {line.get("id"): line for line in (client.line(), client.line())}
        self.assertEqual(outcomes["slow"]["error"]["type"], "CancelledError")
        self.assertEqual(client.call("sleep", 9, timeout=0.01)["error"]["type"], "TimeoutError")
        self.assertEqual(server.ask("stats")["result"]["running"], 2)
        server.send("close", how="abort")
        lines = [server.line(), server.line()]
        self.assertIn({"result": None}, lines)
        self.assertIn("ConnectionResetError", client.line()["reason"])
        address = "tcp://127.0.0.1:1"
        self.assertEqual(client.ask("connect", address=address)["error"]["type"], "ConnectionRefusedError")

    def test_says_hello_and_sends_functions(self):
        for codec in CODECS:
            with self.subTest(codec):
                server, client = self.start("--codec", codec, "--hello", "--hello-fields", '{"x": 1}')
                self.assertEqual(server.ask("stats")["result"]["hello"]["x"], 1)
                double = {"$function": "client/double"}
                self.assertEqual(client.call("call_back", double, "", 2), {"result": 4})
                self.assertEqual(client.call("call_back", {"$new": "client"}, "double", 3), {"result": 6})
                self.assertEqual(client.call("echo", {"$undefined": True}), {"result": {"$undefined": True}})
                self.assertEqual(client.call("meta", meta={"hops": 1}), {"result": {"hops": 1}})

    def test_ends_with_an_error_where_nobody_listens(self):
        lost = Driven("--mode", "client", "--address", "127.0.0.1:1")
        self.assertEqual(lost.line()["error"]["type"], "ConnectionRefusedError")
        self.assertEqual(lost.close(), 1)


if __name__ == "__main__":
    unittest.main()
