//! A client of cinch: `SQLite` with branches and tenants, behind one daemon per project.
//!
//! ```no_run
//! # fn main() -> cinch_client::Result<()> {
//! let db = cinch_client::connect()?; // the project of this folder; its daemon is started if none runs
//! let acme = db.with_tenant("acme"); // the same connection, another tenant
//! for row in acme.query("select name, moons from planets where moons > ?", [10])? {
//!     let row = row?;
//!     println!("{} {}", row.get::<String>("name")?, row.get::<i64>("moons")?);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! It speaks JSON-RPC 2.0, one JSON object a line, over the daemon's Unix socket or over the pipes of a `cinchd --stdio`
//! that it starts. Calls wait for their answer; one [`Client`] can be shared by threads, whose calls overlap.
#![forbid(unsafe_code)]

mod base64;
mod cancellation;
mod client;
mod connect;
mod connection;
mod error;
#[allow(missing_docs, clippy::doc_markdown, clippy::option_option)]
mod methods;
mod query;
pub mod schema;
mod transaction;
mod value;

pub use cancellation::CancellationToken;
pub use client::{Client, Progress, Server, ServerProject, ServerVersion};
pub use connect::{connect, find_project, Options};
pub use error::{Error, Family, Refusal, Result, ValueError};
pub use methods::*;
pub use query::{ColumnIndex, Executed, ResultColumn, Row, Rows, Statement};
pub use transaction::{Transaction, TransactionOptions};
pub use value::{FromValue, Json, Key, Params, Record, TenantKey, Value};
