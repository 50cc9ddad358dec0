use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use crate::cancellation::CancellationToken;
use crate::connect::{check_version, START_PATIENCE};
use crate::connection::{locked, Connection, Manner};
use crate::error::{Error, Result};
use crate::methods::{taken_by, takes};
use crate::transaction::{millis, OpenTransaction};
use crate::value::encoded;

pub(crate) const PROTOCOL_VERSION: &str = "1.0";

const CLEANUP_LIMIT: Duration = Duration::from_secs(10);

/// What the daemon tells of a call that is under way.
pub type Progress = serde_json::Map<String, serde_json::Value>;

pub(crate) type ReportProgress = dyn Fn(&Progress) + Send + Sync;

/// A connection to a daemon, seen from one database, branch and tenant.
///
/// Clones, and what the `with_…` functions make, share the connection. They can be used by any number of threads, whose
/// calls overlap. The connection ends with the last of them, or by [`Client::close`].
#[derive(Clone)]
pub struct Client(Arc<View>);

#[derive(Clone)]
struct View {
    link: Arc<Link>,
    scope: Scope,
    transaction: Option<Arc<OpenTransaction>>,
    limit: Option<Duration>,
    cancellation: Option<CancellationToken>,
    on_progress: Option<Arc<ReportProgress>>,
}

/// Where calls go. What is not there is the daemon's default: main.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    pub(crate) database: Option<String>,
    pub(crate) branch: Option<String>,
    pub(crate) tenant: Option<String>,
}

/// What a daemon says of itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Server {
    /// Its name and version.
    pub server: ServerVersion,
    /// The version of the protocol that it speaks.
    pub protocol_version: String,
    /// What it can do beyond that.
    pub capabilities: Vec<String>,
    /// The project that it owns.
    pub project: ServerProject,
}

/// A daemon's name and version.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct ServerVersion {
    /// cinchd.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A daemon's project.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct ServerProject {
    /// Its folder.
    pub path: String,
}

impl Client {
    pub(crate) fn new(link: Link, scope: Scope) -> Self {
        let view =
            View { link: Arc::new(link), scope, transaction: None, limit: None, cancellation: None, on_progress: None };
        Self(Arc::new(view))
    }

    fn viewed(&self, change: impl FnOnce(&mut View)) -> Self {
        let mut view = View::clone(&self.0);
        change(&mut view);
        Self(Arc::new(view))
    }

    /// The same connection, whose calls go to another database.
    #[must_use]
    pub fn with_database(&self, name: impl Into<String>) -> Self {
        self.viewed(|view| view.scope.database = Some(name.into()))
    }

    /// The same connection, whose calls go to another branch.
    #[must_use]
    pub fn with_branch(&self, name: impl Into<String>) -> Self {
        self.viewed(|view| view.scope.branch = Some(name.into()))
    }

    /// The same connection, whose calls go to another tenant.
    #[must_use]
    pub fn with_tenant(&self, name: impl Into<String>) -> Self {
        self.viewed(|view| view.scope.tenant = Some(name.into()))
    }

    /// The same connection, whose calls the daemon gives up after so long.
    #[must_use]
    pub fn with_timeout(&self, limit: Duration) -> Self {
        self.viewed(|view| view.limit = Some(limit))
    }

    /// The same connection, whose calls are cancelled with a token.
    #[must_use]
    pub fn with_cancellation(&self, token: &CancellationToken) -> Self {
        self.viewed(|view| view.cancellation = Some(token.clone()))
    }

    /// The same connection, with a function that is called, in the caller's thread, for what the daemon tells of a call while
    /// it is under way.
    #[must_use]
    pub fn with_progress(&self, report: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        self.viewed(|view| view.on_progress = Some(Arc::new(report)))
    }

    pub(crate) fn in_transaction(&self, transaction: Arc<OpenTransaction>) -> Self {
        self.viewed(|view| view.transaction = Some(transaction))
    }

    pub(crate) fn is_in_transaction(&self) -> bool {
        self.0.transaction.is_some()
    }

    /// What is undone because a call was cancelled or late is undone all the same.
    pub(crate) fn for_cleanup(&self) -> Self {
        self.viewed(|view| {
            view.limit = Some(CLEANUP_LIMIT);
            view.cancellation = None;
            view.on_progress = None;
        })
    }

    /// Calls any method by its name on the wire. [`Value`](crate::Value), [`Json`](crate::Json) and
    /// [`Record`](crate::Record) go as the wire wants them, both ways; anything else as serde has it.
    pub fn call<R: DeserializeOwned>(&self, method: &str, params: &(impl Serialize + ?Sized)) -> Result<R> {
        self.call_on(&*self.connection()?, method, params)
    }

    /// Calls a method that answers nothing.
    pub(crate) fn run(&self, method: &str, params: &(impl Serialize + ?Sized)) -> Result<()> {
        self.call::<IgnoredAny>(method, params).map(|_| ())
    }

    pub(crate) fn call_on<R: DeserializeOwned>(
        &self,
        connection: &Connection,
        method: &str,
        params: &(impl Serialize + ?Sized),
    ) -> Result<R> {
        let id = connection.next_id();
        let params = self.params(id, method, params)?;
        let manner = Manner {
            limit: self.0.limit,
            cancellation: self.0.cancellation.as_ref(),
            on_progress: self.0.on_progress.as_deref(),
        };
        let answer = connection.call(id, method, &params, manner)?;
        serde_json::from_str(answer.get()).map_err(Error::json(format!("the answer to {method}")))
    }

    /// The JSON of a call's parameters: what is given, and the scope as far as the method takes it.
    fn params(&self, id: u64, method: &str, given: &(impl Serialize + ?Sized)) -> Result<String> {
        let what = format!("the parameters of {method}");
        let mut text = encoded(&what, given)?;
        if text == "null" {
            text = "{}".into();
        }
        let mut added = self.scope_params(method)?;
        if let Some(limit) = self.0.limit {
            added.push(("timeoutMs", millis(limit).into()));
        }
        if self.0.on_progress.is_some() {
            added.push(("progressToken", id.into()));
        }
        if added.is_empty() {
            return Ok(text);
        }
        let added: Vec<_> = added.into_iter().map(|(param, value)| (param, value.to_string())).collect();
        let mut all: BTreeMap<String, &RawValue> = serde_json::from_str(&text).map_err(Error::json(what.as_str()))?;
        for (param, value) in &added {
            let value = serde_json::from_str(value).map_err(Error::json(what.as_str()))?;
            all.entry((*param).into()).or_insert(value);
        }
        encoded(&what, &all)
    }

    /// By which parameters the method is told where it is to go.
    fn scope_params(&self, method: &str) -> Result<Vec<(&'static str, serde_json::Value)>> {
        // One that is not known, as a plugin's, is told everything, and refuses what it does not take.
        let accepted = taken_by(method).unwrap_or(takes::DATABASE | takes::BRANCH | takes::TENANT | takes::TRANSACTION);
        let transaction = self.0.transaction.as_ref().map(|transaction| &transaction.id);
        if transaction.is_some() && accepted & takes::TRANSACTION == 0 {
            return Err(Error::NotInTransaction { method: method.into() });
        }
        let Scope { database, branch, tenant } = &self.0.scope;
        let all = [
            (takes::DATABASE, "database", database.as_ref()),
            (takes::BRANCH, "branch", branch.as_ref()),
            (takes::BRANCH_NAME, "name", branch.as_ref()),
            (takes::TENANT, "tenant", tenant.as_ref()),
            (takes::TENANT_NAME, "name", tenant.as_ref()),
            (takes::TRANSACTION, "transaction", transaction),
        ];
        let told = all.into_iter().filter(|(flag, ..)| accepted & flag != 0);
        Ok(told.filter_map(|(_, param, name)| Some((param, name?.as_str().into()))).collect())
    }

    /// The one that a transaction was begun on, or else the one that there is, or a new one.
    pub(crate) fn connection(&self) -> Result<Arc<Connection>> {
        match &self.0.transaction {
            Some(transaction) => Ok(Arc::clone(&transaction.connection)),
            None => self.0.link.connection(),
        }
    }

    /// Ends the connection; calls under way end with [`Error::ConnectionLost`]. It ends for every clone.
    pub fn close(&self) {
        self.0.link.close();
    }

    /// What the daemon said of itself when it was connected to.
    #[must_use]
    pub fn server(&self) -> Server {
        locked(&self.0.link.state).server.clone()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("scope", &self.0.scope).finish_non_exhaustive()
    }
}

pub(crate) type Dial = Box<dyn Fn() -> Result<Arc<Connection>> + Send + Sync>;

/// A connection that is made anew when it was lost, unless something was open on it.
pub(crate) struct Link {
    state: Mutex<LinkState>,
    /// None: not again.
    dial: Option<Dial>,
}

struct LinkState {
    connection: Arc<Connection>,
    server: Server,
    is_closed: bool,
}

impl Link {
    /// Over a connection of which there is no other.
    pub(crate) fn once(connection: Arc<Connection>) -> Result<Self> {
        let server = greet(&connection)?;
        Ok(Self { state: Mutex::new(LinkState { connection, server, is_closed: false }), dial: None })
    }

    pub(crate) fn dialling(dial: Dial) -> Result<Self> {
        let (connection, server) = dial_and_greet(&dial)?;
        Ok(Self { state: Mutex::new(LinkState { connection, server, is_closed: false }), dial: Some(dial) })
    }

    fn connection(&self) -> Result<Arc<Connection>> {
        let mut state = locked(&self.state);
        let is_lost = state.connection.lost().is_some();
        let has_open = state.connection.open.load(Ordering::Relaxed) > 0;
        if let Some(dial) = self.dial.as_ref().filter(|_| is_lost && !state.is_closed && !has_open) {
            (state.connection, state.server) = dial_and_greet(dial)?;
        }
        Ok(Arc::clone(&state.connection))
    }

    fn close(&self) {
        let mut state = locked(&self.state);
        state.is_closed = true;
        state.connection.close();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.close();
    }
}

fn dial_and_greet(dial: &Dial) -> Result<(Arc<Connection>, Server)> {
    let give_up_at = Instant::now() + START_PATIENCE;
    loop {
        let connection = dial()?;
        match greet(&connection) {
            Ok(server) => return Ok((connection, server)),
            // One that was just stopping: there will be another.
            Err(error) if is_stopping(&error) && Instant::now() < give_up_at => {}
            Err(error) => return Err(error),
        }
    }
}

fn is_stopping(error: &Error) -> bool {
    matches!(error, Error::ConnectionLost { .. }) || error.kind() == Some(crate::kinds::SHUTTING_DOWN)
}

/// Agrees with the daemon on a version of the protocol. The scope is sent with each call.
fn greet(connection: &Connection) -> Result<Server> {
    let params = json!({
        "client": { "name": "cinch-rust", "version": env!("CARGO_PKG_VERSION") },
        "protocolVersion": PROTOCOL_VERSION,
    });
    let manner = Manner { limit: Some(START_PATIENCE), ..Manner::default() };
    let server = connection.call(connection.next_id(), "initialize", &params.to_string(), manner).and_then(|answer| {
        let server: Server = serde_json::from_str(answer.get()).map_err(Error::json("the answer to initialize"))?;
        check_version(&server.protocol_version).map(|()| server)
    });
    if server.is_err() {
        connection.close();
    }
    server
}
