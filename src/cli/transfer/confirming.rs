//! What of an import is on the server's disk. What was only answered may be gone after a crash of the server, and whoever
//! goes on behind it would leave it out for good.

use std::time::{Duration, Instant};

use super::error::TransferError;
use super::interrupt::Interrupt;
use super::sink::{CONFIRMATION, OnDisk, Sink};

/// How often the server is asked, at most.
const INTERVAL: Duration = Duration::from_secs(1);
/// A question takes at most one part of so many of the time.
const PARTS: u32 = 10;
/// How often a server that has not written everything is asked at the end.
const QUESTIONS_AT_END: u32 = 6;

/// When the server is asked, and whether it knows.
pub(super) struct Confirming {
    due: Instant,
    unknown: Option<String>,
}

impl Confirming {
    /// The first question is due at once.
    pub(super) fn new() -> Self {
        Self { due: Instant::now(), unknown: None }
    }

    /// Whether it is time to ask.
    pub(super) fn is_due(&self) -> bool {
        self.unknown.is_none() && Instant::now() >= self.due
    }

    /// Whether all that was set is on the server's disk.
    ///
    /// # Errors
    /// [`TransferError::Lost`].
    pub(super) fn ask(&mut self, sink: &mut Sink) -> Result<bool, TransferError> {
        if self.unknown.is_some() {
            return Ok(false);
        }
        let begin = Instant::now();
        let answer = sink.ask_for_disk()?;
        self.due = Instant::now() + INTERVAL.max(begin.elapsed() * PARTS);
        if let OnDisk::Unknown(reason) = &answer {
            self.unknown = Some(reason.clone());
        }
        Ok(matches!(answer, OnDisk::All))
    }

    /// The same once there is nothing more to set: waits for a server that has not written all.
    ///
    /// # Errors
    /// [`TransferError::NotOnDisk`] where that takes too long, [`TransferError::Interrupted`], [`TransferError::Lost`].
    pub(super) fn ask_at_end(&mut self, sink: &mut Sink, interrupt: &Interrupt) -> Result<bool, TransferError> {
        for _ in 0..QUESTIONS_AT_END {
            if self.ask(sink)? {
                return Ok(true);
            }
            if self.unknown.is_some() {
                return Ok(false);
            }
            if interrupt.is_asked() {
                return Err(TransferError::Interrupted);
            }
        }
        let waited = CONFIRMATION * QUESTIONS_AT_END;
        Err(TransferError::NotOnDisk { address: sink.address().to_owned(), seconds: waited.as_secs() })
    }

    /// To be said of an import into a server that does not tell what is on its disk; nothing otherwise.
    pub(super) fn doubt(&self) -> String {
        self.unknown.as_ref().map_or_else(String::new, |reason| {
            format!("; whether it is on the server's disk is not known (WAITAOF: {reason}); SAVE writes it")
        })
    }
}
