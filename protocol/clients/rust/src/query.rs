use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::client::Client;
use crate::connection::Connection;
use crate::error::{Error, Result, ValueError};
use crate::value::{FromValue, Params, Record, Value};

/// A result of up to so many rows comes with one call; a longer one is read through a cursor.
const FIRST_ROWS: u32 = 1_000;
const FETCH_ROWS: u32 = 5_000;

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ResultColumn {
    /// Names may repeat.
    pub name: String,
    /// The declared type; none for an expression.
    #[serde(rename = "type")]
    pub declared_type: Option<String>,
}

/// A row of a result.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    columns: Arc<[ResultColumn]>,
    values: Vec<Value>,
}

impl Row {
    /// The columns of the result.
    #[must_use]
    pub fn columns(&self) -> &[ResultColumn] {
        &self.columns
    }

    /// The values, in the order of the columns.
    #[must_use]
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The values, in the order of the columns.
    #[must_use]
    pub fn into_values(self) -> Vec<Value> {
        self.values
    }

    /// The value of a column, told by its place or its name. A value of another kind, or none, is an error.
    pub fn get<T: FromValue>(&self, column: impl ColumnIndex) -> Result<T, ValueError> {
        let place = column.place(&self.columns);
        let value = place.and_then(|at| self.values.get(at)).ok_or_else(|| ValueError::new("nothing", "a column"));
        let named = |error: ValueError| match place.and_then(|at| self.columns.get(at)) {
            Some(column) => error.in_column(&column.name),
            None => error.in_column(&column.to_string()),
        };
        value.and_then(|value| value.clone().get()).map_err(named)
    }
}

/// Where names repeat, the last one holds.
impl From<Row> for Record {
    fn from(Row { columns, values }: Row) -> Self {
        columns.iter().map(|column| column.name.as_str()).zip(values).collect()
    }
}

/// What tells a column of a result: its place, or its name.
pub trait ColumnIndex: Copy + fmt::Display {
    /// Its place among the columns.
    fn place(self, columns: &[ResultColumn]) -> Option<usize>;
}

impl ColumnIndex for usize {
    fn place(self, _: &[ResultColumn]) -> Option<usize> {
        Some(self)
    }
}

impl ColumnIndex for &str {
    fn place(self, columns: &[ResultColumn]) -> Option<usize> {
        columns.iter().position(|column| column.name == self)
    }
}

/// What a statement did.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Executed {
    /// The rows that were inserted, updated or deleted.
    pub changes: u64,
    /// The rows of RETURNING.
    pub rows: Vec<Row>,
}

/// A statement of a batch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Statement {
    sql: String,
    params: Params,
}

impl Statement {
    /// A statement, and its parameters.
    pub fn new(sql: impl Into<String>, params: impl Into<Params>) -> Self {
        Self { sql: sql.into(), params: params.into() }
    }
}

/// What is asked of the daemon. A missing `maxRows` is its limit.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Asked<'a> {
    sql: &'a str,
    params: &'a Params,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_rows: Option<u32>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    changes: u64,
    #[serde(default)]
    columns: Vec<ResultColumn>,
    #[serde(default)]
    rows: Vec<Vec<Value>>,
    #[serde(default)]
    truncated: bool,
}

#[derive(Deserialize)]
struct Opened {
    cursor: String,
    columns: Vec<ResultColumn>,
}

#[derive(Deserialize)]
struct Fetched {
    rows: Vec<Vec<Value>>,
    done: bool,
    #[serde(default)]
    truncated: bool,
}

#[derive(Deserialize)]
struct BatchAnswer {
    results: Vec<Answer>,
}

impl Client {
    /// Runs one statement that reads. However many rows it has, they come as they are read.
    ///
    /// In a transaction there are no cursors: a result beyond the daemon's limit ends with [`Error::Truncated`].
    pub fn query(&self, sql: &str, params: impl Into<Params>) -> Result<Rows> {
        let connection = self.connection()?;
        let params = &params.into();
        let max_rows = (!self.is_in_transaction()).then_some(FIRST_ROWS);
        let first: Answer = self.call_on(&connection, "query.run", &Asked { sql, params, max_rows })?;
        if !first.truncated || self.is_in_transaction() {
            let rows = Rows::new(self, connection, first.columns, None, first.truncated);
            return Ok(rows.holding(first.rows));
        }
        let opened: Opened = self.call_on(&connection, "query.open", &Asked { sql, params, max_rows: None })?;
        connection.open.fetch_add(1, Ordering::Relaxed);
        Ok(Rows::new(self, connection, opened.columns, Some(opened.cursor), false))
    }

    /// Runs one statement that inserts, updates or deletes.
    pub fn execute(&self, sql: &str, params: impl Into<Params>) -> Result<Executed> {
        let asked = Asked { sql, params: &params.into(), max_rows: None };
        self.call::<Answer>("query.execute", &asked).map(Executed::from)
    }

    /// Runs statements in one transaction: all of them or none.
    pub fn batch(&self, statements: &[Statement]) -> Result<Vec<Executed>> {
        let answer: BatchAnswer = self.call("query.batch", &json!({ "statements": statements }))?;
        Ok(answer.results.into_iter().map(Executed::from).collect())
    }
}

impl From<Answer> for Executed {
    fn from(Answer { changes, columns, rows, .. }: Answer) -> Self {
        let columns = columns.into();
        Self { changes, rows: rows.into_iter().map(|values| row_of(&columns, values)).collect() }
    }
}

/// JSON does not tell 2.0 from 2, but a column declared REAL holds no integers.
fn row_of(columns: &Arc<[ResultColumn]>, mut values: Vec<Value>) -> Row {
    for (value, column) in values.iter_mut().zip(columns.iter()) {
        if matches!(value, Value::Integer(_)) && column.declared_type.as_deref().is_some_and(is_real) {
            if let Ok(real) = f64::from_value(value.clone()) {
                *value = Value::Real(real);
            }
        }
    }
    Row { columns: Arc::clone(columns), values }
}

/// Whether a declared type has REAL affinity, by [`SQLite`'s rules](https://sqlite.org/datatype3.html), 3.1.
fn is_real(declared: &str) -> bool {
    let name = declared.to_ascii_uppercase();
    let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    !has(&["INT", "CHAR", "CLOB", "TEXT", "BLOB"]) && has(&["REAL", "FLOA", "DOUB"])
}

/// The rows of a result, however many: they come as they are read. After an error there are none.
///
/// A cursor that is not read to its end is closed where the rows are dropped.
pub struct Rows {
    client: Client,
    connection: Arc<Connection>,
    columns: Arc<[ResultColumn]>,
    here: std::vec::IntoIter<Vec<Value>>,
    /// None: all rows are here.
    cursor: Option<String>,
    is_truncated: bool,
}

impl Rows {
    fn new(
        client: &Client,
        connection: Arc<Connection>,
        columns: Vec<ResultColumn>,
        cursor: Option<String>,
        is_truncated: bool,
    ) -> Self {
        let here = Vec::new().into_iter();
        Self { client: client.clone(), connection, columns: columns.into(), here, cursor, is_truncated }
    }

    fn holding(self, rows: Vec<Vec<Value>>) -> Self {
        let mut held = self;
        held.here = rows.into_iter();
        held
    }

    /// The columns of the result.
    #[must_use]
    pub fn columns(&self) -> &[ResultColumn] {
        &self.columns
    }

    /// The only row. None, or more than one, is an error.
    pub fn one(mut self) -> Result<Row> {
        let wrong = |found| Error::from(ValueError::new(found, "one row"));
        let row = self.next().ok_or_else(|| wrong("no row"))??;
        match self.next() {
            None => Ok(row),
            Some(Ok(_)) => Err(wrong("more than one row")),
            Some(Err(error)) => Err(error),
        }
    }

    fn fetch(&mut self, cursor: &str) -> Result<()> {
        let asked = json!({ "cursor": cursor, "count": FETCH_ROWS });
        let fetched: Fetched = self.client.call_on(&self.connection, "query.fetch", &asked)?;
        self.here = fetched.rows.into_iter();
        if fetched.done {
            self.is_truncated = fetched.truncated;
            self.end();
        }
        Ok(())
    }

    fn end(&mut self) {
        self.cursor = None;
        self.connection.open.fetch_sub(1, Ordering::Relaxed);
    }

    fn close(&mut self) {
        let Some(cursor) = self.cursor.clone() else { return };
        self.end();
        // It ends with its connection, or when it is not read for long, anyway.
        let _ = self.client.for_cleanup().call_on::<serde_json::Value>(
            &self.connection,
            "query.close",
            &json!({ "cursor": cursor }),
        );
    }
}

impl Iterator for Rows {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Result<Row>> {
        loop {
            if let Some(values) = self.here.next() {
                return Some(Ok(row_of(&self.columns, values)));
            }
            let Some(cursor) = self.cursor.clone() else {
                return std::mem::take(&mut self.is_truncated).then_some(Err(Error::Truncated));
            };
            if let Err(error) = self.fetch(&cursor) {
                self.close();
                return Some(Err(error));
            }
        }
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("columns", &self.columns).finish_non_exhaustive()
    }
}
