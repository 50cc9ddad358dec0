"""Code that was generated from the schema of `test/codegen/schemas.ts`, in use."""

import sys

import cinch
from cinch import typed
from cinch_schema import (
    ClassChanges,
    Database,
    NewClass,
    NewDefaults,
    NewN2nd,
    NewOrderLine,
    NewStrictTypes,
    OrderLineChanges,
    OrderLineKey,
)


def main(project: str) -> None:
    with cinch.connect(project) as client:
        db = Database.open(client)

        row = db.class_.insert(NewClass(type="a", func=2, match=b"\0\xff", self_=True, new=2**60))
        assert (row.id, row.select, row.none, row.self_, row.new) == (2, 7, None, True, 2**60), row
        assert isinstance(row.func, float) and row.match == b"\0\xff", row
        assert db.class_.get(2) == row and db.class_.get(99) is None
        more = db.class_.insert_many([NewClass(type="b", select=None), NewClass(id=40, type="c", select=2**53 + 1)])
        assert [each.select for each in more] == [None, 2**53 + 1], more

        changed = db.class_.update(40, ClassChanges(func=0.5, select=None))
        assert (changed.type, changed.func, changed.select) == ("c", 0.5, None), changed
        listed = db.class_.list({"or": [{"id": {"gt": 2}}, {"not": {"type": "a"}}]}, order_by=["-id"], limit=2)
        assert [each.id for each in listed] == [40, 3], listed
        assert [each.id for each in db.class_.pages(page_size=1)] == [1, 2, 3, 40]
        assert (db.class_.count(), db.class_.count({"self_": True})) == (4, 1)
        assert db.class_.update_where({"type": "b"}, ClassChanges(none="x")) == 1

        key = OrderLineKey(order=1, line=2)
        db.order_line.insert(NewOrderLine(order=1, line=2))
        assert db.order_line.update(key, OrderLineChanges(note="n")).note == "n"
        assert (db.order_line.delete(key), db.order_line.get(key)) == (1, None)

        assert db.n_2nd.insert(NewN2nd(größe=1, 漢字="字", class_=1)).größe == 1.0
        assert db.strict_types.insert(NewStrictTypes(i=1, r=1, t="t", b=b"b", a=None)).r == 1.0
        stored = db.defaults.insert(NewDefaults(id="d"))
        assert (stored.price, stored.label, stored.flag) == (1.5, "it's */ \"\"\" \\", True), stored
        assert {view.type: view.func for view in db.class_view.list()}["a"] == 2.0
        assert db.class_view.count() == len(db.class_view.list(offset=1)) + 1 == 4

        with db.transaction() as tx:
            tx.class_.insert(NewClass(type="in"))
            assert (tx.class_.count(), db.class_.count()) == (5, 4)
        try:
            with db.transaction() as tx:
                assert tx.class_.delete(2, 3) == 2
                raise KeyError
        except KeyError:
            pass
        assert db.class_.count() == 5
        assert db.class_.delete_where({"type": "in"}) == 1

        client.execute("insert into class (type, func) values ('odd', 'no number')")
        try:
            db.class_.list({"type": "odd"})
        except typed.WrongKind as error:
            print(error)

        client.api.column.add(table="2nd", column={"name": "late", "type": "TEXT"})
        try:
            Database.open(client)
        except typed.SchemaDiffers as error:
            assert error.found and error.found != error.expected
            print(str(error).replace(error.expected, "A").replace(error.found, "B"))
        client.api.view.drop(name="class view")
        try:
            Database.open(client)
        except typed.SchemaDiffers as error:
            print(str(error).replace(error.expected, "A"))


main(sys.argv[1])
