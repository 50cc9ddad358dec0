"""What calls are given, and how their answers are read."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple

from ._values import Row

Progress = Callable[[Dict[str, Any]], None]


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


def result_of(answer: Mapping[str, Any]) -> Result:
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


class ScopeParams:
    """The parameters by which methods are told a database, branch or tenant, as the daemon describes them."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._methods = {each["name"]: _scope_params_of(each) for each in document["methods"]}

    def of(self, method: str) -> Dict[str, str]:
        if method.startswith("plugin.") and method.count(".") == 2:
            # A method of a plugin, which may have come since: each takes all three.
            return {noun: noun for noun in ("database", "branch", "tenant")}
        return self._methods.get(method, {})


def _scope_params_of(method: Mapping[str, Any]) -> Dict[str, str]:
    required = {param["name"]: param.get("required", False) for param in method["params"]}
    names = {noun: noun for noun in ("database", "branch", "tenant") if noun in required}
    # What a method is about goes by `name`: where that may be left out, it is the scope's.
    noun = str(method["name"]).partition(".")[0]
    if noun in ("branch", "tenant") and required.get("name") is False:
        names[noun] = "name"
    return names


def present(**params: Any) -> Dict[str, Any]:
    """The parameters that have a value."""
    return {name: value for name, value in params.items() if value is not None}


def same(answer: Any) -> Any:
    return answer


def rows_of(answer: Mapping[str, Any]) -> List[Row]:
    rows: List[Row] = answer["rows"]
    return rows


def count_of(answer: Mapping[str, Any]) -> int:
    return int(answer["count"])
