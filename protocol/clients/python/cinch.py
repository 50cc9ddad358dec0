"""A client of cinch: SQLite with branches and tenants, behind one daemon per project.

    import cinch

    with cinch.connect() as db:                      # the project of this folder; its daemon is started if none runs
        db.create_table("user", [{"name": "email", "type": "TEXT", "unique": True}])
        ada = db.insert("user", {"email": "ada@example.org"})
        for (email,) in db.query("select email from user where id = ?", [ada["id"]]):
            print(email)

It speaks JSON-RPC 2.0, one JSON object a line, over the daemon's Unix socket or over the pipes of a `cinchd --stdio`
that it starts. Calls wait for their answer; one `Client` can be shared by threads, whose calls overlap.

Values go both ways as they are: `None`, `bool`, `int` (64 bits), `float`, `str` and `bytes`.
"""

from __future__ import annotations

import base64
import collections
import contextlib
import itertools
import json
import math
import os
import queue
import re
import select
import shlex
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import (
    Any,
    Callable,
    Deque,
    Dict,
    Generic,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    NoReturn,
    Optional,
    Protocol,
    Sequence,
    Tuple,
    Type,
    TypeVar,
    Union,
    overload,
)

__version__ = "0.1.0"
__all__ = [
    "Cancelled",
    "CinchError",
    "Client",
    "ConnectionLost",
    "ConstraintFailed",
    "Cursor",
    "Exists",
    "KeyValue",
    "LimitReached",
    "NotFound",
    "Pending",
    "Pipeline",
    "Plugin",
    "PluginMethod",
    "Query",
    "Refused",
    "Result",
    "Rewrite",
    "TimedOut",
    "Transaction",
    "TransactionEnded",
    "Veto",
    "connect",
    "find_project",
]

PROTOCOL_VERSION = "1.0"

Value = Union[None, bool, int, float, str, bytes]
Row = Dict[str, Any]
Params = Union[Sequence[Value], Mapping[str, Value]]
Key = Union[str, Mapping[str, str]]
"""Of an encrypted tenant: a passphrase, or `{"raw": "64 hex digits"}`."""
Command = Union[str, Sequence[str]]
StrPath = Union[str, "os.PathLike[str]"]
Progress = Callable[[Dict[str, Any]], None]
T = TypeVar("T")

START_SECONDS = 20.0
STOP_SECONDS = 10.0
IDLE_EXIT_SECONDS = 600


# Errors


class CinchError(Exception):
    """The daemon said no, or failed. `kind` and `code` are stable, `data` has what belongs to the kind."""

    code: int
    kind: str
    message: str
    data: Dict[str, Any]
    hint: Optional[str]

    def __init__(
        self, code: int, kind: str, message: str, data: Optional[Mapping[str, Any]] = None, hint: Optional[str] = None
    ) -> None:
        super().__init__(code, kind, message, data, hint)
        self.code = code
        self.kind = kind
        self.message = message
        self.data = dict(data or {})
        self.hint = hint

    def __str__(self) -> str:
        data = f" {json.dumps(self.data, ensure_ascii=False, default=repr)}" if self.data else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.message} [{self.kind} {self.code}]{data}{hint}"


class NotFound(CinchError):
    """No database, branch, tenant, table, row, … of this name."""


class Exists(CinchError):
    """There is one of this name already."""


class Refused(CinchError):
    """What was asked for is not allowed, or makes no sense: parameters, names, values, statements, schema changes."""


class ConstraintFailed(CinchError):
    """A constraint of the schema stands against a write."""


class LimitReached(CinchError):
    """A limit of the daemon's configuration was hit; `data["limit"]` names it."""


class TransactionEnded(CinchError):
    """The transaction is over; `data["reason"]` says how."""


class Cancelled(CinchError):
    """The call was cancelled."""


class TimedOut(CinchError, TimeoutError):
    """The daemon gave a call up after the call's own `timeoutMs`."""


class ConnectionLost(ConnectionError):
    """The daemon is gone, or the connection was closed. A call under way may or may not have been done."""


_CLASSES: Dict[str, Type[CinchError]] = {
    "constraintFailed": ConstraintFailed,
    "limitExceeded": LimitReached,
    "messageTooLarge": LimitReached,
    "requestCancelled": Cancelled,
    "timeout": TimedOut,
    "transactionEnded": TransactionEnded,
    "transactionReadOnly": Refused,
    "methodNotFound": Refused,
    "notSupported": Refused,
    "maintenance": Refused,
    "branchReadOnly": Refused,
    "notThatNumber": Refused,
    "numberOverflow": Refused,
    "protected": Refused,
    "folderClash": Refused,
    "importFailed": Refused,
    "proofFailed": Refused,
    "schemaBroken": Refused,
    "schemaMismatch": Refused,
    "conditionEmpty": Refused,
    "tenantEncrypted": Refused,
    "tenantLocked": Refused,
    "tenantNotEncrypted": Refused,
    "wrongKey": Refused,
}


def _class_of(kind: str) -> Type[CinchError]:
    if kind in _CLASSES:
        return _CLASSES[kind]
    if kind.endswith("NotFound"):
        return NotFound
    if kind.endswith("Exists"):
        return Exists
    if kind.endswith("Refused") or kind.startswith("invalid"):
        return Refused
    return CinchError


def _error_of(error: Mapping[str, Any]) -> CinchError:
    """The exception for an error object of the wire."""
    data = error.get("data")
    data = dict(data) if isinstance(data, Mapping) else {}
    kind = str(data.pop("kind", "unknown"))
    hint = data.pop("hint", None)
    return _class_of(kind)(int(error.get("code", 0)), kind, str(error.get("message", "")), data, hint)


# Values


_MAX_EXACT = 2**53 - 1
_MIN_INT64, _MAX_INT64 = -(2**63), 2**63 - 1

# In what describes a schema, a value is a definition and goes as plain JSON; so does what a plugin's method takes.
_PLAIN = ("branch.", "column.", "index.", "plugin.", "schema.", "table.", "view.")


def _encode(value: Any, tagged: bool = True) -> Any:
    """A value as JSON holds it; what JSON cannot hold is tagged. Walks lists and dicts."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        if -_MAX_EXACT <= value <= _MAX_EXACT:
            return value
        if not tagged:
            raise ValueError(f"{value} is beyond 2^53; give it as an SQL expression")
        if not _MIN_INT64 <= value <= _MAX_INT64:
            raise ValueError(f"{value} is beyond 64 bits")
        return {"$int": str(int(value))}
    if isinstance(value, float):
        if math.isnan(value):
            raise ValueError("SQLite has no NaN")
        if math.isinf(value) and tagged:
            return {"$real": "Infinity" if value > 0 else "-Infinity"}
        # JSON does not tell 2.0 from 2; SQLite does.
        if value.is_integer() and tagged:
            return {"$real": float.__repr__(value)}
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        if not tagged:
            raise ValueError("bytes cannot stand in a schema")
        return {"$blob": base64.b64encode(bytes(value)).decode("ascii")}
    if isinstance(value, Mapping):
        return {_name(key): _encode(each, tagged) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encode(each, tagged) for each in value]
    raise TypeError(f"a {type(value).__name__} is not a value of SQLite: use None, bool, int, float, str or bytes")


def _name(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"the name {key!r} is no str")
    return key


def _untag(found: Dict[str, Any]) -> Any:
    """A JSON object as Python has it: an int, a float or bytes where it is tagged so."""
    if len(found) != 1:
        return found
    ((tag, text),) = found.items()
    if not isinstance(text, str):
        return found
    if tag == "$int":
        return int(text)
    if tag == "$real":
        return float(text)
    if tag == "$blob":
            return base64.b64decode(text)
    return found


def _integer(digits: str) -> Union[int, float]:
    """An integer of JSON. INTEGERs beyond 2^53 are tagged, so one that is not tagged is a REAL."""
    value = int(digits)
    return value if -_MAX_EXACT <= value <= _MAX_EXACT else float(value)


_decode = json.JSONDecoder(object_hook=_untag).decode
_decode_long = json.JSONDecoder(object_hook=_untag, parse_int=_integer).decode
_long_digits = re.compile(r"\d{16}")


def _to_text(message: Mapping[str, Any]) -> bytes:
    text = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        return text.encode("utf-8") + b"\n"
    except UnicodeEncodeError:
        raise ValueError("a text has half of a surrogate pair, which is no character") from None


def _from_text(line: bytes) -> Any:
    text = line.decode("utf-8")
    return (_decode_long if _long_digits.search(text) else _decode)(text)


# Results


class Result(NamedTuple):
    """What a statement returned: `columns` are names (which may repeat), `rows` tuples in their order."""

    columns: Tuple[str, ...]
    rows: List[Tuple[Any, ...]]
    types: Tuple[Optional[str], ...]
    """The declared type of each column; None for an expression."""
    changes: int
    """Rows inserted, updated or deleted."""
    truncated: bool
    """There were more rows than the daemon's limit, or `max_rows`, lets through."""

    def dicts(self) -> List[Row]:
        return [dict(zip(self.columns, row)) for row in self.rows]

    def one(self) -> Tuple[Any, ...]:
        """The only row."""
        if len(self.rows) != 1:
            raise ValueError(f"one row was wanted, {len(self.rows)} are there")
        return self.rows[0]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


def _result_of(answer: Mapping[str, Any]) -> Result:
    columns = answer.get("columns") or []
    rows: List[List[Any]] = answer.get("rows") or []
    types = tuple(column.get("type") for column in columns)
    # JSON does not tell 2.0 from 2, but a column declared REAL holds no integers.
    reals = [at for at, declared in enumerate(types) if declared and _is_real(declared)]
    for at in reals:
        for row in rows:
            if type(row[at]) is int:
                row[at] = float(row[at])
    return Result(
        columns=tuple(column["name"] for column in columns),
        rows=[tuple(row) for row in rows],
        types=types,
        changes=int(answer.get("changes", 0)),
        truncated=bool(answer.get("truncated", False)),
    )


def _is_real(declared: str) -> bool:
    """Whether a declared type has REAL affinity, by SQLite's rules (https://sqlite.org/datatype3.html, 3.1)."""
    name = declared.upper()
    if any(part in name for part in ("INT", "CHAR", "CLOB", "TEXT", "BLOB")):
        return False
    return any(part in name for part in ("REAL", "FLOA", "DOUB"))


# Plugins


class Query(NamedTuple):
    """A statement of another client, as a hook sees it."""

    database: str
    branch: str
    tenant: str
    sql: str
    params: Any
    """A list, or a dict by name."""
    access: str
    """`read` or `write`: what the method that it was given to may do."""
    row_format: str
    """`array` or `object`: how its client wants rows."""


class Veto(NamedTuple):
    """What `before_query` gives where a statement is not to run."""

    reason: str


class Rewrite(NamedTuple):
    """What `before_query` gives where another statement is to run. Without parameters, those that were given."""

    sql: str
    params: Optional[Params] = None


class PluginMethod(NamedTuple):
    """A method that others call as `plugin.<plugin>.<method>`. `handle` gets its parameters, and where it works."""

    handle: Callable[[Dict[str, Any], Dict[str, str]], Any]
    summary: str
    params: Mapping[str, Any] = {"type": "object"}
    """The JSON Schema of an object."""
    result: Mapping[str, Any] = {}
    read_only: bool = False
    """It changes nothing; what a client asks for later does not wait for it."""


class Plugin:
    """A plugin of the daemon that runs in this client: override what it is to do, and give it to `Client.register`.

    Its functions are called in a thread of their own, one after the other; they may use the client. An exception fails the
    statement at hand, or is passed over, as `on_failure` says.
    """

    name: str
    version: str = "0"
    description: str = ""
    methods: Mapping[str, PluginMethod] = {}

    def before_query(self, query: Query) -> Union[None, Rewrite, Veto]:
        """Before a statement: another one, a veto, or None."""

    def after_query(self, query: Query, result: Dict[str, Any]) -> Optional[Mapping[str, Any]]:
        """After it: another result, or None. A result has `columns` and `rows`, or `changes`, as on the wire."""

    def on_connect(self, tenant: Dict[str, str]) -> None:
        """A tenant's file was opened."""

    def on_disconnect(self, tenant: Dict[str, str]) -> None:
        """It was closed."""

    def on_event(self, event: Dict[str, Any]) -> None:
        """Something was made, changed or dropped; `event["kind"]` says what."""

    def _hooks(self) -> List[str]:
        """Those that it overrides, as the daemon calls them."""
        return [hook for name, hook in _HOOKS.items() if getattr(type(self), name) is not getattr(Plugin, name)]


_HOOKS = {
    "before_query": "beforeQuery",
    "after_query": "afterQuery",
    "on_connect": "onConnect",
    "on_disconnect": "onDisconnect",
    "on_event": "onEvent",
}


def _ask_plugin(plugin: Plugin, kind: str, params: Dict[str, Any]) -> Any:
    """What a plugin says to a message of the daemon, as the wire has it."""
    if kind == "hook.call":
        return plugin.methods[params["method"]].handle(params["params"], params["scope"])
    if kind == "hook.event":
        return plugin.on_event(params["event"])
    scope = {noun: params[noun] for noun in ("database", "branch", "tenant")}
    if kind == "hook.onConnect":
        return plugin.on_connect(scope)
    if kind == "hook.onDisconnect":
        return plugin.on_disconnect(scope)
    query = Query(**scope, sql=params["sql"], params=params["params"], access=params["access"], row_format=params["rowFormat"])
    if kind == "hook.afterQuery":
        result = plugin.after_query(query, params["result"])
        return None if result is None else {"result": _encode(result)}
    said = plugin.before_query(query)
    if said is None:
        return None
    if isinstance(said, Veto):
        return {"veto": said.reason}
    if isinstance(said, Rewrite):
        return {"sql": said.sql} if said.params is None else {"sql": said.sql, "params": _encode(said.params)}
    raise TypeError(f"before_query gives None, a Rewrite or a Veto, not a {type(said).__name__}")


# Connection


class _Stream(Protocol):
    """Bytes both ways."""

    def read(self) -> bytes:
        """What has come in; empty at the end."""

    def write(self, data: bytes, deadline: Optional[float]) -> None:
        """Send all of it; TimeoutError where the other side does not take it in time."""

    def close(self) -> None:
        """Say that nothing more comes; `read` comes to its end."""


class _SocketStream:
    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected

    def read(self) -> bytes:
        return self._socket.recv(1 << 18)

    def write(self, data: bytes, deadline: Optional[float]) -> None:
        if deadline is None:
            return self._socket.sendall(data)
        poll = select.poll()
        poll.register(self._socket, select.POLLOUT)
        rest = memoryview(data)
        while rest:
            if not poll.poll(max(0, int((deadline - time.monotonic()) * 1000))):
                raise TimeoutError
            with contextlib.suppress(BlockingIOError):
                rest = rest[self._socket.send(rest, socket.MSG_DONTWAIT) :]

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def release(self) -> None:
        self._socket.close()


class _ProcessStream:
    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdin is not None and process.stdout is not None
        self._process = process
        self._stdin = process.stdin
        self._stdout = process.stdout

    def read(self) -> bytes:
        return os.read(self._stdout.fileno(), 1 << 18)

    def write(self, data: bytes, deadline: Optional[float]) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._stdin.fileno(), rest) :]

    def close(self) -> None:
        """The end of its input is what ends a `cinchd --stdio`."""
        with contextlib.suppress(OSError):
            self._stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def release(self) -> None:
        self._stdout.close()


class Pending(Generic[T]):
    """A call that was sent. `result` waits for its answer."""

    def __init__(
        self,
        connection: "_Connection",
        id: int,
        method: str,
        convert: Callable[[Any], T],
        on_progress: Optional[Progress] = None,
        flush: Optional[Callable[[], None]] = None,
    ) -> None:
        self.id = id
        self.method = method
        self._size = 0
        self._connection = connection
        self._convert = convert
        self._on_progress = on_progress
        self._flush = flush
        # Progress values, and at last None: the outcome is there.
        self._news: "queue.SimpleQueue[Optional[Dict[str, Any]]]" = queue.SimpleQueue()
        self._answer: Any = None
        self._error: Optional[Exception] = None
        self._done = False

    @property
    def done(self) -> bool:
        return self._done

    def result(self, timeout: Optional[float] = None) -> T:
        """The answer. Raises what the daemon refused with, `TimeoutError`, or `ConnectionLost`."""
        self.wait(timeout)
        if self._error is not None:
            raise self._error
        return self._convert(self._answer)

    def wait(self, timeout: Optional[float] = None) -> None:
        """Wait until there is an answer, whatever it is. Progress is reported from here, in the caller's thread."""
        if self._flush is not None:
            self._flush()
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._done or not self._news.empty():
            try:
                value = self._news.get(timeout=None if deadline is None else max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise TimeoutError(f"{self.method} was not answered within {timeout} s") from None
            if value is None:
                # For other threads that wait here, too.
                self._news.put(None)
                return
            if self._on_progress is not None:
                self._on_progress(value)

    def cancel(self) -> None:
        """Ask the daemon to stop. The call still gets an answer: usually `Cancelled`."""
        if self._flush is not None:
            self._flush()
        if not self._done:
            with contextlib.suppress(ConnectionLost):
                self._connection.notify("$/cancelRequest", {"id": self.id})

    def _settle(self, answer: Any, error: Optional[Exception]) -> None:
        self._answer = answer
        self._error = error
        self._done = True
        self._news.put(None)


class _Connection:
    """Messages both ways. A thread reads them, so that answers find their calls whatever their order."""

    def __init__(self, stream: Union[_SocketStream, _ProcessStream]) -> None:
        self._stream = stream
        self._ids = itertools.count(1)
        self._pending: Dict[int, Pending[Any]] = {}
        self._state = threading.Lock()
        self._writing = threading.Lock()
        self._lost: Optional[str] = None
        self._scope_params: Optional[Dict[str, Dict[str, str]]] = None
        self._plugins: Dict[str, Plugin] = {}
        # What the daemon asks plugins, and at last None. Without plugins there is none.
        self._asked_plugins: "Optional[queue.SimpleQueue[Optional[Dict[str, Any]]]]" = None
        self._reader = threading.Thread(target=self._read, name="cinch-reader", daemon=True)
        self._reader.start()

    @property
    def closed(self) -> bool:
        return self._lost is not None

    def prepare(
        self,
        method: str,
        params: Mapping[str, Any],
        convert: Callable[[Any], T],
        on_progress: Optional[Progress] = None,
        flush: Optional[Callable[[], None]] = None,
    ) -> Tuple[Pending[T], bytes]:
        """A call that is ready to be answered, and the bytes that ask for it."""
        id = next(self._ids)
        encoded = _encode(params, tagged=not method.startswith(_PLAIN))
        if on_progress is not None:
            encoded["progressToken"] = id
        data = _to_text({"jsonrpc": "2.0", "id": id, "method": method, "params": encoded})
        pending = Pending(self, id, method, convert, on_progress, flush)
        pending._size = len(data) - 1
        with self._state:
            if self._lost is not None:
                raise ConnectionLost(self._lost)
            self._pending[id] = pending
        return pending, data

    def notify(self, method: str, params: Mapping[str, Any]) -> None:
        self.write(_to_text({"jsonrpc": "2.0", "method": method, "params": params}))

    def write(self, data: bytes, timeout: Optional[float] = None) -> None:
        deadline = None if timeout is None else time.monotonic() + timeout
        if not self._writing.acquire(timeout=-1 if timeout is None else timeout):
            raise TimeoutError("the daemon does not read")
        try:
            if self._lost is not None:
                raise ConnectionLost(self._lost)
            self._stream.write(data, deadline)
        except TimeoutError:
            # Half a message may be out: nothing that follows would be understood.
            self._lose("a message could not be sent whole")
            raise TimeoutError("the daemon does not read") from None
        except ConnectionLost:
            raise
        except (OSError, ValueError) as error:
            self._reader.join(1.0)
            raise ConnectionLost(self._lost or str(error)) from None
        finally:
            self._writing.release()

    def forget(self, pending: Pending[Any]) -> None:
        with self._state:
            self._pending.pop(pending.id, None)

    def scope_params(self, method: str) -> Dict[str, str]:
        """The parameters by which a method is told a database, branch or tenant, as the daemon describes it."""
        if method.startswith("plugin.") and method.count(".") == 2:
            # A method of a plugin, which may have come since: each takes all three.
            return {noun: noun for noun in ("database", "branch", "tenant")}
        if self._scope_params is None:
            pending, data = self.prepare("rpc.discover", {}, _same)
            self.write(data)
            methods = pending.result(START_SECONDS)["methods"]
            self._scope_params = {each["name"]: _scope_params_of(each) for each in methods}
        return self._scope_params.get(method, {})

    def close(self) -> None:
        self._lose("the connection was closed")
        if threading.current_thread() is not self._reader:
            self._reader.join(STOP_SECONDS)

    def _lose(self, reason: str) -> None:
        with self._state:
            if self._lost is not None:
                return
            self._lost = reason
            waiting = list(self._pending.values())
            self._pending.clear()
            if self._asked_plugins is not None:
                self._asked_plugins.put(None)
        for pending in waiting:
            pending._settle(None, ConnectionLost(f"{reason}; {pending.method} may or may not have been done"))
        self._stream.close()

    def _read(self) -> None:
        reason = "the daemon closed the connection"
        pieces: List[bytes] = []
        try:
            while True:
                chunk = self._stream.read()
                if not chunk:
                    break
                first, *others = chunk.split(b"\n")
                pieces.append(first)
                for line in others:
                    self._receive(b"".join(pieces))
                    pieces = [line]
        except OSError as error:
            reason = f"the connection broke: {error}"
        except (ValueError, RecursionError) as error:
            reason = f"the daemon sent what is no message: {error}"
        finally:
            self._lose(reason)
            self._stream.release()

    def _receive(self, line: bytes) -> None:
        if not line.strip():
            return
        message = _from_text(line)
        for each in message if isinstance(message, list) else [message]:
            if not isinstance(each, dict):
                raise ValueError("a message is an object")
            if "method" in each:
                self._asked(each)
            else:
                self._answered(each)

    def _asked(self, message: Dict[str, Any]) -> None:
        """The daemon sends a notification, or a request: something for a plugin, or none that we know."""
        method, params = message["method"], message.get("params")
        if method.startswith("hook.") and self._asked_plugins is not None:
            self._asked_plugins.put(message)
        elif "id" in message:
            error = {"code": -32601, "message": "No such method", "data": {"kind": "methodNotFound", "method": method}}
            answer = _to_text({"jsonrpc": "2.0", "id": message["id"], "error": error})
            # Not from this thread: it must go on reading even while the daemon does not.
            threading.Thread(target=self._send_quietly, args=(answer,), daemon=True).start()
        elif method == "$/progress" and isinstance(params, dict):
            pending = self._pending.get(params.get("token", 0))
            if pending is not None and isinstance(params.get("value"), dict):
                pending._news.put(params["value"])

    def serve_plugin(self, plugin: Plugin) -> None:
        """Answer what the daemon asks this plugin, from now on."""
        with self._state:
            if self._lost is not None:
                raise ConnectionLost(self._lost)
            self._plugins[plugin.name] = plugin
            if self._asked_plugins is None:
                self._asked_plugins = queue.SimpleQueue()
                threading.Thread(target=self._serve_plugins, name="cinch-plugins", daemon=True).start()

    def _serve_plugins(self) -> None:
        assert self._asked_plugins is not None
        while True:
            message = self._asked_plugins.get()
            if message is None:
                return
            answer: Dict[str, Any] = {"jsonrpc": "2.0", "id": message.get("id")}
            try:
                plugin = self._plugins[message["params"]["plugin"]]
                answer["result"] = _ask_plugin(plugin, message["method"], message["params"])
                data = _to_text(answer)
            except Exception as error:
                answer.pop("result", None)
                answer["error"] = {"code": 1601, "message": f"{type(error).__name__}: {error}"}
                data = _to_text(answer)
            if "id" in message:
                self._send_quietly(data)

    def _send_quietly(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionLost):
            self.write(data)

    def _answered(self, message: Dict[str, Any]) -> None:
        id, error = message.get("id"), message.get("error")
        if id is None and isinstance(error, dict):
            return self._faulted(_error_of(error))
        with self._state:
            pending = self._pending.pop(id, None) if isinstance(id, int) else None
        if pending is None:
            return
        pending._settle(message.get("result"), _error_of(error) if isinstance(error, dict) else None)

    def _faulted(self, error: CinchError) -> None:
        """An error that names no call: of the whole connection, or of a message that was not even read."""
        largest = error.data.get("maxBytes", 0) if error.kind == "messageTooLarge" else -1
        with self._state:
            hit = [each for each in self._pending.values() if each._size > largest]
            # Too large was the first that is; the daemon will tell of the next.
            hit = hit[:1] if largest >= 0 else hit
            for pending in hit:
                del self._pending[pending.id]
        for pending in hit:
            pending._settle(None, error)


class Client:
    """A connection to a daemon, or, from `with_scope`, a view of one with a scope of its own."""

    def __init__(self, connection: _Connection, *, timeout: Optional[float] = None) -> None:
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
    ) -> "Client":
        """Start `cinchd --stdio` for a project and speak over its pipes. It ends with this client."""
        arguments = [*_daemon_command(command), "--stdio", "--project", os.path.abspath(os.fspath(project))]
        process = subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env=_environment()
        )
        scope = _given(database=database, branch=branch, tenant=tenant)
        return cls._over(_ProcessStream(process), timeout, scope, key)

    @classmethod
    def _over(
        cls,
        stream: Union[_SocketStream, _ProcessStream],
        timeout: Optional[float],
        scope: Mapping[str, str],
        key: Optional[Key],
    ) -> "Client":
        client = cls(_Connection(stream), timeout=timeout)
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
            _check_version(str(client.server.get("protocolVersion")))
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
        return self._send(method, params or {}, _same, timeout, on_progress)

    def cancel(self, pending: Pending[Any]) -> None:
        pending.cancel()

    def pipeline(self) -> "Pipeline":
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
        scope: Dict[str, str] = self.request("session.setScope", _given(database=database, branch=branch, tenant=tenant))
        return scope

    def with_scope(
        self, database: Optional[str] = None, branch: Optional[str] = None, tenant: Optional[str] = None
    ) -> "Client":
        """A view of this connection whose calls go elsewhere. Views can be used side by side, by many threads."""
        view = Client(self._connection, timeout=self.timeout)
        view._scope = {**self._scope, **_given(database=database, branch=branch, tenant=tenant)}
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
    ) -> "Transaction":
        """Begin a transaction of a tenant, in its turn; it is committed where a `with` block ends well, else rolled back.

            with db.transaction() as tx:
                row = tx.get("account", 1)
                tx.update("account", {"id": 1, "balance": row["balance"] - 5})

        With mode "read" it sees the rows as they are when it begins, and keeps nobody waiting. It is for one thread at a
        time. `timeout` is for the wait for its turn.
        """
        asked = self.request("transaction.begin", _given(mode=mode, idleMs=idle_ms, maxMs=max_ms), timeout=timeout)
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
        params_given = _given(sql=sql, params=params, maxRows=max_rows, mask=mask, key=key)
        return self._ask("query.run", params_given, _result_of)

    def cursor(
        self,
        sql: str,
        params: Optional[Params] = None,
        *,
        max_rows: Optional[int] = None,
        idle_ms: Optional[int] = None,
        count: int = 1000,
        key: Optional[Key] = None,
    ) -> "Cursor":
        """Run one statement that reads, and take its rows as they come, `count` at a time: however many there are."""
        asked = _given(sql=sql, params=params, maxRows=max_rows, idleMs=idle_ms, key=key)
        return self._ask("query.open", asked, lambda answer: Cursor(self, answer, count))

    def execute(self, sql: str, params: Optional[Params] = None, *, key: Optional[Key] = None) -> Result:
        """Run one statement that inserts, updates or deletes; the rows of the result are those of RETURNING."""
        return self._ask("query.execute", _given(sql=sql, params=params, key=key), _result_of)

    def batch(
        self, statements: Iterable[Union[str, Tuple[str, Params]]], *, key: Optional[Key] = None
    ) -> List[Result]:
        """Run statements in one transaction: all of them or none."""
        pairs = [(each, []) if isinstance(each, str) else each for each in statements]
        sent = [{"sql": sql, "params": params} for sql, params in pairs]
        return self._ask(
            "query.batch", _given(statements=sent, key=key), lambda answer: [_result_of(each) for each in answer["results"]]
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

    def get(
        self, table: str, id: Union[Value, Mapping[str, Value]], *, key: Optional[Key] = None
    ) -> Optional[Row]:
        """The row with this primary key (a dict where it has several columns), or None."""
        row: Optional[Row] = self._ask(
            "row.get", {"table": table, "id": id, **_given(key=key)}, lambda answer: answer["row"]
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
        params = _given(
            table=table, where=where, orderBy=order_by, limit=limit, offset=offset, columns=columns, key=key
        )
        return self._ask("row.list", params, _rows_of)

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
            params = _given(
                table=table, where=where, orderBy=order_by, limit=page_size, columns=columns, cursor=cursor
            )
            answer = self._ask("row.list", params, _same)
            yield from answer["rows"]
            cursor = answer.get("nextCursor")
            if cursor is None:
                return

    def count(self, table: str, where: Optional[Mapping[str, Any]] = None, *, key: Optional[Key] = None) -> int:
        return self._ask("row.count", _given(table=table, where=where, key=key), _count_of)

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
        return self._ask("row.updateWhere", {"table": table, "where": where, "set": set}, _count_of)

    def delete_where(self, table: str, where: Mapping[str, Any]) -> int:
        """Delete every row that meets a condition; gives back how many there were."""
        return self._ask("row.deleteWhere", {"table": table, "where": where}, _count_of)

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
        return self._write_rows("row.upsert", table, rows, **_given(on=on))

    def delete(self, table: str, *ids: Union[Value, Mapping[str, Value]], key: Optional[Key] = None) -> int:
        """Delete the rows with these primary keys, all or none."""
        return self._ask("row.delete", _given(table=table, ids=ids, key=key), _count_of)

    def _write_rows(
        self,
        method: str,
        table: str,
        rows: Union[Mapping[str, Value], Iterable[Mapping[str, Value]]],
        key: Optional[Key] = None,
        **more: Any,
    ) -> Union[Row, List[Row]]:
        given = [rows] if isinstance(rows, Mapping) else [*rows]
        params = {"table": table, "rows": given, **_given(key=key), **more}
        stored: List[Row] = self._ask(method, params, _rows_of) if given else []
        return stored[0] if isinstance(rows, Mapping) else stored

    # Key-value store

    @property
    def kv(self) -> "KeyValue":
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
        methods = [
            {
                "name": name,
                "summary": method.summary,
                "params": dict(method.params),
                "result": dict(method.result),
                "access": "read" if method.read_only else "edit",
            }
            for name, method in plugin.methods.items()
        ]
        self._connection.serve_plugin(plugin)
        given = _given(
            name=plugin.name,
            version=plugin.version,
            description=plugin.description,
            hooks=plugin._hooks(),
            methods=methods,
            onFailure=on_failure,
            timeoutMs=None if timeout is None else max(1, round(timeout * 1000)),
        )
        self.request("plugin.register", given)

    def unregister(self, name: str) -> None:
        """End a plugin of this connection."""
        self.request("plugin.unregister", {"name": name})

    # Schema and catalog

    @property
    def schema(self) -> "Schema":
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
        params = _given(
            name=name,
            columns=columns,
            primaryKey=primary_key,
            indexes=indexes,
            checks=checks,
            strict=strict,
            withoutRowid=without_rowid,
            systemColumns=system_columns,
        )
        return self._ask("table.create", params, _same)

    def create_tenant(
        self, name: str, *, description: Optional[str] = None, key: Optional[Key] = None
    ) -> Dict[str, Any]:
        """Register a tenant. With a key, its file is encrypted from its first byte."""
        return self._ask("tenant.create", _given(name=name, description=description, key=key), _same)

    def unlock(self, key: Key, tenant: Optional[str] = None, *, ttl_ms: Optional[int] = None) -> Dict[str, Any]:
        """Unlock an encrypted tenant for this connection, by default the one in scope: calls then need no key."""
        return self._ask("tenant.unlock", _given(name=tenant, key=key, ttlMs=ttl_ms), _same)

    def lock(self, tenant: Optional[str] = None) -> Dict[str, Any]:
        """Lock a tenant again that this connection has unlocked."""
        return self._ask("tenant.lock", _given(name=tenant), _same)

    # Life

    @property
    def closed(self) -> bool:
        return self._connection.closed

    def close(self) -> None:
        """Close the connection; calls under way end with `ConnectionLost`. A view closes nothing."""
        if self._owns_connection:
            self._connection.close()

    def __enter__(self) -> "Client":
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
        options = _given(
            ttlMs=ttl_ms, keepTtl=keep_ttl, ifAbsent=if_absent, ifPresent=if_present, ifVersion=if_version
        )
        answer = self._ask("kv.set", {"key": key, "value": value, **options})
        return int(answer["version"]) if answer["set"] else None

    def mset(self, items: Mapping[str, Any], *, ttl_ms: Optional[int] = None) -> None:
        """Set all or none."""
        given = [{"key": key, "value": value} for key, value in items.items()]
        self._ask("kv.mset", _given(items=given, ttlMs=ttl_ms))

    def delete(self, *keys: str) -> int:
        """Gives how many there were."""
        return _count_of(self._ask("kv.delete", {"keys": keys}))

    def increment(self, key: str, by: Union[int, float] = 1, *, ttl_ms: Optional[int] = None) -> Union[int, float]:
        """Gives the new number. `ttl_ms` is for a key that begins with this. An int takes no float."""
        value: Union[int, float] = self._ask("kv.increment", _given(key=key, by=by, ttlMs=ttl_ms))["value"]
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
        return _count_of(self._ask("kv.count", {"pattern": pattern}))

    def size_bytes(self, *keys: str) -> int:
        """Bytes of these keys and their values; without keys, of all."""
        return int(self._ask("kv.size", {"keys": keys} if keys else {})["bytes"])

    def purge(self) -> int:
        """Remove keys that have expired now, rather than in the background."""
        return _count_of(self._ask("kv.purge", {}))

    def _found(self, key: str) -> Tuple[Any, int]:
        answer = self._ask("kv.get", {"key": key})
        if not answer["found"]:
            raise KeyError(key)
        return answer["value"], int(answer["version"])

    def _pages(self, method: str, pattern: str) -> Iterator[Mapping[str, Any]]:
        cursor: Optional[str] = None
        while True:
            page = self._ask(method, _given(pattern=pattern, cursor=cursor))
            yield page
            cursor = page.get("nextCursor")
            if cursor is None:
                return

    def _ask(self, method: str, params: Mapping[str, Any]) -> Any:
        return self._client._ask(method, params, _same)


class Transaction(Client):
    """A transaction that is open: a view of a connection whose rows and SQL are read and changed in it."""

    def __init__(self, client: Client, id: str) -> None:
        super().__init__(client._connection, timeout=client.timeout)
        self.id = id
        self._owns_connection = False
        self.server = client.server
        self._over = False

    def commit(self) -> None:
        """Make what was done in it visible to everybody, and durable as configured."""
        self.request("transaction.commit")
        self._over = True

    def rollback(self) -> None:
        """Undo what was done in it. One that is over already stays as it is."""
        if self._over:
            return
        self._over = True
        with contextlib.suppress(TransactionEnded):
            self.request("transaction.rollback")

    def close(self) -> None:
        """Roll it back, unless it was committed."""
        with contextlib.suppress(ConnectionLost):
            self.rollback()

    def with_scope(
        self, database: Optional[str] = None, branch: Optional[str] = None, tenant: Optional[str] = None
    ) -> "Client":
        raise TypeError("a transaction stays in its tenant; take a view of the client that began it")

    def _scoped(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"transaction": self.id, **params}

    def __enter__(self) -> "Transaction":
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        if error is None and not self._over:
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
        described = _result_of(opened)
        self.columns: Tuple[str, ...] = described.columns
        self.types: Tuple[Optional[str], ...] = described.types
        self.truncated = False
        """Once all rows were taken: there were more than `max_rows`."""

    def __iter__(self) -> "Cursor":
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

    def __enter__(self) -> "Cursor":
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
        self._rows.extend(_result_of({"columns": self._opened["columns"], "rows": answer["rows"]}).rows)

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
        return self._client._ask("schema.get", {}, _same)

    def apply(
        self, changes: Sequence[Mapping[str, Any]], *, dry_run: Optional[bool] = None, message: Optional[str] = None
    ) -> Dict[str, Any]:
        """Make changes, such as `{"kind": "addColumn", "table": "user", "column": {…}}`: all of them, for every tenant."""
        return self._client._ask("schema.apply", _given(changes=changes, dryRun=dry_run, message=message), _same)


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
        return self._add(method, params, _same)

    def query(self, sql: str, params: Optional[Params] = None) -> Pending[Result]:
        return self._add("query.run", _given(sql=sql, params=params), _result_of)

    def execute(self, sql: str, params: Optional[Params] = None) -> Pending[Result]:
        return self._add("query.execute", _given(sql=sql, params=params), _result_of)

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

    def __enter__(self) -> "Pipeline":
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


# From a folder to a connection


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
    folder = find_project() if project is None else Path(os.path.abspath(os.fspath(project)))
    if folder is None or not (folder / ".cinchdb" / "metadata.db").exists():
        _no_project(folder or Path.cwd())
    scope = _given(database=database, branch=branch, tenant=tenant)
    log = folder / ".cinchdb" / "daemon.log"
    log_start = 0
    daemon: Optional["subprocess.Popen[bytes]"] = None
    give_up_at = time.monotonic() + START_SECONDS
    while True:
        running = _running(folder)
        if running is not None:
            try:
                return Client._over(_SocketStream(running), timeout, scope, key)
            except (ConnectionLost, CinchError) as error:
                # One that was just stopping: there will be another.
                stopping = isinstance(error, ConnectionLost) or error.kind == "shuttingDown"
                if not start or not stopping or time.monotonic() > give_up_at:
                    raise
        elif not start:
            raise ConnectionLost(f"no daemon runs for {folder}; `cinch daemon start` starts one")
        if daemon is None:
            log_start = log.stat().st_size if log.exists() else 0
            daemon = _start(folder, log, command)
        elif daemon.poll() is not None:
            if daemon.returncode != 0:
                raise ConnectionLost(f"cinchd ended with {daemon.returncode}: {_last_words(log, log_start)}")
            # It found another one at work, which may have stopped since.
            daemon = None
        if time.monotonic() > give_up_at:
            raise TimeoutError(f"the daemon did not start; its log is {log}")
        time.sleep(0.015)


def find_project(start: Optional[StrPath] = None) -> Optional[Path]:
    """The nearest project's folder, from `start` (by default `CINCH_PROJECT`, or the working directory) upward."""
    first = Path(os.path.abspath(os.fspath(start or os.environ.get("CINCH_PROJECT") or os.getcwd())))
    return next((each for each in (first, *first.parents) if (each / ".cinchdb" / "metadata.db").exists()), None)


def _running(project: Path) -> Optional[socket.socket]:
    """A socket to the daemon that `daemon.json` tells of; None where nobody answers there."""
    try:
        said = json.loads((project / ".cinchdb" / "daemon.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(said, dict) or not isinstance(said.get("socket"), str):
        return None
    connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connected.connect(said["socket"])
        _check_version(str(said.get("protocolVersion")))
        return connected
    except (FileNotFoundError, ConnectionRefusedError):
        connected.close()
        return None
    except BaseException:
        connected.close()
        raise


def _start(project: Path, log: Path, command: Optional[Command]) -> "subprocess.Popen[bytes]":
    """Start a daemon that outlives this process."""
    arguments = [*_daemon_command(command), "--project", str(project), "--socket"]
    arguments += ["--idle-exit", str(IDLE_EXIT_SECONDS), "--log-level", "info"]
    stderr = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
            env=_environment(),
        )
    finally:
        os.close(stderr)
    # Somebody has to take its exit code when it ends, while this process lives.
    threading.Thread(target=process.wait, name="cinch-daemon", daemon=True).start()
    return process


def _environment() -> Dict[str, str]:
    """Without the key that `cinch` takes from there: a daemon is given keys by its clients alone."""
    return {name: value for name, value in os.environ.items() if name != "CINCH_TENANT_KEY"}


def _daemon_command(command: Optional[Command]) -> List[str]:
    if command is None:
        command = os.environ.get("CINCHD") or shutil.which("cinchd")
    if command is None:
        raise FileNotFoundError("there is no cinchd on the PATH; say how to run it with command= or CINCHD")
    return shlex.split(command) if isinstance(command, str) else [*command]


def _last_words(log: Path, start: int) -> str:
    """What a daemon that did not come up wrote to its log."""
    try:
        return log.read_bytes()[start:][-2_000:].decode("utf-8", "replace").strip()
    except OSError as error:
        return str(error)


def _check_version(spoken: str) -> None:
    if spoken.split(".")[0] != PROTOCOL_VERSION.split(".")[0]:
        message = "Client and daemon speak different protocol versions"
        data = {"client": PROTOCOL_VERSION, "daemon": spoken}
        raise CinchError(1005, "versionMismatch", message, data, "cinch daemon restart starts the installed version")


def _no_project(path: Path) -> NoReturn:
    raise NotFound(1100, "projectNotFound", "No project here", {"path": str(path)}, "cinch init makes one")


def _scope_params_of(method: Mapping[str, Any]) -> Dict[str, str]:
    required = {param["name"]: param.get("required", False) for param in method["params"]}
    names = {noun: noun for noun in ("database", "branch", "tenant") if noun in required}
    # What a method is about goes by `name`: where that may be left out, it is the scope's.
    noun = str(method["name"]).partition(".")[0]
    if noun in ("branch", "tenant") and required.get("name") is False:
        names[noun] = "name"
    return names


def _given(**params: Any) -> Dict[str, Any]:
    """The parameters that have a value."""
    return {name: value for name, value in params.items() if value is not None}


def _same(answer: Any) -> Any:
    return answer


def _rows_of(answer: Mapping[str, Any]) -> List[Row]:
    rows: List[Row] = answer["rows"]
    return rows


def _count_of(answer: Mapping[str, Any]) -> int:
    return int(answer["count"])
