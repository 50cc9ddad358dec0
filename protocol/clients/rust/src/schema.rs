//! What `cinch codegen generate rust` builds on: tables and views whose rows have types.

use std::fmt;
use std::marker::PhantomData;

use crate::client::Client;
use crate::error::{Error, Result, ValueError};
use crate::methods::{
    CodegenHashParams, RowCountParams, RowDeleteParams, RowGetParams, RowInsertParams, RowListParams, RowUpdateParams,
};
use crate::value::{Json, Record};

/// What the rows of a table or view are read into.
pub trait StoredRow: Sized {
    /// The table's, or view's, name.
    const TABLE: &'static str;

    /// Reads a row.
    fn read(row: &mut Record) -> Result<Self, ValueError>;
}

/// Rows of a table.
pub trait TableRow: StoredRow {
    /// What a new row is made of.
    type New: Into<Record>;
}

/// Rows that have a primary key.
pub trait KeyedRow: TableRow {
    /// The key.
    type Key: ?Sized;

    /// The key's columns, with their values.
    fn key(key: &Self::Key) -> Record;
}

/// Rows that can be updated by their primary key.
pub trait UpdatableRow: KeyedRow {
    /// What is to be set.
    type Update: Into<Record>;
}

/// Rows of a view.
pub trait ViewRow: StoredRow {
    /// The view's name as it stands in SQL.
    const QUOTED: &'static str;
}

/// A table, seen from a client or a transaction.
pub struct Table<R> {
    client: Client,
    row: PhantomData<fn() -> R>,
}

/// Which rows are listed, and in which order. By default: the first 1,000, in the order of the primary key.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Listing {
    condition: Option<Json>,
    order_by: Vec<String>,
    limit: Option<i64>,
    offset: Option<i64>,
}

impl Listing {
    /// The first rows.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only rows that meet a condition, such as `json!({"age": {"gte": 18}})`.
    #[must_use]
    pub fn matching(self, condition: impl Into<Json>) -> Self {
        Self { condition: Some(condition.into()), ..self }
    }

    /// In the order of a column, after those that were named before; a leading `-` sorts from the greatest to the smallest.
    #[must_use]
    pub fn order_by(mut self, column: impl Into<String>) -> Self {
        self.order_by.push(column.into());
        self
    }

    /// At most so many rows.
    #[must_use]
    pub fn limit(self, rows: u32) -> Self {
        Self { limit: Some(rows.into()), ..self }
    }

    /// Without the first so many.
    #[must_use]
    pub fn offset(self, rows: u32) -> Self {
        Self { offset: Some(rows.into()), ..self }
    }
}

impl<R: TableRow> Table<R> {
    /// The table as a client, or a transaction, sees it.
    #[must_use]
    pub fn new(client: &Client) -> Self {
        Self { client: client.clone(), row: PhantomData }
    }

    /// Lists rows.
    pub fn list(&self, listing: &Listing) -> Result<Vec<R>> {
        let Listing { condition, order_by, limit, offset } = listing.clone();
        let asked = RowListParams {
            table: R::TABLE.into(),
            r#where: condition,
            order_by: Some(order_by),
            limit,
            offset,
            ..RowListParams::default()
        };
        self.client.row().list(&asked)?.rows.into_iter().map(read).collect()
    }

    /// All rows, or those that meet a condition, read a page at a time: each once, whatever is inserted or deleted meanwhile.
    pub fn rows(&self, condition: Option<Json>) -> impl Iterator<Item = Result<R>> + '_ {
        let mut next = Some(None);
        let pages = std::iter::from_fn(move || {
            let (table, cursor) = (R::TABLE.into(), next.take()?);
            let asked = RowListParams { table, r#where: condition.clone(), cursor, ..RowListParams::default() };
            Some(match self.client.row().list(&asked) {
                Ok(page) => {
                    next = page.next_cursor.map(Some);
                    page.rows.into_iter().map(read).collect()
                }
                Err(error) => vec![Err(error)],
            })
        });
        pages.flatten()
    }

    /// Counts rows: all, or those that meet a condition.
    pub fn count(&self, condition: Option<Json>) -> Result<i64> {
        let asked = RowCountParams { table: R::TABLE.into(), r#where: condition, ..RowCountParams::default() };
        Ok(self.client.row().count(&asked)?.count)
    }

    /// Inserts a row, and gives it back as it is stored.
    pub fn insert(&self, new: R::New) -> Result<R> {
        one_of(self.insert_all([new])?)
    }

    /// Inserts rows, all or none, and gives them back as they are stored.
    pub fn insert_all(&self, new: impl IntoIterator<Item = R::New>) -> Result<Vec<R>> {
        let rows: Vec<Record> = new.into_iter().map(Into::into).collect();
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let asked = RowInsertParams { table: R::TABLE.into(), rows, ..RowInsertParams::default() };
        self.client.row().insert(&asked)?.rows.into_iter().map(read).collect()
    }
}

impl<R: KeyedRow> Table<R> {
    /// The row with this primary key, if there is one.
    pub fn get(&self, key: &R::Key) -> Result<Option<R>> {
        let asked = RowGetParams { table: R::TABLE.into(), id: R::key(key).into(), ..RowGetParams::default() };
        self.client.row().get(&asked)?.row.map(read).transpose()
    }

    /// Deletes the row with this primary key. That there is none is an error.
    pub fn delete(&self, key: &R::Key) -> Result<()> {
        let asked =
            RowDeleteParams { table: R::TABLE.into(), ids: vec![R::key(key).into()], ..RowDeleteParams::default() };
        self.client.row().delete(&asked).map(|_| ())
    }
}

impl<R: UpdatableRow> Table<R> {
    /// Sets columns of the row with this primary key, and gives it back as it is stored. That there is none is an error.
    pub fn update(&self, key: &R::Key, update: R::Update) -> Result<R> {
        let mut row = update.into();
        row.extend(R::key(key));
        let asked = RowUpdateParams { table: R::TABLE.into(), rows: vec![row], ..RowUpdateParams::default() };
        one_of(self.client.row().update(&asked)?.rows.into_iter().map(read).collect::<Result<_>>()?)
    }
}

impl<R> Clone for Table<R> {
    fn clone(&self) -> Self {
        Self { client: self.client.clone(), row: PhantomData }
    }
}

impl<R: StoredRow> fmt::Debug for Table<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Table").field(&R::TABLE).finish()
    }
}

/// A view, seen from a client or a transaction.
pub struct View<R> {
    client: Client,
    row: PhantomData<fn() -> R>,
}

impl<R: ViewRow> View<R> {
    /// The view as a client, or a transaction, sees it.
    #[must_use]
    pub fn new(client: &Client) -> Self {
        Self { client: client.clone(), row: PhantomData }
    }

    /// Its rows, however many: they come as they are read.
    pub fn rows(&self) -> Result<impl Iterator<Item = Result<R>>> {
        let rows = self.client.query(&format!("select * from {}", R::QUOTED), ())?;
        Ok(rows.map(|row| read(row?.into())))
    }

    /// All its rows.
    pub fn list(&self) -> Result<Vec<R>> {
        self.rows()?.collect()
    }

    /// Counts its rows.
    pub fn count(&self) -> Result<i64> {
        Ok(self.client.query(&format!("select count(*) from {}", R::QUOTED), ())?.one()?.get(0)?)
    }
}

impl<R> Clone for View<R> {
    fn clone(&self) -> Self {
        Self { client: self.client.clone(), row: PhantomData }
    }
}

impl<R: StoredRow> fmt::Debug for View<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("View").field(&R::TABLE).finish()
    }
}

fn read<R: StoredRow>(mut row: Record) -> Result<R> {
    R::read(&mut row).map_err(|error| error.in_table(R::TABLE).into())
}

fn one_of<R: StoredRow>(rows: Vec<R>) -> Result<R> {
    rows.into_iter().next().ok_or_else(|| ValueError::new("no row", "the row that was stored").into())
}

/// What code was generated from.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    /// The schema's hash.
    pub hash: &'static str,
    /// Tables that code was generated for.
    pub tables: &'static [&'static str],
    /// Views that code was generated for.
    pub views: &'static [&'static str],
}

impl Origin {
    /// Checks that the branch has the schema that the code was generated from.
    pub fn check(&self, client: &Client) -> Result<()> {
        let names = |names: &[&str]| Some(names.iter().map(|&name| name.into()).collect());
        let asked = CodegenHashParams { tables: names(self.tables), views: names(self.views) };
        let found = match client.codegen().hash(&asked) {
            Ok(answer) => answer.hash,
            Err(error) if has_lost_a_name(&error) => error.to_string(),
            Err(error) => return Err(error),
        };
        if found == self.hash {
            return Ok(());
        }
        Err(Error::SchemaDiffers { expected: self.hash.into(), found, command: "cinch codegen generate rust".into() })
    }
}

fn has_lost_a_name(error: &Error) -> bool {
    matches!(error.kind(), Some(crate::kinds::TABLE_NOT_FOUND | crate::kinds::VIEW_NOT_FOUND))
}
