use std::env;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{json, Value};

use crate::client::{Client, Link, Scope, PROTOCOL_VERSION};
use crate::connection::Connection;
use crate::error::{Error, Refusal, Result};
use crate::kinds;

pub(crate) const START_PATIENCE: Duration = Duration::from_secs(20);

const LOOK_AGAIN: Duration = Duration::from_millis(15);
const IDLE_EXIT_SECONDS: &str = "600";
/// What the command line takes a key from: a daemon is given keys by its clients alone.
const TENANT_KEY: &str = "CINCH_TENANT_KEY";

/// Connects to the daemon of the project of this folder, or of one above, starting it where none runs.
pub fn connect() -> Result<Client> {
    Options::new().connect()
}

/// How to connect. By default: to the project of the working directory, or of `CINCH_PROJECT`, or of a folder above.
#[derive(Debug, Clone, Default)]
pub struct Options {
    project: Option<PathBuf>,
    scope: Scope,
    only_running: bool,
    command: Option<Vec<OsString>>,
}

impl Options {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The project's folder.
    #[must_use]
    pub fn project(self, folder: impl Into<PathBuf>) -> Self {
        Self { project: Some(folder.into()), ..self }
    }

    /// The database that calls go to.
    #[must_use]
    pub fn database(mut self, name: impl Into<String>) -> Self {
        self.scope.database = Some(name.into());
        self
    }

    /// The branch that calls go to.
    #[must_use]
    pub fn branch(mut self, name: impl Into<String>) -> Self {
        self.scope.branch = Some(name.into());
        self
    }

    /// The tenant that calls go to.
    #[must_use]
    pub fn tenant(mut self, name: impl Into<String>) -> Self {
        self.scope.tenant = Some(name.into());
        self
    }

    /// Does not start a daemon where none runs.
    #[must_use]
    pub fn only_running(self) -> Self {
        Self { only_running: true, ..self }
    }

    /// How cinchd is run; by default as `CINCHD` says, or what is on the PATH.
    #[must_use]
    pub fn command(self, words: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self { command: Some(words.into_iter().map(Into::into).collect()), ..self }
    }

    /// Connects to the project's daemon, starting one where none runs. A connection that was lost is made anew by the next
    /// call, unless a transaction or a cursor was open on it.
    pub fn connect(self) -> Result<Client> {
        let project = self.find_project()?;
        let scope = self.scope.clone();
        let link = Link::dialling(Box::new(move || dial(&project, &self)))?;
        Ok(Client::new(link, scope))
    }

    /// Starts a cinchd for this client alone and speaks over its pipes. It ends with the client.
    pub fn connect_stdio(self) -> Result<Client> {
        let project = self.find_project()?;
        let mut daemon = self.daemon(&project)?;
        daemon.arg("--stdio").stdin(Stdio::piped()).stdout(Stdio::piped());
        let link = Link::once(Connection::over_pipes(spawned(&mut daemon)?)?)?;
        Ok(Client::new(link, self.scope))
    }

    fn find_project(&self) -> Result<PathBuf> {
        let Some(given) = &self.project else { return find_project(None) };
        let folder = std::path::absolute(given)?;
        if is_project(&folder) {
            Ok(folder)
        } else {
            Err(no_project(&folder))
        }
    }

    fn daemon(&self, project: &Path) -> Result<Command> {
        let words = match (&self.command, env::var("CINCHD")) {
            (Some(words), _) => words.clone(),
            (None, Ok(line)) if !line.trim().is_empty() => split_command(&line)?,
            (None, _) => vec!["cinchd".into()],
        };
        let Some((program, arguments)) = words.split_first() else {
            return Err(Error::Start("the command that runs cinchd is empty".into()));
        };
        let mut command = Command::new(program);
        command.args(arguments).arg("--project").arg(project).env_remove(TENANT_KEY);
        Ok(command)
    }
}

/// The nearest project's folder from a folder upward; by default from `CINCH_PROJECT`, or the working directory.
pub fn find_project(start: Option<&Path>) -> Result<PathBuf> {
    let first = match (start, env::var_os("CINCH_PROJECT")) {
        (Some(start), _) => std::path::absolute(start)?,
        (None, Some(start)) if !start.is_empty() => std::path::absolute(start)?,
        (None, _) => env::current_dir()?,
    };
    let found = first.ancestors().find(|folder| is_project(folder));
    found.map(Path::to_path_buf).ok_or_else(|| no_project(&first))
}

fn is_project(folder: &Path) -> bool {
    folder.join(".cinchdb/metadata.db").exists()
}

fn no_project(path: &Path) -> Error {
    let data = json!({ "path": path.to_string_lossy() });
    refused(1100, kinds::PROJECT_NOT_FOUND, "No project here", "cinch init makes one", data)
}

pub(crate) fn check_version(spoken: &str) -> Result<()> {
    if spoken.split('.').next() == PROTOCOL_VERSION.split('.').next() {
        return Ok(());
    }
    let data = json!({ "client": PROTOCOL_VERSION, "daemon": spoken });
    let message = "Client and daemon speak different protocol versions";
    Err(refused(1005, kinds::VERSION_MISMATCH, message, "cinch daemon restart starts the installed version", data))
}

fn refused(code: i64, kind: &str, message: &str, hint: &str, data: Value) -> Error {
    let data = match data {
        Value::Object(data) => data,
        _ => serde_json::Map::new(),
    };
    Refusal { code, kind: kind.into(), message: message.into(), hint: Some(hint.into()), data }.into()
}

fn dial(project: &Path, options: &Options) -> Result<Arc<Connection>> {
    let log = project.join(".cinchdb/daemon.log");
    let give_up_at = Instant::now() + START_PATIENCE;
    let mut started: Option<Started> = None;
    loop {
        if let Some(socket) = running_daemon(project)? {
            return Connection::over_socket(socket);
        }
        if options.only_running {
            let project = project.display();
            return Err(Error::Start(format!("no daemon runs for {project}; `cinch daemon start` starts one")));
        }
        let Some(daemon) = &started else {
            started = Some(start_daemon(project, &log, options)?);
            continue;
        };
        match daemon.ended.recv_timeout(LOOK_AGAIN) {
            Ok(Ok(status)) if !status.success() => {
                return Err(Error::Start(format!("cinchd: {status}: {}", last_words(&log, daemon.log_start))));
            }
            Ok(Err(error)) => return Err(error.into()),
            // It found another one at work, which may have stopped since.
            Ok(Ok(_)) | Err(RecvTimeoutError::Disconnected) => started = None,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if Instant::now() > give_up_at {
            return Err(Error::Start(format!("the daemon did not start; its log is {}", log.display())));
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Discovery {
    socket: PathBuf,
    #[serde(default)]
    protocol_version: String,
}

/// The socket of the daemon that daemon.json tells of; none where nobody answers there.
fn running_daemon(project: &Path) -> Result<Option<UnixStream>> {
    let text = match fs::read_to_string(project.join(".cinchdb/daemon.json")) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        text => text?,
    };
    // One that is just being written.
    let Ok(daemon) = serde_json::from_str::<Discovery>(&text) else { return Ok(None) };
    match UnixStream::connect(&daemon.socket) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => Ok(None),
        Err(error) => Err(error.into()),
        Ok(socket) => check_version(&daemon.protocol_version).map(|()| Some(socket)),
    }
}

struct Started {
    ended: Receiver<io::Result<ExitStatus>>,
    log_start: usize,
}

/// Starts one that outlives this process, and tells when it ended.
fn start_daemon(project: &Path, log: &Path, options: &Options) -> Result<Started> {
    let stderr = OpenOptions::new().append(true).create(true).mode(0o600).open(log)?;
    let log_start = stderr.metadata()?.len().try_into().unwrap_or(usize::MAX);
    let mut daemon = options.daemon(project)?;
    daemon.args(["--socket", "--idle-exit", IDLE_EXIT_SECONDS]);
    daemon.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).process_group(0);
    let mut process = spawned(&mut daemon)?;
    let (sender, ended) = mpsc::channel();
    // Somebody has to take its exit code when it ends, while this process lives.
    thread::spawn(move || sender.send(process.wait()));
    Ok(Started { ended, log_start })
}

fn spawned(daemon: &mut Command) -> Result<Child> {
    daemon.spawn().map_err(|error| {
        let program = daemon.get_program().to_string_lossy();
        Error::Start(format!("{program} cannot be run: {error}; say how to run cinchd with Options::command or CINCHD"))
    })
}

/// What a daemon that did not come up wrote to its log.
fn last_words(log: &Path, start: usize) -> String {
    let data = fs::read(log).unwrap_or_default();
    let written = data.get(start..).unwrap_or_default();
    String::from_utf8_lossy(&written[written.len().saturating_sub(2000)..]).trim().into()
}

/// Cuts a command line at blanks outside of quotes.
fn split_command(line: &str) -> Result<Vec<OsString>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for letter in line.chars() {
        match quote {
            Some(open) if open == letter => quote = None,
            None if letter == '"' || letter == '\'' => {
                quote = Some(letter);
                word.get_or_insert_with(String::new);
            }
            None if letter.is_ascii_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_with(String::new).push(letter),
        }
    }
    if quote.is_some() {
        return Err(Error::Start(format!("a quote is not closed in CINCHD: {line}")));
    }
    words.extend(word);
    Ok(words.into_iter().map(OsString::from).collect())
}

#[cfg(test)]
mod tests {
    use super::split_command;

    #[test]
    fn a_command_line_is_cut_at_blanks_outside_of_quotes() {
        let words = split_command(r#""/a b/node"  '/c d/cinchd.js' x"y z" ''"#).unwrap();
        assert_eq!(words, ["/a b/node", "/c d/cinchd.js", "xy z", ""]);
        assert!(split_command("'node").is_err());
    }
}
