use std::fmt;
use std::io;

use serde::Deserialize;

/// What a call comes to.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something was not done.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The daemon said no, or failed.
    Refused(Box<Refusal>),
    /// The daemon is gone, or the connection was closed.
    ConnectionLost {
        /// How it ended.
        reason: String,
        /// The call was sent and not answered: it may or may not have been done.
        outcome_unknown: bool,
    },
    /// The call's [`CancellationToken`](crate::CancellationToken) was cancelled, and the daemon did not say what became of it.
    Cancelled {
        /// The call was sent: it may or may not have been done.
        outcome_unknown: bool,
    },
    /// The daemon did not answer in time, nor say that it gave the call up: it may or may not have been done.
    TimedOut,
    /// A value is not of the kind that is wanted.
    Value(ValueError),
    /// Generated code was made from another schema than the branch has.
    SchemaDiffers {
        /// The hash of the schema that the code was generated from.
        expected: String,
        /// That of the branch; or what the branch has no more.
        found: String,
        /// The command that generates the code anew.
        command: String,
    },
    /// The method takes no part in a transaction: it is called on the client.
    NotInTransaction {
        /// Its name on the wire.
        method: String,
    },
    /// The daemon's limit cut a result, and there is no cursor that would read the rest.
    Truncated,
    /// What was to be sent, or was answered, does not have the form that it should have.
    Json {
        /// What it was.
        what: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// No daemon runs, and none could be started.
    Start(String),
    /// A file or socket could not be used.
    Io(io::Error),
}

impl Error {
    /// The stable name of what the daemon refused with; [`kinds`](crate::kinds) lists them.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        self.refusal().map(|refusal| refusal.kind.as_str())
    }

    /// What the daemon said.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// The family that the error is of, if it is of one.
    #[must_use]
    pub fn family(&self) -> Option<Family> {
        match self {
            Self::Refused(refusal) => refusal.family(),
            Self::Cancelled { .. } => Some(Family::Cancelled),
            Self::TimedOut => Some(Family::Timeout),
            _ => None,
        }
    }

    /// Whether nobody knows if the call was done.
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        match self {
            Self::ConnectionLost { outcome_unknown, .. } | Self::Cancelled { outcome_unknown } => *outcome_unknown,
            Self::TimedOut => true,
            _ => false,
        }
    }

    pub(crate) fn lost(reason: impl Into<String>, outcome_unknown: bool) -> Self {
        Self::ConnectionLost { reason: reason.into(), outcome_unknown }
    }

    pub(crate) fn json(what: impl Into<String>) -> impl FnOnce(serde_json::Error) -> Self {
        |source| Self::Json { what: what.into(), source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::ConnectionLost { reason, outcome_unknown: false } => write!(f, "connection lost: {reason}"),
            Self::ConnectionLost { reason, .. } => write!(f, "connection lost, outcome unknown: {reason}"),
            Self::Cancelled { outcome_unknown: false } => f.write_str("cancelled before it was sent"),
            Self::Cancelled { .. } => f.write_str("cancelled, outcome unknown: the daemon did not answer"),
            Self::TimedOut => f.write_str("timed out, outcome unknown: the daemon did not answer"),
            Self::Value(error) => error.fmt(f),
            Self::SchemaDiffers { expected, found, command } => {
                write!(
                    f,
                    "schema differs: the code was generated from {expected}, the branch has {found}; run {command}"
                )
            }
            Self::NotInTransaction { method } => write!(f, "{method} is not possible in a transaction"),
            Self::Truncated => f.write_str("the result was cut at the daemon's limit"),
            Self::Json { what, source } => write!(f, "{what}: {source}"),
            Self::Start(reason) => f.write_str(reason),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Json { source, .. } => Some(source),
            Self::Io(error) => error.source(),
            _ => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ValueError> for Error {
    fn from(error: ValueError) -> Self {
        Self::Value(error)
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

/// Kinds of refusals that are met in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Family {
    /// No database, branch, tenant, table, row, … of this name.
    NotFound,
    /// There is one of this name already.
    Exists,
    /// A constraint of the schema stands against a write.
    Constraint,
    /// A limit of the daemon's configuration was hit; `data["limit"]` names it.
    Limit,
    /// The call was cancelled.
    Cancelled,
    /// The call was given up after its time limit.
    Timeout,
}

/// The daemon's no, or its failure. `kind` and `code` are stable, `data` has what belongs to the kind.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Refusal {
    /// The number on the wire.
    pub code: i64,
    /// The name of the kind.
    pub kind: String,
    /// What it says, for people.
    pub message: String,
    /// What to do about it, where the daemon knows.
    pub hint: Option<String>,
    /// Names, limits, places, …
    pub data: serde_json::Map<String, serde_json::Value>,
}

impl Refusal {
    /// The family that the kind is of, if it is of one.
    #[must_use]
    pub fn family(&self) -> Option<Family> {
        match self.kind.as_str() {
            "constraintFailed" => Some(Family::Constraint),
            "limitExceeded" | "messageTooLarge" => Some(Family::Limit),
            "requestCancelled" => Some(Family::Cancelled),
            "timeout" => Some(Family::Timeout),
            "methodNotFound" => None,
            kind if kind.ends_with("NotFound") => Some(Family::NotFound),
            kind if kind.ends_with("Exists") => Some(Family::Exists),
            _ => None,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{} {}]", self.message, self.kind, self.code)?;
        if !self.data.is_empty() {
            write!(f, " {}", serde_json::Value::Object(self.data.clone()))?;
        }
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// An error as JSON-RPC has it.
#[derive(Deserialize)]
pub(crate) struct WireError {
    code: i64,
    #[serde(default)]
    message: String,
    #[serde(default)]
    data: serde_json::Value,
}

impl From<WireError> for Refusal {
    fn from(WireError { code, message, data }: WireError) -> Self {
        let mut data = match data {
            serde_json::Value::Object(data) => data,
            _ => serde_json::Map::new(),
        };
        let mut take = |name| match data.remove(name) {
            Some(serde_json::Value::String(text)) => Some(text),
            _ => None,
        };
        let kind = take("kind").unwrap_or_else(|| "unknown".into());
        let hint = take("hint");
        Self { code, kind, message, hint, data }
    }
}

/// A value that is not of the kind that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ValueError {
    /// The table it is in, where that is known.
    pub table: Option<String>,
    /// Its column, where that is known.
    pub column: Option<String>,
    /// What it is: a kind of value, or nothing.
    pub found: &'static str,
    /// What it should be.
    pub wanted: &'static str,
}

impl ValueError {
    pub(crate) fn new(found: &'static str, wanted: &'static str) -> Self {
        Self { table: None, column: None, found, wanted }
    }

    pub(crate) fn in_column(self, column: &str) -> Self {
        Self { column: Some(column.into()), ..self }
    }

    pub(crate) fn in_table(self, table: &str) -> Self {
        Self { table: Some(table.into()), ..self }
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.table, &self.column) {
            (Some(table), Some(column)) => write!(f, "table {table}, column {column}: ")?,
            (None, Some(column)) => write!(f, "column {column}: ")?,
            _ => {}
        }
        write!(f, "{} was found where {} was wanted", self.found, self.wanted)
    }
}

impl std::error::Error for ValueError {}
