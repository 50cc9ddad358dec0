use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cancellation::CancellationToken;
use crate::client::{Progress, ReportProgress};
use crate::error::{Error, Refusal, Result, WireError};

/// How long a call that was cancelled, or is late, waits to hear whether it was done all the same.
const PATIENCE: Duration = Duration::from_secs(1);
const STOP_PATIENCE: Duration = Duration::from_secs(10);
const READ_BYTES: usize = 256 * 1024;

/// Carries messages both ways. One thread reads, so that answers find their calls whatever their order; who calls writes.
pub(crate) struct Connection {
    stream: Stream,
    writer: Mutex<Option<Box<dyn Write + Send>>>,
    state: Mutex<State>,
    reader_ended: Condvar,
    last_id: AtomicU64,
    /// Transactions and cursors: while there are any, nobody is given another connection in place of this one.
    pub(crate) open: AtomicUsize,
}

enum Stream {
    Socket(UnixStream),
    /// The end of its input is what ends it.
    Process(Mutex<Child>),
}

#[derive(Default)]
struct State {
    pending: HashMap<u64, Pending>,
    lost: Option<String>,
    has_reader_ended: bool,
}

/// A call that waits for its answer.
struct Pending {
    events: Sender<Event>,
    bytes: usize,
}

#[derive(Debug)]
pub(crate) enum Event {
    Progress(Progress),
    Settled(Result<Box<RawValue>>),
    Cancelled,
}

/// How a call is done.
#[derive(Clone, Copy, Default)]
pub(crate) struct Manner<'a> {
    pub(crate) limit: Option<Duration>,
    pub(crate) cancellation: Option<&'a CancellationToken>,
    pub(crate) on_progress: Option<&'a ReportProgress>,
}

impl Connection {
    pub(crate) fn over_socket(socket: UnixStream) -> Result<Arc<Self>> {
        let (reader, writer) = (socket.try_clone()?, socket.try_clone()?);
        Self::start(Stream::Socket(socket), reader, Box::new(writer))
    }

    /// Over the pipes of a process, whose input and output are piped.
    pub(crate) fn over_pipes(mut process: Child) -> Result<Arc<Self>> {
        let (Some(input), Some(output)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(Error::Start("the daemon has no pipes".into()));
        };
        Self::start(Stream::Process(Mutex::new(process)), output, Box::new(input))
    }

    fn start(stream: Stream, reader: impl Read + Send + 'static, writer: Box<dyn Write + Send>) -> Result<Arc<Self>> {
        let connection = Arc::new(Self {
            stream,
            writer: Mutex::new(Some(writer)),
            state: Mutex::default(),
            reader_ended: Condvar::new(),
            last_id: AtomicU64::new(0),
            open: AtomicUsize::new(0),
        });
        let reading = Arc::clone(&connection);
        thread::Builder::new().name("cinch-reader".into()).spawn(move || reading.read(reader))?;
        Ok(connection)
    }

    pub(crate) fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Sends a request and waits for its answer. `params` is the JSON of an object.
    pub(crate) fn call(&self, id: u64, method: &str, params: &str, manner: Manner<'_>) -> Result<Box<RawValue>> {
        let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":{},\"params\":{params}}}\n", quoted(method));
        let (sender, events) = mpsc::channel();
        let watch = manner.cancellation.map(|token| token.watch(sender.clone()));
        if matches!(watch, Some(None)) {
            return Err(Error::Cancelled { outcome_unknown: false });
        }
        let deadline = manner.limit.and_then(|limit| Instant::now().checked_add(limit + PATIENCE));
        {
            let mut state = locked(&self.state);
            if let Some(reason) = &state.lost {
                return Err(Error::lost(reason, false));
            }
            state.pending.insert(id, Pending { events: sender, bytes: line.len() - 1 });
        }
        if !self.write(line.as_bytes()) {
            self.forget(id);
            return Err(Error::lost(self.lost().unwrap_or_default(), false));
        }
        self.wait(id, &events, deadline, manner)
    }

    fn wait(
        &self,
        id: u64,
        events: &Receiver<Event>,
        mut deadline: Option<Instant>,
        manner: Manner<'_>,
    ) -> Result<Box<RawValue>> {
        let mut is_cancelled = false;
        loop {
            let event = match deadline {
                Some(deadline) => events.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok(),
                None => events.recv().ok(),
            };
            match event {
                Some(Event::Settled(outcome)) => return outcome,
                Some(Event::Progress(told)) => {
                    if let Some(report) = manner.on_progress {
                        report(&told);
                    }
                }
                Some(Event::Cancelled) => {
                    is_cancelled = true;
                    self.cancel(id);
                    deadline = Some(Instant::now() + PATIENCE);
                }
                None => {
                    self.forget(id);
                    if is_cancelled {
                        return Err(Error::Cancelled { outcome_unknown: true });
                    }
                    self.cancel(id);
                    return Err(Error::TimedOut);
                }
            }
        }
    }

    fn cancel(&self, id: u64) {
        let line = format!("{{\"jsonrpc\":\"2.0\",\"method\":\"$/cancelRequest\",\"params\":{{\"id\":{id}}}}}\n");
        self.write(line.as_bytes());
    }

    fn forget(&self, id: u64) {
        locked(&self.state).pending.remove(&id);
    }

    /// Tells whether anything of the line may have gone out.
    fn write(&self, line: &[u8]) -> bool {
        let mut writer = locked(&self.writer);
        if self.lost().is_some() {
            return false;
        }
        let Some(stream) = writer.as_mut() else { return false };
        if let Err(error) = stream.write_all(line).and_then(|()| stream.flush()) {
            // Half a message may be out: nothing that follows would be understood.
            *writer = None;
            drop(writer);
            self.lose(&format!("the daemon does not read: {error}"));
        } else if self.lost().is_some() {
            *writer = None;
        }
        true
    }

    /// Why the connection was lost; none while it is not.
    pub(crate) fn lost(&self) -> Option<String> {
        locked(&self.state).lost.clone()
    }

    /// Ends the connection, and the calls that are under way on it.
    pub(crate) fn close(&self) {
        self.lose("the connection was closed");
        let Stream::Process(process) = &self.stream else { return };
        let waiting =
            self.reader_ended.wait_timeout_while(locked(&self.state), STOP_PATIENCE, |state| !state.has_reader_ended);
        let is_late = waiting.is_ok_and(|(_, waited)| waited.timed_out());
        let mut process = locked(process);
        if is_late {
            // It may have ended just now.
            let _ = process.kill();
        }
        let _ = process.wait();
    }

    fn lose(&self, reason: &str) {
        let mut state = locked(&self.state);
        if state.lost.is_some() {
            return;
        }
        state.lost = Some(reason.into());
        let pending = std::mem::take(&mut state.pending);
        drop(state);
        match &self.stream {
            // It may be gone already.
            Stream::Socket(socket) => drop(socket.shutdown(Shutdown::Both)),
            // Who is just writing does it when he is done.
            Stream::Process(_) => drop(self.writer.try_lock().map(|mut writer| writer.take())),
        }
        for call in pending.into_values() {
            let _ = call.events.send(Event::Settled(Err(Error::lost(reason, true))));
        }
    }

    fn read(self: &Arc<Self>, stream: impl Read) {
        let mut reader = BufReader::with_capacity(READ_BYTES, stream);
        let mut line = Vec::new();
        let reason = loop {
            line.clear();
            line.shrink_to(READ_BYTES);
            match reader.read_until(b'\n', &mut line) {
                Ok(0) => break "the daemon closed it".into(),
                Ok(_) => {}
                Err(error) => break error.to_string(),
            }
            if let Err(error) = self.receive(&line) {
                break format!("the daemon sent what is no message: {error}");
            }
        };
        self.lose(&reason);
        locked(&self.state).has_reader_ended = true;
        self.reader_ended.notify_all();
    }

    fn receive(self: &Arc<Self>, line: &[u8]) -> serde_json::Result<()> {
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let Incoming { id, method, params, result, error } = serde_json::from_slice(line)?;
        match (method.as_deref(), id, error) {
            (Some("$/progress"), ..) => self.progressed(params),
            (Some(method), Some(id), _) => self.decline(id, method),
            (None, None, Some(error)) => self.faulted(error.into()),
            (_, None, None) | (Some(_), None, _) => {}
            (None, Some(id), Some(error)) => self.answered(id, Err(Refusal::from(error).into())),
            (None, Some(id), None) => self.answered(id, Ok(result.unwrap_or(RawValue::NULL).to_owned())),
        }
        Ok(())
    }

    fn answered(&self, id: &RawValue, outcome: Result<Box<RawValue>>) {
        let waiting = id.get().parse().ok().and_then(|id: u64| locked(&self.state).pending.remove(&id));
        if let Some(waiting) = waiting {
            // Who has given up does not listen.
            let _ = waiting.events.send(Event::Settled(outcome));
        }
    }

    fn progressed(&self, params: Option<&RawValue>) {
        let Some(Ok(told)) = params.map(|params| serde_json::from_str::<ProgressParams>(params.get())) else { return };
        if let Some(waiting) = locked(&self.state).pending.get(&told.token) {
            let _ = waiting.events.send(Event::Progress(told.value));
        }
    }

    /// The daemon asks for something that this client does not have.
    fn decline(self: &Arc<Self>, id: &RawValue, method: &str) {
        let data = format!("{{\"kind\":\"methodNotFound\",\"method\":{}}}", quoted(method));
        let error = format!("{{\"code\":-32601,\"message\":\"No such method\",\"data\":{data}}}");
        let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{error}}}\n");
        let connection = Arc::clone(self);
        // Not from this thread: it must go on reading even while the daemon does not.
        thread::spawn(move || connection.write(line.as_bytes()));
    }

    /// An error that names no call, of the whole connection or of a message that was not even read.
    fn faulted(&self, refusal: Refusal) {
        if refusal.kind != crate::kinds::MESSAGE_TOO_LARGE {
            return self.lose(&refusal.to_string());
        }
        let largest = refusal.data.get("maxBytes").and_then(serde_json::Value::as_u64).unwrap_or(0);
        let mut state = locked(&self.state);
        let too_large = state.pending.iter().filter(|(_, call)| call.bytes as u64 > largest);
        // Too large was the first that is; the daemon will tell of the next.
        let first = too_large.map(|(&id, _)| id).min();
        if let Some(call) = first.and_then(|id| state.pending.remove(&id)) {
            let _ = call.events.send(Event::Settled(Err(refusal.into())));
        }
    }
}

#[derive(Deserialize)]
struct Incoming<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    error: Option<WireError>,
}

#[derive(Deserialize)]
struct ProgressParams {
    token: u64,
    value: Progress,
}

/// What a lock guards is whole even where a thread has panicked with it.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn quoted(text: &str) -> serde_json::Value {
    serde_json::Value::String(text.into())
}
