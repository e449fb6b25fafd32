//! RESP as a client speaks it: requests out, replies in.
//!
//! Replies are read by one reader for RESP2 and RESP3, as a session may change from one to the other at any time. It
//! takes what general servers send and redis-protocol's decoder refuses: sets and map keys of any type (the documentation of
//! Redis' commands has sets of arrays) and null strings inside RESP3. It reads each byte once, however long the reply.
//! Nothing here opens a connection.

use std::io::{self, BufRead, Read};

use super::value::Value;

/// The longest string in a reply, in bytes; Redis sends none longer.
const MAX_BULK_BYTES: usize = 512 << 20;
/// The longest line of a reply, in bytes: a status, an error, or a length.
const MAX_LINE_BYTES: usize = 1 << 20;
/// How deep replies may be nested. The reader calls itself once a level, so this also bounds the stack.
const MAX_DEPTH: usize = 64;
/// How many elements room is made for on the word of a length alone.
const MAX_TRUSTED_LENGTH: usize = 1024;

/// Why no reply could be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReplyError {
    /// The server closed the connection, or the connection failed.
    #[error("{0}")]
    Connection(#[from] io::Error),
    /// The server sent something that is not RESP.
    #[error("the server's answer is not RESP: {0}")]
    Malformed(String),
}

/// Appends a request to `out`: an array of bulk strings.
pub(super) fn write_request<A: AsRef<[u8]>>(arguments: &[A], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("*{}\r\n", arguments.len()).as_bytes());
    for argument in arguments {
        let argument = argument.as_ref();
        out.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        out.extend_from_slice(argument);
        out.extend_from_slice(b"\r\n");
    }
}

/// Reads one whole reply. RESP3's attributes are read and left out.
///
/// # Errors
/// After an error the connection is of no more use: where the next reply begins is not known.
pub(super) fn read_reply(reader: &mut impl BufRead) -> Result<Value, ReplyError> {
    read_value(reader, 0)
}

fn read_value(reader: &mut impl BufRead, depth: usize) -> Result<Value, ReplyError> {
    if depth > MAX_DEPTH {
        return Err(malformed(format!("nested deeper than {MAX_DEPTH} levels")));
    }
    loop {
        let line = read_line(reader)?;
        let Some((&kind, rest)) = line.split_first() else {
            return Err(malformed("an empty line".to_owned()));
        };
        return Ok(match kind {
            b'+' => Value::Status(rest.to_vec()),
            b'-' => Value::Error(rest.to_vec()),
            b':' => Value::Integer(number(rest)?),
            b'_' => Value::Null,
            b',' => Value::Double(String::from_utf8_lossy(rest).into_owned()),
            b'(' => Value::BigNumber(String::from_utf8_lossy(rest).into_owned()),
            b'#' => match rest {
                b"t" => Value::Boolean(true),
                b"f" => Value::Boolean(false),
                _ => return Err(malformed(format!("boolean {}", shown(rest)))),
            },
            b'$' => match bulk(reader, rest)? {
                Some(bytes) => Value::Bulk(bytes),
                None => Value::Null,
            },
            b'!' => Value::Error(bulk(reader, rest)?.unwrap_or_default()),
            b'=' => Value::Verbatim(verbatim(reader, rest)?),
            b'*' => match elements(reader, rest, depth)? {
                Some(elements) => Value::Array(elements),
                None => Value::Null,
            },
            b'~' => Value::Set(elements(reader, rest, depth)?.unwrap_or_default()),
            b'>' => Value::Push(elements(reader, rest, depth)?.unwrap_or_default()),
            b'%' => Value::Map(pairs(reader, rest, depth)?),
            b'|' => {
                pairs(reader, rest, depth)?;
                continue;
            }
            other => {
                return Err(malformed(format!("a reply beginning with {}", shown(&[other]))));
            }
        });
    }
}

fn elements(reader: &mut impl BufRead, length: &[u8], depth: usize) -> Result<Option<Vec<Value>>, ReplyError> {
    let Some(length) = read_length(length, usize::MAX)? else {
        return Ok(None);
    };
    let mut elements = Vec::with_capacity(length.min(MAX_TRUSTED_LENGTH));
    for _ in 0..length {
        elements.push(read_value(reader, depth + 1)?);
    }
    Ok(Some(elements))
}

fn pairs(reader: &mut impl BufRead, length: &[u8], depth: usize) -> Result<Vec<(Value, Value)>, ReplyError> {
    let length = read_length(length, usize::MAX)?.unwrap_or(0);
    let mut pairs = Vec::with_capacity(length.min(MAX_TRUSTED_LENGTH));
    for _ in 0..length {
        let key = read_value(reader, depth + 1)?;
        pairs.push((key, read_value(reader, depth + 1)?));
    }
    Ok(pairs)
}

fn verbatim(reader: &mut impl BufRead, length: &[u8]) -> Result<Vec<u8>, ReplyError> {
    let mut bytes = bulk(reader, length)?.unwrap_or_default();
    // Three letters of format and a colon come first.
    if bytes.get(3) != Some(&b':') {
        return Err(malformed("a verbatim string without its format".to_owned()));
    }
    bytes.drain(..4);
    Ok(bytes)
}

/// `None` is RESP2's null string.
fn bulk(reader: &mut impl BufRead, length: &[u8]) -> Result<Option<Vec<u8>>, ReplyError> {
    let Some(length) = read_length(length, MAX_BULK_BYTES)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    // Memory is taken as bytes arrive, not as the length claims.
    reader.by_ref().take(length as u64 + 2).read_to_end(&mut bytes)?;
    if bytes.len() < length + 2 {
        return Err(cut_short());
    }
    if !bytes.ends_with(b"\r\n") {
        return Err(malformed("a string longer than its length".to_owned()));
    }
    bytes.truncate(length);
    Ok(Some(bytes))
}

fn read_line(reader: &mut impl BufRead) -> Result<Vec<u8>, ReplyError> {
    let mut line = Vec::new();
    reader.by_ref().take(MAX_LINE_BYTES as u64).read_until(b'\n', &mut line)?;
    if !line.ends_with(b"\n") {
        return Err(if line.len() == MAX_LINE_BYTES {
            malformed(format!("a line longer than {MAX_LINE_BYTES} bytes"))
        } else {
            cut_short()
        });
    }
    line.pop();
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(line)
}

/// `None` is a length of -1.
fn read_length(text: &[u8], max: usize) -> Result<Option<usize>, ReplyError> {
    let length: i64 = number(text)?;
    if length == -1 {
        return Ok(None);
    }
    match usize::try_from(length) {
        Ok(length) if length <= max => Ok(Some(length)),
        _ => Err(malformed(format!("a length of {length}"))),
    }
}

fn number(text: &[u8]) -> Result<i64, ReplyError> {
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| malformed(format!("{} where a number was expected", shown(text))))
}

fn cut_short() -> ReplyError {
    ReplyError::Connection(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection"))
}

fn malformed(what: String) -> ReplyError {
    ReplyError::Malformed(what)
}

fn shown(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(40)];
    format!("'{}'", start.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Value, ReplyError> {
        read_reply(&mut &bytes[..])
    }

    fn bulk_of(text: &str) -> Value {
        Value::Bulk(text.into())
    }

    #[test]
    fn a_request_is_an_array_of_bulk_strings() {
        let mut out = Vec::new();
        write_request(&[&b"incrby"[..], b"a\r\nb", b""], &mut out);
        assert_eq!(out, b"*3\r\n$6\r\nincrby\r\n$4\r\na\r\nb\r\n$0\r\n\r\n");
    }

    #[test]
    fn every_type_of_resp2_and_resp3_is_read() {
        let cases: Vec<(&[u8], Value)> = vec![
            (b"+OK\r\n", Value::Status(b"OK".into())),
            (b"-ERR no\r\n", Value::Error(b"ERR no".into())),
            (b":-7\r\n", Value::Integer(-7)),
            (b"$4\r\na\r\nb\r\n", bulk_of("a\r\nb")),
            (b"$0\r\n\r\n", bulk_of("")),
            (b"$-1\r\n", Value::Null),
            (b"*-1\r\n", Value::Null),
            (b"_\r\n", Value::Null),
            (b"#t\r\n", Value::Boolean(true)),
            (b",-0.10\r\n", Value::Double("-0.10".into())),
            (b"(123456789012345678901\r\n", Value::BigNumber("123456789012345678901".into())),
            (b"!5\r\nERR x\r\n", Value::Error(b"ERR x".into())),
            (b"=6\r\ntxt:hi\r\n", Value::Verbatim(b"hi".into())),
            (b"*2\r\n:1\r\n*0\r\n", Value::Array(vec![Value::Integer(1), Value::Array(vec![])])),
            (b"~1\r\n*1\r\n$-1\r\n", Value::Set(vec![Value::Array(vec![Value::Null])])),
            (b">1\r\n+hi\r\n", Value::Push(vec![Value::Status(b"hi".into())])),
            (
                b"%2\r\n$1\r\nb\r\n:1\r\n$1\r\na\r\n:2\r\n",
                Value::Map(vec![(bulk_of("b"), Value::Integer(1)), (bulk_of("a"), Value::Integer(2))]),
            ),
            (b"|1\r\n+ttl\r\n:3\r\n+OK\r\n", Value::Status(b"OK".into())),
        ];
        for (bytes, expected) in cases {
            let shown = bytes.escape_ascii().to_string();
            assert_eq!(read(bytes).expect(&shown), expected, "{shown}");
        }
    }

    #[test]
    fn replies_are_read_one_after_another() {
        let mut input = &b"+one\r\n$3\r\ntwo\r\n"[..];
        assert_eq!(read_reply(&mut input).expect("a reply"), Value::Status(b"one".into()));
        assert_eq!(read_reply(&mut input).expect("a reply"), bulk_of("two"));
        assert!(matches!(
            read_reply(&mut input),
            Err(ReplyError::Connection(error)) if error.kind() == io::ErrorKind::UnexpectedEof
        ));
    }

    #[test]
    fn what_is_not_resp_is_refused_with_what_was_seen() {
        let deep = b"*1\r\n".repeat(100_000);
        for (bytes, word) in [
            (&b"HTTP/1.1 400 Bad Request\r\n"[..], "'H'"),
            (b"\r\n", "empty line"),
            (b":1x\r\n", "'1x'"),
            (b"$2\r\nabc\r\n", "longer than its length"),
            (b"$-2\r\n", "length of -2"),
            (b"$99999999999\r\n", "length of 99999999999"),
            (b"#x\r\n", "boolean 'x'"),
            (b"=2\r\nhi\r\n", "format"),
            (&deep, "nested deeper"),
        ] {
            let error = read(bytes).expect_err("refused");
            assert!(matches!(error, ReplyError::Malformed(_)), "{error}");
            assert!(error.to_string().contains(word), "{error}");
        }
    }

    #[test]
    fn a_reply_cut_short_is_a_closed_connection_not_a_reply() {
        for bytes in [&b"+OK"[..], b"$3\r\nab", b"*2\r\n:1\r\n", b"*9999999999\r\n", b""] {
            assert!(matches!(read(bytes), Err(ReplyError::Connection(_))));
        }
    }
}
