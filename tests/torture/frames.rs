//! Where one reply ends and the next begins, under RESP2 and RESP3.

/// So deep do no replies of a server nest.
const MAX_DEPTH: usize = 8;

/// The length of the reply at the front; none while it has not wholly arrived.
///
/// # Errors
/// What is there is no reply.
pub(crate) fn frame_length(bytes: &[u8]) -> Result<Option<usize>, String> {
    Ok(end_of(bytes, 0, 0)?.filter(|end| *end <= bytes.len()))
}

/// The parts of a list whose parts are plain strings or numbers; none for anything else.
pub(crate) fn words(frame: &[u8]) -> Option<Vec<&[u8]>> {
    let (mark, count, mut at) = header(frame, 0).ok()??;
    if !matches!(mark, b'*' | b'>') {
        return None;
    }
    let mut words = Vec::new();
    for _ in 0..count {
        let end = end_of(frame, at, 0).ok()??;
        let part = frame.get(at..end)?;
        let text = part.iter().position(|byte| *byte == b'\n')? + 1;
        match part.first()? {
            b'$' if text < part.len() => words.push(&part[text..part.len() - 2]),
            b':' | b'+' => words.push(&part[1..text - 2]),
            _ => return None,
        }
        at = end;
    }
    Some(words)
}

/// Where the reply that begins at `at` ends; perhaps beyond what has arrived.
fn end_of(bytes: &[u8], at: usize, depth: usize) -> Result<Option<usize>, String> {
    if depth > MAX_DEPTH {
        return Err("a reply that nests too deep".to_owned());
    }
    let Some((mark, number, mut end)) = header(bytes, at)? else { return Ok(None) };
    let parts = match mark {
        b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => 0,
        b'$' | b'=' if number < 0 => 0,
        b'$' | b'=' => {
            let after = end + usize::try_from(number).unwrap_or(0);
            return match bytes.get(after..after + 2) {
                Some(b"\r\n") => Ok(Some(after + 2)),
                Some(other) => Err(format!("a text is followed by {other:?}")),
                None => Ok(None),
            };
        }
        b'*' | b'~' | b'>' => number.max(0),
        b'%' => 2 * number.max(0),
        other => return Err(format!("{:?} begins no reply", char::from(other))),
    };
    for _ in 0..parts {
        let Some(next) = end_of(bytes, end, depth + 1)? else { return Ok(None) };
        end = next;
    }
    Ok(Some(end))
}

/// The mark of a reply, the number behind it (0 where there is none) and the place behind its line.
fn header(bytes: &[u8], at: usize) -> Result<Option<(u8, i64, usize)>, String> {
    let Some(rest) = bytes.get(at..) else { return Ok(None) };
    let Some(line) = rest.windows(2).position(|pair| pair == b"\r\n") else { return Ok(None) };
    let mark = *rest.first().ok_or("an empty line")?;
    let text = &rest[1.min(line)..line];
    if !matches!(mark, b'$' | b'=' | b'*' | b'~' | b'>' | b'%') {
        return Ok(Some((mark, 0, at + line + 2)));
    }
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    let number = number.ok_or_else(|| format!("{:?} is no length", String::from_utf8_lossy(text)))?;
    Ok(Some((mark, number, at + line + 2)))
}

#[test]
fn replies_are_told_apart_however_much_has_arrived() {
    let replies: &[&[u8]] = &[
        b"+OK\r\n",
        b":-12\r\n",
        b"$3\r\na\r\n\r\n",
        b"$-1\r\n",
        b"*-1\r\n",
        b"*2\r\n*1\r\n:1\r\n$0\r\n\r\n",
        b">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\n5\r\n",
        b"%1\r\n+a\r\n_\r\n",
        b"=7\r\ntxt:abc\r\n",
        b",1.5\r\n",
    ];
    for reply in replies {
        for length in 0..reply.len() {
            assert_eq!(frame_length(&reply[..length]), Ok(None), "{}", String::from_utf8_lossy(&reply[..length]));
        }
        assert_eq!(frame_length(&[reply, &b"+next"[..]].concat()), Ok(Some(reply.len())));
    }
    for nothing in [&b"OK\r\n"[..], b"$x\r\n", b"$1\r\nabc", b"\r\n"] {
        assert!(frame_length(nothing).is_err(), "{}", String::from_utf8_lossy(nothing));
    }
    assert_eq!(words(replies[6]), Some(vec![&b"message"[..], b"a", b"5"]));
    assert_eq!(words(replies[5]), None);
}
