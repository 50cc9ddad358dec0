"""The asyncio client against a real daemon; as `test_cinch.py`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import unittest
from typing import Any, Dict, List, Tuple

import cinch
from cinch import aio
from test_cinch import SECONDS, DaemonTest

FOREVER = "with recursive r(n) as (select 1 union all select n + 1 from r) select count(*) from r"


def counting(last: int) -> str:
    return f"with recursive r(n) as (select 1 union all select n + 1 from r where n < {last}) select n, 1.0 as f from r"


class AsyncTest(DaemonTest, unittest.IsolatedAsyncioTestCase):
    """Each test has a connection of its own."""

    async def asyncSetUp(self) -> None:
        self.db = await self.open()

    async def open(self, **options: Any) -> aio.Client:
        client = await aio.connect(self.project, **options)
        self.addAsyncCleanup(client.close)
        return client


class Calls(AsyncTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        with cinch.connect(cls.project) as db:
            columns: List[Dict[str, Any]] = [
                {"name": "a", "type": "INTEGER", "nullable": False},
                {"name": "b", "type": "TEXT"},
            ]
            db.create_table("t", columns, primary_key=["a"], system_columns=False)

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        await self.db.execute("delete from t")

    async def test_rows(self) -> None:
        db = self.db
        self.assertEqual(await db.insert("t", {"a": 1, "b": "x"}), {"a": 1, "b": "x"})
        stored = await db.insert("t", ({"a": n, "b": "y"} for n in (2, 3)))
        self.assertEqual(stored, [{"a": 2, "b": "y"}, {"a": 3, "b": "y"}])
        self.assertEqual(await db.insert("t", []), [])
        self.assertEqual(await db.get("t", 1), {"a": 1, "b": "x"})
        self.assertIsNone(await db.get("t", 9))
        self.assertEqual(await db.list("t", {"a": {"gt": 1}}, order_by=["-a"], columns=["a"], limit=1), [{"a": 3}])
        self.assertEqual((await db.count("t"), await db.count("t", {"b": "y"})), (3, 2))
        self.assertEqual(await db.update("t", {"a": 1, "b": None}), {"a": 1, "b": None})
        stored = await db.upsert("t", [{"a": 2, "b": "z"}, {"a": 4}], on=["a"])
        self.assertEqual(stored, [{"a": 2, "b": "z"}, {"a": 4, "b": None}])
        self.assertEqual(await db.update_where("t", {"a": {"gte": 3}}, {"b": "w"}), 2)
        pages = db.pages("t", order_by=["-a"], page_size=2)
        self.assertEqual([row["a"] async for row in pages], [4, 3, 2, 1])
        self.assertEqual(await db.delete("t", 1, 2), 2)
        self.assertEqual(await db.delete_where("t", {"b": "w"}), 2)
        self.assertEqual(await db.list("t"), [])

    async def test_values_come_back_as_they_are(self) -> None:
        values: List[cinch.Value] = [None, 0, 2**63 - 1, -(2**63), 0.1, -0.0, 2.0**53, "", "ä😀\0", b"", b"\xff\0"]
        for value in values:
            with self.subTest(value=value):
                self.assertEqual(repr((await self.db.query("select ?", [value])).one()[0]), repr(value))
        with self.assertRaises(ValueError):
            await self.db.query("select ?", [float("nan")])
        self.assertEqual(await self.db.call("ping"), {})

    async def test_statements(self) -> None:
        done = await self.db.execute("insert into t values (:a, :b) returning b, a", {"a": 1, "b": "x"})
        self.assertEqual((done.changes, done.columns, done.rows), (1, ("b", "a"), [("x", 1)]))
        self.assertEqual((await self.db.query("select a, b from t")).dicts(), [{"a": 1, "b": "x"}])
        results = await self.db.batch([("insert into t values (?, ?)", [2, "y"]), "select count(*) from t"])
        self.assertEqual([result.rows for result in results], [[], [(2,)]])
        with self.assertRaises(cinch.ConstraintFailed):
            await self.db.batch(["insert into t values (3, 'x')", "insert into t values (1, 'x')"])
        self.assertEqual(await self.db.count("t"), 2)

    async def test_every_method_has_its_types(self) -> None:
        created = await self.db.api.branch.create(name="side")
        self.assertEqual(created["name"], "side")
        self.assertIn("side", [branch["name"] for branch in (await self.db.api.branch.list())["branches"]])

    async def test_a_transaction_is_committed_where_its_block_ends_well_and_else_rolled_back(self) -> None:
        other = await self.open()
        async with self.db.transaction() as tx:
            await tx.insert("t", {"a": 1})
            self.assertEqual((await tx.count("t"), await other.count("t")), (1, 0))
        self.assertEqual(await other.count("t"), 1)

        with self.assertRaises(ZeroDivisionError):
            async with self.db.transaction() as tx:
                await tx.delete("t", 1)
                raise ZeroDivisionError
        self.assertEqual(await other.count("t"), 1)
        with self.assertRaises(cinch.TransactionEnded) as ended:
            await tx.count("t")
        self.assertEqual(ended.exception.data["reason"], "rolledBack")

        with self.assertRaises(cinch.ConstraintFailed):
            async with self.db.transaction() as tx:
                await tx.insert("t", {"a": 2})
                await tx.insert("t", {"a": 1})
        begun = await self.db.transaction()
        await begun.insert("t", {"a": 3})
        await begun.rollback()
        self.assertEqual(await other.list("t", columns=["a"]), [{"a": 1}])

    async def test_a_transaction_of_a_cancelled_task_is_rolled_back(self) -> None:
        inserted = asyncio.Event()

        async def work() -> None:
            async with self.db.transaction() as tx:
                await tx.insert("t", {"a": 1})
                inserted.set()
                await asyncio.sleep(3600)

        task = asyncio.create_task(work())
        await asyncio.wait_for(inserted.wait(), SECONDS)
        task.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await task
        # The next one gets its turn, so that one is over.
        async with self.db.transaction(timeout=SECONDS) as tx:
            self.assertEqual(await tx.count("t"), 0)

    async def test_tasks_lose_no_update_in_transactions(self) -> None:
        await self.db.insert("t", {"a": 1, "b": "0"})

        async def count() -> None:
            async with self.db.transaction() as tx:
                row = await tx.get("t", 1)
                assert row is not None
                await tx.update("t", {"a": 1, "b": str(int(row["b"]) + 1)})

        await asyncio.gather(*(count() for _ in range(20)))
        self.assertEqual((await self.db.query("select b from t")).one(), ("20",))

    async def test_a_cursor_gives_every_row_and_keeps_none(self) -> None:
        cursor = self.db.cursor(counting(10_000), count=700)
        self.assertEqual([n async for n, _ in cursor], list(range(1, 10_001)))
        self.assertEqual((cursor.columns, cursor.truncated), (("n", "f"), False))
        self.assertEqual([row async for row in cursor], [])
        cut = self.db.cursor(counting(10_000), max_rows=5)
        self.assertEqual((len([row async for row in cut]), cut.truncated), (5, True))
        async with self.db.cursor(counting(10_000_000)) as left:
            self.assertEqual((await left.__anext__())[0], 1)
        self.assertEqual([row async for row in left], [])
        for _ in range(20):  # more than may be open, if those that are dropped stayed
            await self.db.cursor(counting(10_000_000)).__anext__()
        with self.assertRaises(cinch.Refused):
            await self.db.cursor("delete from t").__anext__()

    async def test_many_calls_are_in_flight(self) -> None:
        await asyncio.gather(*(self.db.insert("t", {"a": n, "b": "x" * n}) for n in range(3_000)))
        self.assertEqual(await self.db.count("t"), 3_000)
        asked = [self.db.query("select length(b) from t where a = ?", [n]) for n in range(0, 3_000, 10)]
        self.assertEqual([result.one() for result in await asyncio.gather(*asked)], [(n,) for n in range(0, 3_000, 10)])

    async def test_a_slow_call_does_not_hold_up_the_others(self) -> None:
        slow = asyncio.create_task(self.db.query(FOREVER))
        try:
            for n in range(10):
                self.assertEqual((await self.db.query("select ?", [n])).one(), (n,))
            self.assertFalse(slow.done())
        finally:
            slow.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await slow

    async def test_a_cancelled_task_cancels_its_call_on_the_daemon(self) -> None:
        # More than one after the other could run if those before still did.
        for _ in range(8):
            task = asyncio.create_task(self.db.query(FOREVER))
            await self.db.call("ping")
            self.assertFalse(task.done())
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
        self.assertEqual((await self.db.query("select 1")).one(), (1,))
        self.assertEqual(self.db._connection._calls, {})

        # A write that is cancelled gives its turn back.
        write = f"insert into t (a) {FOREVER}"
        task = asyncio.create_task(self.db.execute(write))
        await self.db.call("ping")
        task.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await task
        self.assertEqual(await asyncio.wait_for(self.db.insert("t", {"a": 1}), SECONDS), {"a": 1, "b": None})

    async def test_a_call_that_is_late_raises_timeout_error(self) -> None:
        with self.assertRaises(TimeoutError):
            await self.db.request("query.run", {"sql": FOREVER}, timeout=0.2)
        with self.assertRaises(cinch.TimedOut) as late:
            await self.db.request("query.run", {"sql": FOREVER, "timeoutMs": 200})
        self.assertEqual(late.exception.kind, "timeout")
        with self.assertRaises(asyncio.TimeoutError):
            await asyncio.wait_for(self.db.query(FOREVER), 0.2)
        self.assertEqual((await self.db.query("select 1")).one(), (1,))

    async def test_errors_have_families(self) -> None:
        await self.db.insert("t", {"a": 1})
        cases: List[Tuple[type, str, int, Any]] = [
            (cinch.NotFound, "tableNotFound", 1200, self.db.list("nowhere")),
            (cinch.NotFound, "rowNotFound", 1303, self.db.delete("t", 9)),
            (cinch.Exists, "tableExists", 1201, self.db.create_table("t", [])),
            (cinch.ConstraintFailed, "constraintFailed", 1302, self.db.insert("t", {"a": 1})),
            (cinch.Refused, "sqlRefused", 1301, self.db.query("delete from t")),
            (cinch.Refused, "methodNotFound", -32601, self.db.call("row.lists")),
            (cinch.CinchError, "sqlError", 1300, self.db.query("selekt")),
        ]
        for family, kind, code, work in cases:
            with self.subTest(kind=kind):
                with self.assertRaises(cinch.CinchError) as refused:
                    await work
                error = refused.exception
                self.assertEqual((type(error), error.kind, error.code), (family, kind, code))

    async def test_scopes(self) -> None:
        await self.db.create_tenant("acme")
        await self.db.insert("t", {"a": 1})
        acme = self.db.with_scope(tenant="acme")
        self.assertEqual((await self.db.count("t"), await acme.count("t")), (1, 0))
        self.assertEqual((await acme.call("tenant.get"))["name"], "acme")
        async with acme:
            pass
        self.assertFalse(self.db.closed)
        scope = await self.db.scope(tenant="acme")
        self.assertEqual(scope, {"database": "main", "branch": "main", "tenant": "acme"})
        self.assertEqual(await self.db.count("t"), 0)
        self.assertEqual(await (await self.open(tenant="acme")).count("t"), 0)

    async def test_an_encrypted_tenant_is_reached_with_its_key(self) -> None:
        key = {"raw": "ab" * 32}
        await self.db.create_tenant("sealed", key=key)
        sealed = self.db.with_scope(tenant="sealed")
        with self.assertRaises(cinch.Refused) as refused:
            await sealed.count("t")
        self.assertEqual(refused.exception.kind, "tenantLocked")
        self.assertEqual(await sealed.count("t", key=key), 0)
        self.assertEqual(await (await self.open(tenant="sealed", key=key)).count("t"), 0)

    async def test_large_messages_both_ways(self) -> None:
        text = "x😀" * 1_000_000
        await self.db.insert("t", {"a": 1, "b": text})
        self.assertEqual((await self.db.query("select b from t")).one(), (text,))

    async def test_a_message_over_the_limit_is_refused_and_nothing_else(self) -> None:
        large = asyncio.create_task(self.db.query("select ?", ["x" * (65 << 20)]))
        self.assertEqual((await self.db.query("select 1")).one(), (1,))
        with self.assertRaises(cinch.LimitReached):
            await large
        self.assertEqual(await self.db.call("ping"), {})


class Keys(AsyncTest):
    async def test_values_under_keys(self) -> None:
        kv = self.db.kv
        value = {"text": "ä", "big": 2**60, "list": [1, 2.0, None, b"x"]}
        version = await kv.set("a", value)
        self.assertEqual(repr(await kv.get("a")), repr(value))
        self.assertEqual(await kv.get_versioned("a"), (value, version))
        self.assertEqual((await kv.exists("a"), await kv.exists("b"), await kv.get("b", 7)), (True, False, 7))
        self.assertIsNone(await kv.set("a", 1, if_absent=True))
        self.assertIsNotNone(await kv.set("a", 1, if_version=version))
        with self.assertRaises(KeyError):
            await kv.get_versioned("nothing")
        self.assertEqual((await kv.increment("n"), await kv.increment("n", 4)), (1, 5))
        await kv.mset({"m:1": 1, "m:2": 2})
        self.assertEqual(await kv.mget(["m:1", "nothing", "m:2"]), {"m:1": 1, "m:2": 2})
        self.assertEqual([item async for item in kv.items("m:*")], [("m:1", 1), ("m:2", 2)])
        self.assertTrue(await kv.expire("m:1", 60_000))
        self.assertGreater(await kv.ttl_ms("m:1") or 0, 0)
        self.assertTrue(await kv.persist("m:1"))
        self.assertIsNone(await kv.ttl_ms("m:1"))
        self.assertEqual((await kv.delete("m:1", "m:2", "m:3"), await kv.count("m:*")), (2, 0))

    async def test_many_keys_come_in_pages(self) -> None:
        names = [f"page:{n:05}" for n in range(2_500)]
        await self.db.kv.mset({name: 1 for name in names})
        self.assertEqual([key async for key in self.db.kv.keys("page:*")], names)


class Guard(aio.Plugin):
    name = "guard"

    def __init__(self, client: aio.Client) -> None:
        self.client = client

    async def before_query(self, query: cinch.Query) -> Any:
        if query.sql.startswith("delete"):
            (count,) = (await self.client.query("select 40 + 2")).one()
            return cinch.Veto(f"{count} rows stay")
        if query.sql == "select ?":
            return cinch.Rewrite("select ?, ?", [*query.params, query.params[0] * 2])
        return None


class Plugins(AsyncTest):
    async def test_it_vetoes_and_rewrites_the_statements_of_others(self) -> None:
        own = await self.open()
        await own.register(Guard(own), timeout=SECONDS)
        with self.assertRaises(cinch.CinchError) as vetoed:
            await self.db.execute("delete from t")
        self.assertEqual(vetoed.exception.kind, "queryVetoed")
        self.assertEqual(vetoed.exception.data["reason"], "42 rows stay")
        self.assertEqual((await self.db.query("select ?", [2**61])).one(), (2**61, 2**62))
        await own.unregister("guard")
        self.assertEqual((await self.db.query("select ?", [1])).one(), (1,))


class Life(AsyncTest):
    async def asyncSetUp(self) -> None:
        pass

    async def test_many_that_start_at_once_share_one_daemon(self) -> None:
        self.stop_daemon()
        clients = await asyncio.gather(*(self.open() for _ in range(4)))
        self.assertEqual({(await client.call("project.info"))["pid"] for client in clients}, {self.daemon_pid()})

    async def test_none_is_started_where_that_is_not_wanted(self) -> None:
        self.stop_daemon()
        with self.assertRaises(ConnectionError):
            await aio.connect(self.project, start=False)

    async def test_every_waiting_call_hears_that_the_daemon_is_gone(self) -> None:
        db = await self.open()
        waiting = [asyncio.create_task(db.query(FOREVER)) for _ in range(2)]
        await db.call("ping")
        os.kill(self.daemon_pid(), signal.SIGKILL)
        for task in waiting:
            with self.assertRaises(cinch.ConnectionLost) as lost:
                await asyncio.wait_for(task, SECONDS)
            self.assertIn("query.run may or may not have been done", str(lost.exception))
        self.assertTrue(db.closed)
        with self.assertRaises(cinch.ConnectionLost):
            await db.call("ping")
        # A new one finds that it has died, and starts another.
        self.assertEqual(await (await self.open()).call("ping"), {})

    async def test_closing_ends_waiting_calls(self) -> None:
        async with aio.connect(self.project) as db:
            task = asyncio.create_task(db.query(FOREVER))
            await db.call("ping")
        with self.assertRaises(cinch.ConnectionLost):
            await task
        await db.close()

    async def test_over_stdio(self) -> None:
        self.stop_daemon()
        async with aio.Client.over_stdio(None, self.project) as db:
            self.assertEqual((await db.query("select 1")).one(), (1,))
        with self.assertRaises(cinch.ConnectionLost):
            await db.call("ping")


if __name__ == "__main__":
    unittest.main()
