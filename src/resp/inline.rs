//! Splitting an inline request (a line typed by a person) into arguments, with quotes as Redis has them.

use super::ProtocolError;
use super::arguments::Span;

/// Splits `line` (without its line break), appending the unquoted text to `text` and where each argument
/// lies in it to `spans`. Linear.
///
/// Blanks separate. `"..."` may hold `\n \r \t \a \b \xHH` and `\` before any other byte for that byte; `'...'` may
/// hold `\'`. A closing quote must be followed by a blank or the end. A zero byte ends the line.
pub(super) fn split(line: &[u8], text: &mut Vec<u8>, spans: &mut Vec<Span>) -> Result<(), ProtocolError> {
    let end = line.iter().position(|b| *b == 0).unwrap_or(line.len());
    let mut rest = &line[..end];
    loop {
        while let [first, tail @ ..] = rest {
            if !is_blank(*first) {
                break;
            }
            rest = tail;
        }
        if rest.is_empty() {
            return Ok(());
        }
        let start = text.len();
        rest = take_argument(rest, text)?;
        // The line's length is bounded by the decoder's limits, which fit.
        spans.push(Span { start: start as u32, length: (text.len() - start) as u32 });
    }
}

/// Takes one argument off the front and gives what is behind it.
fn take_argument<'a>(mut rest: &'a [u8], text: &mut Vec<u8>) -> Result<&'a [u8], ProtocolError> {
    loop {
        match rest {
            [] | [b' ' | b'\n' | b'\r' | b'\t', ..] => return Ok(rest),
            [b'"', tail @ ..] => return closed(take_double_quoted(tail, text)?),
            [b'\'', tail @ ..] => return closed(take_single_quoted(tail, text)?),
            [byte, tail @ ..] => {
                text.push(*byte);
                rest = tail;
            }
        }
    }
}

/// Checks that a blank or the end follows a closing quote.
fn closed(rest: &[u8]) -> Result<&[u8], ProtocolError> {
    match rest.first() {
        Some(byte) if !is_blank(*byte) => Err(ProtocolError::UnbalancedQuotes),
        _ => Ok(rest),
    }
}

fn take_double_quoted<'a>(mut rest: &'a [u8], text: &mut Vec<u8>) -> Result<&'a [u8], ProtocolError> {
    loop {
        let (byte, tail) = match rest {
            [] => return Err(ProtocolError::UnbalancedQuotes),
            [b'"', tail @ ..] => return Ok(tail),
            [b'\\', b'x', high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (hex_value(*high) << 4 | hex_value(*low), tail)
            }
            [b'\\', escaped, tail @ ..] => (unescape(*escaped), tail),
            [byte, tail @ ..] => (*byte, tail),
        };
        text.push(byte);
        rest = tail;
    }
}

fn take_single_quoted<'a>(mut rest: &'a [u8], text: &mut Vec<u8>) -> Result<&'a [u8], ProtocolError> {
    loop {
        let (byte, tail) = match rest {
            [] => return Err(ProtocolError::UnbalancedQuotes),
            [b'\'', tail @ ..] => return Ok(tail),
            [b'\\', b'\'', tail @ ..] => (b'\'', tail),
            [byte, tail @ ..] => (*byte, tail),
        };
        text.push(byte);
        rest = tail;
    }
}

fn unescape(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 0x08,
        b'a' => 0x07,
        other => other,
    }
}

fn hex_value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

/// The blanks of C's `isspace`.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn arguments(line: &[u8]) -> Result<Vec<Vec<u8>>, ProtocolError> {
        let (mut text, mut spans) = (Vec::new(), Vec::new());
        split(line, &mut text, &mut spans)?;
        Ok(spans.iter().map(|s| text[s.start as usize..(s.start + s.length) as usize].to_vec()).collect())
    }

    #[test]
    fn blanks_separate_and_quotes_hold_together() {
        let cases: &[(&[u8], &[&[u8]])] = &[
            (b"", &[]),
            (b"  \t ", &[]),
            (b"GET a", &[b"GET", b"a"]),
            (b"  GET\t a  ", &[b"GET", b"a"]),
            (b"SET \"a b\" ''", &[b"SET", b"a b", b""]),
            (br#""\x41\xff\n\r\t\a\b\"\\\q""#, &[b"A\xff\n\r\t\x07\x08\"\\q"]),
            (br#""\xg1""#, &[b"xg1"]),
            (br"'it\'s \n'", &[br"it's \n"]),
            (b"foo\"bar baz\" x", &[b"foobar baz", b"x"]),
            (b"foo'bar'", &[b"foobar"]),
            (b"a\0b c", &[b"a"]),
            (b"\xff\xfe", &[b"\xff\xfe"]),
            (b"a\x0bb\x0b \x0cc", &[b"a\x0bb\x0b", b"c"]),
        ];
        for (line, expected) in cases {
            let got = arguments(line).expect("balanced");
            assert_eq!(got, *expected, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn an_open_quote_or_text_behind_a_closing_one_is_refused() {
        for line in [&b"\"a"[..], b"'a", b"a \"", b"\"a\"b", b"'a'b", b"'a'\"b\"", b"\"a\\", b"\"a\\\"", b"\"a\0\""] {
            assert_eq!(arguments(line), Err(ProtocolError::UnbalancedQuotes), "{}", line.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_survive_being_quoted_and_split(
            wanted in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..6)
        ) {
            let line = wanted
                .iter()
                .map(|argument| {
                    let hex: String = argument.iter().map(|b| format!("\\x{b:02x}")).collect();
                    format!("\"{hex}\"")
                })
                .collect::<Vec<_>>()
                .join(" ");
            prop_assert_eq!(arguments(line.as_bytes()), Ok(wanted));
        }
    }
}
