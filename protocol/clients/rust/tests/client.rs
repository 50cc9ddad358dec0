//! The client, against a real daemon.

mod support;

use std::fs;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use cinch_client::{
    kinds, params, CancellationToken, Client, ColumnSpec, Error, Family, IndexCreateParams, Json, KvGetParams,
    KvSetParams, Options, Params, Record, Result, Row, RowInsertParams, RowListParams, RowUpdateParams, Statement,
    TableCreateParams, TableGetParams, TenantCreateParams, TenantExportParams, TenantGetParams, TransactionOptions,
    Value,
};
use serde_json::json;
use support::{kill, Project};

const ENDLESS: &str = "with recursive n(a) as (select 1 union all select a + 1 from n) select count(*) from n";

fn create_table(db: &Client, columns: &[(&str, &str)]) {
    let columns = columns.iter().map(|&(name, declared)| ColumnSpec {
        name: name.into(),
        r#type: declared.into(),
        ..ColumnSpec::default()
    });
    let asked = TableCreateParams {
        name: "t".into(),
        columns: columns.collect(),
        system_columns: Some(false),
        ..TableCreateParams::default()
    };
    db.table().create(&asked).unwrap();
}

fn only(db: &Client, sql: &str, params: impl Into<Params>) -> Vec<Value> {
    db.query(sql, params).and_then(cinch_client::Rows::one).map(Row::into_values).unwrap()
}

fn count(db: &Client) -> i64 {
    db.query("select count(*) from t", ()).unwrap().one().unwrap().get(0).unwrap()
}

#[test]
fn rows_have_the_types_of_their_columns() {
    let project = Project::new();
    let db = project.connect();
    create_table(&db, &[("r", "REAL"), ("f", "BOOLEAN"), ("b", "BLOB"), ("i", "INTEGER")]);
    let row = Record::new().with("r", 2.0).with("f", true).with("b", vec![0, 255]).with("i", i64::MAX);
    let asked = RowInsertParams { table: "t".into(), rows: vec![row], ..RowInsertParams::default() };
    let mut stored = db.row().insert(&asked).unwrap().rows.remove(0);
    assert_eq!(stored.column::<f64>("r"), Ok(2.0));
    assert_eq!(stored.column::<bool>("f"), Ok(true));
    assert_eq!(stored.column::<Vec<u8>>("b"), Ok(vec![0, 255]));
    assert_eq!(
        stored.column::<String>("i").unwrap_err().to_string(),
        "column i: an integer was found where a text was wanted"
    );
    let row = db.query("select r, f, i, typeof(r) from t", ()).unwrap().one().unwrap();
    assert_eq!(row.values()[0], Value::Real(2.0));
    assert_eq!(row.get("f"), Ok(true));
    assert_eq!(row.get(2), Ok(i64::MAX));
    assert_eq!(row.get("typeof(r)"), Ok("real".to_string()));
    assert!(row.get::<i64>("nowhere").is_err());
    assert_eq!(only(&db, "select :a, :b", Params::named([("a", 1), ("b", 2)])), [Value::from(1), Value::from(2)]);
    assert_eq!(only(&db, "select ?, ?", params![None::<i64>, "x"]), [Value::Null, Value::from("x")]);
}

#[test]
fn a_refusal_is_of_its_kind_and_family() {
    let project = Project::new();
    let db = project.connect();
    let error = db.table().get(&TableGetParams { name: "nowhere".into() }).unwrap_err();
    assert_eq!(error.kind(), Some(kinds::TABLE_NOT_FOUND));
    assert_eq!(error.family(), Some(Family::NotFound));
    let refusal = error.refusal().unwrap();
    assert_eq!((refusal.code, &refusal.data["table"]), (1200, &json!("nowhere")));
    let error = db.call::<serde_json::Value>("no.such", &()).unwrap_err();
    assert_eq!((error.kind(), error.family()), (Some(kinds::METHOD_NOT_FOUND), None));
    db.tenant().create(&TenantCreateParams { name: "acme".into(), ..TenantCreateParams::default() }).unwrap();
    let error =
        db.tenant().create(&TenantCreateParams { name: "acme".into(), ..TenantCreateParams::default() }).unwrap_err();
    assert_eq!(error.family(), Some(Family::Exists));
    let missing = Options::new().project(project.folder().join("nowhere")).connect().unwrap_err();
    assert_eq!(missing.kind(), Some(kinds::PROJECT_NOT_FOUND));
}

#[test]
fn scopes_go_their_own_ways() {
    let project = Project::new();
    let db = project.connect();
    create_table(&db, &[("a", "INTEGER")]);
    db.tenant().create(&TenantCreateParams { name: "acme".into(), ..TenantCreateParams::default() }).unwrap();
    let acme = db.with_tenant("acme");
    assert_eq!(acme.execute("insert into t values (1), (2)", ()).unwrap().changes, 2);
    assert_eq!((count(&acme), count(&db)), (2, 0));
    assert_eq!(acme.tenant().get(&TenantGetParams::default()).unwrap().name, "acme");
    // What a call names itself comes before its client's.
    let told: serde_json::Value =
        acme.call("query.run", &json!({"sql": "select count(*) from t", "tenant": "main"})).unwrap();
    assert_eq!(told["rows"], json!([[0]]));
    // A method that is not known is told everything, and says what it does not take.
    assert_eq!(acme.call::<serde_json::Value>("no.such", &()).unwrap_err().kind(), Some(kinds::METHOD_NOT_FOUND));
    assert_eq!(db.with_branch("nowhere").query("select 1", ()).unwrap_err().kind(), Some(kinds::BRANCH_NOT_FOUND));
}

#[test]
fn a_long_result_is_read_to_its_end() {
    let project = Project::new();
    let db = project.connect();
    let sql =
        "with recursive n(a) as (select 1 union all select a + 1 from n where a < ?1) select a, a / 2.0 as b from n";
    for wanted in [1, 1_000, 1_001, 12_345_i64] {
        let mut seen = 0;
        for row in db.query(sql, [wanted]).unwrap() {
            seen += 1;
            assert_eq!(row.unwrap().get(0), Ok(seen));
        }
        assert_eq!(seen, wanted);
    }
    assert_eq!(db.query("select 1 where 0", ()).unwrap().count(), 0);
    // Left before its end, it keeps no cursor: more than a session may have are opened one after the other.
    for _ in 0..12 {
        db.query(sql, [5_000]).unwrap().next().unwrap().unwrap();
    }
}

#[test]
fn a_transaction_is_whole_or_nothing() {
    let project = Project::new();
    let db = project.connect();
    create_table(&db, &[("a", "INTEGER")]);
    let inserted = db.transact(|tx| {
        tx.execute("insert into t values (?)", [1])?;
        tx.kv().set(&KvSetParams { key: "k".into(), value: true.into(), ..KvSetParams::default() })?;
        Ok::<_, Error>(count(tx))
    });
    assert_eq!(inserted.unwrap(), 1);
    let stopped = db.transact(|tx| {
        let asked = RowInsertParams { table: "t".into(), rows: vec![[("a", 2)].into()], ..RowInsertParams::default() };
        tx.row().insert(&asked)?;
        Err::<(), _>(Error::Truncated)
    });
    assert!(matches!(stopped, Err(Error::Truncated)));
    assert_eq!(count(&db), 1);
    let got = db.kv().get(&KvGetParams { key: "k".into() }).unwrap();
    assert_eq!(got.value, Some(Json::Bool(true)));

    // One that is dropped is rolled back, at once.
    let tx = db.begin().unwrap();
    tx.execute("insert into t values (3)", ()).unwrap();
    let error = tx.tenant().create(&TenantCreateParams { name: "acme".into(), ..TenantCreateParams::default() });
    assert!(matches!(error, Err(Error::NotInTransaction { .. })));
    let outlives = Client::clone(&tx);
    drop(tx);
    assert_eq!(count(&db), 1);
    assert_eq!(outlives.query("select 1", ()).unwrap_err().kind(), Some(kinds::TRANSACTION_ENDED));

    let reading = db.begin_with(TransactionOptions { read_only: true, ..TransactionOptions::default() }).unwrap();
    assert_eq!(count(&reading), 1);
    db.execute("insert into t values (4)", ()).unwrap();
    assert_eq!(count(&reading), 1);
    assert_eq!(reading.execute("delete from t", ()).unwrap_err().kind(), Some(kinds::TRANSACTION_READ_ONLY));
    reading.rollback().unwrap();
}

#[test]
fn a_transaction_is_over_however_its_commit_ends() {
    let project = Project::new();
    let db = project.connect();
    create_table(&db, &[("a", "INTEGER")]);
    let token = CancellationToken::new();
    let tx = db.with_cancellation(&token).begin().unwrap();
    tx.execute("insert into t values (1)", ()).unwrap();
    token.cancel();
    assert!(matches!(tx.commit(), Err(Error::Cancelled { outcome_unknown: false })));
    // Another one has its turn, and sees nothing of it.
    let soon = db.with_timeout(Duration::from_secs(5));
    assert_eq!(soon.transact(|tx| Ok::<_, Error>(count(tx))).unwrap(), 0);
}

#[test]
fn a_transaction_does_not_go_to_another_tenant() {
    let project = Project::new();
    let db = project.connect().with_tenant("main");
    create_table(&db, &[("a", "INTEGER")]);
    db.tenant().create(&TenantCreateParams { name: "acme".into(), ..TenantCreateParams::default() }).unwrap();
    let tx = db.begin().unwrap();
    let error = tx.with_tenant("acme").execute("insert into t values (1)", ()).unwrap_err();
    assert_eq!(error.kind(), Some(kinds::INVALID_VALUE));
    tx.execute("insert into t values (1)", ()).unwrap();
    tx.commit().unwrap();
    assert_eq!((count(&db), count(&db.with_tenant("acme"))), (1, 0));
}

#[test]
fn a_batch_is_whole_or_nothing() {
    let project = Project::new();
    let db = project.connect();
    create_table(&db, &[("a", "INTEGER")]);
    let unique = IndexCreateParams {
        table: "t".into(),
        columns: vec!["a".into()],
        unique: Some(true),
        ..IndexCreateParams::default()
    };
    db.index().create(&unique).unwrap();
    let insert = |value: i64| Statement::new("insert into t values (?) returning a", [value]);
    let done = db.batch(&[insert(1), insert(2)]).unwrap();
    assert_eq!(done[1].changes, 1);
    assert_eq!(done[1].rows[0].get("a"), Ok(2));
    let error = db.batch(&[insert(3), insert(1)]).unwrap_err();
    assert_eq!(error.family(), Some(Family::Constraint));
    assert_eq!(count(&db), 2);
}

#[test]
fn rows_are_listed_by_conditions_and_updated_by_their_key() {
    let project = Project::new();
    let db = project.connect();
    let name = ColumnSpec { name: "name".into(), r#type: "TEXT".into(), ..ColumnSpec::default() };
    db.table()
        .create(&TableCreateParams { name: "u".into(), columns: vec![name], ..TableCreateParams::default() })
        .unwrap();
    let rows = ["ada", "bob"].map(|name| Record::new().with("name", name)).into();
    let stored = db.row().insert(&RowInsertParams { table: "u".into(), rows, ..RowInsertParams::default() }).unwrap();
    let id = stored.rows[0].value("id").unwrap().clone();
    let renamed = Record::from([("id", id), ("name", "eve".into())]);
    db.row().update(&RowUpdateParams { table: "u".into(), rows: vec![renamed], ..RowUpdateParams::default() }).unwrap();
    let condition = json!({"name": {"like": "e%"}}).into();
    let found =
        db.row().list(&RowListParams { table: "u".into(), r#where: Some(condition), ..RowListParams::default() });
    assert_eq!(found.unwrap().rows[0].value("name"), Some(&"eve".into()));
}

#[test]
fn a_call_is_cancelled_with_its_token_and_late_after_its_limit() {
    let project = Project::new();
    let db = project.connect();
    let token = CancellationToken::new();
    let canceller = token.clone();
    let cancelling = thread::spawn(move || {
        thread::sleep(Duration::from_millis(200));
        canceller.cancel();
    });
    let error = db.with_cancellation(&token).query(ENDLESS, ()).unwrap_err();
    assert_eq!((error.kind(), error.family()), (Some(kinds::REQUEST_CANCELLED), Some(Family::Cancelled)));
    cancelling.join().unwrap();
    let error = db.with_cancellation(&token).query("select 1", ()).unwrap_err();
    assert!(matches!(error, Error::Cancelled { outcome_unknown: false }));
    let error = db.with_timeout(Duration::from_millis(200)).query(ENDLESS, ()).unwrap_err();
    assert_eq!((error.kind(), error.family()), (Some(kinds::TIMEOUT), Some(Family::Timeout)));
    assert_eq!(only(&db, "select 1", ()), [Value::from(1)]);
}

#[test]
fn many_threads_share_one_connection() {
    let project = Project::new();
    let db = project.connect();
    create_table(&db, &[("a", "INTEGER")]);
    thread::scope(|scope| {
        for first in 0..8 {
            let db = &db;
            scope.spawn(move || {
                for each in 0..25 {
                    db.execute("insert into t values (?)", [first * 25 + each]).unwrap();
                }
            });
        }
    });
    assert_eq!(only(&db, "select count(*), sum(a) from t", ()), [Value::from(200), Value::from(19_900)]);
}

#[test]
fn a_connection_that_was_lost_is_made_anew_unless_something_was_open() {
    let project = Project::new();
    let db = project.connect();
    create_table(&db, &[("a", "INTEGER")]);
    let crash = || {
        let pid = db.project().info().unwrap().pid;
        let other = db.clone();
        let under_way = thread::spawn(move || other.query(ENDLESS, ()).map(|_| ()));
        let give_up_at = Instant::now() + Duration::from_secs(60);
        while db.project().stats().unwrap().in_flight < 2 {
            assert!(Instant::now() < give_up_at);
        }
        kill(pid);
        let error = under_way.join().unwrap().unwrap_err();
        assert!(matches!(error, Error::ConnectionLost { outcome_unknown: true, .. }), "{error}");
        assert!(error.is_outcome_unknown());
    };
    crash();
    assert_eq!(count(&db), 0);

    let tx = db.begin().unwrap();
    crash();
    assert!(matches!(db.query("select 1", ()), Err(Error::ConnectionLost { outcome_unknown: false, .. })));
    assert!(matches!(tx.commit(), Err(Error::ConnectionLost { .. })));
    assert_eq!(only(&db, "select 1", ()), [Value::from(1)]);

    db.close();
    assert!(matches!(db.ping(), Err(Error::ConnectionLost { .. })));
}

#[test]
fn a_daemon_of_ones_own_speaks_over_pipes() {
    let project = Project::new();
    let db = Options::new().project(project.folder()).tenant("main").connect_stdio().unwrap();
    assert_eq!(only(&db, "select 1", ()), [Value::from(1)]);
    assert_eq!(db.server().server.name, "cinchd");
    let token = CancellationToken::new();
    let (reading, cancelled) = (db.with_cancellation(&token), token.clone());
    let endless = thread::spawn(move || reading.query(ENDLESS, ()).map(|_| ()));
    while db.project().stats().unwrap().in_flight < 2 {}
    cancelled.cancel();
    assert_eq!(endless.join().unwrap().unwrap_err().family(), Some(Family::Cancelled));
    db.close();
    assert!(db.ping().is_err());
}

#[test]
fn progress_is_reported() -> Result<()> {
    let project = Project::new();
    let db = project.connect();
    create_table(&db, &[("a", "INTEGER")]);
    let numbers = "with recursive n(a) as (select 1 union all select a + 1 from n where a < 50000)";
    db.execute(&format!("{numbers} insert into t select a from n"), ())?;
    let told = Arc::new(Mutex::new(Vec::new()));
    let teller = Arc::clone(&told);
    let path = project.folder().join("t.csv");
    let asked = TenantExportParams {
        path: path.to_string_lossy().into(),
        table: Some("t".into()),
        ..TenantExportParams::default()
    };
    db.with_progress(move |progress| teller.lock().unwrap().push(progress.clone())).tenant().export(&asked)?;
    assert!(!told.lock().unwrap().is_empty());
    assert_eq!(fs::read_to_string(path)?.lines().count(), 50_001);
    Ok(())
}

#[test]
fn what_is_no_value_is_not_sent() {
    let project = Project::new();
    let db = project.connect();
    let error = db.query("select ?", [f64::NAN]).unwrap_err();
    assert!(matches!(error, Error::Json { .. }), "{error}");
    assert!(matches!(db.call::<()>("ping", &[1]), Err(Error::Refused(_))));
    assert!(matches!(db.with_tenant("main").call::<()>("query.run", &[1]), Err(Error::Json { .. })));
}
