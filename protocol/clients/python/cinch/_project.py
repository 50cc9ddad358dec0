"""From a folder to the daemon that works there."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Dict, List, NoReturn, Optional, Sequence, Union

from ._errors import CinchError, ConnectionLost, NotFound

PROTOCOL_VERSION = "1.0"

Command = Union[str, Sequence[str]]
StrPath = Union[str, "os.PathLike[str]"]

START_SECONDS = 20.0
STOP_SECONDS = 10.0
PAUSE_SECONDS = 0.015
IDLE_EXIT_SECONDS = 600


class Search:
    """For a project's daemon: the one that runs, or one that is started where none does.

    `look` and, as long as it finds none that takes us, `go_on` are called in turn, with a pause of `PAUSE_SECONDS`.
    """

    def __init__(self, project: Optional[StrPath], start: bool, command: Optional[Command]) -> None:
        folder = find_project() if project is None else Path(os.path.abspath(os.fspath(project)))
        if folder is None or not (folder / ".cinchdb" / "metadata.db").exists():
            _no_project(folder or Path.cwd())
        self._folder = folder
        self._start = start
        self._command = command
        self._log = folder / ".cinchdb" / "daemon.log"
        self._log_start = 0
        self._daemon: Optional[subprocess.Popen[bytes]] = None
        self._give_up_at = time.monotonic() + START_SECONDS

    def look(self) -> Optional[socket.socket]:
        """A socket to the daemon that runs now."""
        return _running(self._folder)

    def failed(self, error: Union[ConnectionLost, CinchError]) -> None:
        """The daemon that was found did not take us. One that was just stopping will be followed by another."""
        stopping = isinstance(error, ConnectionLost) or error.kind == "shuttingDown"
        if not self._start or not stopping or time.monotonic() > self._give_up_at:
            raise error

    def go_on(self) -> None:
        """Start a daemon, or see what became of the one that was started."""
        if not self._start:
            raise ConnectionLost(f"no daemon runs for {self._folder}; `cinch daemon start` starts one")
        if self._daemon is None:
            self._log_start = self._log.stat().st_size if self._log.exists() else 0
            self._daemon = _start(self._folder, self._log, self._command)
        elif self._daemon.poll() is not None:
            if self._daemon.returncode != 0:
                words = _last_words(self._log, self._log_start)
                raise ConnectionLost(f"cinchd ended with {self._daemon.returncode}: {words}")
            # It found another one at work, which may have stopped since.
            self._daemon = None
        if time.monotonic() > self._give_up_at:
            raise TimeoutError(f"the daemon did not start; its log is {self._log}")


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
        check_version(str(said.get("protocolVersion")))
        return connected
    except (FileNotFoundError, ConnectionRefusedError):
        connected.close()
        return None
    except BaseException:
        connected.close()
        raise


def _start(project: Path, log: Path, command: Optional[Command]) -> subprocess.Popen[bytes]:
    """Start a daemon that outlives this process."""
    arguments = [*daemon_command(command), "--project", str(project), "--socket"]
    arguments += ["--idle-exit", str(IDLE_EXIT_SECONDS), "--log-level", "info"]
    stderr = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
            env=environment(),
        )
    finally:
        os.close(stderr)
    # Somebody has to take its exit code when it ends, while this process lives.
    threading.Thread(target=process.wait, name="cinch-daemon", daemon=True).start()
    return process


def environment() -> Dict[str, str]:
    """Without the key that `cinch` takes from there: a daemon is given keys by its clients alone."""
    return {name: value for name, value in os.environ.items() if name != "CINCH_TENANT_KEY"}


def daemon_command(command: Optional[Command]) -> List[str]:
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


def check_version(spoken: str) -> None:
    if spoken.split(".")[0] != PROTOCOL_VERSION.split(".")[0]:
        message = "Client and daemon speak different protocol versions"
        data = {"client": PROTOCOL_VERSION, "daemon": spoken}
        raise CinchError(1005, "versionMismatch", message, data, "cinch daemon restart starts the installed version")


def _no_project(path: Path) -> NoReturn:
    raise NotFound(1100, "projectNotFound", "No project here", {"path": str(path)}, "cinch init makes one")
