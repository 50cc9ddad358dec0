use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::client::Client;
use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::kinds;

/// An open transaction of a tenant: a [`Client`] whose calls are done in it. It is rolled back where it is dropped.
///
/// Methods that take no part in a transaction answer [`Error::NotInTransaction`]. It belongs to the connection it was
/// begun on, and is lost with that.
pub struct Transaction {
    client: Client,
    open: Arc<OpenTransaction>,
}

pub(crate) struct OpenTransaction {
    pub(crate) id: String,
    pub(crate) connection: Arc<Connection>,
    is_ended: AtomicBool,
}

/// How a transaction behaves. By default it has its turn to write, and the daemon's limits.
#[derive(Debug, Clone, Copy, Default)]
pub struct TransactionOptions {
    /// It sees the rows as they are when it begins, and keeps nobody waiting.
    pub read_only: bool,
    /// Roll back if no call comes for so long.
    pub idle: Option<Duration>,
    /// Roll back after so long.
    pub max: Option<Duration>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BeginParams {
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_ms: Option<u64>,
}

#[derive(Deserialize)]
struct Begun {
    transaction: String,
}

impl Client {
    /// Begins a transaction that writes.
    pub fn begin(&self) -> Result<Transaction> {
        self.begin_with(TransactionOptions::default())
    }

    /// Begins a transaction.
    pub fn begin_with(&self, options: TransactionOptions) -> Result<Transaction> {
        let params = BeginParams {
            mode: if options.read_only { "read" } else { "write" },
            idle_ms: options.idle.map(millis),
            max_ms: options.max.map(millis),
        };
        let connection = self.connection()?;
        let begun: Begun = self.call_on(&connection, "transaction.begin", &params)?;
        connection.open.fetch_add(1, Ordering::Relaxed);
        let open = Arc::new(OpenTransaction { id: begun.transaction, connection, is_ended: AtomicBool::new(false) });
        Ok(Transaction { client: self.in_transaction(Arc::clone(&open)), open })
    }

    /// Does work in a transaction that writes: it is committed at the end, and rolled back on an error or a panic.
    pub fn transact<T, E: From<Error>>(&self, work: impl FnOnce(&Transaction) -> Result<T, E>) -> Result<T, E> {
        let transaction = self.begin()?;
        let done = work(&transaction)?;
        transaction.commit()?;
        Ok(done)
    }
}

impl Transaction {
    /// Commits: what was done is there for everybody. Where that fails, it is rolled back.
    pub fn commit(self) -> Result<()> {
        self.client.run("transaction.commit", &json!({}))?;
        self.open.end();
        Ok(())
    }

    /// Rolls back: nothing is left.
    pub fn rollback(self) -> Result<()> {
        self.undo()
    }

    fn undo(&self) -> Result<()> {
        if !self.open.end() {
            return Ok(());
        }
        match self.client.for_cleanup().run("transaction.rollback", &json!({})) {
            Err(Error::ConnectionLost { .. }) => Ok(()),
            Err(error) if error.kind() == Some(kinds::TRANSACTION_ENDED) => Ok(()),
            outcome => outcome,
        }
    }
}

impl Deref for Transaction {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        // The daemon rolls back what is not committed anyway.
        let _ = self.undo();
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Transaction").field(&self.open.id).finish()
    }
}

impl OpenTransaction {
    /// Tells whether this was the first to end it.
    fn end(&self) -> bool {
        let is_first = !self.is_ended.swap(true, Ordering::Relaxed);
        if is_first {
            self.connection.open.fetch_sub(1, Ordering::Relaxed);
        }
        is_first
    }
}

/// At least one, as none would be no limit.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}
