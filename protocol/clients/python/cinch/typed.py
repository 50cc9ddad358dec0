"""What generated code is made of: tables and views whose rows have types of their own.

`cinch codegen generate python` writes a module that describes a schema with these classes.
"""

from __future__ import annotations

import datetime
from typing import (
    Any,
    AsyncIterator,
    Callable,
    ClassVar,
    Dict,
    Generic,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
    TypeVar,
    Union,
)

from . import aio
from ._client import Client
from ._errors import NotFound
from ._values import UNSET, Row, Value

T = TypeVar("T")
RowT = TypeVar("RowT")
NewT = TypeVar("NewT")
ChangesT = TypeVar("ChangesT")
WhereT = TypeVar("WhereT", bound=Mapping[str, object])
OrderT = TypeVar("OrderT", bound=str)
KeyT = TypeVar("KeyT")

Condition = Union[T, None, Mapping[str, Any]]
"""A value that is equal, or what else holds: `{"gte": 18}`, `{"in": [1, 2]}`, `{"isNull": False}`."""


class SchemaDiffers(Exception):
    """The branch's schema is not the one that the code was generated from."""

    def __init__(self, expected: str, found: Optional[str]) -> None:
        super().__init__(expected, found)
        self.expected = expected
        """The hash of the schema that the code was generated from."""
        self.found = found
        """The branch's; None where a table or a view is not there at all."""

    def __str__(self) -> str:
        found = f"the branch has {self.found}" if self.found else "the branch has not all of its tables and views"
        return f"schema differs: expected {self.expected}, {found}; run cinch codegen generate python"


class WrongKind(TypeError):
    """A row has a value that its column's type does not foresee, as a table that is not STRICT may."""


class Schema(NamedTuple):
    """What code was generated from."""

    hash: str
    tables: Tuple[str, ...]
    views: Tuple[str, ...]

    def check(self, client: Client) -> None:
        """SchemaDiffers unless the branch of this client has the same."""
        try:
            found = client.api.codegen.hash(tables=self.tables, views=self.views)
        except NotFound as error:
            raise self._differs(error) from error
        self._compare(found["hash"])

    async def check_async(self, client: aio.Client) -> None:
        try:
            found = await client.api.codegen.hash(tables=self.tables, views=self.views)
        except NotFound as error:
            raise self._differs(error) from error
        self._compare(found["hash"])

    def _compare(self, found: str) -> None:
        if found != self.hash:
            raise SchemaDiffers(self.hash, found)

    def _differs(self, error: NotFound) -> Exception:
        return SchemaDiffers(self.hash, None) if error.kind in ("tableNotFound", "viewNotFound") else error


class Field(NamedTuple):
    """A field of a row, and the column that it is."""

    name: str
    column: str
    kind: str
    """text, integer, real, boolean, blob, time, or any."""
    nullable: bool = False


class Entity:
    """A table or a view, and how its rows are read and written."""

    def __init__(
        self,
        name: str,
        row: Callable[..., Any],
        fields: Sequence[Field],
        *,
        key: Sequence[str] = (),
        quoted: str = "",
    ) -> None:
        self.name = name
        self.quoted = quoted
        """Of a view: its name as SQL has it."""
        self._row = row
        self._fields = fields
        self._columns = {field.name: field.column for field in fields}
        self._key = key

    def read(self, row: Row) -> Any:
        return self._row(**{field.name: self._value(field, row[field.column]) for field in self._fields})

    def written(self, model: Any) -> Row:
        """The columns that a model has a value for."""
        given = ((name, value) for name, value in vars(model).items() if value is not UNSET)
        return {self._columns[name]: _plain(value) for name, value in given}

    def key(self, key: Any) -> Union[Value, Mapping[str, Value]]:
        return self.written(key) if len(self._key) > 1 else _plain(key)

    def key_columns(self, key: Any) -> Row:
        return self.written(key) if len(self._key) > 1 else {self._columns[self._key[0]]: _plain(key)}

    def where(self, where: Mapping[str, Any]) -> Dict[str, Any]:
        """A condition by the names of columns."""
        told: Dict[str, Any] = {}
        for name, condition in where.items():
            if name in ("and", "or"):
                told[name] = [self.where(each) for each in condition]
            elif name == "not":
                told[name] = self.where(condition)
            else:
                told[self._column(name)] = _plain(condition)
        return told

    def order(self, names: Sequence[str]) -> List[str]:
        return [f"-{self._column(name[1:])}" if name.startswith("-") else self._column(name) for name in names]

    def _column(self, name: str) -> str:
        if name not in self._columns:
            raise ValueError(f'"{self.name}" has no field {name}; it has {", ".join(self._columns)}')
        return self._columns[name]

    def _value(self, field: Field, value: Any) -> Any:
        if field.kind == "any" or (value is None and field.nullable):
            return value
        if field.kind == "real" and type(value) is int:
            return float(value)
        if field.kind == "time" and type(value) is str:
            return self._time(field, value)
        if type(value) is _TYPES.get(field.kind):
            return value
        raise self._wrong(field, "nothing" if value is None else f"a value of type {type(value).__name__}")

    def _time(self, field: Field, text: str) -> datetime.datetime:
        try:
            return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
        except ValueError:
            raise self._wrong(field, f"the text {text!r}") from None

    def _wrong(self, field: Field, found: str) -> WrongKind:
        return WrongKind(f'column "{field.column}" of "{self.name}" is of kind {field.kind}, and a row has {found}')


_TYPES: Dict[str, type] = {"text": str, "integer": int, "real": float, "boolean": bool, "blob": bytes}


def _plain(value: Any) -> Any:
    """A value as the client takes it. A time is written as the daemon writes it: in UTC, to the millisecond."""
    if isinstance(value, datetime.datetime):
        utc = value.astimezone(datetime.timezone.utc)
        return utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value


class View(Generic[RowT]):
    """Rows that are read, in the order of the view."""

    entity: ClassVar[Entity]

    def __init__(self, client: Client) -> None:
        self._client = client

    def list(self, *, limit: int = 1000, offset: int = 0) -> List[RowT]:
        sql = f"select * from {self.entity.quoted} limit ? offset ?"
        return [self.entity.read(row) for row in self._client.query(sql, [limit, offset]).dicts()]

    def count(self) -> int:
        count: int = self._client.query(f"select count(*) from {self.entity.quoted}").one()[0]
        return count


class Table(Generic[RowT, NewT, ChangesT, WhereT, OrderT]):
    """Rows that are read and written."""

    entity: ClassVar[Entity]

    def __init__(self, client: Client) -> None:
        self._client = client

    def list(
        self,
        where: Optional[WhereT] = None,
        *,
        order_by: Sequence[OrderT] = (),
        limit: Optional[int] = None,
        offset: Optional[int] = None,
    ) -> List[RowT]:
        """Rows that meet a condition. Without a limit the daemon's holds: 1,000 rows."""
        entity = self.entity
        told, order = entity.where(where or {}), entity.order(order_by)
        rows = self._client.list(entity.name, told, order_by=order, limit=limit, offset=offset)
        return [entity.read(row) for row in rows]

    def count(self, where: Optional[WhereT] = None) -> int:
        return self._client.count(self.entity.name, self.entity.where(where or {}))

    def pages(
        self, where: Optional[WhereT] = None, *, order_by: Sequence[OrderT] = (), page_size: Optional[int] = None
    ) -> Iterator[RowT]:
        """Every row that meets a condition, read a page at a time."""
        told, order = self.entity.where(where or {}), self.entity.order(order_by)
        for row in self._client.pages(self.entity.name, told, order_by=order, page_size=page_size):
            yield self.entity.read(row)

    def insert(self, row: NewT) -> RowT:
        """Insert a row; gives back what was stored."""
        (stored,) = self.insert_many([row])
        return stored

    def insert_many(self, rows: Iterable[NewT]) -> List[RowT]:
        """Insert rows, all or none."""
        stored = self._client.insert(self.entity.name, [self.entity.written(row) for row in rows])
        return [self.entity.read(row) for row in stored]

    def update_where(self, where: WhereT, changes: ChangesT) -> int:
        """Change every row that meets a condition; gives back how many there were."""
        return self._client.update_where(self.entity.name, self.entity.where(where), self.entity.written(changes))

    def delete_where(self, where: WhereT) -> int:
        """Delete every row that meets a condition; gives back how many there were."""
        return self._client.delete_where(self.entity.name, self.entity.where(where))


class KeyedTable(Table[RowT, NewT, ChangesT, WhereT, OrderT], Generic[RowT, NewT, ChangesT, WhereT, OrderT, KeyT]):
    """Rows that are found by a primary key, too."""

    def get(self, key: KeyT) -> Optional[RowT]:
        row = self._client.get(self.entity.name, self.entity.key(key))
        return None if row is None else self.entity.read(row)

    def update(self, key: KeyT, changes: ChangesT) -> RowT:
        """Change the row with this key; gives back what is stored now."""
        changed = {**self.entity.key_columns(key), **self.entity.written(changes)}
        row: RowT = self.entity.read(self._client.update(self.entity.name, changed))
        return row

    def delete(self, *keys: KeyT) -> int:
        """Delete the rows with these keys, all or none."""
        return self._client.delete(self.entity.name, *(self.entity.key(key) for key in keys)) if keys else 0


class AsyncView(Generic[RowT]):
    """Rows that are read, in the order of the view."""

    entity: ClassVar[Entity]

    def __init__(self, client: aio.Client) -> None:
        self._client = client

    async def list(self, *, limit: int = 1000, offset: int = 0) -> List[RowT]:
        sql = f"select * from {self.entity.quoted} limit ? offset ?"
        return [self.entity.read(row) for row in (await self._client.query(sql, [limit, offset])).dicts()]

    async def count(self) -> int:
        count: int = (await self._client.query(f"select count(*) from {self.entity.quoted}")).one()[0]
        return count


class AsyncTable(Generic[RowT, NewT, ChangesT, WhereT, OrderT]):
    """Rows that are read and written."""

    entity: ClassVar[Entity]

    def __init__(self, client: aio.Client) -> None:
        self._client = client

    async def list(
        self,
        where: Optional[WhereT] = None,
        *,
        order_by: Sequence[OrderT] = (),
        limit: Optional[int] = None,
        offset: Optional[int] = None,
    ) -> List[RowT]:
        """Rows that meet a condition. Without a limit the daemon's holds: 1,000 rows."""
        entity = self.entity
        told, order = entity.where(where or {}), entity.order(order_by)
        rows = await self._client.list(entity.name, told, order_by=order, limit=limit, offset=offset)
        return [entity.read(row) for row in rows]

    async def count(self, where: Optional[WhereT] = None) -> int:
        return await self._client.count(self.entity.name, self.entity.where(where or {}))

    async def pages(
        self, where: Optional[WhereT] = None, *, order_by: Sequence[OrderT] = (), page_size: Optional[int] = None
    ) -> AsyncIterator[RowT]:
        """Every row that meets a condition, read a page at a time."""
        told, order = self.entity.where(where or {}), self.entity.order(order_by)
        async for row in self._client.pages(self.entity.name, told, order_by=order, page_size=page_size):
            yield self.entity.read(row)

    async def insert(self, row: NewT) -> RowT:
        """Insert a row; gives back what was stored."""
        (stored,) = await self.insert_many([row])
        return stored

    async def insert_many(self, rows: Iterable[NewT]) -> List[RowT]:
        """Insert rows, all or none."""
        stored = await self._client.insert(self.entity.name, [self.entity.written(row) for row in rows])
        return [self.entity.read(row) for row in stored]

    async def update_where(self, where: WhereT, changes: ChangesT) -> int:
        """Change every row that meets a condition; gives back how many there were."""
        told, set = self.entity.where(where), self.entity.written(changes)
        return await self._client.update_where(self.entity.name, told, set)

    async def delete_where(self, where: WhereT) -> int:
        """Delete every row that meets a condition; gives back how many there were."""
        return await self._client.delete_where(self.entity.name, self.entity.where(where))


class AsyncKeyedTable(
    AsyncTable[RowT, NewT, ChangesT, WhereT, OrderT], Generic[RowT, NewT, ChangesT, WhereT, OrderT, KeyT]
):
    """Rows that are found by a primary key, too."""

    async def get(self, key: KeyT) -> Optional[RowT]:
        row = await self._client.get(self.entity.name, self.entity.key(key))
        return None if row is None else self.entity.read(row)

    async def update(self, key: KeyT, changes: ChangesT) -> RowT:
        """Change the row with this key; gives back what is stored now."""
        changed = {**self.entity.key_columns(key), **self.entity.written(changes)}
        row: RowT = self.entity.read(await self._client.update(self.entity.name, changed))
        return row

    async def delete(self, *keys: KeyT) -> int:
        """Delete the rows with these keys, all or none."""
        return await self._client.delete(self.entity.name, *(self.entity.key(key) for key in keys)) if keys else 0
