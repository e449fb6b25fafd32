//! The names in requests that have arrived and are yet to be decoded.
//!
//! For hints alone: it knows the one form in which libraries send requests, stops at whatever is no such request or has not wholly
//! arrived, and refuses nothing. It must never allocate, nor look far ahead.

/// Longer arguments and requests of more are no ordinary ones.
const MAX_DIGITS: usize = 4;
const MAX_ARGUMENTS: usize = 8;

/// The first argument after the command's name of each request at the front of `buffer`.
pub fn names(buffer: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = buffer;
    std::iter::from_fn(move || {
        let (name, after) = request(rest)?;
        rest = after;
        Some(name)
    })
}

/// The name in the request at the front, and what is behind that request. A request without a name has an empty one.
#[inline]
fn request(buffer: &[u8]) -> Option<(&[u8], &[u8])> {
    let (arguments, mut rest) = number(buffer, b'*')?;
    if !(1..=MAX_ARGUMENTS).contains(&arguments) {
        return None;
    }
    let mut name: &[u8] = &[];
    for at in 0..arguments {
        let (length, text) = number(rest, b'$')?;
        let argument = text.get(..length)?;
        rest = text.get(length + 2..)?;
        if at == 1 {
            name = argument;
        }
    }
    Some((name, rest))
}

/// A number behind its sign and before CR and LF, and what is behind these.
#[inline]
fn number(buffer: &[u8], sign: u8) -> Option<(usize, &[u8])> {
    let (first, digits) = buffer.split_first()?;
    if *first != sign {
        return None;
    }
    let mut number = 0;
    for (at, byte) in digits.iter().take(MAX_DIGITS + 1).enumerate() {
        match byte {
            b'0'..=b'9' => number = number * 10 + usize::from(byte - b'0'),
            b'\r' if at > 0 => return Some((number, digits.get(at + 2..)?)),
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(buffer: &[u8]) -> Vec<&[u8]> {
        names(buffer).collect()
    }

    #[test]
    fn each_whole_request_has_its_name_told() {
        let requests = b"*2\r\n$4\r\nINCR\r\n$1\r\na\r\n*1\r\n$4\r\nPING\r\n*3\r\n$3\r\nSET\r\n$2\r\nbc\r\n$1\r\n7\r\n";
        assert_eq!(found(requests), [b"a".as_slice(), b"", b"bc"]);
        assert_eq!(found(&requests[..requests.len() - 1]), [b"a".as_slice(), b""], "the last is cut short");
    }

    #[test]
    fn what_is_no_ordinary_request_ends_the_names() {
        for odd in [
            "INCR a\r\n",
            "*x\r\n",
            "*\r\n",
            "*-1\r\n",
            "*99999999\r\n$",
            "*0\r\n",
            "*2\r\n$99999\r\n",
            "$1\r\na\r\n",
            "*2\n",
        ] {
            let requests = ["*2\r\n$3\r\nGET\r\n$1\r\na\r\n", odd, "*2\r\n$3\r\nGET\r\n$1\r\nb\r\n"].concat();
            assert_eq!(found(requests.as_bytes()), [b"a"], "{odd:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at_without_harm(bytes in proptest::collection::vec(prop_oneof![
            Just(b'*'), Just(b'$'), Just(b'\r'), Just(b'\n'), b'0'..=b'9', any::<u8>()
        ], 0..200)) {
            let length: usize = names(&bytes).map(<[u8]>::len).sum();
            prop_assert!(length <= bytes.len());
        }
    }
}
