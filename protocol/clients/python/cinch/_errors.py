"""What goes wrong."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Mapping, Optional, Type


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


def error_of(error: Mapping[str, Any]) -> CinchError:
    """The exception for an error object of the wire."""
    data = error.get("data")
    data = dict(data) if isinstance(data, Mapping) else {}
    kind = str(data.pop("kind", "unknown"))
    hint = data.pop("hint", None)
    return _class_of(kind)(int(error.get("code", 0)), kind, str(error.get("message", "")), data, hint)


def affected(error: CinchError, sizes: Mapping[int, int]) -> List[int]:
    """Of the calls under way, by size in bytes, those that an error which names no call is about."""
    if error.kind != "messageTooLarge":
        return [*sizes]
    # The first that is too large; the daemon will tell of the next.
    largest = error.data.get("maxBytes", 0)
    return [id for id, size in sizes.items() if size > largest][:1]
