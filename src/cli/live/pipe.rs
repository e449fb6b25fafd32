//! `--pipe`: requests from the input at full speed.
//!
//! One thread waits on the input and on both ways of the connection at once, so that a server that takes nothing more before
//! it is rid of its replies is read from, and an input that comes slowly keeps no reply waiting. It holds one buffer of requests, and
//! of the replies no more than the one at hand.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rand::TryRng;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::duplex::Duplex;
use super::replies::{Found, Replies};
use super::requests::{Malformed, Requests};
use crate::cli::connection::Connection;
use crate::cli::exit::Exit;
use crate::cli::output::{output_ended, say, warn};
use crate::cli::protocol::write_request;
use crate::cli::quote::printable;
use crate::cli::reason::plain_reason;
use crate::cli::settings::Settings;

/// How much of the input is held at once.
const BUFFER_BYTES: usize = 256 << 10;
const READ_BYTES: usize = 64 << 10;
/// How many errors are printed; the others are only counted.
const SHOWN_ERRORS: u64 = 100;

/// Sends all of the input. `patience` is how long the last replies may take, each; zero for as long as it takes.
pub(super) fn run(settings: &Settings, input: &impl AsFd, patience: Duration) -> Exit {
    let pipe = Connection::open(settings)
        .map_err(|error| error.to_string())
        .inspect(|(_, notices)| notices.iter().for_each(warn))
        .and_then(|(connection, _)| Pipe::new(connection).map_err(|error| plain_reason(&error)));
    let mut pipe = match pipe {
        Ok(pipe) => pipe,
        Err(error) => {
            warn(error);
            return Exit::Unusable;
        }
    };
    let ended = pipe.run(input.as_fd(), patience);
    let mut exit = if pipe.errors > 0 { Exit::Failed } else { Exit::Answered };
    if pipe.errors > SHOWN_ERRORS {
        warn(format_args!("{} more errors", pipe.errors - SHOWN_ERRORS));
    }
    if let Some(malformed) = &pipe.malformed {
        warn(format_args!("{malformed}; it and all behind it was not sent"));
        exit = Exit::Failed;
    }
    if let Some(reason) = &pipe.unechoed {
        warn(reason);
        exit = Exit::Failed;
    }
    if let Err(reason) = ended {
        warn(format_args!(
            "{}: {reason}; {} requests were read, and {} replies came: whether the others were carried out is not known",
            settings.address(),
            pipe.requests.count(),
            pipe.replied
        ));
        exit = Exit::Unusable;
    }
    match say(format_args!("errors: {}, replies: {}", pipe.errors, pipe.replied)) {
        Ok(()) => exit,
        Err(error) => output_ended(&error),
    }
}

struct Pipe {
    connection: Duplex,
    requests: Requests,
    replies: Replies,
    /// What is to be sent, and how much of it is.
    outgoing: Vec<u8>,
    sent: usize,
    /// How much of the input is whole requests, and how much of it is no longer held.
    passed: u64,
    dropped: u64,
    /// What the last request has echoed. No other reply looks like this.
    token: String,
    has_ended: bool,
    is_cut: bool,
    malformed: Option<Malformed>,
    /// Why nothing more can be sent.
    broken: Option<String>,
    replied: u64,
    errors: u64,
    is_answered: bool,
    /// What the last request was answered with instead of an echo, in words.
    unechoed: Option<String>,
}

impl Pipe {
    fn new(connection: Connection) -> io::Result<Self> {
        let number = rand::rngs::SysRng.try_next_u64().map_err(io::Error::other)?;
        Ok(Self {
            connection: Duplex::new(connection)?,
            requests: Requests::default(),
            replies: Replies::default(),
            outgoing: Vec::with_capacity(BUFFER_BYTES),
            sent: 0,
            passed: 0,
            dropped: 0,
            token: format!("end-of-input-{number:016x}"),
            has_ended: false,
            is_cut: false,
            malformed: None,
            broken: None,
            replied: 0,
            errors: 0,
            is_answered: false,
            unechoed: None,
        })
    }

    /// Answers why it ended before the last reply, if so.
    fn run(&mut self, input: BorrowedFd<'_>, patience: Duration) -> Result<(), String> {
        let mut buffer = vec![0; READ_BYTES];
        let mut last_reply = Instant::now();
        while !self.is_answered {
            let is_sent = self.has_ended && self.sent == self.outgoing.len() && !self.connection.holds_back();
            if !is_sent {
                last_reply = Instant::now();
            }
            let left = patience.saturating_sub(last_reply.elapsed());
            let limit = (is_sent && !patience.is_zero()).then_some(left);
            let ready = self.wait(input, limit).map_err(|error| plain_reason(&error))?;
            if ready.socket {
                let Some(count) = self.receive(&mut buffer)? else { continue };
                if count == 0 && self.is_cut {
                    // The server has closed it because the input was cut short, as was to be expected.
                    return Ok(());
                }
                if count == 0 {
                    return Err(self.broken.take().unwrap_or_else(|| "the server closed the connection".to_owned()));
                }
                last_reply = Instant::now();
            }
            if ready.input {
                self.read(input, &mut buffer)?;
            }
            self.send();
            if limit.is_some_and(|limit| limit.is_zero()) && !ready.socket {
                return Err(format!("no reply for {} s", patience.as_secs_f64()));
            }
        }
        Ok(())
    }

    /// Waits until there is something to do.
    fn wait(&self, input: BorrowedFd<'_>, limit: Option<Duration>) -> io::Result<Ready> {
        let mut events = PollFlags::IN;
        if self.sendable() > self.sent || self.connection.holds_back() {
            events |= PollFlags::OUT;
        }
        let reads = !self.has_ended && self.outgoing.len() < BUFFER_BYTES;
        let mut waited = vec![PollFd::from_borrowed_fd(self.connection.socket(), events)];
        if reads {
            waited.push(PollFd::from_borrowed_fd(input, PollFlags::IN));
        }
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        match poll(&mut waited, limit.as_ref()) {
            Err(error) if error != rustix::io::Errno::INTR => return Err(error.into()),
            _ => {}
        }
        let is_ready = |at: usize, flags| waited.get(at).is_some_and(|fd: &PollFd<'_>| fd.revents().intersects(flags));
        let ended = PollFlags::HUP | PollFlags::ERR;
        Ok(Ready { socket: is_ready(0, PollFlags::IN | ended), input: is_ready(1, PollFlags::IN | ended) })
    }

    /// Takes a part of the input.
    fn read(&mut self, input: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<(), String> {
        let room = buffer.len().min(BUFFER_BYTES - self.outgoing.len());
        let count = match rustix::io::read(input, &mut buffer[..room]) {
            Ok(count) => count,
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => return Ok(()),
            Err(error) => return Err(format!("could not read the input: {}", plain_reason(&error.into()))),
        };
        self.outgoing.extend_from_slice(&buffer[..count]);
        let taken = if count > 0 { self.requests.take(&buffer[..count]) } else { self.requests.end() };
        self.passed = self.requests.whole_bytes();
        match taken {
            Ok(()) if count > 0 => {}
            Ok(()) => {
                // A last line may have no end.
                if self.outgoing.last().is_some_and(|&last| last != b'\n') {
                    self.outgoing.extend_from_slice(b"\r\n");
                }
                self.end();
            }
            Err(malformed) => {
                self.malformed = Some(malformed);
                let whole = self.sendable();
                // Where the request was too long to be held, its beginning is sent already, and nothing can be asked behind it.
                self.is_cut = self.dropped + self.sent as u64 > self.passed;
                self.outgoing.truncate(whole.max(self.sent));
                if self.is_cut {
                    self.has_ended = true;
                    self.connection.finish();
                } else {
                    self.end();
                }
            }
        }
        Ok(())
    }

    fn end(&mut self) {
        write_request(&["ECHO", &self.token], &mut self.outgoing);
        self.has_ended = true;
    }

    /// Up to where what is held may be sent: whole requests, or what there is of one that is longer than the buffer.
    fn sendable(&self) -> usize {
        let whole = usize::try_from(self.passed.saturating_sub(self.dropped)).unwrap_or(usize::MAX);
        let is_full = self.outgoing.len() >= BUFFER_BYTES && whole <= self.sent && self.malformed.is_none();
        if self.has_ended || is_full { self.outgoing.len() } else { whole.min(self.outgoing.len()) }
    }

    fn send(&mut self) {
        let end = self.sendable().max(self.sent);
        // Also where there is nothing: what TLS holds back is sent.
        match self.connection.write(&self.outgoing[self.sent..end]) {
            Ok(count) => self.sent += count,
            Err(error) => {
                // What the server said before may tell why.
                self.broken = Some(plain_reason(&error));
                self.has_ended = true;
                self.sent = self.outgoing.len();
            }
        }
        if self.sent == self.outgoing.len() || self.sent > BUFFER_BYTES / 2 {
            self.outgoing.drain(..self.sent);
            self.dropped += self.sent as u64;
            self.sent = 0;
        }
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, String> {
        let Some(count) = self.connection.read(buffer).map_err(|error| plain_reason(&error))? else { return Ok(None) };
        // Whatever comes when all else was answered is for the echo.
        let asked = (self.has_ended && !self.is_cut && self.broken.is_none()).then(|| self.requests.count());
        let Self { replies, replied, errors, token, is_answered, unechoed, .. } = self;
        replies
            .take(&buffer[..count], &mut |found| {
                if found == Found::Text(token.as_bytes().to_vec()) {
                    *is_answered = true;
                    return;
                }
                if asked == Some(*replied)
                    && let Some(reason) = not_echoed(&found)
                {
                    (*is_answered, *unechoed) = (true, Some(reason));
                    return;
                }
                *replied += 1;
                if let Found::Error(text) = found {
                    *errors += 1;
                    if *errors <= SHOWN_ERRORS {
                        eprint_error(*replied, &text);
                    }
                }
            })
            .map_err(|error| error.to_string())?;
        Ok(Some(count))
    }
}

/// Why the server did not echo what it was asked to at the end, if this is its answer to that.
fn not_echoed(found: &Found) -> Option<String> {
    match found {
        Found::Error(text) => {
            Some(format!("the server refused the ECHO that is sent behind the last request: {}", printable(text)))
        }
        Found::Text(text) if text == b"QUEUED" => {
            Some("a MULTI is left open: what was queued behind it is not carried out".to_owned())
        }
        _ => None,
    }
}

fn eprint_error(reply: u64, text: &[u8]) {
    use io::Write;
    // Where there is no error output, they are counted all the same.
    let _ = writeln!(io::stderr().lock(), "reply {reply}: {}", printable(text));
}

/// What can be read from.
struct Ready {
    socket: bool,
    input: bool,
}
