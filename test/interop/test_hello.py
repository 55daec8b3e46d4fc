"""Checks the peer that says hello, against itself and against a plain one."""

from __future__ import annotations

import asyncio
import unittest

from connection import ProtocolError, RemoteException
from hello_peer import FunctionProxy, undefined
from roots import ClientService
from test_peer import Pair, PeerCase


class HelloTest(PeerCase):
    """What a peer that said hello may do."""

    both = {"server_hello": True, "client_hello": True}

    async def test_falls_back_to_a_plain_peer(self):
        async def check(pair):
            if pair.client_hello:
                self.assertFalse(pair.greeted)
                with self.assertRaises(ProtocolError):
                    pair.client.notify("keep", [1])
            self.assertEqual(await pair.client.remote.add(1, 2), 3)
            with self.assertRaisesRegex(RemoteException, "Traceback"):
                await pair.client.remote.fail("boom")
            self.assertIs(pair.accepted.__dict__.get("their_hello"), None)

        await self.each(check, client_hello=True)
        await self.each(check, server_hello=True)

    async def test_tells_both_sides_the_fields(self):
        async def check(pair):
            self.assertTrue(pair.greeted)
            for side in (pair.client, pair.accepted):
                self.assertEqual((side.their_hello["protocol"], side.their_hello["codec"]), (1, side.codec.name))
            self.assertIsNone(await pair.client.call("$/ping"))
            with self.assertRaisesRegex(RemoteException, "said once"):
                await pair.client.call("$/hello", [{}])

        await self.each(check, **self.both)

    async def test_sends_functions_and_services_without_a_root_by_reference(self):
        async def check(pair):
            heard = []
            await pair.client.remote.keep(heard.append)
            kept = pair.server_root.kept
            self.assertIsInstance(kept, FunctionProxy)
            await pair.client.remote.call_kept("", "hi")
            self.assertEqual(heard, ["hi"])
            self.assertEqual(await pair.client.remote.call_back(ClientService(), "double", 4), 8)
            self.assertEqual((await pair.client.remote.give_kept())("x"), None)  # the original came home
            self.assertEqual(heard, ["hi", "x"])
            self.assertEqual(await pair.client.remote.echo([undefined]), [undefined])
            theirs = await pair.client.remote.give("sub")
            await pair.client.remote.keep(theirs)
            self.assertIs(pair.server_root.kept, pair.server_root.members["sub"])

        await self.each(check, **self.both)

    async def test_counts_references_and_releases_them(self):
        async def check(pair):
            def listener(text):
                return text

            for _ in range(2):
                await pair.client.remote.keep(listener)
            (entry,) = pair.client.exports.by_number.values()
            self.assertEqual(entry, [listener, 2])
            pair.accepted.release(pair.server_root.kept)
            await pair.accepted.call("$/ping")
            self.assertEqual(pair.client.exports.by_number, {})
            with self.assertRaises(RemoteException) as caught:
                await pair.client.remote.call_kept("", "late")
            self.assertIn("released", caught.exception.text)
            await pair.client.remote.keep(listener)
            self.assertEqual(list(pair.client.exports.by_number), [1])  # numbers are not used twice

        await self.each(check, **self.both)

    async def test_forwards_a_proxy_of_a_third_peer(self):
        async with Pair("json", **self.both) as first, Pair("msgpack", **self.both) as second:
            theirs = await first.client.remote.give("sub")
            self.assertEqual(await second.client.remote.call_back(theirs, "deep/method", 1), ["deep", 1])

    async def test_answers_exceptions_as_maps(self):
        async def check(pair):
            for path, args, expected in (
                ("fail", ["boom"], ("ValueError", "boom", "REMOTE_ERROR", "yes")),
                ("nope", [], ("LookupError", 'Name "nope" not found in ""', "NOT_FOUND", "no")),
                ("hidden", [], ("AttributeError", '"hidden" is not exposed', "NOT_EXPOSED", "no")),
                ("$/ref/5", [], ("LookupError", "reference 5 is released", "REFERENCE_RELEASED", "no")),
            ):
                with self.assertRaises(RemoteException) as caught:
                    await pair.client.call(path, args)
                content = caught.exception.content
                self.assertEqual(tuple(content[key] for key in ("name", "message", "code", "executed")), expected)

        await self.each(check, **self.both)

    async def test_takes_meta_cancel_and_notifications(self):
        async def check(pair):
            self.assertEqual(await pair.client.request(["meta", [], {}, {"deadline": 5}]), {"deadline": 5})
            self.assertIsNone(await pair.client.remote.meta())
            number = pair.client.next_id
            slow = asyncio.ensure_future(pair.client.call("sleep", [9]))
            await asyncio.sleep(0)
            pair.client.notify("$/cancel", [number])
            with self.assertRaisesRegex(RemoteException, "cancelled"):
                await slow
            pair.client.notify("keep", ["told"])
            pair.client.notify("nope")
            await pair.client.call("$/ping")
            self.assertEqual(pair.server_root.kept, "told")
            self.assertEqual(pair.accepted.failed_notifications, 1)

        await self.each(check, **self.both)


if __name__ == "__main__":
    unittest.main()
