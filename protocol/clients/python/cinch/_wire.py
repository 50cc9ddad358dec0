"""Messages of JSON-RPC, one a line."""

from __future__ import annotations

import base64
import json
import re
from typing import Any, Dict, Iterator, List, Mapping, Union

from ._values import MAX_EXACT, encode

# In what describes a schema, a value is a definition and goes as plain JSON; so does what a plugin's method takes.
_PLAIN = ("branch.", "column.", "index.", "plugin.", "schema.", "table.", "view.")


def request_text(id: int, method: str, params: Mapping[str, Any], progress: bool) -> bytes:
    """The message that asks for a call; its id is also the token of its progress."""
    encoded = encode(params, tagged=not method.startswith(_PLAIN))
    if progress:
        encoded["progressToken"] = id
    return to_text({"jsonrpc": "2.0", "id": id, "method": method, "params": encoded})


def to_text(message: Mapping[str, Any]) -> bytes:
    text = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        return text.encode("utf-8") + b"\n"
    except UnicodeEncodeError:
        raise ValueError("a text has half of a surrogate pair, which is no character") from None


def from_text(line: bytes) -> Any:
    text = line.decode("utf-8")
    return (_decode_long if _long_digits.search(text) else _decode)(text)


class Messages:
    """What comes in, piece by piece."""

    def __init__(self) -> None:
        self._pieces: List[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[Dict[str, Any]]:
        """The messages that are whole with this piece. ValueError where one is no message."""
        first, *others = chunk.split(b"\n")
        self._pieces.append(first)
        for line in others:
            whole, self._pieces = b"".join(self._pieces), [line]
            if whole.strip():
                yield from _messages_of(whole)


def _messages_of(line: bytes) -> Iterator[Dict[str, Any]]:
    message = from_text(line)
    for each in message if isinstance(message, list) else [message]:
        if not isinstance(each, dict):
            raise ValueError("a message is an object")
        yield each


def no_such_method(message: Mapping[str, Any]) -> bytes:
    """The answer to a request that we do not know."""
    data = {"kind": "methodNotFound", "method": message["method"]}
    error = {"code": -32601, "message": "No such method", "data": data}
    return to_text({"jsonrpc": "2.0", "id": message["id"], "error": error})


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
    return value if -MAX_EXACT <= value <= MAX_EXACT else float(value)


_decode = json.JSONDecoder(object_hook=_untag).decode
_decode_long = json.JSONDecoder(object_hook=_untag, parse_int=_integer).decode
_long_digits = re.compile(r"\d{16}")
