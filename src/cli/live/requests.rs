//! Where the requests of a stream of bytes begin and end, so that only whole and sound ones are sent.

/// The longest line, in bytes: an inline request, or a length. The server takes none longer.
const MAX_LINE_BYTES: usize = 64 << 10;
/// The longest argument, in bytes.
const MAX_ARGUMENT_BYTES: u64 = 512 << 20;

/// Bytes that are no request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("request {request}, which begins at byte {begin} of the input, is malformed: {what}")]
pub(super) struct Malformed {
    /// Which one, counted from 1.
    pub(super) request: u64,
    /// How many bytes lie before it.
    pub(super) begin: u64,
    /// What is wrong with it.
    pub(super) what: String,
}

/// A reader of requests that keeps no more of them than the line at hand.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// How many are whole.
    count: u64,
    /// How many bytes were seen, and how many of them belong to whole requests.
    seen: u64,
    whole: u64,
    state: State,
    line: Vec<u8>,
    /// The arguments that are missing of the request at hand.
    missing: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Before the first byte of a request.
    #[default]
    Between,
    /// In a request that is a line of words.
    Inline,
    /// In the line that says how many arguments there are.
    Count,
    /// In the line that says how long an argument is.
    Length,
    /// In an argument of which so many bytes are missing, with the line end behind it.
    Argument(u64),
}

impl Requests {
    /// How many whole requests were seen.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// How many bytes of the input belong to whole requests.
    pub(super) fn whole_bytes(&self) -> u64 {
        self.whole
    }

    /// Takes the next bytes of the input.
    ///
    /// # Errors
    /// [`Malformed`]; nothing can be said of what comes behind it.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> Result<(), Malformed> {
        while let Some(&first) = bytes.first() {
            let used = match self.state {
                State::Between => {
                    self.state = if first == b'*' { State::Count } else { State::Inline };
                    0
                }
                State::Argument(missing) => self.take_argument(missing, bytes)?,
                State::Inline | State::Count | State::Length => self.take_line(bytes)?,
            };
            self.seen += used as u64;
            bytes = &bytes[used..];
            if self.state == State::Between {
                self.whole = self.seen;
            }
        }
        Ok(())
    }

    /// The input has ended.
    ///
    /// # Errors
    /// [`Malformed`] if that was in the middle of a request.
    pub(super) fn end(&mut self) -> Result<(), Malformed> {
        match self.state {
            State::Between => Ok(()),
            // A last line needs no end: the sender adds it.
            State::Inline => {
                self.end_inline();
                Ok(())
            }
            _ => Err(self.malformed("the input ends in the middle of it".to_owned())),
        }
    }

    fn take_argument(&mut self, missing: u64, bytes: &[u8]) -> Result<usize, Malformed> {
        let used = missing.min(bytes.len() as u64);
        let count = usize::try_from(used).unwrap_or(bytes.len());
        // The last two of them are the line end.
        for (index, &byte) in bytes[..count].iter().enumerate().skip(count.saturating_sub(2)) {
            let expected = match missing - index as u64 {
                2 => b'\r',
                1 => b'\n',
                _ => continue,
            };
            if byte != expected {
                return Err(self.malformed("an argument is longer than its length says".to_owned()));
            }
        }
        if missing > used {
            self.state = State::Argument(missing - used);
        } else {
            self.missing -= 1;
            self.state = if self.missing > 0 { State::Length } else { self.next() };
        }
        Ok(count)
    }

    fn take_line(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let end = bytes.iter().position(|&byte| byte == b'\n');
        let count = end.map_or(bytes.len(), |at| at + 1);
        if self.line.len() + count > MAX_LINE_BYTES {
            return Err(self.malformed(format!("a line of it is longer than {MAX_LINE_BYTES} bytes")));
        }
        self.line.extend_from_slice(&bytes[..count]);
        if end.is_some() {
            self.end_line()?;
        }
        Ok(count)
    }

    fn end_line(&mut self) -> Result<(), Malformed> {
        if self.state == State::Inline {
            self.end_inline();
            return Ok(());
        }
        let line = std::mem::take(&mut self.line);
        let (kind, name) =
            if self.state == State::Count { (b'*', "a number of arguments") } else { (b'$', "a length") };
        let number = line.strip_prefix(&[kind]).and_then(|rest| std::str::from_utf8(rest.trim_ascii_end()).ok());
        let Some(number) = number.and_then(|text| text.parse::<i64>().ok()) else {
            let shown = line.trim_ascii_end();
            let shown = shown[..shown.len().min(40)].escape_ascii();
            return Err(self.malformed(format!("'{shown}' where {name} was expected, such as {}3", char::from(kind))));
        };
        match (self.state, u64::try_from(number)) {
            (State::Count, Ok(missing @ 1..)) => (self.missing, self.state) = (missing, State::Length),
            // No request, and no answer.
            (State::Count, _) => self.state = State::Between,
            (_, Ok(length)) if length <= MAX_ARGUMENT_BYTES => self.state = State::Argument(length + 2),
            _ => return Err(self.malformed(format!("an argument of {number} bytes"))),
        }
        Ok(())
    }

    fn end_inline(&mut self) {
        // An empty line is no request.
        let is_empty = self.line.trim_ascii().is_empty();
        self.line.clear();
        self.state = if is_empty { State::Between } else { self.next() };
        self.whole = self.seen;
    }

    fn next(&mut self) -> State {
        self.count += 1;
        State::Between
    }

    fn malformed(&self, what: String) -> Malformed {
        Malformed { request: self.count + 1, begin: self.whole, what }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::protocol::write_request;
    use proptest::prelude::*;

    fn read(input: &[u8]) -> Result<u64, Malformed> {
        let mut requests = Requests::default();
        requests.take(input)?;
        requests.end()?;
        Ok(requests.count())
    }

    #[test]
    fn arrays_and_lines_may_be_mixed() {
        assert_eq!(
            read(b"*1\r\n$4\r\nPING\r\nPING\n\r\n  \nset a 1\r\n*0\r\n*-1\r\n*2\n$3\nGET\r\n$0\r\n\r\nget a"),
            Ok(4 + 1)
        );
        assert_eq!(read(b""), Ok(0));
    }

    #[test]
    fn what_is_malformed_is_told_with_its_place() {
        for (input, word) in [
            (&b"*2\r\n$3\r\nGET\r\n:1\r\n"[..], "':1' where a length"),
            (b"*x\r\n", "'*x' where a number of arguments"),
            (b"*1\r\n$3\r\nGETA\r\n", "longer than its length"),
            (b"*1\r\n$-1\r\n", "an argument of -1 bytes"),
            (b"*1\r\n$999999999999\r\n", "999999999999 bytes"),
            (b"*2\r\n$3\r\nGET\r\n", "ends in the middle"),
            (b"*1\r\n$3\r\nGET\r", "ends in the middle"),
            (&[b'a'; MAX_LINE_BYTES + 1], "longer than 65536"),
        ] {
            let malformed = read(&[b"PING\r\n", input].concat()).expect_err("malformed");
            assert_eq!((malformed.request, malformed.begin), (2, 6), "{malformed}");
            assert!(malformed.to_string().contains(word), "{malformed}");
        }
    }

    proptest! {
        #[test]
        fn requests_are_found_however_the_input_is_cut(
            commands in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 1..4), 0..6),
            size in 1_usize..12,
        ) {
            let mut input = Vec::new();
            commands.iter().for_each(|words| write_request(words, &mut input));
            let mut requests = Requests::default();
            for some in input.chunks(size) {
                prop_assert_eq!(requests.take(some), Ok(()));
            }
            prop_assert_eq!(requests.end(), Ok(()));
            prop_assert_eq!(requests.count(), commands.len() as u64);
            prop_assert_eq!(requests.whole_bytes(), input.len() as u64);
        }

        #[test]
        fn no_input_makes_it_panic(input in prop::collection::vec(prop_oneof![Just(b'*'), Just(b'$'), Just(b'1'), Just(b'\r'), Just(b'\n'), any::<u8>()], 0..60)) {
            let _ = read(&input);
        }
    }
}
