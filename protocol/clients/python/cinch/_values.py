"""Values, as Python and as the wire has them."""

from __future__ import annotations

import base64
import enum
import math
from typing import Any, Dict, Mapping, Sequence, Union

Value = Union[None, bool, int, float, str, bytes]
Row = Dict[str, Any]
Params = Union[Sequence[Value], Mapping[str, Value]]
Key = Union[str, Mapping[str, str]]
"""Of an encrypted tenant: a passphrase, or `{"raw": "64 hex digits"}`."""


class Unset(enum.Enum):
    """What is not given, where None is something that can be given."""

    UNSET = "unset"


UNSET = Unset.UNSET

MAX_EXACT = 2**53 - 1
_MIN_INT64, _MAX_INT64 = -(2**63), 2**63 - 1


def encode(value: Any, tagged: bool = True) -> Any:
    """A value as JSON holds it; what JSON cannot hold is tagged. Walks lists and dicts."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        if -MAX_EXACT <= value <= MAX_EXACT:
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
        return {_name(key): encode(each, tagged) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(each, tagged) for each in value]
    raise TypeError(f"a {type(value).__name__} is not a value of SQLite: use None, bool, int, float, str or bytes")


def _name(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"the name {key!r} is no str")
    return key
