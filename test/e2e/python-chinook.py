"""Take a database in, read all of it back, and give it out again; compare with SQLite's own tools at each step.

    python-chinook.py PROJECT ORIGINAL EXPORTED

Prints the rows compared of each table. A daemon has to be running.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import Any, Dict, List

import cinch


def main(project: str, original: str, exported: str) -> None:
    shell = shutil.which("sqlite3")
    with cinch.connect(project, start=False, timeout=60) as db, closing(open_readonly(original)) as file:
        db.call("tenant.import", path=original)

        names = [name for (name,) in file.execute("select name from sqlite_schema where type = 'table' order by name")]
        assert sorted(table["name"] for table in db.tables()) == names, db.tables()
        rows = {name: compare(db, file, original, name, shell) for name in names}

        db.create_tenant("second")
        second = db.with_scope(tenant="second")
        for name in names:
            empty = second.query(f'select * from "{name}"')
            assert empty.columns == db.query(f'select * from "{name}" limit 1').columns, name
            assert second.count(name) == len(empty) == 0, name

        db.call("tenant.export", path=exported, format="sqlite")

    with closing(open_readonly(original)) as file, closing(open_readonly(exported)) as copy:
        equal("iterdump", [*file.iterdump()], [*copy.iterdump()])
    if shell:
        equal("sqlite3 .dump", said([shell, original, ".dump"]), said([shell, exported, ".dump"]))
        assert said([shell, exported, "pragma integrity_check"]) == ["ok"]
        assert said([shell, exported, "pragma foreign_key_check"]) == []
    if shutil.which("sqldiff"):
        assert said(["sqldiff", "--schema", original, exported]) == []
        assert said(["sqldiff", original, exported]) == []
    print(json.dumps({"rows": rows, "sqlite3": shell is not None}))


def compare(db: cinch.Client, file: sqlite3.Connection, original: str, name: str, shell: "str | None") -> int:
    """Read a table through the daemon, by Python's own SQLite, and by the `sqlite3` program: all the same, types too."""
    sql = f'select * from "{name}"'
    ours = db.query(sql)
    theirs = file.execute(sql)
    assert not ours.truncated
    assert [*ours.columns] == [column for column, *_ in theirs.description], name
    expected = theirs.fetchall()
    equal(name, sorted(map(repr, expected)), sorted(map(repr, ours.rows)))
    assert db.count(name) == len(expected), name
    if shell:
        printed = subprocess.run([shell, "-json", original, sql], check=True, capture_output=True).stdout
        dicts: List[Dict[str, Any]] = json.loads(printed or "[]")
        equal(f"sqlite3 -json {name}", sorted(map(repr, dicts)), sorted(map(repr, ours.dicts())))
    listed = db.list(name, limit=100_000)
    equal(f"row.list {name}", sorted(map(repr, ours.dicts())), sorted(map(repr, listed)))
    return len(expected)


def equal(what: str, expected: List[str], found: List[str]) -> None:
    differing = [(left, right) for left, right in zip(expected, found) if left != right]
    assert not differing, f"{what}: {differing[:3]}"
    assert len(expected) == len(found), f"{what}: {len(expected)} expected, {len(found)} found"


def said(command: List[str]) -> List[str]:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def open_readonly(path: str) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
