"""The client for asyncio: what `cinch` has, to await.

    from cinch import aio

    async with aio.connect() as db:
        ada = await db.insert("user", {"email": "ada@example.org"})
        async for email, in db.cursor("select email from user"):
            print(email)

One `Client` serves any number of tasks of one event loop; their calls overlap. A task that is cancelled while it waits for
an answer cancels its call on the daemon. Values, results and errors are those of `cinch`.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import itertools
import os
from types import TracebackType
from typing import (
    Any,
    AsyncIterator,
    Callable,
    Coroutine,
    Deque,
    Dict,
    Generator,
    Generic,
    Iterable,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Protocol,
    Sequence,
    Tuple,
    Type,
    TypeVar,
    Union,
    overload,
)

from ._errors import Cancelled, CinchError, ConnectionLost, TimedOut, TransactionEnded, affected, error_of
from ._plugins import PluginMethod, Query, Rewrite, Veto, ask_plugin, plugin_answer, plugin_failure, registration
from ._project import (
    PAUSE_SECONDS,
    PROTOCOL_VERSION,
    START_SECONDS,
    STOP_SECONDS,
    Command,
    Search,
    StrPath,
    check_version,
    daemon_command,
    environment,
)
from ._results import Progress, Result, ScopeParams, count_of, present, result_of, rows_of, same
from ._values import Key, Params, Row, Value
from ._version import __version__
from ._wire import Messages, no_such_method, request_text, to_text
from .api import AsyncApi

__all__ = ["Client", "Cursor", "KeyValue", "Plugin", "Schema", "Transaction", "connect"]

T = TypeVar("T")


class _Closes(Protocol):
    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None: ...


C = TypeVar("C", bound=_Closes)


class Opening(Generic[C]):
    """What is to be opened: `await` it, or give it to `async with`."""

    def __init__(self, opening: Coroutine[Any, Any, C]) -> None:
        self._opening = opening
        self._opened: Optional[C] = None

    def __await__(self) -> Generator[Any, None, C]:
        return self._opening.__await__()

    async def __aenter__(self) -> C:
        self._opened = await self._opening
        return self._opened

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        assert self._opened is not None
        await self._opened.__aexit__(kind, error, traceback)


# Connection


class _Call(NamedTuple):
    """One that waits for its answer."""

    method: str
    size: int
    answer: asyncio.Future[Any]
    on_progress: Optional[Progress]


class Connection:
    """Messages both ways. A task reads them, so that answers find their calls whatever their order."""

    # The daemon bounds the calls of a session that are not answered yet.
    _window = 1_000

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        process: Optional[asyncio.subprocess.Process] = None,
    ) -> None:
        self._stream = reader
        self._writer = writer
        self._process = process
        self._ids = itertools.count(1)
        self._calls: Dict[int, _Call] = {}
        self._turn = asyncio.Semaphore(self._window)
        self._lost: Optional[str] = None
        self._scope_params: Optional[ScopeParams] = None
        self._plugins: Dict[str, Plugin] = {}
        self._asked_plugins: asyncio.Queue[Dict[str, Any]] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._reading = self._loop.create_task(self._read())
        self._serving: Optional[asyncio.Task[None]] = None

    @property
    def closed(self) -> bool:
        return self._lost is not None

    async def call(
        self, method: str, params: Mapping[str, Any], timeout: Optional[float], on_progress: Optional[Progress] = None
    ) -> Any:
        async with self._turn:
            id = next(self._ids)
            data = request_text(id, method, params, on_progress is not None)
            if self._lost is not None:
                raise ConnectionLost(self._lost)
            answer: asyncio.Future[Any] = self._loop.create_future()
            self._calls[id] = _Call(method, len(data) - 1, answer, on_progress)
            self._writer.write(data)
            try:
                await asyncio.wait({answer}, timeout=timeout)
                if not answer.done():
                    raise TimeoutError(f"{method} was not answered within {timeout} s")
                return answer.result()
            finally:
                if self._calls.pop(id, None) is not None:
                    self.notify("$/cancelRequest", {"id": id})

    def notify(self, method: str, params: Mapping[str, Any]) -> None:
        self._write(to_text({"jsonrpc": "2.0", "method": method, "params": params}))

    def forget_cursor(self, cursor: str) -> None:
        """Close one whose owner cannot wait. From any thread."""
        data = request_text(next(self._ids), "query.close", {"cursor": cursor}, False)
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._write, data)

    async def scope_params(self, method: str) -> Dict[str, str]:
        """The parameters by which a method is told a database, branch or tenant."""
        if self._scope_params is None:
            self._scope_params = ScopeParams(await self.call("rpc.discover", {}, START_SECONDS))
        return self._scope_params.of(method)

    def serve_plugin(self, plugin: Plugin) -> None:
        """Answer what the daemon asks this plugin, from now on."""
        if self._lost is not None:
            raise ConnectionLost(self._lost)
        self._plugins[plugin.name] = plugin
        if self._serving is None:
            self._serving = self._loop.create_task(self._serve_plugins())

    async def close(self) -> None:
        self._lose("the connection was closed")
        if asyncio.current_task() is not self._serving:
            await asyncio.wait({self._reading, *([self._serving] if self._serving else [])}, timeout=STOP_SECONDS)
        if self._process is not None:
            try:
                await asyncio.wait_for(self._process.wait(), STOP_SECONDS)
            except asyncio.TimeoutError:
                self._process.kill()
                await self._process.wait()

    def _lose(self, reason: str) -> None:
        if self._lost is not None:
            return
        self._lost = reason
        for call in self._calls.values():
            _settle(call, error=ConnectionLost(f"{reason}; {call.method} may or may not have been done"))
        self._calls.clear()
        if self._serving is not None:
            self._serving.cancel()
        # The end of its input is what ends a `cinchd --stdio`.
        self._writer.close()

    def _write(self, data: bytes) -> None:
        if self._lost is None:
            self._writer.write(data)

    async def _read(self) -> None:
        reason = "the daemon closed the connection"
        messages = Messages()
        try:
            while True:
                chunk = await self._stream.read(1 << 18)
                if not chunk:
                    break
                for message in messages.feed(chunk):
                    self._receive(message)
        except OSError as error:
            reason = f"the connection broke: {error}"
        except (ValueError, RecursionError) as error:
            reason = f"the daemon sent what is no message: {error}"
        finally:
            self._lose(reason)

    def _receive(self, message: Dict[str, Any]) -> None:
        """An answer; a notification; or a request, for a plugin or of no kind that we know."""
        method, params = message.get("method"), message.get("params")
        if method is None:
            self._answered(message)
        elif method.startswith("hook.") and self._serving is not None:
            self._asked_plugins.put_nowait(message)
        elif "id" in message:
            self._write(no_such_method(message))
        elif method == "$/progress" and isinstance(params, dict):
            call = self._calls.get(params.get("token", 0))
            if call is not None and call.on_progress is not None and isinstance(params.get("value"), dict):
                try:
                    call.on_progress(params["value"])
                except Exception as error:
                    _settle(call, error=error)

    def _answered(self, message: Dict[str, Any]) -> None:
        id, error = message.get("id"), message.get("error")
        if id is None and isinstance(error, dict):
            fault = error_of(error)
            for hit in affected(fault, {id: call.size for id, call in self._calls.items()}):
                _settle(self._calls.pop(hit), error=fault)
            return
        call = self._calls.pop(id, None) if isinstance(id, int) else None
        if call is not None:
            _settle(call, message.get("result"), error_of(error) if isinstance(error, dict) else None)

    async def _serve_plugins(self) -> None:
        while True:
            message = await self._asked_plugins.get()
            id, kind = message.get("id"), message["method"]
            try:
                said = await ask_plugin(self._plugins[message["params"]["plugin"]], kind, message["params"])
                data = plugin_answer(id, kind, said)
            except Exception as error:
                data = plugin_failure(id, error)
            if "id" in message:
                self._write(data)


def _settle(call: _Call, answer: Any = None, error: Optional[Exception] = None) -> None:
    if call.answer.done():
        return
    if error is None:
        call.answer.set_result(answer)
    else:
        call.answer.set_exception(error)


class Plugin:
    """A plugin of the daemon that runs in this client: override what it is to do, and give it to `Client.register`.

    Its functions are awaited one after the other, in a task of their own; they may use the client. So are those of its
    `methods`. An exception fails the statement at hand, or is passed over, as `on_failure` says.
    """

    name: str
    version: str = "0"
    description: str = ""
    methods: Mapping[str, PluginMethod] = {}

    async def before_query(self, query: Query) -> Union[None, Rewrite, Veto]:
        """Before a statement: another one, a veto, or None."""
        return None

    async def after_query(self, query: Query, result: Dict[str, Any]) -> Optional[Mapping[str, Any]]:
        """After it: another result, or None. A result has `columns` and `rows`, or `changes`, as on the wire."""
        return None

    async def on_connect(self, tenant: Dict[str, str]) -> None:
        """A tenant's file was opened."""

    async def on_disconnect(self, tenant: Dict[str, str]) -> None:
        """It was closed."""

    async def on_event(self, event: Dict[str, Any]) -> None:
        """Something was made, changed or dropped; `event["kind"]` says what."""


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
    ) -> Opening[Client]:
        """Start `cinchd --stdio` for a project and speak over its pipes. It ends with this client."""
        scope = present(database=database, branch=branch, tenant=tenant)

        async def opened() -> Client:
            process = await asyncio.create_subprocess_exec(
                *daemon_command(command),
                *("--stdio", "--project", os.path.abspath(os.fspath(project))),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=1 << 18,
                env=environment(),
            )
            assert process.stdin is not None and process.stdout is not None
            return await Client._over(Connection(process.stdout, process.stdin, process), timeout, scope, key)

        return Opening(opened())

    @classmethod
    async def _over(
        cls, connection: Connection, timeout: Optional[float], scope: Mapping[str, str], key: Optional[Key]
    ) -> Client:
        client = cls(connection, timeout=timeout)
        try:
            client.server = await client.request(
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
                await client.unlock(key)
            return client
        except BaseException:
            await client.close()
            raise

    # Calls

    async def call(self, method: str, /, **params: Any) -> Any:
        """Call any method by its name on the wire, and wait for its result."""
        return await self.request(method, params)

    async def request(
        self,
        method: str,
        params: Optional[Mapping[str, Any]] = None,
        *,
        timeout: Optional[float] = None,
        on_progress: Optional[Progress] = None,
    ) -> Any:
        """The same, with a time limit of its own, and progress. A call that is late is cancelled."""
        scoped = await self._scoped(method, params or {})
        return await self._connection.call(method, scoped, self.timeout if timeout is None else timeout, on_progress)

    @property
    def api(self) -> AsyncApi:
        """Every method of the daemon, by what it is about, with its types: `await db.api.branch.create(name="b")`."""
        return AsyncApi(self.request)

    async def _ask(self, method: str, params: Mapping[str, Any], convert: Callable[[Any], T]) -> T:
        return convert(await self.request(method, params))

    async def _scoped(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """The parameters with this view's scope, as far as the method takes it."""
        if not self._scope:
            return params
        names = await self._connection.scope_params(method)
        return {**{names[noun]: name for noun, name in self._scope.items() if noun in names}, **params}

    # Scope

    async def scope(
        self, database: Optional[str] = None, branch: Optional[str] = None, tenant: Optional[str] = None
    ) -> Dict[str, str]:
        """Set where the connection's calls go that name no database, branch or tenant; tells the scope that holds now."""
        given = present(database=database, branch=branch, tenant=tenant)
        scope: Dict[str, str] = await self.request("session.setScope", given)
        return scope

    def with_scope(
        self, database: Optional[str] = None, branch: Optional[str] = None, tenant: Optional[str] = None
    ) -> Client:
        """A view of this connection whose calls go elsewhere. Views can be used side by side, by many tasks."""
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
    ) -> Opening[Transaction]:
        """Begin a transaction of a tenant, in its turn; it is committed where the block ends well, else rolled back.

            async with db.transaction() as tx:
                row = await tx.get("account", 1)
                await tx.update("account", {"id": 1, "balance": row["balance"] - 5})

        With mode "read" it sees the rows as they are when it begins, and keeps nobody waiting. It is for one task at a
        time. `timeout` is for the wait for its turn.
        """
        given = present(mode=mode, idleMs=idle_ms, maxMs=max_ms)

        async def opened() -> Transaction:
            asked = await self.request("transaction.begin", given, timeout=timeout)
            return Transaction(self, asked["transaction"])

        return Opening(opened())

    # SQL

    async def query(
        self,
        sql: str,
        params: Optional[Params] = None,
        *,
        max_rows: Optional[int] = None,
        mask: Optional[Sequence[str]] = None,
        key: Optional[Key] = None,
    ) -> Result:
        """Run one statement that reads. Values of columns in `mask` ("email", "users.email") come as `***`."""
        given = present(sql=sql, params=params, maxRows=max_rows, mask=mask, key=key)
        return await self._ask("query.run", given, result_of)

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
        return Cursor(self, present(sql=sql, params=params, maxRows=max_rows, idleMs=idle_ms, key=key), count)

    async def execute(self, sql: str, params: Optional[Params] = None, *, key: Optional[Key] = None) -> Result:
        """Run one statement that inserts, updates or deletes; the rows of the result are those of RETURNING."""
        return await self._ask("query.execute", present(sql=sql, params=params, key=key), result_of)

    async def batch(
        self, statements: Iterable[Union[str, Tuple[str, Params]]], *, key: Optional[Key] = None
    ) -> List[Result]:
        """Run statements in one transaction: all of them or none."""
        pairs = [(each, []) if isinstance(each, str) else each for each in statements]
        sent = [{"sql": sql, "params": params} for sql, params in pairs]
        answer = await self.request("query.batch", present(statements=sent, key=key))
        return [result_of(each) for each in answer["results"]]

    # Rows

    @overload
    async def insert(self, table: str, rows: Mapping[str, Value], *, key: Optional[Key] = None) -> Row: ...

    @overload
    async def insert(
        self, table: str, rows: Iterable[Mapping[str, Value]], *, key: Optional[Key] = None
    ) -> List[Row]: ...

    async def insert(
        self,
        table: str,
        rows: Union[Mapping[str, Value], Iterable[Mapping[str, Value]]],
        *,
        key: Optional[Key] = None,
    ) -> Union[Row, List[Row]]:
        """Insert one row, or many (all or none); gives back what was stored."""
        return await self._write_rows("row.insert", table, rows, key)

    async def get(
        self, table: str, id: Union[Value, Mapping[str, Value]], *, key: Optional[Key] = None
    ) -> Optional[Row]:
        """The row with this primary key (a dict where it has several columns), or None."""
        answer = await self.request("row.get", {"table": table, "id": id, **present(key=key)})
        row: Optional[Row] = answer["row"]
        return row

    async def list(
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
        return await self._ask("row.list", params, rows_of)

    async def pages(
        self,
        table: str,
        where: Optional[Mapping[str, Any]] = None,
        *,
        order_by: Optional[Sequence[str]] = None,
        page_size: Optional[int] = None,
        columns: Optional[Sequence[str]] = None,
    ) -> AsyncIterator[Row]:
        """
        Every row that meets a condition, read a page at a time: each once, whatever is inserted or deleted meanwhile.
        """
        cursor: Optional[str] = None
        while True:
            params = present(
                table=table, where=where, orderBy=order_by, limit=page_size, columns=columns, cursor=cursor
            )
            answer = await self.request("row.list", params)
            for row in answer["rows"]:
                yield row
            cursor = answer.get("nextCursor")
            if cursor is None:
                return

    async def count(self, table: str, where: Optional[Mapping[str, Any]] = None, *, key: Optional[Key] = None) -> int:
        return await self._ask("row.count", present(table=table, where=where, key=key), count_of)

    @overload
    async def update(self, table: str, rows: Mapping[str, Value], *, key: Optional[Key] = None) -> Row: ...

    @overload
    async def update(
        self, table: str, rows: Iterable[Mapping[str, Value]], *, key: Optional[Key] = None
    ) -> List[Row]: ...

    async def update(
        self,
        table: str,
        rows: Union[Mapping[str, Value], Iterable[Mapping[str, Value]]],
        *,
        key: Optional[Key] = None,
    ) -> Union[Row, List[Row]]:
        """Update one row, or many (all or none), each found by the primary key it carries."""
        return await self._write_rows("row.update", table, rows, key)

    async def update_where(self, table: str, where: Mapping[str, Any], set: Mapping[str, Value]) -> int:
        """Set columns of every row that meets a condition; gives back how many there were."""
        return await self._ask("row.updateWhere", {"table": table, "where": where, "set": set}, count_of)

    async def delete_where(self, table: str, where: Mapping[str, Any]) -> int:
        """Delete every row that meets a condition; gives back how many there were."""
        return await self._ask("row.deleteWhere", {"table": table, "where": where}, count_of)

    @overload
    async def upsert(self, table: str, rows: Mapping[str, Value], *, on: Optional[Sequence[str]] = None) -> Row: ...

    @overload
    async def upsert(
        self, table: str, rows: Iterable[Mapping[str, Value]], *, on: Optional[Sequence[str]] = None
    ) -> List[Row]: ...

    async def upsert(
        self,
        table: str,
        rows: Union[Mapping[str, Value], Iterable[Mapping[str, Value]]],
        *,
        on: Optional[Sequence[str]] = None,
    ) -> Union[Row, List[Row]]:
        """Insert a row or many, or update those that are there, told by the columns of a unique key: all or none."""
        return await self._write_rows("row.upsert", table, rows, **present(on=on))

    async def delete(self, table: str, *ids: Union[Value, Mapping[str, Value]], key: Optional[Key] = None) -> int:
        """Delete the rows with these primary keys, all or none."""
        return await self._ask("row.delete", present(table=table, ids=ids, key=key), count_of)

    async def _write_rows(
        self,
        method: str,
        table: str,
        rows: Union[Mapping[str, Value], Iterable[Mapping[str, Value]]],
        key: Optional[Key] = None,
        **more: Any,
    ) -> Union[Row, List[Row]]:
        given = [rows] if isinstance(rows, Mapping) else [*rows]
        params = {"table": table, "rows": given, **present(key=key), **more}
        stored: List[Row] = await self._ask(method, params, rows_of) if given else []
        return stored[0] if isinstance(rows, Mapping) else stored

    # Key-value store

    @property
    def kv(self) -> KeyValue:
        return KeyValue(self)

    # Plugins

    async def register(
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
        await self.request("plugin.register", registration(plugin, Plugin, on_failure, timeout))

    async def unregister(self, name: str) -> None:
        """End a plugin of this connection."""
        await self.request("plugin.unregister", {"name": name})

    # Schema and catalog

    @property
    def schema(self) -> Schema:
        return Schema(self)

    async def tables(self) -> List[Dict[str, Any]]:
        """Every table of the branch: `name`, `columns`, …"""
        tables: List[Dict[str, Any]] = (await self.request("table.list"))["tables"]
        return tables

    async def create_table(
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
        return await self._ask("table.create", params, same)

    async def create_tenant(
        self, name: str, *, description: Optional[str] = None, key: Optional[Key] = None
    ) -> Dict[str, Any]:
        """Register a tenant. With a key, its file is encrypted from its first byte."""
        return await self._ask("tenant.create", present(name=name, description=description, key=key), same)

    async def unlock(self, key: Key, tenant: Optional[str] = None, *, ttl_ms: Optional[int] = None) -> Dict[str, Any]:
        """Unlock an encrypted tenant for this connection, by default the one in scope: calls then need no key."""
        return await self._ask("tenant.unlock", present(name=tenant, key=key, ttlMs=ttl_ms), same)

    async def lock(self, tenant: Optional[str] = None) -> Dict[str, Any]:
        """Lock a tenant again that this connection has unlocked."""
        return await self._ask("tenant.lock", present(name=tenant), same)

    # Life

    @property
    def closed(self) -> bool:
        return self._connection.closed

    async def close(self) -> None:
        """Close the connection; calls under way end with `ConnectionLost`. A view closes nothing."""
        if self._owns_connection:
            await self._connection.close()

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        await self.close()


class KeyValue:
    """The keys of a tenant, and the values under them.

    Values are what rows take, and lists and dicts of them (with `str` keys); each comes back as it was given.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def get(self, key: str, default: Any = None) -> Any:
        answer = await self._ask("kv.get", {"key": key})
        return answer["value"] if answer["found"] else default

    async def exists(self, key: str) -> bool:
        exists: bool = (await self._ask("kv.exists", {"key": key}))["exists"]
        return exists

    async def get_versioned(self, key: str) -> Tuple[Any, int]:
        """The value and its version, for `set(…, if_version=…)`. KeyError where there is none."""
        answer = await self._ask("kv.get", {"key": key})
        if not answer["found"]:
            raise KeyError(key)
        return answer["value"], int(answer["version"])

    async def mget(self, keys: Iterable[str]) -> Dict[str, Any]:
        """The values of those keys that are there."""
        given = [*keys]
        values = (await self._ask("kv.mget", {"keys": given}))["values"]
        return {key: each["value"] for key, each in zip(given, values) if each["found"]}

    async def set(
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
        answer = await self._ask("kv.set", {"key": key, "value": value, **options})
        return int(answer["version"]) if answer["set"] else None

    async def mset(self, items: Mapping[str, Any], *, ttl_ms: Optional[int] = None) -> None:
        """Set all or none."""
        given = [{"key": key, "value": value} for key, value in items.items()]
        await self._ask("kv.mset", present(items=given, ttlMs=ttl_ms))

    async def delete(self, *keys: str) -> int:
        """Gives how many there were."""
        return count_of(await self._ask("kv.delete", {"keys": keys}))

    async def increment(
        self, key: str, by: Union[int, float] = 1, *, ttl_ms: Optional[int] = None
    ) -> Union[int, float]:
        """Gives the new number. `ttl_ms` is for a key that begins with this. An int takes no float."""
        answer = await self._ask("kv.increment", present(key=key, by=by, ttlMs=ttl_ms))
        value: Union[int, float] = answer["value"]
        return value

    async def expire(self, key: str, ttl_ms: int) -> bool:
        """Whether the key is there."""
        found: bool = (await self._ask("kv.expire", {"key": key, "ttlMs": ttl_ms}))["found"]
        return found

    async def persist(self, key: str) -> bool:
        """Whether the key was to expire, and now is not."""
        persisted: bool = (await self._ask("kv.persist", {"key": key}))["persisted"]
        return persisted

    async def ttl_ms(self, key: str) -> Optional[int]:
        """How long the key has left; None where it does not expire. KeyError where there is none."""
        answer = await self._ask("kv.ttl", {"key": key})
        if not answer["found"]:
            raise KeyError(key)
        left: Optional[int] = answer["ttlMs"]
        return left

    async def keys(self, pattern: str = "*") -> AsyncIterator[str]:
        """In the order of their characters: `*` is any text, `?` one character, `[a-z]` one of these."""
        async for page in self._pages("kv.keys", pattern):
            for key in page["keys"]:
                yield key

    async def items(self, pattern: str = "*") -> AsyncIterator[Tuple[str, Any]]:
        async for page in self._pages("kv.scan", pattern):
            for entry in page["entries"]:
                yield entry["key"], entry["value"]

    async def count(self, pattern: str = "*") -> int:
        return count_of(await self._ask("kv.count", {"pattern": pattern}))

    async def size_bytes(self, *keys: str) -> int:
        """Bytes of these keys and their values; without keys, of all."""
        return int((await self._ask("kv.size", {"keys": keys} if keys else {}))["bytes"])

    async def purge(self) -> int:
        """Remove keys that have expired now, rather than in the background."""
        return count_of(await self._ask("kv.purge", {}))

    async def _pages(self, method: str, pattern: str) -> AsyncIterator[Mapping[str, Any]]:
        cursor: Optional[str] = None
        while True:
            page = await self._ask(method, present(pattern=pattern, cursor=cursor))
            yield page
            cursor = page.get("nextCursor")
            if cursor is None:
                return

    async def _ask(self, method: str, params: Mapping[str, Any]) -> Any:
        return await self._client.request(method, params)


class Transaction(Client):
    """A transaction that is open: a view of a connection whose rows and SQL are read and changed in it."""

    def __init__(self, client: Client, id: str) -> None:
        super().__init__(client._connection, timeout=client.timeout)
        self.id = id
        self._owns_connection = False
        self.server = client.server
        self._ended = False

    async def commit(self) -> None:
        """Make what was done in it visible to everybody, and durable as configured."""
        await self.request("transaction.commit")
        self._ended = True

    async def rollback(self) -> None:
        """Undo what was done in it. One that is over already stays as it is."""
        if self._ended:
            return
        self._ended = True
        with contextlib.suppress(TransactionEnded):
            await self.request("transaction.rollback")

    async def close(self) -> None:
        """Roll it back, unless it was committed."""
        with contextlib.suppress(ConnectionLost):
            await self.rollback()

    def with_scope(
        self, database: Optional[str] = None, branch: Optional[str] = None, tenant: Optional[str] = None
    ) -> Client:
        raise TypeError("a transaction stays in its tenant; take a view of the client that began it")

    async def _scoped(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"transaction": self.id, **params}

    async def __aenter__(self) -> Transaction:
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        if error is None and not self._ended:
            await self.commit()
        else:
            await self.close()


class Cursor:
    """Rows that are fetched while they are taken: `async for`. It sees what was there when it was opened.

    It is opened by its first row, or by `async with`; it closes itself with its last row, at the end of `async with`, and
    when it is dropped.
    """

    def __init__(self, client: Client, asked: Mapping[str, Any], count: int) -> None:
        self._client = client
        self._asked: Optional[Mapping[str, Any]] = asked
        self._opened: Mapping[str, Any] = {}
        self._count = count
        self._id: Optional[str] = None
        self._given_up = False
        self._rows: Deque[Tuple[Any, ...]] = collections.deque()
        self.columns: Tuple[str, ...] = ()
        """Once it is open."""
        self.types: Tuple[Optional[str], ...] = ()
        self.truncated = False
        """Once all rows were taken: there were more than `max_rows`."""

    def __aiter__(self) -> Cursor:
        return self

    async def __anext__(self) -> Tuple[Any, ...]:
        await self._open()
        while not self._rows:
            if self._given_up:
                raise RuntimeError("a fetch was given up; rows would be missing")
            if self._id is None:
                raise StopAsyncIteration
            await self._receive(self._id)
        return self._rows.popleft()

    async def close(self) -> None:
        """Close it, whether all of its rows were taken or not."""
        id, self._id, self._asked = self._id, None, None
        self._rows.clear()
        if id is not None and not self._client.closed:
            await self._client.request("query.close", {"cursor": id})

    async def __aenter__(self) -> Cursor:
        await self._open()
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        with contextlib.suppress(ConnectionLost):
            await self.close()

    def __del__(self) -> None:
        if self._id is not None:
            self._client._connection.forget_cursor(self._id)

    async def _open(self) -> None:
        if self._asked is None:
            return
        asked, self._asked = self._asked, None
        self._opened = await self._client.request("query.open", asked)
        self._id = str(self._opened["cursor"])
        described = result_of(self._opened)
        self.columns, self.types = described.columns, described.types

    async def _receive(self, id: str) -> None:
        try:
            answer = await self._client.request("query.fetch", {"cursor": id, "count": self._count})
        except CinchError as error:
            # After one that was late or cancelled, the cursor is where it was.
            if not isinstance(error, (TimedOut, Cancelled)):
                self._id = None
            raise
        except BaseException:
            # Whether rows had come already is not known, so none may follow.
            self._id = None
            self._given_up = True
            self._client._connection.forget_cursor(id)
            raise
        if answer["done"]:
            self._id = None
            self.truncated = bool(answer.get("truncated", False))
        self._rows.extend(result_of({"columns": self._opened["columns"], "rows": answer["rows"]}).rows)


class Schema:
    """The schema of a branch."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def get(self) -> Dict[str, Any]:
        """The whole model: `head`, `tables`, `indexes`, `views`, …"""
        return await self._client._ask("schema.get", {}, same)

    async def apply(
        self, changes: Sequence[Mapping[str, Any]], *, dry_run: Optional[bool] = None, message: Optional[str] = None
    ) -> Dict[str, Any]:
        """Make changes, such as `{"kind": "addColumn", "table": "user", "column": {…}}`: all of them, for every tenant."""
        return await self._client._ask("schema.apply", present(changes=changes, dryRun=dry_run, message=message), same)


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
) -> Opening[Client]:
    """Connect to a project's daemon, starting one where none runs; as `cinch.connect`, to await or for `async with`."""
    scope = present(database=database, branch=branch, tenant=tenant)

    async def opened() -> Client:
        search = Search(project, start, command)
        while True:
            found = search.look()
            if found is not None:
                reader, writer = await asyncio.open_unix_connection(sock=found, limit=1 << 18)
                try:
                    return await Client._over(Connection(reader, writer), timeout, scope, key)
                except (ConnectionLost, CinchError) as error:
                    search.failed(error)
            search.go_on()
            await asyncio.sleep(PAUSE_SECONDS)

    return Opening(opened())
