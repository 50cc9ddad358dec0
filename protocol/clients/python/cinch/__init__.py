"""A client of cinch: SQLite with branches and tenants, behind one daemon per project.

    import cinch

    with cinch.connect() as db:                      # the project of this folder; its daemon is started if none runs
        db.create_table("user", [{"name": "email", "type": "TEXT", "unique": True}])
        ada = db.insert("user", {"email": "ada@example.org"})
        for (email,) in db.query("select email from user where id = ?", [ada["id"]]):
            print(email)

It speaks JSON-RPC 2.0, one JSON object a line, over the daemon's Unix socket or over the pipes of a `cinchd --stdio`
that it starts. Calls wait for their answer; one `Client` can be shared by threads, whose calls overlap. `cinch.aio` is the
same for asyncio, and `cinch.api` has every method of the daemon with its types.

Values go both ways as they are: `None`, `bool`, `int` (64 bits), `float`, `str` and `bytes`.
"""

from ._client import Client, Cursor, KeyValue, Pipeline, Schema, Transaction, connect
from ._connection import Pending
from ._errors import (
    Cancelled,
    CinchError,
    ConnectionLost,
    ConstraintFailed,
    Exists,
    LimitReached,
    NotFound,
    Refused,
    TimedOut,
    TransactionEnded,
)
from ._plugins import Plugin, PluginMethod, Query, Rewrite, Veto
from ._project import find_project
from ._results import Result
from ._values import UNSET, Key, Params, Row, Unset, Value
from ._version import __version__

__all__ = [
    "UNSET",
    "Cancelled",
    "CinchError",
    "Client",
    "ConnectionLost",
    "ConstraintFailed",
    "Cursor",
    "Exists",
    "Key",
    "KeyValue",
    "LimitReached",
    "NotFound",
    "Params",
    "Pending",
    "Pipeline",
    "Plugin",
    "PluginMethod",
    "Query",
    "Refused",
    "Result",
    "Rewrite",
    "Row",
    "Schema",
    "TimedOut",
    "Transaction",
    "TransactionEnded",
    "Unset",
    "Value",
    "Veto",
    "__version__",
    "connect",
    "find_project",
]
