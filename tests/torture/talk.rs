//! One connection that carries out a plan, a step at a time, beside others on the same thread.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::frames::{frame_length, words};
use super::model::Expected;
use super::plan::{Ending, Outcome, Plan};

/// A connection on which nothing happens for so long hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two pieces of what drips.
const DRIP: Duration = Duration::from_micros(300);

/// Either kind of connection.
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// What a step came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Moved,
    Still,
    Done,
}

/// One connection.
pub(crate) struct Talk {
    pub(crate) seed: u64,
    pub(crate) plan: Plan,
    /// The client's end, where it has an address.
    pub(crate) address: Option<SocketAddr>,
    /// Replies and messages that were checked.
    pub(crate) replies: u64,
    pub(crate) messages: u64,
    stream: Stream,
    sent: usize,
    received: Vec<u8>,
    /// So many of the expected replies have come.
    met: usize,
    has_closed_half: bool,
    not_before: Option<Instant>,
    moved_at: Instant,
}

impl Stream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(bytes),
            Self::Unix(stream) => stream.read(bytes),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn close_half(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }
}

impl Talk {
    pub(crate) fn begin(seed: u64, mut plan: Plan, tcp: SocketAddr, unix: &Path) -> io::Result<Self> {
        let (stream, address) = if plan.over_unix {
            let stream = UnixStream::connect(unix)?;
            stream.set_nonblocking(true)?;
            (Stream::Unix(stream), None)
        } else {
            let stream = TcpStream::connect(tcp)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let address = stream.local_addr()?;
            (Stream::Tcp(stream), Some(address))
        };
        if let (true, Some(address)) = (plan.ends_itself, address) {
            let words = format!("CLIENT KILL SKIPME no ADDR {address}\r\nINCR {}\r\n", "not-run");
            plan.bytes.extend(words.into_bytes());
            plan.cuts.push(plan.bytes.len());
        }
        Ok(Self {
            seed,
            plan,
            address,
            replies: 0,
            messages: 0,
            stream,
            sent: 0,
            received: Vec::new(),
            met: 0,
            has_closed_half: false,
            not_before: None,
            moved_at: Instant::now(),
        })
    }

    /// Writes and reads what can be written and read now.
    pub(crate) fn step(&mut self) -> Result<Step, String> {
        let wrote = self.write()?;
        let read = self.read()?;
        if read == Step::Done || self.abandons() {
            return Ok(Step::Done);
        }
        if wrote == Step::Moved || read == Step::Moved {
            self.moved_at = Instant::now();
            return Ok(Step::Moved);
        }
        if self.moved_at.elapsed() > PATIENCE {
            return Err(format!("nothing has happened for {} s; {}", PATIENCE.as_secs(), self.state()));
        }
        Ok(Step::Still)
    }

    /// Where it is, for whoever looks for a fault.
    pub(crate) fn state(&self) -> String {
        format!(
            "{} of {} bytes sent, {} of {} replies met, the next expected is {:?}, and not used are {:?}",
            self.sent,
            self.plan.bytes.len(),
            self.met,
            self.plan.expected.len(),
            self.plan.expected.get(self.met).map(text_of_expected),
            String::from_utf8_lossy(&self.received[..self.received.len().min(300)]),
        )
    }

    /// Whether the server may have closed before it had read all.
    fn may_be_cut_off(&self) -> bool {
        self.plan.ending == Ending::ServerCloses || !matches!(self.plan.outcome, Outcome::Known(_))
    }

    /// Goes away in the middle, if it is time. At least the first request was run by then.
    fn abandons(&self) -> bool {
        let Ending::Abandon { after_bytes, resets } = self.plan.ending else { return false };
        let goes = self.sent >= after_bytes && self.met > 0;
        if let (true, true, Stream::Tcp(stream)) = (goes, resets, &self.stream) {
            // Closing then sends a reset instead of an orderly end.
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
        goes
    }

    fn write(&mut self) -> Result<Step, String> {
        if self.not_before.is_some_and(|time| Instant::now() < time) {
            return Ok(Step::Still);
        }
        if self.sent == self.plan.bytes.len() {
            if self.plan.ending != Ending::HalfClose || self.has_closed_half {
                return Ok(Step::Still);
            }
            self.has_closed_half = true;
            // It fails where the server was first.
            let _ = self.stream.close_half();
            return Ok(Step::Moved);
        }
        let end = self.plan.cuts.iter().copied().find(|cut| *cut > self.sent).unwrap_or(self.plan.bytes.len());
        match self.stream.write(&self.plan.bytes[self.sent..end]) {
            Ok(length) => {
                self.sent += length;
                self.not_before = self.plan.drips.then(|| Instant::now() + DRIP);
                Ok(Step::Moved)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Step::Still),
            Err(_) if self.may_be_cut_off() || self.met == self.plan.expected.len() => {
                self.sent = self.plan.bytes.len();
                Ok(Step::Moved)
            }
            Err(error) => Err(format!("could not write: {error}; {}", self.state())),
        }
    }

    fn read(&mut self) -> Result<Step, String> {
        let mut chunk = [0; 16 << 10];
        let mut moved = false;
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => return self.end(),
                Ok(length) => {
                    moved = true;
                    self.received.extend_from_slice(&chunk[..length]);
                    self.look()?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // The server closed while bytes were under way that it did not want.
                Err(_) if self.may_be_cut_off() => return self.end(),
                Err(error) => return Err(format!("could not read: {error}; {}", self.state())),
            }
        }
        Ok(if moved { Step::Moved } else { Step::Still })
    }

    /// The server has closed.
    fn end(&mut self) -> Result<Step, String> {
        if !self.received.is_empty() {
            return Err(format!("the server closed within a reply; {}", self.state()));
        }
        if self.met < self.plan.expected.len() {
            return Err(format!("the server closed too early; {}", self.state()));
        }
        if self.plan.ending == Ending::HalfClose
            && !self.has_closed_half
            && matches!(self.plan.outcome, Outcome::Known(_))
        {
            // Only what is not answered at all can have ended it: QUIT, or poison, after CLIENT REPLY OFF.
            return if self.plan.ends_unanswered {
                Ok(Step::Done)
            } else {
                Err(format!("the server closed; {}", self.state()))
            };
        }
        Ok(Step::Done)
    }

    /// Checks the replies that have wholly arrived.
    fn look(&mut self) -> Result<(), String> {
        let mut at = 0;
        while let Some(length) =
            frame_length(&self.received[at..]).map_err(|error| format!("{error}; {}", self.state()))?
        {
            let frame = self.received[at..at + length].to_vec();
            self.check(&frame)?;
            at += length;
        }
        self.received.drain(..at);
        Ok(())
    }

    fn check(&mut self, frame: &[u8]) -> Result<(), String> {
        if is_message(frame) && !matches!(self.plan.outcome, Outcome::Unknown) {
            self.messages += 1;
            return self.check_message(frame);
        }
        self.replies += 1;
        let is_met = match self.plan.expected.get(self.met) {
            Some(Expected::Exactly(bytes)) => frame == bytes,
            Some(Expected::Integer) => frame.first() == Some(&b':'),
            Some(Expected::Anything) => frame.first() != Some(&b'-'),
            None => matches!(self.plan.outcome, Outcome::Unknown),
        };
        if !is_met {
            return Err(format!("{:?} is answered; {}", String::from_utf8_lossy(frame), self.state()));
        }
        self.met = (self.met + 1).min(self.plan.expected.len());
        Ok(())
    }

    /// Messages tell of own counters, and what they stood at once.
    fn check_message(&self, frame: &[u8]) -> Result<(), String> {
        let refuse = || format!("{:?} is told of; {}", String::from_utf8_lossy(frame), self.state());
        let words = words(frame).ok_or_else(refuse)?;
        let [name, value] = words[words.len() - 2..] else { return Err(refuse()) };
        let counter = self.plan.names.iter().position(|own| own == name).ok_or_else(refuse)?;
        let value: i64 = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).ok_or_else(refuse)?;
        let was_so = self.plan.states.iter().any(|state| state[counter].unwrap_or(0) == value);
        if was_so { Ok(()) } else { Err(refuse()) }
    }
}

/// Whether it is what subscribers are sent.
fn is_message(frame: &[u8]) -> bool {
    let behind = frame.get(4..).unwrap_or_default();
    matches!(frame.first(), Some(b'*' | b'>'))
        && (behind.starts_with(b"$7\r\nmessage\r\n") || behind.starts_with(b"$8\r\npmessage\r\n"))
}

fn text_of_expected(expected: &Expected) -> String {
    match expected {
        Expected::Exactly(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Expected::Integer => "a number".to_owned(),
        Expected::Anything => "anything but an error".to_owned(),
    }
}
