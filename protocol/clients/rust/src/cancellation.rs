use std::collections::HashMap;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};

use crate::connection::{locked, Event};

/// Cancels calls from any thread: those that were made through [`Client::with_cancellation`](crate::Client::with_cancellation).
///
/// Clones are the same token. A call that is under way when it is cancelled waits at most a second to hear what became of
/// it; if it was done all the same, it has succeeded.
#[derive(Debug, Clone, Default)]
pub struct CancellationToken(Arc<Mutex<Token>>);

#[derive(Debug, Default)]
struct Token {
    is_cancelled: bool,
    last_id: u64,
    waiting: HashMap<u64, Sender<Event>>,
}

impl CancellationToken {
    /// A token that is not cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels the calls that are under way, and those to come.
    pub fn cancel(&self) {
        let mut token = locked(&self.0);
        token.is_cancelled = true;
        for (_, call) in token.waiting.drain() {
            // One that has its answer does not listen any more.
            let _ = call.send(Event::Cancelled);
        }
    }

    /// Whether it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        locked(&self.0).is_cancelled
    }

    /// Tells a call when the token is cancelled, as long as the watch is kept; none where it is already.
    pub(crate) fn watch(&self, call: Sender<Event>) -> Option<Watch<'_>> {
        let mut token = locked(&self.0);
        if token.is_cancelled {
            return None;
        }
        token.last_id += 1;
        let id = token.last_id;
        token.waiting.insert(id, call);
        Some(Watch { token: self, id })
    }
}

pub(crate) struct Watch<'a> {
    token: &'a CancellationToken,
    id: u64,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        locked(&self.token.0).waiting.remove(&self.id);
    }
}
