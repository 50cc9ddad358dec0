"""A session held by `python-lsp-jsonrpc`, a JSON-RPC library that knows nothing of cinch.

    foreign-client.py stdio COMMAND…      speaks to a process that it starts
    foreign-client.py socket PATH         speaks to a Unix socket

Prints what was answered, as one JSON object.
"""

from __future__ import annotations

import itertools
import json
import socket
import subprocess
import sys
import threading

from pylsp_jsonrpc.endpoint import Endpoint
from pylsp_jsonrpc.exceptions import JsonRpcException, JsonRpcRequestCancelled
from pylsp_jsonrpc.streams import JsonRpcStreamReader, JsonRpcStreamWriter

SECONDS = 10


class Corked:
    """A file whose `flush` can be put off, so that two messages leave in one piece."""

    def __init__(self, file):
        self._file = file
        self.corked = False

    def __getattr__(self, name):
        return getattr(self._file, name)

    def flush(self):
        if not self.corked:
            self._file.flush()


def hold_session(rfile, wfile):
    wfile = Corked(wfile)
    numbers = itertools.count()
    ids = []
    progress = []

    def next_id():
        ids.append(f"call-{next(numbers)}")
        return ids[-1]

    reader = JsonRpcStreamReader(rfile)
    endpoint = Endpoint({"$/progress": progress.append}, JsonRpcStreamWriter(wfile).write, next_id)
    listener = threading.Thread(target=reader.listen, args=(endpoint.consume,), daemon=True)
    listener.start()

    def call(method, **params):
        return endpoint.request(method, params).result(SECONDS)

    def refusal(method, **params):
        try:
            return {"unexpected": call(method, **params)}
        except JsonRpcException as error:
            return {"code": error.code, "message": error.message, "data": error.data}

    said = {}
    client = {"name": "foreign", "version": "1.1.2"}
    said["initialize"] = call("initialize", client=client, protocolVersion="1.0")
    columns = [{"name": "a", "type": "INTEGER"}, {"name": "b", "type": "TEXT", "unique": True}]
    call("table.create", name="t", columns=columns, systemColumns=False)
    call("row.insert", table="t", rows=[{"a": 1, "b": "ä😀"}, {"a": {"$int": "9223372036854775807"}, "b": None}])
    said["query"] = call("query.run", sql="select a, b from t order by a")
    said["without params"] = endpoint.request("ping").result(SECONDS)
    said["constraint"] = refusal("row.insert", table="t", rows=[{"a": 2, "b": "c"}, {"a": 3, "b": "c"}])
    said["count"] = call("row.count", table="t")
    said["no such table"] = refusal("row.list", table="u")
    said["no such method"] = refusal("row.lists", table="t")
    said["unknown parameter"] = refusal("row.list", tabel="t")

    # A call and its cancellation in one piece: it cannot be done before.
    wfile.corked = True
    edit = {"name": "by_a", "table": "t", "columns": ["a"]}
    cancelled = endpoint.request("index.create", edit)
    endpoint.notify("$/cancelRequest", {"id": ids[-1]})
    wfile.corked = False
    wfile.flush()
    try:
        said["cancelled"] = {"unexpected": cancelled.result(SECONDS)}
    except JsonRpcRequestCancelled as error:
        said["cancelled"] = {"code": error.code, "data": error.data}
    endpoint.notify("$/cancelRequest", {"id": "call-of-nobody"})
    endpoint.notify("$/unknown", {})
    said["indexes"] = [index["name"] for index in call("index.list", table="t")["indexes"]]

    said["shutdown"] = endpoint.request("shutdown").result(SECONDS)
    endpoint.notify("exit")
    listener.join(SECONDS)
    said["ended"] = not listener.is_alive()
    endpoint.shutdown()
    return said


def main(way, *where):
    if way == "stdio":
        with subprocess.Popen(where, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            said = hold_session(process.stdout, process.stdin)
            try:
                said["exit code"] = process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                said["exit code"] = "still running"
    else:
        with socket.socket(socket.AF_UNIX) as connected:
            connected.connect(where[0])
            with connected.makefile("rb") as rfile, connected.makefile("wb") as wfile:
                said = hold_session(rfile, wfile)
    print(json.dumps(said))


if __name__ == "__main__":
    main(*sys.argv[1:])
