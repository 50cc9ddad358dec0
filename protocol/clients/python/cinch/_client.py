"""The client whose calls wait for their answer."""

from __future__ import annotations

import collections
import contextlib
import os
import subprocess
import time
from types import TracebackType
from typing import (
    Any,
    Callable,
    Deque,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
    Type,
    TypeVar,
    Union,
    overload,
)

from ._connection import Connection, Pending, ProcessStream, SocketStream
from ._errors import Cancelled, CinchError, ConnectionLost, TimedOut, TransactionEnded
from ._plugins import Plugin, registration
from ._project import (
    PAUSE_SECONDS,
    PROTOCOL_VERSION,
    START_SECONDS,
    Command,
    Search,
    StrPath,
    check_version,
    daemon_command,
    environment,
)
from ._results import Progress, Result, count_of, present, result_of, rows_of, same
from ._values import Key, Params, Row, Value
from ._version import __version__
from .api import Api

T = TypeVar("T")


class Client:
    """A connection to a daemon, or, from `with_scope`, a view of one with a scope of its own."""

    def __init__(self, connection: Connection, *, timeout: Optional[float] = None) -> None:
        self._connection = connection
        self._scope: Dict[str, str] = {}
        self._owns_connection = True
        self.timeout = timeout
        """Seconds that a call waits for its answer; None waits as long as it takes."""
        self.server: Dict[str, Any] = {}
        """What the daemon said of itself: `server`, `protocolVersion`, `capabilities`, `project`."""

    @classmethod
    def over_stdio(
        cls,
        command: Optional[Command],
        project: StrPath,
        *,
        database: Optional[str] = None,
        branch: Optional[str] = None,
        tenant: Optional[str] = None,
        key: Optional[Key] = None,
        timeout: Optional[float] = None,
    ) -> Client:
        """Start `cinchd --stdio` for a project and speak over its pipes. It ends with this client."""
        arguments = [*daemon_command(command), "--stdio", "--project", os.path.abspath(os.fspath(project))]
        process = subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env=environment()
        )
        scope = present(database=database, branch=branch, tenant=tenant)
        return cls._over(ProcessStream(process), timeout, scope, key)

    @classmethod
    def _over(
        cls,
        stream: Union[SocketStream, ProcessStream],
        timeout: Optional[float],
        scope: Mapping[str, str],
        key: Optional[Key],
    ) -> Client:
        client = cls(Connection(stream), timeout=timeout)
        try:
            client.server = client.request(
                "initialize",
                {
                    "client": {"name": "cinch-python", "version": __version__},
                    "protocolVersion": PROTOCOL_VERSION,
                    "scope": dict(scope),
                },
                timeout=START_SECONDS if timeout is None else timeout,
            )
            check_version(str(client.server.get("protocolVersion")))
            if key is not None:
                client.unlock(key)
            return client
        except BaseException:
            client.close()
            raise

    # Calls

    def call(self, method: str, /, **params: Any) -> Any:
        """Call any method by its name on the wire, and wait for its result."""
        return self.request(method, params)

    def request(
        self,
        method: str,
        params: Optional[Mapping[str, Any]] = None,
        *,
        timeout: Optional[float] = None,
        on_progress: Optional[Progress] = None,
    ) -> Any:
        """The same, with a time limit of its own, and progress. A call that is late is cancelled."""
        return self._wait(self.send(method, params, timeout=timeout, on_progress=on_progress), timeout)

    def send(
        self,
        method: str,
        params: Optional[Mapping[str, Any]] = None,
        *,
        timeout: Optional[float] = None,
        on_progress: Optional[Progress] = None,
    ) -> Pending[Any]:
        """Send a call and do not wait. `timeout` is for the sending alone."""
        return self._send(method, params or {}, same, timeout, on_progress)

    @property
    def api(self) -> Api:
        """Every method of the daemon, by what it is about, with its types: `db.api.branch.create(name="b")`."""
        return Api(self.request)

    def cancel(self, pending: Pending[Any]) -> None:
        pending.cancel()

    def pipeline(self) -> Pipeline:
        """Send many calls without waiting for each: one trip for all of them."""
        return Pipeline(self)

    def _send(
        self,
        method: str,
        params: Mapping[str, Any],
        convert: Callable[[Any], T],
        timeout: Optional[float] = None,
        on_progress: Optional[Progress] = None,
    ) -> Pending[T]:
        pending, data = self._connection.prepare(method, self._scoped(method, params), convert, on_progress)
        try:
            self._connection.write(data, self.timeout if timeout is None else timeout)
        except BaseException:
            self._connection.forget(pending)
            raise
        return pending

    def _wait(self, pending: Pending[T], timeout: Optional[float] = None) -> T:
        try:
            return pending.result(self.timeout if timeout is None else timeout)
        except BaseException:
            if not pending.done:
                pending.cancel()
            raise

    def _ask(self, method: str, params: Mapping[str, Any], convert: Callable[[Any], T]) -> T:
        return self._wait(self._send(method, params, convert))

    def _scoped(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """The parameters with this view's scope, as far as the method takes it."""
        if not self._scope:
            return params
        names = self._connection.scope_params(method)
        return {**{names[noun]: name for noun, name in self._scope.items() if noun in names}, **params}

    # Scope

    def scope(
        self, database: Optional[str] = None, branch: Optional[str] = None, tenant: Optional[str] = None
    ) -> Dict[str, str]:
        """Set where the connection's calls go that name no database, branch or tenant; tells the scope that holds now."""
        scope: Dict[str, str] = self.request(
            "session.setScope", present(database=database, branch=branch, tenant=tenant)
        )
        return scope

    def with_scope(
        self, database: Optional[str] = None, branch: Optional[str] = None, tenant: Optional[str] = None
    ) -> Client:
        """A view of this connection whose calls go elsewhere. Views can be used side by side, by many threads."""
        view = Client(self._connection, timeout=self.timeout)
        view._scope = {**self._scope, **present(database=database, branch=branch, tenant=tenant)}
        view._owns_connection = False
        view.server = self.server
        return view

    # Transactions

    def transaction(
        self,
        mode: str = "write",
        *,
        idle_ms: Optional[int] = None,
        max_ms: Optional[int] = None,
        timeout: Optional[float] = None,
    ) -> Transaction:
        """Begin a transaction of a tenant, in its turn; it is committed where a `with` block ends well, else rolled back.

            with db.transaction() as tx:
                row = tx.get("account", 1)
                tx.update("account", {"id": 1, "balance": row["balance"] - 5})

        With mode "read" it sees the rows as they are when it begins, and keeps nobody waiting. It is for one thread at a
        time. `timeout` is for the wait for its turn.
        """
        asked = self.request("transaction.begin", present(mode=mode, idleMs=idle_ms, maxMs=max_ms), timeout=timeout)
        return Transaction(self, asked["transaction"])

    # SQL

    def query(
        self,
        sql: str,
        params: Optional[Params] = None,
        *,
        max_rows: Optional[int] = None,
        mask: Optional[Sequence[str]] = None,
        key: Optional[Key] = None,
    ) -> Result:
        """Run one statement that reads. Values of columns in `mask` ("email", "users.email") come as `***`."""
        params_given = present(sql=sql, params=params, maxRows=max_rows, mask=mask, key=key)
        return self._ask("query.run", params_given, result_of)

    def cursor(
        self,
        sql: str,
        params: Optional[Params] = None,
        *,
        max_rows: Optional[int] = None,
        idle_ms: Optional[int] = None,
        count: int = 1000,
        key: Optional[Key] = None,
    ) -> Cursor:
        """Run one statement that reads, and take its rows as they come, `count` at a time: however many there are."""
        asked = present(sql=sql, params=params, maxRows=max_rows, idleMs=idle_ms, key=key)
        return self._ask("query.open", asked, lambda answer: Cursor(self, answer, count))

    def execute(self, sql: str, params: Optional[Params] = None, *, key: Optional[Key] = None) -> Result:
        """Run one statement that inserts, updates or deletes; the rows of the result are those of RETURNING."""
        return self._ask("query.execute", present(sql=sql, params=params, key=key), result_of)

    def batch(self, statements: Iterable[Union[str, Tuple[str, Params]]], *, key: Optional[Key] = None) -> List[Result]:
        """Run statements in one transaction: all of them or none."""
        pairs = [(each, []) if isinstance(each, str) else each for each in statements]
        sent = [{"sql": sql, "params": params} for sql, params in pairs]
        return self._ask(
            "query.batch",
            present(statements=sent, key=key),
            lambda answer: [result_of(each) for each in answer["results"]],
        )

    # Rows

    @overload
    def insert(self, table: str, rows: Mapping[str, Value], *, key: Optional[Key] = None) -> Row: ...

    @overload
    def insert(self, table: str, rows: Iterable[Mapping[str, Value]], *, key: Optional[Key] = None) -> List[Row]: ...

    def insert(
        self,
        table: str,
        rows: Union[Mapping[str, Value], Iterable[Mapping[str, Value]]],
        *,
        key: Optional[Key] = None,
    ) -> Union[Row, List[Row]]:
        """Insert one row, or many (all or none); gives back what was stored."""
        return self._write_rows("row.insert", table, rows, key)

    def get(self, table: str, id: Union[Value, Mapping[str, Value]], *, key: Optional[Key] = None) -> Optional[Row]:
        """The row with this primary key (a dict where it has several columns), or None."""
        row: Optional[Row] = self._ask(
            "row.get", {"table": table, "id": id, **present(key=key)}, lambda answer: answer["row"]
        )
        return row

    def list(
        self,
        table: str,
        where: Optional[Mapping[str, Any]] = None,
        *,
        order_by: Optional[Sequence[str]] = None,
        limit: Optional[int] = None,
        offset: Optional[int] = None,
        columns: Optional[Sequence[str]] = None,
        key: Optional[Key] = None,
    ) -> List[Row]:
        """Rows that meet a condition, such as `{"age": {"gte": 18}}`. Without a limit the daemon's holds: 1,000 rows."""
        params = present(
            table=table, where=where, orderBy=order_by, limit=limit, offset=offset, columns=columns, key=key
        )
        return self._ask("row.list", params, rows_of)

    def pages(
        self,
        table: str,
        where: Optional[Mapping[str, Any]] = None,
        *,
        order_by: Optional[Sequence[str]] = None,
        page_size: Optional[int] = None,
        columns: Optional[Sequence[str]] = None,
    ) -> Iterator[Row]:
        """
        Every row that meets a condition, read a page at a time: each once, whatever is inserted or deleted meanwhile.
        """
        cursor: Optional[str] = None
        while True:
            params = present(
                table=table, where=where, orderBy=order_by, limit=page_size, columns=columns, cursor=cursor
            )
            answer = self._ask("row.list", params, same)
            yield from answer["rows"]
            cursor = answer.get("nextCursor")
            if cursor is None:
                return

    def count(self, table: str, where: Optional[Mapping[str, Any]] = None, *, key: Optional[Key] = None) -> int:
        return self._ask("row.count", present(table=table, where=where, key=key), count_of)

    @overload
    def update(self, table: str, rows: Mapping[str, Value], *, key: Optional[Key] = None) -> Row: ...

    @overload
    def update(self, table: str, rows: Iterable[Mapping[str, Value]], *, key: Optional[Key] = None) -> List[Row]: ...

    def update(
        self,
        table: str,
        rows: Union[Mapping[str, Value], Iterable[Mapping[str, Value]]],
        *,
        key: Optional[Key] = None,
    ) -> Union[Row, List[Row]]:
        """Update one row, or many (all or none), each found by the primary key it carries."""
        return self._write_rows("row.update", table, rows, key)

    def update_where(self, table: str, where: Mapping[str, Any], set: Mapping[str, Value]) -> int:
        """Set columns of every row that meets a condition; gives back how many there were."""
        return self._ask("row.updateWhere", {"table": table, "where": where, "set": set}, count_of)

    def delete_where(self, table: str, where: Mapping[str, Any]) -> int:
        """Delete every row that meets a condition; gives back how many there were."""
        return self._ask("row.deleteWhere", {"table": table, "where": where}, count_of)

    @overload
    def upsert(self, table: str, rows: Mapping[str, Value], *, on: Optional[Sequence[str]] = None) -> Row: ...

    @overload
    def upsert(
        self, table: str, rows: Iterable[Mapping[str, Value]], *, on: Optional[Sequence[str]] = None
    ) -> List[Row]: ...

    def upsert(
        self,
        table: str,
        rows: Union[Mapping[str, Value], Iterable[Mapping[str, Value]]],
        *,
        on: Optional[Sequence[str]] = None,
    ) -> Union[Row, List[Row]]:
        """Insert a row or many, or update those that are there, told by the columns of a unique key: all or none."""
        return self._write_rows("row.upsert", table, rows, **present(on=on))

    def delete(self, table: str, *ids: Union[Value, Mapping[str, Value]], key: Optional[Key] = None) -> int:
        """Delete the rows with these primary keys, all or none."""
        return self._ask("row.delete", present(table=table, ids=ids, key=key), count_of)

    def _write_rows(
        self,
        method: str,
        table: str,
        rows: Union[Mapping[str, Value], Iterable[Mapping[str, Value]]],
        key: Optional[Key] = None,
        **more: Any,
    ) -> Union[Row, List[Row]]:
        given = [rows] if isinstance(rows, Mapping) else [*rows]
        params = {"table": table, "rows": given, **present(key=key), **more}
        stored: List[Row] = self._ask(method, params, rows_of) if given else []
        return stored[0] if isinstance(rows, Mapping) else stored

    # Key-value store

    @property
    def kv(self) -> KeyValue:
        return KeyValue(self)

    # Plugins

    def register(
        self,
        plugin: Plugin,
        *,
        on_failure: Optional[str] = None,
        timeout: Optional[float] = None,
    ) -> None:
        """Make this connection a plugin of the daemon, until it is closed or `unregister` is called.

        `on_failure` is `fail` or `skip`, by default `fail` for one with `before_query`; `timeout` is how many seconds one of
        its hooks may take.
        """
        self._connection.serve_plugin(plugin)
        self.request("plugin.register", registration(plugin, Plugin, on_failure, timeout))

    def unregister(self, name: str) -> None:
        """End a plugin of this connection."""
        self.request("plugin.unregister", {"name": name})

    # Schema and catalog

    @property
    def schema(self) -> Schema:
        return Schema(self)

    def tables(self) -> List[Dict[str, Any]]:
        """Every table of the branch: `name`, `columns`, …"""
        return self._ask("table.list", {}, lambda answer: answer["tables"])

    def create_table(
        self,
        name: str,
        columns: Sequence[Mapping[str, Any]],
        *,
        primary_key: Optional[Sequence[str]] = None,
        indexes: Optional[Sequence[Mapping[str, Any]]] = None,
        checks: Optional[Sequence[str]] = None,
        strict: Optional[bool] = None,
        without_rowid: Optional[bool] = None,
        system_columns: Optional[bool] = None,
    ) -> Dict[str, Any]:
        """Create a table in every tenant of the branch. A column is `{"name": …, "type": …}` and what else it has."""
        params = present(
            name=name,
            columns=columns,
            primaryKey=primary_key,
            indexes=indexes,
            checks=checks,
            strict=strict,
            withoutRowid=without_rowid,
            systemColumns=system_columns,
        )
        return self._ask("table.create", params, same)

    def create_tenant(
        self, name: str, *, description: Optional[str] = None, key: Optional[Key] = None
    ) -> Dict[str, Any]:
        """Register a tenant. With a key, its file is encrypted from its first byte."""
        return self._ask("tenant.create", present(name=name, description=description, key=key), same)

    def unlock(self, key: Key, tenant: Optional[str] = None, *, ttl_ms: Optional[int] = None) -> Dict[str, Any]:
        """Unlock an encrypted tenant for this connection, by default the one in scope: calls then need no key."""
        return self._ask("tenant.unlock", present(name=tenant, key=key, ttlMs=ttl_ms), same)

    def lock(self, tenant: Optional[str] = None) -> Dict[str, Any]:
        """Lock a tenant again that this connection has unlocked."""
        return self._ask("tenant.lock", present(name=tenant), same)

    # Life

    @property
    def closed(self) -> bool:
        return self._connection.closed

    def close(self) -> None:
        """Close the connection; calls under way end with `ConnectionLost`. A view closes nothing."""
        if self._owns_connection:
            self._connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()


class KeyValue:
    """The keys of a tenant, and the values under them. To a `for`, `in`, `len`, `[]` and `del` it is a dict.

    Values are what rows take, and lists and dicts of them (with `str` keys); each comes back as it was given.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def __getitem__(self, key: str) -> Any:
        value, _ = self._found(key)
        return value

    def __setitem__(self, key: str, value: Any) -> None:
        self.set(key, value)

    def __delitem__(self, key: str) -> None:
        if self.delete(key) == 0:
            raise KeyError(key)

    def __contains__(self, key: str) -> bool:
        exists: bool = self._ask("kv.exists", {"key": key})["exists"]
        return exists

    def __iter__(self) -> Iterator[str]:
        return self.keys()

    def __len__(self) -> int:
        return self.count()

    def get(self, key: str, default: Any = None) -> Any:
        answer = self._ask("kv.get", {"key": key})
        return answer["value"] if answer["found"] else default

    def get_versioned(self, key: str) -> Tuple[Any, int]:
        """The value and its version, for `set(…, if_version=…)`. KeyError where there is none."""
        return self._found(key)

    def mget(self, keys: Iterable[str]) -> Dict[str, Any]:
        """The values of those keys that are there."""
        given = [*keys]
        values = self._ask("kv.mget", {"keys": given})["values"]
        return {key: each["value"] for key, each in zip(given, values) if each["found"]}

    def set(
        self,
        key: str,
        value: Any,
        *,
        ttl_ms: Optional[int] = None,
        keep_ttl: Optional[bool] = None,
        if_absent: Optional[bool] = None,
        if_present: Optional[bool] = None,
        if_version: Optional[int] = None,
    ) -> Optional[int]:
        """Gives the value's version, or None where a condition does not hold. `if_version=0`: if there is none."""
        options = present(
            ttlMs=ttl_ms, keepTtl=keep_ttl, ifAbsent=if_absent, ifPresent=if_present, ifVersion=if_version
        )
        answer = self._ask("kv.set", {"key": key, "value": value, **options})
        return int(answer["version"]) if answer["set"] else None

    def mset(self, items: Mapping[str, Any], *, ttl_ms: Optional[int] = None) -> None:
        """Set all or none."""
        given = [{"key": key, "value": value} for key, value in items.items()]
        self._ask("kv.mset", present(items=given, ttlMs=ttl_ms))

    def delete(self, *keys: str) -> int:
        """Gives how many there were."""
        return count_of(self._ask("kv.delete", {"keys": keys}))

    def increment(self, key: str, by: Union[int, float] = 1, *, ttl_ms: Optional[int] = None) -> Union[int, float]:
        """Gives the new number. `ttl_ms` is for a key that begins with this. An int takes no float."""
        value: Union[int, float] = self._ask("kv.increment", present(key=key, by=by, ttlMs=ttl_ms))["value"]
        return value

    def expire(self, key: str, ttl_ms: int) -> bool:
        """Whether the key is there."""
        found: bool = self._ask("kv.expire", {"key": key, "ttlMs": ttl_ms})["found"]
        return found

    def persist(self, key: str) -> bool:
        """Whether the key was to expire, and now is not."""
        persisted: bool = self._ask("kv.persist", {"key": key})["persisted"]
        return persisted

    def ttl_ms(self, key: str) -> Optional[int]:
        """How long the key has left; None where it does not expire. KeyError where there is none."""
        answer = self._ask("kv.ttl", {"key": key})
        if not answer["found"]:
            raise KeyError(key)
        left: Optional[int] = answer["ttlMs"]
        return left

    def keys(self, pattern: str = "*") -> Iterator[str]:
        """In the order of their characters: `*` is any text, `?` one character, `[a-z]` one of these."""
        for page in self._pages("kv.keys", pattern):
            yield from page["keys"]

    def items(self, pattern: str = "*") -> Iterator[Tuple[str, Any]]:
        for page in self._pages("kv.scan", pattern):
            for entry in page["entries"]:
                yield entry["key"], entry["value"]

    def count(self, pattern: str = "*") -> int:
        return count_of(self._ask("kv.count", {"pattern": pattern}))

    def size_bytes(self, *keys: str) -> int:
        """Bytes of these keys and their values; without keys, of all."""
        return int(self._ask("kv.size", {"keys": keys} if keys else {})["bytes"])

    def purge(self) -> int:
        """Remove keys that have expired now, rather than in the background."""
        return count_of(self._ask("kv.purge", {}))

    def _found(self, key: str) -> Tuple[Any, int]:
        answer = self._ask("kv.get", {"key": key})
        if not answer["found"]:
            raise KeyError(key)
        return answer["value"], int(answer["version"])

    def _pages(self, method: str, pattern: str) -> Iterator[Mapping[str, Any]]:
        cursor: Optional[str] = None
        while True:
            page = self._ask(method, present(pattern=pattern, cursor=cursor))
            yield page
            cursor = page.get("nextCursor")
            if cursor is None:
                return

    def _ask(self, method: str, params: Mapping[str, Any]) -> Any:
        return self._client._ask(method, params, same)


class Transaction(Client):
    """A transaction that is open: a view of a connection whose rows and SQL are read and changed in it."""

    def __init__(self, client: Client, id: str) -> None:
        super().__init__(client._connection, timeout=client.timeout)
        self.id = id
        self._owns_connection = False
        self.server = client.server
        self._ended = False

    def commit(self) -> None:
        """Make what was done in it visible to everybody, and durable as configured."""
        self.request("transaction.commit")
        self._ended = True

    def rollback(self) -> None:
        """Undo what was done in it. One that is over already stays as it is."""
        if self._ended:
            return
        self._ended = True
        with contextlib.suppress(TransactionEnded):
            self.request("transaction.rollback")

    def close(self) -> None:
        """Roll it back, unless it was committed."""
        with contextlib.suppress(ConnectionLost):
            self.rollback()

    def with_scope(
        self, database: Optional[str] = None, branch: Optional[str] = None, tenant: Optional[str] = None
    ) -> Client:
        raise TypeError("a transaction stays in its tenant; take a view of the client that began it")

    def _scoped(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"transaction": self.id, **params}

    def __enter__(self) -> Transaction:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        if error is None and not self._ended:
            self.commit()
        else:
            self.close()


class Cursor:
    """Rows that are fetched while they are taken, with one fetch ahead. It sees what was there when it was opened.

    It closes itself with its last row, at the end of `with`, and when it is dropped.
    """

    def __init__(self, client: Client, opened: Mapping[str, Any], count: int) -> None:
        self._client = client
        self._opened = opened
        self._count = count
        self._id: Optional[str] = str(opened["cursor"])
        self._rows: Deque[Tuple[Any, ...]] = collections.deque()
        self._next: Optional[Pending[Any]] = None
        described = result_of(opened)
        self.columns: Tuple[str, ...] = described.columns
        self.types: Tuple[Optional[str], ...] = described.types
        self.truncated = False
        """Once all rows were taken: there were more than `max_rows`."""

    def __iter__(self) -> Cursor:
        return self

    def __next__(self) -> Tuple[Any, ...]:
        while not self._rows:
            if self._id is None:
                raise StopIteration
            self._receive()
        return self._rows.popleft()

    def close(self) -> None:
        """Close it, whether all of its rows were taken or not."""
        id, self._id = self._id, None
        self._rows.clear()
        if id is not None and not self._client.closed:
            self._client.request("query.close", {"cursor": id})

    def __enter__(self) -> Cursor:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        with contextlib.suppress(ConnectionLost):
            self.close()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self._forget()

    def _receive(self) -> None:
        pending = self._next or self._ask()
        self._next = None
        try:
            answer = self._client._wait(pending)
        except CinchError as error:
            # After one that was late or cancelled, the cursor is where it was.
            if not isinstance(error, (TimedOut, Cancelled)):
                self._id = None
            raise
        if answer["done"]:
            self._id = None
            self.truncated = bool(answer.get("truncated", False))
        else:
            self._next = self._ask()
        self._rows.extend(result_of({"columns": self._opened["columns"], "rows": answer["rows"]}).rows)

    def _ask(self) -> Pending[Any]:
        return self._client.send("query.fetch", {"cursor": self._id, "count": self._count})

    def _forget(self) -> None:
        """Close it without waiting for the answer."""
        id, self._id = self._id, None
        if id is not None and not self._client.closed:
            self._client.send("query.close", {"cursor": id})


class Schema:
    """The schema of a branch."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def get(self) -> Dict[str, Any]:
        """The whole model: `head`, `tables`, `indexes`, `views`, …"""
        return self._client._ask("schema.get", {}, same)

    def apply(
        self, changes: Sequence[Mapping[str, Any]], *, dry_run: Optional[bool] = None, message: Optional[str] = None
    ) -> Dict[str, Any]:
        """Make changes, such as `{"kind": "addColumn", "table": "user", "column": {…}}`: all of them, for every tenant."""
        return self._client._ask("schema.apply", present(changes=changes, dryRun=dry_run, message=message), same)


class Pipeline:
    """Calls that are sent without waiting for the one before.

    with client.pipeline() as calls:
        for row in rows:
            calls.call("row.insert", table="t", rows=[row])
    stored = calls.results()

    Each is a call of its own: one that fails does not take the others with it (`Client.batch` does that).
    """

    _window = 1_000
    _buffer_bytes = 1 << 16

    def __init__(self, client: Client) -> None:
        self._client = client
        self._calls: List[Pending[Any]] = []
        self._open: Deque[Pending[Any]] = collections.deque()
        self._unsent = bytearray()

    def call(self, method: str, /, **params: Any) -> Pending[Any]:
        return self._add(method, params, same)

    def query(self, sql: str, params: Optional[Params] = None) -> Pending[Result]:
        return self._add("query.run", present(sql=sql, params=params), result_of)

    def execute(self, sql: str, params: Optional[Params] = None) -> Pending[Result]:
        return self._add("query.execute", present(sql=sql, params=params), result_of)

    def flush(self) -> None:
        """Send what was not sent yet."""
        if self._unsent:
            data, self._unsent = bytes(self._unsent), bytearray()
            self._client._connection.write(data, self._client.timeout)

    def results(self, *, return_errors: bool = False) -> List[Any]:
        """The results in the order of the calls. The first error is raised once all are answered, or each is returned."""
        self.flush()
        for pending in self._calls:
            pending.wait(self._client.timeout)
        if return_errors:
            return [pending._error if pending._error else pending.result() for pending in self._calls]
        return [pending.result() for pending in self._calls]

    def _add(self, method: str, params: Mapping[str, Any], convert: Callable[[Any], T]) -> Pending[T]:
        client = self._client
        pending, data = client._connection.prepare(method, client._scoped(method, params), convert, flush=self.flush)
        self._calls.append(pending)
        self._open.append(pending)
        self._unsent += data
        if len(self._unsent) >= self._buffer_bytes:
            self.flush()
        # The daemon bounds the calls of a session that are not answered yet.
        if len(self._open) > self._window:
            self._open.popleft().wait(client.timeout)
        return pending

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.flush()
        if error is None:
            for pending in self._calls:
                pending.wait(self._client.timeout)


def connect(
    project: Optional[StrPath] = None,
    *,
    database: Optional[str] = None,
    branch: Optional[str] = None,
    tenant: Optional[str] = None,
    key: Optional[Key] = None,
    start: bool = True,
    command: Optional[Command] = None,
    timeout: Optional[float] = None,
) -> Client:
    """Connect to a project's daemon, starting one where none runs.

    `project` is the project's folder; by default it is looked for upward from `CINCH_PROJECT` or the working directory.
    `command` is how `cinchd` is run; by default `CINCHD`, or `cinchd` on the `PATH`. `timeout` is for every call, in
    seconds. With `key`, the encrypted tenant in scope is unlocked for this connection.
    """
    search = Search(project, start, command)
    scope = present(database=database, branch=branch, tenant=tenant)
    while True:
        found = search.look()
        if found is not None:
            try:
                return Client._over(SocketStream(found), timeout, scope, key)
            except (ConnectionLost, CinchError) as error:
                search.failed(error)
        search.go_on()
        time.sleep(PAUSE_SECONDS)
