"""Code that was generated for asyncio from the schema of `test/codegen/schemas.ts`, in use."""

import asyncio
import sys

from cinch import aio, typed
from cinch_schema import ClassChanges, Database, NewClass, NewOrderLine, OrderLineChanges, OrderLineKey


async def main(project: str) -> None:
    async with aio.connect(project) as client:
        db = await Database.open(client)

        row = await db.class_.insert(NewClass(type="a", func=2, self_=True))
        assert (row.id, row.select, row.func, row.self_) == (2, 7, 2.0, True), row
        assert await db.class_.get(2) == row and await db.class_.get(99) is None
        await asyncio.gather(*(db.class_.insert(NewClass(id=id, type="b")) for id in range(10, 20)))
        assert (await db.class_.update(10, ClassChanges(select=None))).select is None
        assert [each.id for each in await db.class_.list({"id": {"gte": 18}}, order_by=["-id"])] == [19, 18]
        assert [each.id async for each in db.class_.pages({"type": "b"}, page_size=3)] == [*range(10, 20)]
        assert await db.class_.update_where({"type": "b"}, ClassChanges(none="x")) == 10
        assert await db.class_.delete_where({"id": {"gt": 12}}) == 7
        assert (await db.class_.delete(10, 11), await db.class_.count()) == (2, 3)

        key = OrderLineKey(order=1, line=2)
        await db.order_line.insert(NewOrderLine(order=1, line=2))
        assert (await db.order_line.update(key, OrderLineChanges(note="n"))).note == "n"
        assert (await db.order_line.delete(key), await db.order_line.get(key)) == (1, None)
        assert await db.class_view.count() == len(await db.class_view.list()) == 3

        async with db.transaction() as tx:
            await tx.class_.insert(NewClass(type="in"))
            assert (await tx.class_.count(), await db.class_.count()) == (4, 3)
        try:
            async with db.transaction() as tx:
                assert await tx.class_.delete(2, 12) == 2
                raise KeyError
        except KeyError:
            pass
        assert await db.class_.count() == 4

        await client.execute("insert into class (type, func) values ('odd', 'no number')")
        try:
            await db.class_.list({"type": "odd"})
        except typed.WrongKind as error:
            print(error)

        await client.api.column.add(table="2nd", column={"name": "late", "type": "TEXT"})
        try:
            await Database.open(client)
        except typed.SchemaDiffers as error:
            assert error.found and error.found != error.expected
            print(str(error).replace(error.expected, "A").replace(error.found, "B"))
        await client.api.view.drop(name="class view")
        try:
            await Database.open(client)
        except typed.SchemaDiffers as error:
            print(str(error).replace(error.expected, "A"))


asyncio.run(main(sys.argv[1]))
