"""Plugins of the daemon that run in a client."""

from __future__ import annotations

from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional, Union

from ._results import present
from ._values import Params, encode
from ._wire import to_text


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


_HOOKS = {
    "before_query": "beforeQuery",
    "after_query": "afterQuery",
    "on_connect": "onConnect",
    "on_disconnect": "onDisconnect",
    "on_event": "onEvent",
}


def registration(plugin: Any, base: type, on_failure: Optional[str], timeout: Optional[float]) -> Dict[str, Any]:
    """What `plugin.register` is given: the hooks are those that it overrides."""
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
    return present(
        name=plugin.name,
        version=plugin.version,
        description=plugin.description,
        hooks=[hook for name, hook in _HOOKS.items() if getattr(type(plugin), name) is not getattr(base, name)],
        methods=methods,
        onFailure=on_failure,
        timeoutMs=None if timeout is None else max(1, round(timeout * 1000)),
    )


def ask_plugin(plugin: Any, kind: str, params: Dict[str, Any]) -> Any:
    """What a plugin says to a message of the daemon; of one whose functions are coroutines, something to await."""
    if kind == "hook.call":
        return plugin.methods[params["method"]].handle(params["params"], params["scope"])
    if kind == "hook.event":
        return plugin.on_event(params["event"])
    scope = {noun: params[noun] for noun in ("database", "branch", "tenant")}
    if kind == "hook.onConnect":
        return plugin.on_connect(scope)
    if kind == "hook.onDisconnect":
        return plugin.on_disconnect(scope)
    query = Query(
        **scope, sql=params["sql"], params=params["params"], access=params["access"], row_format=params["rowFormat"]
    )
    if kind == "hook.afterQuery":
        return plugin.after_query(query, params["result"])
    return plugin.before_query(query)


def plugin_answer(id: Any, kind: str, said: Any) -> bytes:
    """The message that answers the daemon."""
    return to_text({"jsonrpc": "2.0", "id": id, "result": _on_the_wire(kind, said)})


def plugin_failure(id: Any, error: Exception) -> bytes:
    return to_text({"jsonrpc": "2.0", "id": id, "error": {"code": 1601, "message": f"{type(error).__name__}: {error}"}})


def _on_the_wire(kind: str, said: Any) -> Any:
    if said is None or kind == "hook.call":
        return said
    if kind == "hook.afterQuery":
        return {"result": encode(said)}
    if isinstance(said, Veto):
        return {"veto": said.reason}
    if isinstance(said, Rewrite):
        return {"sql": said.sql} if said.params is None else {"sql": said.sql, "params": encode(said.params)}
    raise TypeError(f"before_query gives None, a Rewrite or a Veto, not a {type(said).__name__}")
