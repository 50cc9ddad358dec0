"""Messages both ways, over a socket or the pipes of a process."""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import select
import socket
import subprocess
import threading
import time
from typing import Any, Callable, Dict, Generic, Mapping, Optional, Protocol, Tuple, TypeVar, Union

from ._errors import CinchError, ConnectionLost, affected, error_of
from ._plugins import Plugin, ask_plugin, plugin_answer, plugin_failure
from ._project import START_SECONDS, STOP_SECONDS
from ._results import Progress, ScopeParams, same
from ._wire import Messages, no_such_method, request_text, to_text

T = TypeVar("T")


class Stream(Protocol):
    """Bytes both ways."""

    def read(self) -> bytes:
        """What has come in; empty at the end."""

    def write(self, data: bytes, deadline: Optional[float]) -> None:
        """Send all of it; TimeoutError where the other side does not take it in time."""

    def close(self) -> None:
        """Say that nothing more comes; `read` comes to its end."""


class SocketStream:
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


class ProcessStream:
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
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
        connection: Connection,
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
        self._news: queue.SimpleQueue[Optional[Dict[str, Any]]] = queue.SimpleQueue()
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


class Connection:
    """Messages both ways. A thread reads them, so that answers find their calls whatever their order."""

    def __init__(self, stream: Union[SocketStream, ProcessStream]) -> None:
        self._stream = stream
        self._ids = itertools.count(1)
        self._pending: Dict[int, Pending[Any]] = {}
        self._state = threading.Lock()
        self._writing = threading.Lock()
        self._lost: Optional[str] = None
        self._scope_params: Optional[ScopeParams] = None
        self._plugins: Dict[str, Plugin] = {}
        # What the daemon asks plugins, and at last None. Without plugins there is none.
        self._asked_plugins: Optional[queue.SimpleQueue[Optional[Dict[str, Any]]]] = None
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
        data = request_text(id, method, params, on_progress is not None)
        pending = Pending(self, id, method, convert, on_progress, flush)
        pending._size = len(data) - 1
        with self._state:
            if self._lost is not None:
                raise ConnectionLost(self._lost)
            self._pending[id] = pending
        return pending, data

    def notify(self, method: str, params: Mapping[str, Any]) -> None:
        self.write(to_text({"jsonrpc": "2.0", "method": method, "params": params}))

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
        """The parameters by which a method is told a database, branch or tenant."""
        if self._scope_params is None:
            pending, data = self.prepare("rpc.discover", {}, same)
            self.write(data)
            self._scope_params = ScopeParams(pending.result(START_SECONDS))
        return self._scope_params.of(method)

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
        messages = Messages()
        try:
            while True:
                chunk = self._stream.read()
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
            self._stream.release()

    def _receive(self, message: Dict[str, Any]) -> None:
        """An answer; a notification; or a request, for a plugin or of no kind that we know."""
        method, params = message.get("method"), message.get("params")
        if method is None:
            self._answered(message)
        elif method.startswith("hook.") and self._asked_plugins is not None:
            self._asked_plugins.put(message)
        elif "id" in message:
            # Not from this thread: it must go on reading even while the daemon does not.
            threading.Thread(target=self._send_quietly, args=(no_such_method(message),), daemon=True).start()
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
            id, kind = message.get("id"), message["method"]
            try:
                said = ask_plugin(self._plugins[message["params"]["plugin"]], kind, message["params"])
                data = plugin_answer(id, kind, said)
            except Exception as error:
                data = plugin_failure(id, error)
            if "id" in message:
                self._send_quietly(data)

    def _send_quietly(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionLost):
            self.write(data)

    def _answered(self, message: Dict[str, Any]) -> None:
        id, error = message.get("id"), message.get("error")
        if id is None and isinstance(error, dict):
            return self._faulted(error_of(error))
        with self._state:
            pending = self._pending.pop(id, None) if isinstance(id, int) else None
        if pending is None:
            return
        pending._settle(message.get("result"), error_of(error) if isinstance(error, dict) else None)

    def _faulted(self, error: CinchError) -> None:
        """An error that names no call: of the whole connection, or of a message that was not even read."""
        with self._state:
            sizes = {pending.id: pending._size for pending in self._pending.values()}
            hit = [self._pending.pop(id) for id in affected(error, sizes)]
        for pending in hit:
            pending._settle(None, error)
