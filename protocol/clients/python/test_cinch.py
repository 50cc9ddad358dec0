"""The Python client against a real daemon, and against one that misbehaves.

`CINCHD` says how the daemon is run: `CINCHD="node dist/src/cinchd.js" python3 -m unittest`.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import queue
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple
from unittest import mock

import cinch
from cinch._connection import Connection, SocketStream

HERE = Path(__file__).resolve().parent
SECONDS = 20.0
"""How long a test waits for what has to come."""


def daemon_program() -> Optional[Path]:
    """The daemon's script, where there is one that can be run."""
    found = os.environ.get("CINCHD") or shutil.which("cinchd")
    program = Path(shlex.split(found)[-1]).resolve() if found else None
    return program if program and program.exists() and shutil.which("node") else None


def make_project(folder: str) -> None:
    program = daemon_program()
    assert program is not None
    engine = program.parent / "engine" / "engine.js"
    script = f"import({json.dumps(engine.as_uri())}).then(engine => engine.createProject({json.dumps(folder)}))"
    subprocess.run(["node", "-e", script], check=True)


class DaemonTest(unittest.TestCase):
    """Tests that need a daemon. Each class has a project of its own; its daemon is stopped at the end."""

    project: Path

    @classmethod
    def setUpClass(cls) -> None:
        if daemon_program() is None:
            if os.environ.get("CI"):
                raise AssertionError("no daemon to test against: set CINCHD, and build it")
            raise unittest.SkipTest("no daemon to test against: set CINCHD, and build it")
        folder = os.path.realpath(tempfile.mkdtemp(prefix="cinch-"))
        cls.addClassCleanup(shutil.rmtree, folder)
        make_project(folder)
        cls.project = Path(folder)
        cls.addClassCleanup(cls.stop_daemon)

    @classmethod
    def stop_daemon(cls) -> None:
        """Stop the project's daemon, and wait until it is gone."""
        try:
            client = cinch.connect(cls.project, start=False)
        except ConnectionError:
            return
        with client:
            client.call("daemon.stop")
            wait_for_end(client)

    def connect(self, **options: Any) -> cinch.Client:
        client = cinch.connect(self.project, **options)
        self.addCleanup(client.close)
        return client

    def daemon_pid(self) -> int:
        pid: int = json.loads((self.project / ".cinchdb" / "daemon.json").read_text())["pid"]
        return pid


def wait_for_end(client: cinch.Client) -> None:
    """Until the daemon has closed its side."""
    client._connection._reader.join(SECONDS)
    assert client.closed, "the daemon did not close the connection"


class Guard(cinch.Plugin):
    """Keeps rows, doubles what is bound, and keeps what it was told."""

    name = "guard"
    version = "1.0.0"

    def __init__(self, client: cinch.Client) -> None:
        self.client = client
        self.events: queue.SimpleQueue[Dict[str, Any]] = queue.SimpleQueue()
        self.methods = {
            "count": cinch.PluginMethod(
                lambda params, scope: self.client.with_scope(**scope).count(params["table"]),
                "Count the rows of a table.",
                {"type": "object", "properties": {"table": {"type": "string"}}, "required": ["table"]},
                {"type": "integer"},
                read_only=True,
            ),
            "fail": cinch.PluginMethod(lambda params, scope: 1 // 0, "Fail."),
        }

    def before_query(self, query: cinch.Query) -> Any:
        if query.sql.startswith("delete"):
            (count,) = self.client.query("select count(*) from kept").one()
            return cinch.Veto(f"{count} rows stay")
        if query.sql == "select ?":
            return cinch.Rewrite("select ?, ?", [*query.params, query.params[0] * 2])
        if query.sql == "select 'nonsense'":
            return "nonsense"
        return None

    def after_query(self, query: cinch.Query, result: Dict[str, Any]) -> Any:
        if query.sql == "select 'secret'":
            return {**result, "rows": [[b"hidden"]]}
        return None

    def on_event(self, event: Dict[str, Any]) -> None:
        self.events.put(event)


class PluginTest(DaemonTest):
    def setUp(self) -> None:
        self.client = self.connect()
        if not any(table["name"] == "kept" for table in self.client.tables()):
            self.client.create_table("kept", [{"name": "a", "type": "INTEGER"}])
            self.client.insert("kept", {"a": 1})
        self.guard = Guard(self.connect())
        self.addCleanup(self.guard.client.close)
        self.guard.client.register(self.guard)

    def test_it_vetoes_the_statement_of_another_client(self) -> None:
        with self.assertRaises(cinch.CinchError) as raised:
            self.client.execute("delete from kept")
        self.assertEqual(raised.exception.kind, "queryVetoed")
        self.assertEqual(raised.exception.data, {"plugin": "guard", "reason": "1 rows stay"})
        self.assertEqual(self.client.count("kept"), 1)

    def test_it_rewrites_statements_with_exact_values(self) -> None:
        self.assertEqual(self.client.query("select ?", [2**62 - 1]).rows, [(2**62 - 1, 2**63 - 2)])
        self.assertEqual(self.client.query("select 'secret'").one(), (b"hidden",))
        self.assertEqual(self.client.query("select 'else'").one(), ("else",))

    def test_its_own_statements_do_not_come_back_to_it(self) -> None:
        self.assertEqual(self.guard.client.query("select ?", [1]).rows, [(1,)])

    def test_its_methods_are_called_where_the_caller_is(self) -> None:
        self.client.create_tenant("acme")
        self.assertEqual(self.client.call("plugin.guard.count", table="kept"), 1)
        self.assertEqual(self.client.with_scope(tenant="acme").call("plugin.guard.count", table="kept"), 0)
        with self.assertRaises(cinch.CinchError) as raised:
            self.client.call("plugin.guard.fail")
        self.assertEqual(raised.exception.kind, "pluginFailed")
        self.assertIn("ZeroDivisionError", raised.exception.data["reason"])

    def test_what_it_should_not_say_fails_that_statement_alone(self) -> None:
        with self.assertRaises(cinch.CinchError) as raised:
            self.client.query("select 'nonsense'")
        self.assertIn("before_query gives None", raised.exception.data["reason"])
        self.assertEqual(self.client.query("select 1").one(), (1,))

    def test_it_is_told_of_events(self) -> None:
        self.client.call("tenant.create", name="globex")
        event = self.guard.events.get(timeout=SECONDS)
        self.assertEqual((event["kind"], event["tenant"]), ("tenantCreated", "globex"))

    def test_it_ends_when_it_says_so_or_is_closed(self) -> None:
        self.guard.client.unregister("guard")
        self.assertEqual(self.client.query("select ?", [1]).rows, [(1,)])
        self.guard.client.register(self.guard, timeout=5, on_failure="skip")
        self.assertEqual(self.client.query("select ?", [1]).rows, [(1, 2)])
        self.guard.client.close()
        while self.client.call("plugin.list")["plugins"]:
            pass
        self.assertEqual(self.client.query("select ?", [1]).rows, [(1,)])


class Values(DaemonTest):
    def setUp(self) -> None:
        self.db = self.connect()

    def test_every_value_arrives_and_comes_back_as_it_is(self) -> None:
        values: List[Tuple[cinch.Value, str]] = [
            (None, "null"),
            (0, "integer"),
            (-1, "integer"),
            (2**53 - 1, "integer"),
            (2**53, "integer"),
            (2**53 + 1, "integer"),
            (-(2**53) - 1, "integer"),
            (2**63 - 1, "integer"),
            (-(2**63), "integer"),
            (0.1, "real"),
            (-1.5e-7, "real"),
            (5e-324, "real"),
            (1.7976931348623157e308, "real"),
            (1e17, "real"),
            (1e21, "real"),
            (2.0**53, "real"),
            (math.inf, "real"),
            (-math.inf, "real"),
            (-0.0, "real"),
            ("", "text"),
            ('ä€😀\u2028\0\n"\\', "text"),
            ('{"$int": "1"}', "text"),
            (b"", "blob"),
            (bytes(range(256)), "blob"),
        ]
        for value, kind in values:
            with self.subTest(value=value):
                back, found = self.db.query("select ?, typeof(?)", [value, value]).one()
                self.assertEqual(found, kind)
                self.assertEqual(repr(back), repr(value))

    def test_a_whole_float_is_stored_as_real(self) -> None:
        back, kind = self.db.query("select ?, typeof(?)", [2.0, 2.0]).one()
        self.assertEqual((back, kind), (2, "real"))

    def test_booleans_are_integers_but_in_a_boolean_column(self) -> None:
        self.db.create_table("flag", [{"name": "a", "type": "BOOLEAN"}, {"name": "b", "type": "INTEGER"}])
        self.db.insert("flag", {"a": True, "b": True})
        self.assertEqual(self.db.query("select a, b from flag").rows, [(True, 1)])
        self.assertIs(self.db.query("select a from flag").one()[0], True)

    def test_a_column_declared_real_gives_floats(self) -> None:
        self.db.create_table("r", [{"name": "a", "type": "REAL"}, {"name": "b", "type": "INTEGER"}])
        self.db.insert("r", [{"a": 2, "b": 2}, {"a": 1e300}, {"a": 0.5}, {"a": None}])
        rows = self.db.query("select a, b from r order by a").rows
        self.assertEqual([repr(a) for a, _ in rows], ["None", "0.5", "2.0", "1e+300"])
        self.assertEqual([type(b) for _, b in rows if b is not None], [int])

    def test_what_is_no_value_is_not_sent(self) -> None:
        values: List[cinch.Value] = [math.nan, 2**63, "\ud800"]
        for value in values:
            with self.subTest(value=value), self.assertRaises(ValueError):
                self.db.query("select ?", [value])
        with self.assertRaises(TypeError):
            self.db.query("select ?", [object()])  # type: ignore[list-item]
        with self.assertRaises(TypeError):
            self.db.query("select ?", {1: 1})  # type: ignore[dict-item]
        with self.assertRaises(cinch.Refused) as refused:
            self.db.query("select ?", [[1]])  # type: ignore[list-item]
        self.assertEqual(refused.exception.kind, "invalidValue")
        self.assertEqual(self.db.call("ping"), {})

    def test_defaults_of_columns_are_plain(self) -> None:
        columns: List[Dict[str, Any]] = [{"name": "a", "type": "REAL", "default": 2.0}]
        self.db.create_table("d", columns)
        self.assertEqual(self.db.query("select * from d").rows, [])
        self.assertEqual(self.db.insert("d", {})["a"], 2.0)
        with self.assertRaises(ValueError):
            self.db.create_table("e", [{"name": "a", "type": "INTEGER", "default": 2**60}])


class Calls(DaemonTest):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        with cinch.connect(cls.project) as db:
            columns: List[Dict[str, Any]] = [
                {"name": "a", "type": "INTEGER", "nullable": False},
                {"name": "b", "type": "TEXT"},
            ]
            db.create_table("t", columns, primary_key=["a"], system_columns=False)

    def setUp(self) -> None:
        self.db = self.connect()
        self.db.execute("delete from t")

    def test_rows(self) -> None:
        self.assertEqual(self.db.insert("t", {"a": 1, "b": "x"}), {"a": 1, "b": "x"})
        stored = self.db.insert("t", ({"a": n, "b": "y"} for n in (2, 3)))
        self.assertEqual(stored, [{"a": 2, "b": "y"}, {"a": 3, "b": "y"}])
        self.assertEqual(self.db.insert("t", []), [])
        self.assertEqual(self.db.get("t", 1), {"a": 1, "b": "x"})
        self.assertIsNone(self.db.get("t", 9))
        self.assertEqual(self.db.list("t", {"a": {"gt": 1}}, order_by=["-a"], columns=["a"], limit=1), [{"a": 3}])
        self.assertEqual(self.db.count("t"), 3)
        self.assertEqual(self.db.count("t", {"b": "y"}), 2)
        self.assertEqual(self.db.update("t", {"a": 1, "b": None}), {"a": 1, "b": None})
        self.assertEqual(self.db.update("t", [{"a": 2, "b": "z"}]), [{"a": 2, "b": "z"}])
        self.assertEqual(self.db.delete("t", 2, 3), 2)
        self.assertEqual(self.db.list("t"), [{"a": 1, "b": None}])

    def test_rows_by_key_and_by_condition(self) -> None:
        self.db.insert("t", [{"a": n, "b": "x"} for n in range(5)])
        self.assertEqual(self.db.upsert("t", {"a": 1, "b": "y"}), {"a": 1, "b": "y"})
        stored = self.db.upsert("t", [{"a": 9, "b": "new"}, {"a": 0}], on=["a"])
        self.assertEqual(stored, [{"a": 9, "b": "new"}, {"a": 0, "b": "x"}])
        self.assertEqual(self.db.update_where("t", {"a": {"gte": 3}}, {"b": None}), 3)
        self.assertEqual(self.db.delete_where("t", {"b": "x"}), 2)
        with self.assertRaises(cinch.Refused):
            self.db.delete_where("t", {})
        self.assertEqual([row["a"] for row in self.db.pages("t", order_by=["-a"], page_size=2)], [9, 4, 3, 1])
        self.assertEqual([*self.db.pages("t", {"a": {"gt": 9}})], [])
        self.assertEqual(self.db.query("select a, b from t where a = 1", mask=["t.b"]).rows, [(1, "***")])

    def test_statements(self) -> None:
        done = self.db.execute("insert into t values (:a, :b) returning b, a", {"a": 1, "b": "x"})
        self.assertEqual((done.changes, done.columns, done.rows), (1, ("b", "a"), [("x", 1)]))
        self.assertEqual(self.db.execute("update t set b = ?", ["y"]).changes, 1)
        found = self.db.query("select a, b, a + 1 as a from t")
        self.assertEqual(found.columns, ("a", "b", "a"))
        self.assertEqual(found.types, ("INTEGER", "TEXT", None))
        self.assertEqual([*found], [(1, "y", 2)])
        self.assertEqual(len(found), 1)
        self.assertFalse(found.truncated)
        self.assertEqual(self.db.query("select a, b from t").dicts(), [{"a": 1, "b": "y"}])
        self.assertTrue(self.db.query("values (1), (2)", max_rows=1).truncated)
        with self.assertRaises(ValueError):
            self.db.query("select a from t where a = 9").one()

    def test_a_cursor_gives_every_row_and_keeps_none(self) -> None:
        counting = (
            "with recursive r(n) as (select 1 union all select n + 1 from r where n < {}) select n, 1.0 as f from r"
        )
        cursor = self.db.cursor(counting.format(10_000), count=700)
        self.assertEqual(cursor.columns, ("n", "f"))
        self.assertEqual([n for n, _ in cursor], list(range(1, 10_001)))
        self.assertEqual(list(cursor), [])
        self.assertFalse(cursor.truncated)
        cut = self.db.cursor(counting.format(10_000), max_rows=5)
        self.assertEqual((len(list(cut)), cut.truncated), (5, True))
        with self.db.cursor(counting.format(10_000_000)) as left:
            self.assertEqual(next(left)[0], 1)
        self.assertEqual(list(left), [])
        for _ in range(20):  # more than may be open, if those that are dropped stayed
            next(self.db.cursor(counting.format(10_000_000)))
        with self.assertRaises(cinch.CinchError):
            list(self.db.cursor("select json_extract(?, '$')", ["{"]))
        with self.assertRaises(cinch.Refused):
            self.db.cursor("delete from t")

    def test_a_batch_is_all_or_nothing(self) -> None:
        results = self.db.batch([("insert into t values (?, ?)", [1, "x"]), "select b from t"])
        self.assertEqual([result.rows for result in results], [[], [("x",)]])
        with self.assertRaises(cinch.ConstraintFailed):
            self.db.batch(["insert into t values (2, 'x')", "insert into t values (1, 'x')"])
        self.assertEqual(self.db.count("t"), 1)

    def test_a_transaction_is_committed_where_its_block_ends_well_and_else_rolled_back(self) -> None:
        other = self.connect()
        self.db.create_table("balance", [{"name": "amount", "type": "INTEGER"}])
        with self.db.transaction() as tx:
            stored = tx.insert("balance", {"amount": 1})
            self.assertEqual(tx.query("select amount from balance").one(), (1,))
            self.assertEqual(tx.execute("update balance set amount = amount + ?", [2]).changes, 1)
            self.assertEqual(tx.batch(["delete from balance where amount > 9"])[0].changes, 0)
            self.assertEqual((self.db.count("balance"), other.count("balance")), (0, 0))
        row = other.get("balance", stored["id"])
        assert row is not None
        self.assertEqual(row["amount"], 3)

        with self.assertRaises(ZeroDivisionError):
            with self.db.transaction() as tx:
                tx.delete("balance", stored["id"])
                raise ZeroDivisionError
        self.assertEqual(other.count("balance"), 1)
        with self.assertRaises(cinch.TransactionEnded) as ended:
            tx.count("balance")
        self.assertEqual(ended.exception.data["reason"], "rolledBack")

        with self.assertRaises(cinch.ConstraintFailed):
            with self.db.transaction() as tx:
                tx.insert("balance", {"amount": 4})
                tx.insert("balance", {"id": stored["id"]})
        with self.db.transaction() as tx:
            tx.insert("balance", {"amount": 5})
            tx.rollback()
        self.assertEqual(other.count("balance"), 1)

    def test_a_transaction_that_reads_sees_its_own_moment(self) -> None:
        self.db.create_table("moment", [{"name": "n", "type": "INTEGER"}])
        with self.db.transaction("read") as tx:
            self.db.insert("moment", {"n": 1})
            self.assertEqual((tx.count("moment"), self.db.count("moment")), (0, 1))
            with self.assertRaises(cinch.Refused):
                tx.insert("moment", {"n": 2})

    def test_threads_lose_no_update_in_transactions(self) -> None:
        self.db.create_table("counter", [{"name": "n", "type": "INTEGER"}])
        id = self.db.insert("counter", {"n": 0})["id"]

        def count() -> None:
            for _ in range(5):
                with self.db.transaction() as tx:
                    row = tx.get("counter", id)
                    assert row is not None
                    tx.update("counter", {"id": id, "n": row["n"] + 1})

        threads = [threading.Thread(target=count) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SECONDS)
        self.assertEqual(self.db.query("select n from counter").one(), (20,))

    def test_errors_have_families(self) -> None:
        self.db.insert("t", {"a": 1})
        cases: List[Tuple[type, str, int, Any]] = [
            (cinch.NotFound, "tableNotFound", 1200, lambda: self.db.list("nowhere")),
            (cinch.NotFound, "tenantNotFound", 1115, lambda: self.db.call("row.list", table="t", tenant="nobody")),
            (cinch.NotFound, "rowNotFound", 1303, lambda: self.db.delete("t", 9)),
            (cinch.Exists, "tableExists", 1201, lambda: self.db.create_table("t", [])),
            (cinch.ConstraintFailed, "constraintFailed", 1302, lambda: self.db.insert("t", {"a": 1})),
            (cinch.Refused, "sqlRefused", 1301, lambda: self.db.query("delete from t")),
            (cinch.Refused, "invalidParams", -32602, lambda: self.db.call("row.list", tabel="t")),
            (cinch.Refused, "methodNotFound", -32601, lambda: self.db.call("row.lists")),
            (cinch.CinchError, "sqlError", 1300, lambda: self.db.query("selekt")),
        ]
        for family, kind, code, work in cases:
            with self.subTest(kind=kind), self.assertRaises(cinch.CinchError) as refused:
                work()
            error = refused.exception
            self.assertIs(type(error), family)
            self.assertEqual((error.kind, error.code), (kind, code))
            self.assertIn(kind, str(error))
        self.assertEqual(error.data["sqliteCode"], "SQLITE_ERROR")

    def test_a_schema_edit(self) -> None:
        done = self.db.schema.apply(
            [
                {"kind": "createTable", "name": "u", "columns": [{"name": "a", "type": "TEXT"}]},
                {"kind": "addColumn", "table": "u", "column": {"name": "b", "type": "TEXT"}},
            ],
            message="u",
        )
        self.assertEqual(self.db.schema.get()["head"], done["changeSet"])
        self.assertIn("u", [table["name"] for table in self.db.tables()])
        planned = self.db.schema.apply([{"kind": "dropTable", "name": "u"}], dry_run=True)
        self.assertIsNone(planned["changeSet"])
        self.assertTrue(planned["plan"])

    def test_scopes(self) -> None:
        self.db.create_tenant("acme")
        self.db.insert("t", {"a": 1})
        acme = self.db.with_scope(tenant="acme")
        self.assertEqual((self.db.count("t"), acme.count("t")), (1, 0))
        # Methods that take no tenant are not given one.
        self.assertEqual([each["name"] for each in acme.call("database.list")["databases"]], ["main"])
        # Where the tenant goes by `name`, the view's is meant.
        self.assertEqual(acme.call("tenant.get")["name"], "acme")
        self.assertEqual(acme.call("tenant.get", name="main")["name"], "main")
        with acme.pipeline() as calls:
            calls.call("row.insert", table="t", rows=[{"a": 5}])
            calls.call("row.insert", table="t", rows=[{"a": 6}], tenant="main")
        self.assertEqual((self.db.count("t"), acme.count("t")), (2, 1))
        with acme:
            pass
        self.assertFalse(self.db.closed)
        self.assertEqual(self.db.scope(tenant="acme"), {"database": "main", "branch": "main", "tenant": "acme"})
        self.assertEqual(self.db.count("t"), 1)
        self.assertEqual(self.connect(tenant="acme").count("t"), 1)
        with self.assertRaises(cinch.NotFound):
            self.db.scope(branch="nowhere")

    def test_an_encrypted_tenant_is_reached_with_its_key(self) -> None:
        key = {"raw": "ab" * 32}
        self.db.create_tenant("sealed", key=key)
        sealed = self.db.with_scope(tenant="sealed")
        with self.assertRaises(cinch.Refused) as refused:
            sealed.count("t")
        self.assertEqual(refused.exception.kind, "tenantLocked")
        sealed.insert("t", {"a": 1, "b": "x"}, key=key)
        self.assertEqual(sealed.query("select b from t", key=key).one(), ("x",))
        with self.assertRaises(cinch.Refused) as refused:
            sealed.query("select b from t", key="another")
        self.assertEqual(refused.exception.kind, "wrongKey")
        with self.connect(tenant="sealed", key=key) as own:
            self.assertEqual(own.count("t"), 1)
            own.lock()
            with self.assertRaises(cinch.Refused):
                own.count("t")
            own.unlock(key, ttl_ms=60_000)
            self.assertEqual(own.count("t"), 1)
        with self.assertRaises(cinch.Refused):
            sealed.count("t")
        sealed.unlock(key)
        self.assertEqual(sealed.count("t"), 1)

    def test_a_pipeline_answers_in_the_order_of_its_calls(self) -> None:
        with self.db.pipeline() as calls:
            for n in range(5_000):
                calls.execute("insert into t (a) values (?)", [n])
            failing = calls.execute("insert into t (a) values (1)")
            count = calls.query("select count(*) from t")
        self.assertEqual(count.result().one(), (5_000,))
        with self.assertRaises(cinch.ConstraintFailed):
            failing.result()
        with self.assertRaises(cinch.ConstraintFailed):
            calls.results()
        results = calls.results(return_errors=True)
        self.assertEqual([result.changes for result in results[:5_000]], [1] * 5_000)
        self.assertIsInstance(results[5_000], cinch.ConstraintFailed)

    def test_a_result_of_a_pipeline_can_be_had_at_once(self) -> None:
        calls = self.db.pipeline()
        self.assertEqual(calls.query("select 1").result(SECONDS).one(), (1,))

    def test_threads_share_a_connection(self) -> None:
        failures: List[BaseException] = []

        def work(first: int) -> None:
            try:
                for n in range(first, first + 50):
                    self.db.insert("t", {"a": n, "b": "x" * n})
                    assert self.db.query("select length(b) from t where a = ?", [n]).one() == (n,)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(n * 100,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.assertEqual(self.db.count("t"), 400)

    def test_large_messages_both_ways(self) -> None:
        text = "x😀" * 1_000_000
        self.db.insert("t", {"a": 1, "b": text})
        self.assertEqual(self.db.query("select b from t").one()[0], text)

    def test_a_message_over_the_limit_is_refused_and_nothing_else(self) -> None:
        other = self.db.send("query.run", {"sql": "select 1"})
        with self.assertRaises(cinch.LimitReached) as refused:
            self.db.query("select ?", ["x" * (65 << 20)])
        self.assertEqual(refused.exception.data["limit"], "maxMessageBytes")
        self.assertEqual(other.result(SECONDS)["rows"], [[1]])
        self.assertEqual(self.db.call("ping"), {})

    def test_progress_is_reported_in_the_thread_that_waits(self) -> None:
        seen: List[Tuple[Dict[str, Any], threading.Thread]] = []
        change = {"kind": "createIndex", "table": "t", "columns": ["b"]}
        self.db.request(
            "schema.apply",
            {"changes": [change], "dryRun": True},
            on_progress=lambda value: seen.append((value, threading.current_thread())),
        )
        self.assertTrue(all(thread is threading.current_thread() for _, thread in seen))


class Keys(DaemonTest):
    def test_every_value_comes_back_as_it_is(self) -> None:
        values: List[Any] = [
            None,
            True,
            0,
            2**63 - 1,
            -(2**63),
            2.0,
            0.1,
            -0.0,
            math.inf,
            "",
            "a\0b 😀",
            b"",
            b"\x00\xff",
            [],
            {},
            {"a": [1, 2.0, 2**60, b"\x00", None, {"b": -0.0}], "$ref": "x"},
        ]
        kv = self.connect().kv
        for at, value in enumerate(values):
            kv[f"v{at}"] = value
            back = kv[f"v{at}"]
            self.assertEqual((type(back), repr(back)), (type(value), repr(value)))
        self.assertEqual([value for _, value in kv.items("v?")], values[:10])
        for value in (math.nan, 2**63, [2**63], {1: 2}, object()):
            with self.assertRaises((ValueError, TypeError)):
                kv["v0"] = value

    def test_it_is_a_dict_of_the_tenant(self) -> None:
        db = self.connect()
        db.create_tenant("k")
        kv = db.with_scope(tenant="k").kv
        kv.mset({"a": 1, "b": None, "A": [1]})
        self.assertEqual(([*kv], len(kv), "a" in kv, "c" in kv), (["A", "a", "b"], 3, True, False))
        self.assertEqual((kv.get("b", 5), kv.get("c", 5)), (None, 5))
        self.assertEqual(kv.mget(["b", "c", "a"]), {"b": None, "a": 1})
        del kv["b"]
        for missing in (lambda: kv["b"], lambda: kv.__delitem__("b"), lambda: kv.ttl_ms("b")):
            with self.assertRaises(KeyError):
                missing()
        self.assertEqual((kv.delete("a", "A", "none"), len(kv), kv.size_bytes()), (2, 0, 0))
        self.assertNotIn("a", db.kv)

    def test_conditions_and_versions(self) -> None:
        kv = self.connect().kv
        first = kv.set("c", 1, if_absent=True)
        self.assertIsNotNone(first)
        self.assertIsNone(kv.set("c", 2, if_absent=True))
        self.assertIsNone(kv.set("none", 2, if_present=True))
        value, version = kv.get_versioned("c")
        self.assertEqual((value, version), (1, first))
        self.assertIsNotNone(kv.set("c", 2, if_version=version))
        self.assertIsNone(kv.set("c", 3, if_version=version))
        self.assertEqual(kv["c"], 2)

    def test_numbers_and_times(self) -> None:
        kv = self.connect().kv
        self.assertEqual((kv.increment("n"), kv.increment("n", 2**62)), (1, 2**62 + 1))
        with self.assertRaises(cinch.Refused) as refused:
            kv.increment("n", 0.5)
        self.assertEqual(refused.exception.kind, "notThatNumber")
        self.assertEqual(repr([kv.increment("f", 1.5), kv.increment("f", 0.5)]), "[1.5, 2.0]")
        kv.set("t", 1, ttl_ms=1_000_000)
        kv.set("t", 2, keep_ttl=True)
        self.assertGreater(kv.ttl_ms("t") or 0, 900_000)
        self.assertEqual((kv.persist("t"), kv.persist("t"), kv.ttl_ms("t")), (True, False, None))
        self.assertEqual((kv.expire("t", 500_000), kv.expire("none", 5)), (True, False))
        self.assertLessEqual(kv.ttl_ms("t") or 0, 500_000)
        self.assertEqual(kv.purge(), 0)

    def test_many_keys_come_in_pages(self) -> None:
        db = self.connect()
        db.create_tenant("many")
        kv = db.with_scope(tenant="many").kv
        kv.mset({f"k{n:04}": n for n in range(2_500)})
        self.assertEqual([*kv], [f"k{n:04}" for n in range(2_500)])
        self.assertEqual([value for _, value in kv.items("k1*")], [*range(1_000, 2_000)])
        self.assertEqual(kv.count("k?[0-4]*"), 1_500)


class Readme(DaemonTest):
    def run_example(self, example: str) -> List[str]:
        output = io.StringIO()
        with mock.patch.dict(os.environ, CINCH_PROJECT=str(self.project)), contextlib.redirect_stdout(output):
            exec(compile(example, "README.md", "exec"), {})
        return output.getvalue().splitlines()

    def test_the_examples_of_the_readme_run(self) -> None:
        readme = (HERE / "README.md").read_text("utf-8")
        first, for_asyncio, generated = re.findall(r"^```python\n(.*?)^```", readme, re.S | re.M)
        lines = self.run_example(first)
        greeting = f"{{'text': 'hello', 'seen': {2**60}}} 1 ['greeting']"
        self.assertEqual(lines[:3], ["good evening 2.0", "3 notes of acme, 1 of main", greeting])
        self.assertTrue(lines[3].startswith("sqlError 1300"), lines[3])

        self.connect().delete_where("note", {"weight": {"gt": 3}})
        self.assertEqual(self.run_example(for_asyncio), ["from a task 4.0", "10 ['main']"])

        (file,) = self.connect().api.codegen.generate(language="python")["files"]
        folder = Path(tempfile.mkdtemp(prefix="cinch-"))
        self.addCleanup(shutil.rmtree, folder)
        (folder / "shop").mkdir()
        (folder / "shop" / file["path"]).write_text(file["text"], "utf-8")
        with mock.patch.object(sys, "path", [str(folder), *sys.path]):
            self.assertEqual(self.run_example(generated), ["typed, and changed 900.0"])


class Life(DaemonTest):
    def tearDown(self) -> None:
        self.stop_daemon()

    def test_a_daemon_is_started_and_shared(self) -> None:
        first = self.connect()
        second = self.connect(start=False)
        self.assertEqual(first.call("project.info")["pid"], second.call("project.info")["pid"])
        self.assertEqual(first.server["project"], {"path": str(self.project)})
        log = self.project / ".cinchdb" / "daemon.log"
        self.assertEqual(log.stat().st_mode & 0o777, 0o600)

    def test_many_that_start_at_once_share_one_daemon(self) -> None:
        clients: List[cinch.Client] = []
        threads = [threading.Thread(target=lambda: clients.append(self.connect())) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(clients), 4)
        self.assertEqual(len({client.call("project.info")["pid"] for client in clients}), 1)

    def test_none_is_started_where_that_is_not_wanted(self) -> None:
        with self.assertRaises(cinch.ConnectionLost):
            cinch.connect(self.project, start=False)

    def test_a_project_is_found_from_below(self) -> None:
        below = self.project / "a" / "b"
        below.mkdir(parents=True, exist_ok=True)
        with mock.patch.dict(os.environ, CINCH_PROJECT=str(below)):
            self.assertEqual(cinch.find_project(), self.project)
            with cinch.connect() as db:
                self.assertEqual(db.server["project"]["path"], str(self.project))
        with self.assertRaises(cinch.NotFound) as refused:
            cinch.connect(below)
        self.assertEqual(refused.exception.kind, "projectNotFound")
        with tempfile.TemporaryDirectory() as folder:
            self.assertIsNone(cinch.find_project(folder))

    def test_a_daemon_that_died_is_replaced(self) -> None:
        first = self.connect()
        pid = self.daemon_pid()
        os.kill(pid, signal.SIGKILL)
        wait_for_end(first)
        self.assertEqual(self.daemon_pid(), pid, "what it said of itself is still there")
        self.assertNotEqual(self.connect().call("project.info")["pid"], pid)

    def test_a_daemon_that_cannot_start_says_why(self) -> None:
        with self.assertRaises(ConnectionError):
            cinch.connect(self.project, command=["node", "-e", "process.exit(3)"])
        config = self.project / ".cinchdb" / "config.json"
        kept = config.read_text()
        self.addCleanup(config.write_text, kept)
        config.write_text('{"unknown": 1}')
        with self.assertRaisesRegex(ConnectionError, "invalidConfig"):
            cinch.connect(self.project)

    def test_another_protocol_version_is_refused(self) -> None:
        self.connect()
        discovery = self.project / ".cinchdb" / "daemon.json"
        kept = discovery.read_text()
        self.addCleanup(discovery.write_text, kept)
        discovery.write_text(json.dumps({**json.loads(kept), "protocolVersion": "2.0"}))
        with self.assertRaises(cinch.CinchError) as refused:
            self.connect()
        self.assertEqual(refused.exception.kind, "versionMismatch")
        discovery.write_text(kept)

    def test_over_stdio(self) -> None:
        with cinch.Client.over_stdio(None, self.project, timeout=SECONDS) as db:
            self.assertEqual(db.query("select 1").one(), (1,))
            with self.connect(start=False) as other:
                self.assertEqual(other.call("project.info"), db.call("project.info"))
        with self.assertRaises(cinch.ConnectionLost):
            db.call("ping")

    def test_over_stdio_to_the_daemon_that_runs(self) -> None:
        shared = self.connect()
        with cinch.Client.over_stdio(os.environ.get("CINCHD"), self.project) as db:
            self.assertEqual(db.call("project.info")["pid"], shared.call("project.info")["pid"])
        self.assertEqual(shared.call("ping"), {})

    def test_a_call_that_is_late_raises_timeout_error(self) -> None:
        db = self.connect()
        pid = self.daemon_pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            with self.assertRaises(TimeoutError):
                db.request("ping", timeout=0.05)
            with self.assertRaises(TimeoutError):
                db.send("query.run", {"sql": "x" * (8 << 20)}, timeout=0.05)
        finally:
            os.kill(pid, signal.SIGCONT)
        self.assertTrue(db.closed, "half a message went out")
        self.assertEqual(self.connect().call("ping"), {})

    def test_every_waiting_call_hears_that_the_daemon_is_gone(self) -> None:
        db = self.connect()
        pid = self.daemon_pid()
        os.kill(pid, signal.SIGSTOP)
        waiting = [db.send("ping") for _ in range(3)]
        os.kill(pid, signal.SIGKILL)
        for pending in waiting:
            with self.assertRaises(cinch.ConnectionLost):
                pending.result(SECONDS)
        with self.assertRaises(cinch.ConnectionLost):
            db.call("ping")


class FakeDaemon:
    """The other end of a connection, which says what a test wants it to say."""

    def __init__(self, test: unittest.TestCase) -> None:
        ours, theirs = socket.socketpair()
        ours.settimeout(SECONDS)
        self.socket = ours
        self.lines = ours.makefile("rb")
        test.addCleanup(ours.close)
        test.addCleanup(self.lines.close)
        self.client = cinch.Client(Connection(SocketStream(theirs)), timeout=SECONDS)
        test.addCleanup(self.client.close)

    def receive(self) -> Any:
        return json.loads(self.lines.readline())

    def send(self, *messages: Any) -> None:
        self.socket.sendall(b"".join(json.dumps(message).encode() + b"\n" for message in messages))

    def answer(self, id: Any, result: Any) -> None:
        self.send({"jsonrpc": "2.0", "id": id, "result": result})

    def close(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)


class Misbehaviour(unittest.TestCase):
    def setUp(self) -> None:
        self.fake = FakeDaemon(self)
        self.client = self.fake.client

    def test_answers_find_their_calls_in_any_order(self) -> None:
        first, second = self.client.send("a"), self.client.send("b")
        self.assertEqual([self.fake.receive()["method"], self.fake.receive()["method"]], ["a", "b"])
        self.fake.answer(second.id, 2)
        self.fake.answer(first.id, 1)
        self.assertEqual((first.result(), second.result()), (1, 2))

    def test_requests_and_notifications_of_the_daemon_do_not_confuse(self) -> None:
        pending = self.client.send("a")
        self.fake.receive()
        self.fake.send(
            {"jsonrpc": "2.0", "method": "$/progress", "params": {"token": "unknown", "value": {}}},
            {"jsonrpc": "2.0", "method": "hook.event", "params": [1]},
            {"jsonrpc": "2.0", "method": "hook.event"},
            {"jsonrpc": "2.0", "id": pending.id, "method": "hook.call", "params": {}},
            {"jsonrpc": "2.0", "id": 999, "result": "nobody asked"},
            {"jsonrpc": "2.0", "id": "x", "result": "nobody asked"},
        )
        refused = self.fake.receive()
        self.assertEqual((refused["id"], refused["error"]["code"]), (pending.id, -32601))
        self.assertFalse(pending.done)
        self.fake.send([{"jsonrpc": "2.0", "id": pending.id, "result": {"$blob": "AA=="}}])
        self.assertEqual(pending.result(), b"\0")

    def test_progress_goes_to_its_call(self) -> None:
        seen: List[Any] = []
        first, second = self.client.send("a", on_progress=seen.append), self.client.send("b")
        token = self.fake.receive()["params"]["progressToken"]
        self.assertNotIn("progressToken", self.fake.receive()["params"])
        for done in (1, 2):
            self.fake.send({"jsonrpc": "2.0", "method": "$/progress", "params": {"token": token, "value": {"n": done}}})
        self.fake.answer(second.id, None)
        self.fake.answer(first.id, "done")
        self.assertIsNone(second.result())
        self.assertEqual(first.result(), "done")
        self.assertEqual(seen, [{"n": 1}, {"n": 2}])

    def test_a_cancelled_call_is_answered(self) -> None:
        pending = self.client.send("a")
        self.client.cancel(pending)
        id = self.fake.receive()["id"]
        self.assertEqual(self.fake.receive(), {"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": id}})
        error = {"code": -32800, "message": "Cancelled", "data": {"kind": "requestCancelled"}}
        self.fake.send({"jsonrpc": "2.0", "id": id, "error": error})
        with self.assertRaises(cinch.Cancelled):
            pending.result()
        pending.cancel()
        self.client.send("b")
        self.assertEqual(self.fake.receive()["method"], "b", "an answered call is not cancelled")

    def test_a_late_call_is_cancelled_and_its_answer_ignored(self) -> None:
        with self.assertRaises(TimeoutError):
            self.client.request("a", timeout=0.01)
        id = self.fake.receive()["id"]
        self.assertEqual(self.fake.receive()["params"], {"id": id})
        pending = self.client.send("b")
        self.fake.answer(id, "late")
        self.fake.answer(pending.id, "b")
        self.assertEqual(pending.result(), "b")

    def test_the_daemons_own_timeout_is_a_timeout_error(self) -> None:
        pending = self.client.send("a")
        error = {"code": 1003, "message": "Timed out", "data": {"kind": "timeout", "timeoutMs": 5}, "extra": 1}
        self.fake.send({"jsonrpc": "2.0", "id": pending.id, "error": error})
        with self.assertRaises(TimeoutError) as raised:
            pending.result()
        assert isinstance(raised.exception, cinch.TimedOut)
        self.assertEqual((raised.exception.kind, raised.exception.data), ("timeout", {"timeoutMs": 5}))

    def test_an_error_without_an_id_is_for_every_call(self) -> None:
        waiting = [self.client.send("a"), self.client.send("b")]
        error = {"code": 1004, "message": "The daemon is shutting down", "data": {"kind": "shuttingDown"}}
        self.fake.send({"jsonrpc": "2.0", "id": None, "error": error})
        for pending in waiting:
            with self.assertRaises(cinch.CinchError) as refused:
                pending.result()
            self.assertEqual(refused.exception.kind, "shuttingDown")

    def test_a_vanished_daemon_fails_every_waiting_call(self) -> None:
        waiting = [self.client.send("a"), self.client.send("b")]
        self.fake.socket.sendall(b'{"jsonrpc":"2.0","id":1,"resu')
        self.fake.close()
        for pending in waiting:
            with self.assertRaises(cinch.ConnectionLost):
                pending.result()
        self.assertTrue(self.client.closed)
        with self.assertRaises(cinch.ConnectionLost):
            self.client.send("c")

    def test_what_is_no_message_ends_the_connection(self) -> None:
        for text in (b"hello\n", b"\xff\n", b"1\n", b"[1]\n"):
            with self.subTest(text=text):
                fake = FakeDaemon(self)
                pending = fake.client.send("a")
                fake.socket.sendall(text)
                with self.assertRaises(cinch.ConnectionLost):
                    pending.result()

    def test_closing_ends_waiting_calls(self) -> None:
        pending = self.client.send("a")
        self.client.close()
        self.client.close()
        with self.assertRaises(cinch.ConnectionLost):
            pending.result()

    def test_messages_in_pieces(self) -> None:
        pending = self.client.send("a")
        for byte in json.dumps({"jsonrpc": "2.0", "id": pending.id, "result": "ä"}, ensure_ascii=False).encode():
            self.fake.socket.sendall(bytes([byte]))
        self.fake.socket.sendall(b"\r\n\n")
        self.assertEqual(pending.result(), "ä")

    def test_a_pipeline_does_not_stall_where_the_daemon_answers_before_it_reads_on(self) -> None:
        """Answers are taken while calls are still being sent, as both sides would wait for each other else."""

        def serve() -> None:
            for line in self.fake.lines:
                self.fake.answer(json.loads(line)["id"], "x" * 10_000)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with self.client.pipeline() as calls:
            for _ in range(3_000):
                calls.call("a", text="y" * 1_000)
        self.assertEqual(len(calls.results()), 3_000)
        self.client.close()
        thread.join(SECONDS)


if __name__ == "__main__":
    unittest.main()
