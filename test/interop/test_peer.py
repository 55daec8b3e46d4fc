"""Checks the plain peer against itself, in every codec."""

from __future__ import annotations

import asyncio
import datetime
import struct
import unittest

from codec import CODECS, Point, SerializationError, point_serializer
from connection import Connection, Proxy, RemoteException
from hello_peer import HelloConnection
from peer import Server, connect, parse_address
from roots import ClientService, make_root


class Pair:
    """A server and a client in this process, one of them for each codec."""

    def __init__(self, codec="json", container=False, extra=(), server_hello=False, client_hello=False):
        self.codec = lambda: CODECS[codec](extra, container)
        self.server_root, self.client_root = make_root(container), make_root(container)
        self.openers = [HelloConnection if hello else Connection for hello in (server_hello, client_hello)]
        self.client_hello = client_hello

    async def __aenter__(self):
        self.server = Server(self.codec, self.server_root, self.openers[0])
        self.address = await self.server.listen()
        self.client = await connect(self.address, self.codec(), self.client_root, self.openers[1])
        self.greeted = await self.client.hello() if self.client_hello else None
        while not self.server.connections:
            await asyncio.sleep(0)
        self.accepted = self.server.connections[0]
        return self

    async def __aexit__(self, *_):
        await self.client.close()
        await self.server.close()


class PeerCase(unittest.IsolatedAsyncioTestCase):
    """Runs a check with every codec."""

    async def each(self, check, **options):
        for codec in CODECS:
            with self.subTest(codec=codec):
                async with Pair(codec, **options) as pair:
                    await asyncio.wait_for(check(pair), 10)


class PlainTest(PeerCase):
    """The base protocol."""

    async def test_calls_with_values_both_ways(self):
        async def check(pair):
            remote = pair.client.remote
            self.assertEqual(await remote.add(3, 4), 7)
            self.assertEqual(await remote.add(3, b=4), 7)
            self.assertEqual(await remote.kw(x=1, y=[None, True]), {"x": 1, "y": [None, True]})
            self.assertEqual(await remote.sub.deep.method(1), ["deep", 1])
            value = {"a": [1, [2.5, "ä日😀", {}]], "b": None}
            self.assertEqual(await remote.echo(value), value)
            self.assertEqual(await pair.accepted.remote.client.greet("Ada"), "Hello Ada")

        await self.each(check)

    async def test_answers_in_any_order_and_starts_in_order(self):
        async def check(pair):
            slow = asyncio.ensure_future(pair.client.call("sleep", [0.05, "slow"]))
            self.assertEqual(await pair.client.call("sleep", [0, "fast"]), "fast")
            self.assertFalse(slow.done())
            self.assertEqual(await slow, "slow")

        await self.each(check)

    async def test_calls_back_while_a_call_is_under_way(self):
        async def check(pair):
            service = pair.client_root.members["client"]
            self.assertEqual(await pair.client.remote.call_back(service, "double", 21), 42)
            self.assertEqual(await pair.client.remote.call_back(pair.client_root, "client/greet", "Ada"), "Hello Ada")
            theirs = await pair.client.remote.give("client")
            self.assertEqual(theirs, Proxy(pair.client, "client"))
            with self.assertRaisesRegex(SerializationError, "not a service"):
                await theirs.ask(theirs, "double", 1)  # a plain peer can't send a proxy
            self.assertEqual(await theirs.ask(service, "greet", "Bob"), "Hello Bob")

        await self.each(check)

    async def test_refuses_services_that_it_cannot_name(self):
        async def check(pair):
            with self.assertRaisesRegex(SerializationError, "not under the root"):
                await pair.client.remote.echo(ClientService())
            bare = await connect(pair.address, pair.codec())
            with self.assertRaisesRegex(SerializationError, "nothing is served"):
                await bare.remote.echo(ClientService())
            await bare.close()

        await self.each(check)

    async def test_answers_exceptions_with_the_text_of_the_traceback(self):
        async def check(pair):
            for path, args, text in (
                ("fail", ["boom"], "ValueError: boom\n"),
                ("nope", [], 'LookupError: Name "nope" not found in ""\n'),
                ("sub/deep/x", [], 'LookupError: Name "x" not found in "sub/deep"\n'),
                ("__class__", [], 'LookupError: Name "__class__" not found in ""\n'),
                ("$/hello", [{}], 'LookupError: Name "$" not found in ""\n'),
                ("hidden", [], 'AttributeError: "hidden" is not exposed\n'),
                ("sub", [], 'AttributeError: "sub" is not exposed\n'),
            ):
                with self.subTest(path), self.assertRaises(RemoteException) as caught:
                    await pair.client.call(path, args)
                self.assertEqual((caught.exception.form, caught.exception.text[:10]), ("string", "Traceback "))
                self.assertTrue(caught.exception.text.endswith(text), caught.exception.text)
                self.assertTrue(pair.address.endswith(caught.exception.origin))
            for content in (["add", [1, 2]], ["add", [1, 2], {}, {}], "add", ["add", {}, []]):
                with self.assertRaises(RemoteException):
                    await pair.client.request(content)

        await self.each(check)

    def test_reads_every_form_of_an_exception(self):
        self.assertEqual(RemoteException("o", "text").text, "text")
        listed = RemoteException("o", ["ValueError", "boom", "Traceback\n", "x\n"])
        self.assertEqual((listed.form, listed.text), ("list", "ValueError: boom\nTraceback\nx"))
        mapped = RemoteException("o", {"name": "ValueError", "message": "boom"})
        self.assertEqual((mapped.form, mapped.text), ("map", "ValueError: boom"))

    async def test_fails_one_call_for_a_value_that_cannot_be_sent_or_read(self):
        async def check(pair):
            with self.assertRaises(SerializationError):
                await pair.client.remote.echo(Point(1, 2))
            with self.assertRaisesRegex(RemoteException, "SerializationError"):
                await pair.client.remote.echo({"__type__": [9, None]})
            self.assertEqual(await pair.client.remote.add(1, 1), 2)

        await self.each(check)

    async def test_numbers_types_in_plain_rpc_and_in_containers(self):
        async def check(pair):
            container = pair.client_root.member("validate_aid") is not None
            self.assertEqual(pair.client.service_type_id, 2 if container else 1)
            self.assertEqual(await pair.client.remote.echo([Point(1, 2)]), [Point(1, 2)])
            if container:
                date = datetime.datetime(2016, 1, 1, tzinfo=datetime.timezone.utc)
                self.assertEqual(await pair.client.remote.echo(date), date)
                self.assertEqual(await pair.client.remote.validate_aid("0"), "TestAgent")
                self.assertIsNone(await pair.client.remote.validate_aid("7"))
                agent = pair.client_root.members["agents"].members["1"]
                self.assertEqual(await pair.client.call("agents/0/call_back", [agent, "add", 1, 2]), 3)

        await self.each(check, extra=(point_serializer,))
        await self.each(check, extra=(point_serializer,), container=True)

    async def test_drops_the_reply_to_a_call_that_was_given_up(self):
        async def check(pair):
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(pair.client.call("sleep", [0.05]), 0.01)
            await asyncio.sleep(0.1)
            self.assertEqual(pair.client.late_replies, 1)
            self.assertEqual(await pair.client.remote.add(1, 1), 2)

        await self.each(check)

    async def test_goes_on_with_id_0_after_the_last(self):
        async def check(pair):
            pair.client.next_id = 2**32 - 1
            self.assertEqual(await pair.client.remote.add(1, 1), 2)
            self.assertEqual(pair.client.next_id, 0)
            self.assertEqual(await pair.client.remote.add(1, 1), 2)

        await self.each(check)

    async def test_fails_pending_calls_when_the_connection_ends(self):
        async def check(pair):
            call = asyncio.ensure_future(pair.client.call("sleep", [9]))
            await asyncio.sleep(0.02)
            await pair.accepted.close()
            with self.assertRaises(ConnectionResetError):
                await call
            with self.assertRaises(ConnectionResetError):
                await pair.client.remote.add(1, 1)

        await self.each(check)

    async def test_closes_on_a_breach_of_the_protocol(self):
        codec = CODECS["json"]
        bad = [b"\xff\xff\xff\xff", b"\0\0\0\x01?", _frame(b"{}"), _frame(b"[1, 5, null]"), _frame(b"[3, 0, []]"),
               _frame(b"[0, -1, []]"), _frame(b'[0, "0", []]'), _frame(b"[true, 0, []]")]  # fmt: skip
        slow = _frame(b'[0, 1, ["sleep", [9], {}]]')
        for raw in [*bad, slow + slow]:
            async with Pair(codec.name) as pair:
                pair.client.send_bytes(raw)
                self.assertIsNotNone(await asyncio.wait_for(asyncio.shield(pair.accepted.closed), 5), raw)

    async def test_reads_frames_at_any_cut(self):
        async with Pair("json") as pair:
            seen = []
            pair.client.on_stray = seen.append
            for byte in _frame(b'[0, 9, ["add", [1, 2], {}]]') * 2:
                pair.client.send_bytes(bytes([byte]))
                await asyncio.sleep(0)
            while len(seen) < 2:
                await asyncio.sleep(0.01)
            self.assertEqual(seen, [[1, 9, 3]] * 2)

    def test_reads_addresses(self):
        self.assertEqual(parse_address("tcp://[::1]:80"), ("::1", 80))
        self.assertEqual(parse_address("localhost:80"), ("localhost", 80))
        self.assertEqual(parse_address("ipc://[/tmp/x]"), "/tmp/x")
        with self.assertRaises(ValueError):
            parse_address("localhost")


def _frame(payload):
    return struct.pack(">I", len(payload)) + payload


if __name__ == "__main__":
    unittest.main()
