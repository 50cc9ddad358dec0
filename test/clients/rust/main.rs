//! Uses the module that is generated for `test/codegen/schemas.ts`.
#![deny(warnings, clippy::all)]

mod cinch_schema;

use cinch_client::schema::Listing;
use cinch_client::{ColumnAddParams, ColumnSpec, Error, Result, Value};
use cinch_schema::{
    ClassUpdate, NewClass, NewDefaults, NewList, NewN2nd, NewOrderLine, NewStrictTypes, OrderLineKey, OrderLineUpdate,
    Schema,
};
use serde_json::json;

fn main() -> Result<()> {
    let db = cinch_client::connect()?;
    let schema = Schema::open(&db)?;

    let class = schema.class.insert(NewClass {
        match_: Some(vec![0, 255]),
        impl_: Some(1.5.into()),
        ..NewClass::new("plain")
    })?;
    assert_eq!((class.select, class.self_, class.match_.as_deref()), (Some(7), false, Some(&[0, 255][..])));
    assert_eq!((class.impl_, class.new, class.func), (Value::Real(1.5), Value::Null, None));
    let null = schema.class.insert(NewClass { select: Some(None), func: Some(2.0), ..NewClass::new("null") })?;
    assert_eq!((null.select, null.func), (None, Some(2.0)));

    let update =
        ClassUpdate { select: Some(Some(i64::MAX)), func: Some(None), self_: Some(true), ..Default::default() };
    let updated = schema.class.update(&null.id, update)?;
    assert_eq!((updated.select, updated.func, updated.self_), (Some(i64::MAX), None, true));
    assert_eq!(updated.type_, "null");
    assert_eq!(schema.class.get(&null.id)?, Some(updated));
    assert_eq!(schema.class.get(&1_000)?, None);

    let listing = Listing::new().matching(json!({"id": {"gt": 1}})).order_by("-id").limit(1);
    assert_eq!(schema.class.list(&listing)?[0].id, null.id);
    assert_eq!((schema.class.count(None)?, schema.class.count(Some(json!({"self": true}).into()))?), (3, 1));
    assert_eq!((schema.class_view.count()?, schema.class_view.list()?[0].type_.as_deref()), (3, Some("first")));

    let key = OrderLineKey { order: 1, line: 2 };
    schema.order_line.insert(NewOrderLine { note: Some("a".into()), ..NewOrderLine::new(1, 2) })?;
    schema.order_line.update(&key, OrderLineUpdate { note: Some(Some("b".into())) })?;
    assert_eq!(schema.order_line.get(&key)?.and_then(|line| line.note).as_deref(), Some("b"));
    schema.order_line.delete(&key)?;
    assert!(schema.order_line.delete(&key).is_err());

    schema.order_line.insert_all((0..2_500).map(|line| NewOrderLine::new(7, line)))?;
    assert_eq!(schema.order_line.list(&Listing::new())?.len(), 1_000);
    let lines: Vec<i64> = schema.order_line.rows(None).map(|row| row.map(|row| row.line)).collect::<Result<_>>()?;
    assert_eq!(lines, (0..2_500).collect::<Vec<_>>());

    schema.list.insert(NewList::new("key"))?;
    assert!(schema.list.get("key")?.is_some());
    let strict = schema.strict_types.insert(NewStrictTypes::new(i64::MIN, 2.0, "t", vec![1]))?;
    assert_eq!((strict.i, strict.r, strict.b), (i64::MIN, 2.0, vec![1]));
    let second = schema.n_2nd.insert_all([NewN2nd::new(0.5), NewN2nd::new(1.5)])?;
    assert_eq!((second.len(), second[1].größe), (2, 1.5));
    assert!(schema.defaults.insert(NewDefaults::new("id"))?.flag);

    let undone = db.transact(|tx| {
        let schema = Schema::within(tx);
        schema.class.insert(NewClass::new("undone"))?;
        assert_eq!(schema.class.count(None)?, 4);
        Err::<(), _>(Error::Truncated)
    });
    assert!(undone.is_err());
    assert_eq!(schema.class.count(None)?, 3);

    db.execute("insert into class (id, type, \"select\") values (99, 'x', 'seven')", ())?;
    println!("{}", schema.class.get(&99).unwrap_err());

    let column = ColumnSpec { name: "more".into(), r#type: "TEXT".into(), ..Default::default() };
    db.column().add(&ColumnAddParams { table: "list".into(), column, ..Default::default() })?;
    let error = Schema::open(&db).unwrap_err();
    assert!(matches!(&error, Error::SchemaDiffers { expected, .. } if expected == cinch_schema::ORIGIN.hash));
    println!("{}", error.to_string().split_once(':').map_or("", |(what, _)| what));
    Ok(())
}
