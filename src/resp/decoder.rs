//! Requests out of bytes that arrive in pieces of any size.

use super::arguments::Span;
use super::{Arguments, ProtocolError, inline};

/// The most arguments of a request from a client that has not given the password.
const UNAUTHENTICATED_ARGUMENTS: u32 = 10;
/// The longest argument of such a client, in bytes.
const UNAUTHENTICATED_BULK_BYTES: u32 = 16 << 10;
/// Spans and inline text that an idle decoder may keep.
const IDLE_SPANS: usize = 32;
const IDLE_INLINE_BYTES: usize = 256;

/// What one request may ask for. All are inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most arguments, the command's name included.
    pub max_arguments: u32,
    /// The longest argument, in bytes.
    pub max_bulk_bytes: u32,
    /// The longest inline request, in bytes without its LF.
    pub max_inline_bytes: u32,
    /// The longest request as a whole, in bytes with its framing.
    pub max_request_bytes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_arguments: 1 << 20,
            max_bulk_bytes: 1 << 20,
            max_inline_bytes: 64 << 10,
            max_request_bytes: 64 << 20,
        }
    }
}

/// Where a decoder is in a request that has not wholly arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Before its first byte.
    Start,
    /// In an inline request; no line break before `position`.
    Inline,
    /// Before the `$` of an argument, at `position`.
    BulkLength,
    /// The argument of this many bytes begins at `position`.
    Bulk(u32),
}

/// An incremental decoder of requests: arrays of bulk strings, and inline requests.
///
/// It remembers how far it came in an incomplete request, so bytes are looked at once however they arrive (but
/// for the digits of an incomplete length). What it allocates follows what has arrived, never what was announced.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    unauthenticated: bool,
    phase: Phase,
    /// The first byte that was not yet looked at.
    position: usize,
    /// Arguments still to come.
    missing: u32,
    spans: Vec<Span>,
    /// Whether the spans lie in `inline_text` instead of the caller's buffer.
    is_inline: bool,
    inline_text: Vec<u8>,
}

impl Decoder {
    /// A decoder at the beginning of a request.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            unauthenticated: false,
            phase: Phase::Start,
            position: 0,
            missing: 0,
            spans: Vec::new(),
            is_inline: false,
            inline_text: Vec::new(),
        }
    }

    /// Tightens the limits for a client that has yet to give the password, as Redis does; `false` lifts that.
    pub fn set_unauthenticated(&mut self, unauthenticated: bool) {
        self.unauthenticated = unauthenticated;
    }

    /// Looks for a complete request at the front of `buffer`: its length in bytes, or `None` when more must arrive.
    ///
    /// `buffer` begins with the same request on every call until that one is complete; then the caller takes the
    /// [arguments](Self::arguments) and goes on behind it. Linear in the bytes that are new since the last call.
    ///
    /// # Errors
    /// [`ProtocolError`]: this decoder is of no more use and the connection must be closed. Which error it is does
    /// not depend on the pieces in which the bytes arrived.
    #[inline]
    pub fn decode(&mut self, buffer: &[u8]) -> Result<Option<usize>, ProtocolError> {
        if self.phase == Phase::Start {
            self.spans.clear();
            self.inline_text.clear();
            self.position = 0;
            match buffer.first() {
                None => return Ok(None),
                Some(b'*') => {
                    if !self.decode_count(buffer)? {
                        return Ok(None);
                    }
                }
                Some(_) => self.phase = Phase::Inline,
            }
        }
        if self.phase == Phase::Inline {
            return self.decode_inline(buffer);
        }
        self.decode_bulks(buffer)
    }

    /// The arguments of the request that [`decode`](Self::decode) just found complete, given the same buffer.
    #[inline]
    pub fn arguments<'a>(&'a self, buffer: &'a [u8]) -> Arguments<'a> {
        if self.is_inline {
            Arguments::new(&self.inline_text, &self.spans)
        } else {
            Arguments::new(buffer, &self.spans)
        }
    }

    /// Gives back memory that an unusually large request took. Only between requests; otherwise does nothing.
    pub fn release_memory(&mut self) {
        if self.phase == Phase::Start {
            self.spans.clear();
            self.spans.shrink_to(IDLE_SPANS);
            self.inline_text.clear();
            self.inline_text.shrink_to(IDLE_INLINE_BYTES);
        }
    }

    /// `*` and the number of arguments; whether it was complete.
    fn decode_count(&mut self, buffer: &[u8]) -> Result<bool, ProtocolError> {
        let (count, next) = match parse_length(buffer, 1) {
            Length::Complete(count, next) => (count, next),
            Length::Incomplete => return Ok(false),
            Length::Invalid => return Err(ProtocolError::InvalidMultibulkLength),
        };
        if count > i64::from(self.limits.max_arguments) {
            return Err(ProtocolError::InvalidMultibulkLength);
        }
        if self.unauthenticated && count > i64::from(UNAUTHENTICATED_ARGUMENTS) {
            return Err(ProtocolError::UnauthenticatedMultibulkLength);
        }
        // A negative count is an empty request, as in Redis.
        self.missing = u32::try_from(count).unwrap_or(0);
        self.is_inline = false;
        self.position = next;
        self.phase = Phase::BulkLength;
        Ok(true)
    }

    fn decode_bulks(&mut self, buffer: &[u8]) -> Result<Option<usize>, ProtocolError> {
        while self.missing > 0 {
            let length = match self.phase {
                Phase::Bulk(length) => length,
                _ => match self.decode_bulk_length(buffer)? {
                    Some(length) => length,
                    None => return Ok(None),
                },
            };
            let start = self.position;
            let end = start + length as usize;
            match buffer.get(end..end + 2) {
                Some(b"\r\n") => {}
                Some(_) => return Err(ProtocolError::UnterminatedBulk),
                None => {
                    if buffer.get(end).is_some_and(|byte| *byte != b'\r') {
                        return Err(ProtocolError::UnterminatedBulk);
                    }
                    self.phase = Phase::Bulk(length);
                    return Ok(None);
                }
            }
            // Both are below `max_request_bytes`, a u32.
            self.spans.push(Span { start: start as u32, length });
            self.position = end + 2;
            self.phase = Phase::BulkLength;
            self.missing -= 1;
        }
        self.phase = Phase::Start;
        Ok(Some(self.position))
    }

    /// `$` and the length of an argument, which then begins at `position`; `None` while incomplete.
    #[inline]
    fn decode_bulk_length(&mut self, buffer: &[u8]) -> Result<Option<u32>, ProtocolError> {
        match buffer.get(self.position) {
            None => return Ok(None),
            Some(b'$') => {}
            Some(other) => return Err(ProtocolError::ExpectedBulk(*other)),
        }
        let (length, next) = match parse_length(buffer, self.position + 1) {
            Length::Complete(length, next) => (length, next),
            Length::Incomplete => return Ok(None),
            Length::Invalid => return Err(ProtocolError::InvalidBulkLength),
        };
        if length < 0 || length > i64::from(self.limits.max_bulk_bytes) {
            return Err(ProtocolError::InvalidBulkLength);
        }
        if self.unauthenticated && length > i64::from(UNAUTHENTICATED_BULK_BYTES) {
            return Err(ProtocolError::UnauthenticatedBulkLength);
        }
        let end = next as u64 + length as u64 + 2;
        if end > u64::from(self.limits.max_request_bytes) {
            return Err(ProtocolError::TooBigRequest);
        }
        self.position = next;
        Ok(Some(length as u32))
    }

    fn decode_inline(&mut self, buffer: &[u8]) -> Result<Option<usize>, ProtocolError> {
        let max = self.limits.max_inline_bytes as usize;
        let fresh = &buffer[self.position.min(buffer.len())..];
        let Some(found) = fresh.iter().position(|byte| *byte == b'\n') else {
            self.position = buffer.len();
            if buffer.len() > max {
                return Err(ProtocolError::TooBigInline);
            }
            return Ok(None);
        };
        let line_break = self.position + found;
        if line_break > max {
            return Err(ProtocolError::TooBigInline);
        }
        let line = &buffer[..line_break];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        inline::split(line, &mut self.inline_text, &mut self.spans)?;
        self.is_inline = true;
        self.phase = Phase::Start;
        Ok(Some(line_break + 1))
    }
}

enum Length {
    /// The number, and where its line ends.
    Complete(i64, usize),
    Incomplete,
    Invalid,
}

/// A number and its CR LF, by Redis' rules: no sign but one minus, no leading zeros.
#[inline]
fn parse_length(buffer: &[u8], start: usize) -> Length {
    let mut at = start;
    let negative = buffer.get(at) == Some(&b'-');
    if negative {
        at += 1;
    }
    let first_digit = at;
    let mut value = 0_i64;
    while let Some(byte) = buffer.get(at) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        // No limit reaches 2^32, so nothing longer than this can be right.
        if (at > first_digit && value == 0) || value > i64::from(u32::MAX) {
            return Length::Invalid;
        }
        value = value * 10 + i64::from(digit);
        at += 1;
    }
    match buffer.get(at..) {
        None | Some([]) => Length::Incomplete,
        Some(_) if at == first_digit || (negative && value == 0) => Length::Invalid,
        Some([b'\r']) => Length::Incomplete,
        Some([b'\r', b'\n', ..]) => Length::Complete(if negative { -value } else { value }, at + 2),
        Some(_) => Length::Invalid,
    }
}

#[cfg(test)]
#[path = "decoder_tests.rs"]
mod tests;
