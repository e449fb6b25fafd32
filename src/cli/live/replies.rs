//! How many replies a stream of bytes has, and which of them are errors. Nothing of the others is kept.

/// How deep replies may be nested.
const MAX_DEPTH: usize = 64;
/// The longest line of a reply, in bytes.
const MAX_LINE_BYTES: usize = 1 << 20;
/// The longest string whose text is kept.
const KEPT_BYTES: usize = 1024;

/// The server sent something that is not RESP.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server's answer is not RESP: {0}")]
pub(super) struct NotResp(String);

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// An error, with its text.
    Error(Vec<u8>),
    /// A string, with its text where that is short.
    Text(Vec<u8>),
    /// Any other reply.
    Other,
}

/// A reader of replies.
#[derive(Debug, Default)]
pub(super) struct Replies {
    /// The lists that are open, outermost first.
    open: Vec<Open>,
    state: State,
    text: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    /// How many elements are missing.
    missing: u64,
    /// Whether it is a part of no reply: a message, or what is said about the reply behind it.
    is_beside: bool,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// In the first line of a value.
    #[default]
    Line,
    /// In a string of which so many bytes are missing, with its line end.
    Text { missing: u64, is_error: bool },
}

impl Replies {
    /// Takes the next bytes, and hands over each whole reply. Messages are none.
    ///
    /// # Errors
    /// [`NotResp`]; nothing can be said of what comes behind it.
    pub(super) fn take(&mut self, mut bytes: &[u8], on_reply: &mut dyn FnMut(Found)) -> Result<(), NotResp> {
        while !bytes.is_empty() {
            match self.state {
                State::Line => {
                    let end = bytes.iter().position(|&byte| byte == b'\n');
                    let (line, rest) = bytes.split_at(end.map_or(bytes.len(), |at| at + 1));
                    bytes = rest;
                    self.text.extend_from_slice(line);
                    if self.text.len() > MAX_LINE_BYTES {
                        return Err(NotResp(format!("a line longer than {MAX_LINE_BYTES} bytes")));
                    }
                    if end.is_some() {
                        let line = std::mem::take(&mut self.text);
                        self.end_line(line.trim_ascii_end(), on_reply)?;
                    }
                }
                State::Text { missing, is_error } => {
                    let used = usize::try_from(missing).unwrap_or(usize::MAX).min(bytes.len());
                    let room = KEPT_BYTES.saturating_sub(self.text.len()).min(used);
                    self.text.extend_from_slice(&bytes[..room]);
                    bytes = &bytes[used..];
                    self.state = State::Text { missing: missing - used as u64, is_error };
                    if missing == used as u64 {
                        let text = std::mem::take(&mut self.text).trim_ascii_end().to_vec();
                        self.state = State::Line;
                        self.end_value(if is_error { Found::Error(text) } else { Found::Text(text) }, on_reply);
                    }
                }
            }
        }
        Ok(())
    }

    fn end_line(&mut self, line: &[u8], on_reply: &mut dyn FnMut(Found)) -> Result<(), NotResp> {
        let Some((&kind, rest)) = line.split_first() else {
            return Err(NotResp("an empty line".to_owned()));
        };
        match kind {
            b'+' => self.end_value(Found::Text(rest.to_vec()), on_reply),
            b'-' => self.end_value(Found::Error(rest.to_vec()), on_reply),
            b':' | b'_' | b',' | b'(' | b'#' => self.end_value(Found::Other, on_reply),
            b'$' | b'!' | b'=' => match length(rest)? {
                Some(length) => self.state = State::Text { missing: length + 2, is_error: kind == b'!' },
                None => self.end_value(Found::Other, on_reply),
            },
            b'*' | b'~' | b'>' | b'%' | b'|' => {
                let each = if matches!(kind, b'%' | b'|') { 2 } else { 1 };
                let missing = length(rest)?.unwrap_or(0).saturating_mul(each);
                let is_beside = kind == b'|' || (kind == b'>' && self.open.is_empty());
                if self.open.len() == MAX_DEPTH {
                    return Err(NotResp(format!("nested deeper than {MAX_DEPTH} levels")));
                }
                self.open.push(Open { missing, is_beside });
                self.close(on_reply);
            }
            _ => {
                let shown = line[..line.len().min(40)].escape_ascii();
                return Err(NotResp(format!("a reply that begins with '{shown}'")));
            }
        }
        Ok(())
    }

    fn end_value(&mut self, found: Found, on_reply: &mut dyn FnMut(Found)) {
        match self.open.last_mut() {
            Some(list) => {
                list.missing -= 1;
                self.close(on_reply);
            }
            None => on_reply(found),
        }
    }

    /// Closes the lists that miss nothing.
    fn close(&mut self, on_reply: &mut dyn FnMut(Found)) {
        while let Some(Open { missing: 0, is_beside }) = self.open.last().copied() {
            self.open.pop();
            match (is_beside, self.open.last_mut()) {
                (true, _) => return,
                (false, Some(outer)) => outer.missing -= 1,
                (false, None) => on_reply(Found::Other),
            }
        }
    }
}

/// `None` is a length of -1.
fn length(text: &[u8]) -> Result<Option<u64>, NotResp> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok());
    match number {
        Some(-1) => Ok(None),
        Some(length @ 0..) => Ok(Some(length.unsigned_abs())),
        _ => Err(NotResp(format!("'{}' where a length was expected", text[..text.len().min(40)].escape_ascii()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: &[u8] = b"+OK\r\n-ERR no\r\n:1\r\n$-1\r\n*2\r\n$1\r\na\r\n*1\r\n-inner\r\n*0\r\n>2\r\n$1\r\nm\r\n:1\r\n\
        %1\r\n+k\r\n~1\r\n#t\r\n|1\r\n+k\r\n*1\r\n+v\r\n,1.5\r\n!5\r\nERR x\r\n=7\r\ntxt:abc\r\n_\r\n*-1\r\n(12\r\n";

    fn read(bytes: &[u8], size: usize) -> Result<Vec<Found>, NotResp> {
        let (mut replies, mut found) = (Replies::default(), Vec::new());
        for some in bytes.chunks(size) {
            replies.take(some, &mut |reply| found.push(reply))?;
        }
        Ok(found)
    }

    #[test]
    fn each_reply_counts_once_and_messages_never() {
        let text = |text: &[u8]| Found::Text(text.to_vec());
        let error = |text: &[u8]| Found::Error(text.to_vec());
        let other = || Found::Other;
        let expected = vec![
            text(b"OK"),
            error(b"ERR no"),
            other(),
            other(),
            other(),
            other(),
            other(),
            other(),
            error(b"ERR x"),
            text(b"txt:abc"),
            other(),
            other(),
            other(),
        ];
        for size in [1, 2, 3, 7, 1000] {
            assert_eq!(read(ALL, size).expect("RESP"), expected, "{size}");
        }
    }

    #[test]
    fn long_strings_are_passed_over() {
        let long = [b"$100000\r\n".to_vec(), vec![b'x'; 100_000], b"\r\n:1\r\n".to_vec()].concat();
        let found = read(&long, 999).expect("RESP");
        assert_eq!(found, [Found::Text(vec![b'x'; KEPT_BYTES]), Found::Other]);
    }

    #[test]
    fn what_is_not_resp_is_told() {
        for input in [&b"HTTP/1.1 400\r\n"[..], b"\r\n", b"$x\r\n", b"*-2\r\n", &b"*1\r\n".repeat(MAX_DEPTH + 1)] {
            assert!(read(input, 4).is_err(), "{}", input.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(
            bytes in prop::collection::vec(prop_oneof![Just(b'*'), Just(b'$'), Just(b'|'), Just(b'1'), Just(b'0'), Just(b'\r'), Just(b'\n'), any::<u8>()], 0..60),
            size in 1_usize..9,
        ) {
            let _ = read(&bytes, size);
        }
    }
}
