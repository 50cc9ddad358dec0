"""Check the values of `protocol/vectors/values.json` against a daemon, with both clients.

    CINCHD="node ../../../dist/src/cinchd.js" python3 conformance.py [PROJECT]

A line for each vector, which both have to pass, and a last one that counts them.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any, Awaitable, Callable, Dict, List, Optional, Tuple

import cinch
from cinch import aio

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "values.json"

Ask = Callable[[str, List[cinch.Value]], Awaitable[Tuple[Any, ...]]]
"""Run a statement that gives one row."""


def native(vector: Dict[str, Any]) -> cinch.Value:
    kind, value = vector["kind"], vector["value"]
    if kind == "boolean":
        return bool(value == "true")
    if kind == "blob":
        return bytes.fromhex(value)
    convert: Callable[[Any], cinch.Value] = {"integer": int, "real": float, "text": str}.get(kind, lambda none: None)
    return convert(value)


async def holds(ask: Ask, vector: Dict[str, Any]) -> bool:
    """Whether a value arrives as what it is, and comes back so, bound or made by SQL."""
    value, sql = native(vector), vector["sql"]
    same, kind, back = await ask(f"select ?1 is {sql}, typeof(?1), ?1", [value])
    (made,) = await ask(f"select {sql}", [])
    told = [(type(each), repr(each)) for each in (back, made)]
    # JSON does not tell 2.0 from 2, nor has SQLite booleans: outside a column of that type they are integers.
    is_exact = vector["wire"] != 2 and vector["kind"] != "boolean"
    wanted = (type(value), repr(value)) if is_exact else (int, repr(int(value or 0)))
    return same == 1 and kind == vector["typeof"] and told == [wanted, wanted]


async def is_refused(ask: Ask, vector: Dict[str, Any]) -> bool:
    """Whether the client does not even send it."""
    try:
        await ask("select ?1", [native(vector)])
    except ValueError:
        return True
    return False


async def main(project: Optional[str]) -> bool:
    vectors = json.loads(Path(os.environ.get("CINCH_VECTORS", VECTORS)).read_text("utf-8"))
    checks = [(holds, each) for each in vectors["values"]]
    checks += [(is_refused, each) for each in vectors["refused"] if each["by"] == "client"]
    passed = 0
    with cinch.connect(project) as db:
        async with aio.connect(project) as adb:

            async def ask(sql: str, params: List[cinch.Value]) -> Tuple[Any, ...]:
                return db.query(sql, params).one()

            async def ask_async(sql: str, params: List[cinch.Value]) -> Tuple[Any, ...]:
                return (await adb.query(sql, params)).one()

            for passes, vector in checks:
                ok = await passes(ask, vector) and await passes(ask_async, vector)
                print("ok" if ok else "FAIL", vector["name"])
                passed += ok
    print(f"{passed} of {len(checks)} vectors")
    return passed == len(checks)


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(main(next(iter(sys.argv[1:]), None))) else 1)
