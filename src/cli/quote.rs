//! Strings as a person types and reads them: splitting a line into arguments, and quoting bytes.
//!
//! The two are inverse: splitting what was quoted gives the same bytes, whatever they are.

use std::fmt::Write;

/// A line whose quotes do not close, or close in the middle of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid argument(s): a quote is not closed, or has no space after it; nothing was sent")]
pub(super) struct UnbalancedQuotes;

/// Splits a line as redis-cli does.
///
/// Words are separated by white space. In double quotes, `\n \r \t \b \a \xHH` stand for those bytes and a backslash takes
/// any other character literally; in single quotes only `\'` is special. A closing quote ends its word.
///
/// # Errors
/// [`UnbalancedQuotes`] where a quote does not close, or something follows the closing quote directly.
pub(super) fn split(line: &[u8]) -> Result<Vec<Vec<u8>>, UnbalancedQuotes> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Ok(words);
        }
        let mut word = Vec::new();
        rest = take_word(rest, &mut word)?;
        words.push(word);
    }
}

fn take_word<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Result<&'a [u8], UnbalancedQuotes> {
    while let Some((&first, after)) = rest.split_first() {
        rest = match first {
            b'"' => return after_quote(take_double_quoted(after, word)?),
            b'\'' => return after_quote(take_single_quoted(after, word)?),
            byte if byte.is_ascii_whitespace() => return Ok(rest),
            byte => {
                word.push(byte);
                after
            }
        };
    }
    Ok(rest)
}

fn after_quote(rest: &[u8]) -> Result<&[u8], UnbalancedQuotes> {
    match rest.first() {
        Some(byte) if !byte.is_ascii_whitespace() => Err(UnbalancedQuotes),
        _ => Ok(rest),
    }
}

fn take_double_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        rest = match rest {
            [b'"', after @ ..] => return Ok(after),
            [b'\\', b'x', high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                word.push(hex(*high) << 4 | hex(*low));
                after
            }
            [b'\\', escaped, after @ ..] => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                });
                after
            }
            [byte, after @ ..] => {
                word.push(*byte);
                after
            }
            [] => return Err(UnbalancedQuotes),
        };
    }
}

fn take_single_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Result<&'a [u8], UnbalancedQuotes> {
    loop {
        rest = match rest {
            [b'\'', after @ ..] => return Ok(after),
            [b'\\', b'\'', after @ ..] => {
                word.push(b'\'');
                after
            }
            [byte, after @ ..] => {
                word.push(*byte);
                after
            }
            [] => return Err(UnbalancedQuotes),
        };
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

/// The bytes in double quotes, as redis-cli shows them: printable ASCII as it is, everything else escaped.
pub(super) fn quote(bytes: &[u8]) -> String {
    format!("\"{}\"", escape(bytes))
}

/// What stands between the quotes of [`quote`].
pub(super) fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'\\' | b'"' => {
                text.push('\\');
                text.push(char::from(byte));
            }
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            0x07 => text.push_str("\\a"),
            0x08 => text.push_str("\\b"),
            b' '..=b'~' => text.push(char::from(byte)),
            other => {
                let _ = write!(text, "\\x{other:02x}");
            }
        }
    }
    text
}

/// Text for a terminal: line breaks and tabs stay, other control characters are escaped, so that a server cannot move
/// the cursor or change colours.
pub(super) fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for character in String::from_utf8_lossy(bytes).chars() {
        match character {
            '\r' => {}
            '\n' | '\t' => text.push(character),
            control if control.is_control() => {
                let _ = write!(text, "\\x{:02x}", u32::from(control));
            }
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(line: &str) -> Vec<Vec<u8>> {
        split(line.as_bytes()).expect("balanced")
    }

    #[test]
    fn words_are_separated_by_any_white_space() {
        assert_eq!(words("  incrby\ta   0.1 \n"), [&b"incrby"[..], b"a", b"0.1"]);
        assert!(words("").is_empty());
        assert!(words("   ").is_empty());
    }

    #[test]
    fn double_quotes_know_escapes() {
        assert_eq!(
            words(r#"get "a b\n\r\t\a\b\x00\xfF\q\"\\" c"#),
            [&b"get"[..], b"a b\n\r\t\x07\x08\x00\xffq\"\\", b"c"]
        );
        assert_eq!(words(r#"get "" ''"#), [&b"get"[..], b"", b""]);
        assert_eq!(words(r#""\xg1""#), [b"xg1"]);
    }

    #[test]
    fn single_quotes_are_literal() {
        assert_eq!(words(r"get 'a\n\'b'"), [&b"get"[..], br"a\n'b"]);
    }

    #[test]
    fn a_quote_that_does_not_close_is_refused() {
        for line in ["\"a", "'a", "\"a\"b", "'a'b", "\"a\\\"", "get \"a\"\"b\""] {
            assert_eq!(split(line.as_bytes()), Err(UnbalancedQuotes), "{line}");
        }
    }

    #[test]
    fn a_quote_inside_a_word_opens_there() {
        assert_eq!(words(r#"a"b c""#), [b"ab c"]);
    }

    #[test]
    fn control_characters_never_reach_the_terminal() {
        assert_eq!(printable(b"a\x1b[2Jb\r\nc\td\xc2\x9bx"), "a\\x1b[2Jb\nc\td\\x9bx");
    }

    proptest! {
        #[test]
        fn splitting_what_was_quoted_gives_it_back(
            arguments in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..5)
        ) {
            let line = arguments.iter().map(|bytes| quote(bytes)).collect::<Vec<_>>().join(" ");
            prop_assert_eq!(split(line.as_bytes()).expect("balanced"), arguments);
        }

        #[test]
        fn no_line_makes_splitting_panic(line in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = split(&line);
        }
    }
}
