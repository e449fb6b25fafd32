//! Replies as bytes.

use super::{Protocol, Reply};
use crate::base::Amount;

/// Appends the bytes of a reply as this version of the protocol writes them.
///
/// Linear in the size of the reply; allocates only by growing `out`. Recursion is as deep as the reply is nested,
/// which commands decide and clients do not.
pub fn encode(reply: &Reply, protocol: Protocol, out: &mut Vec<u8>) {
    let resp3 = protocol == Protocol::Resp3;
    match reply {
        Reply::Simple(text) => line(b'+', text.as_bytes(), out),
        Reply::Error(error) => line(b'-', error.as_str().as_bytes(), out),
        Reply::Integer(value) => header(b':', *value, out),
        Reply::Amount(amount) => encode_amount(*amount, out),
        Reply::Bulk(bytes) => bulk(bytes, out),
        Reply::Text(text) => bulk(text.as_bytes(), out),
        Reply::Null | Reply::NullArray if resp3 => out.extend_from_slice(b"_\r\n"),
        Reply::Null => out.extend_from_slice(b"$-1\r\n"),
        Reply::NullArray => out.extend_from_slice(b"*-1\r\n"),
        Reply::Boolean(value) if resp3 => {
            out.extend_from_slice(if *value { b"#t\r\n" } else { b"#f\r\n" });
        }
        Reply::Boolean(value) => header(b':', i64::from(*value), out),
        Reply::Double(value) => encode_double(*value, resp3, out),
        Reply::Array(items) => list(b'*', items, protocol, out),
        Reply::Set(items) => list(if resp3 { b'~' } else { b'*' }, items, protocol, out),
        Reply::Push(items) => list(if resp3 { b'>' } else { b'*' }, items, protocol, out),
        Reply::Many(replies) => {
            for reply in replies {
                encode(reply, protocol, out);
            }
        }
        Reply::Map(pairs) => {
            if resp3 {
                header(b'%', length(pairs.len()), out);
            } else {
                header(b'*', length(pairs.len() * 2), out);
            }
            for (key, value) in pairs {
                encode(key, protocol, out);
                encode(value, protocol, out);
            }
        }
        Reply::Verbatim(text) if resp3 => {
            header(b'=', length(text.len() + 4), out);
            out.extend_from_slice(b"txt:");
            out.extend_from_slice(text.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        Reply::Verbatim(text) => bulk(text.as_bytes(), out),
    }
}

fn list(mark: u8, items: &[Reply], protocol: Protocol, out: &mut Vec<u8>) {
    header(mark, length(items.len()), out);
    for item in items {
        encode(item, protocol, out);
    }
}

fn line(mark: u8, text: &[u8], out: &mut Vec<u8>) {
    out.push(mark);
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}

#[inline]
fn header(mark: u8, value: i64, out: &mut Vec<u8>) {
    let mut digits = itoa::Buffer::new();
    line(mark, digits.format(value).as_bytes(), out);
}

#[inline]
fn bulk(bytes: &[u8], out: &mut Vec<u8>) {
    header(b'$', length(bytes.len()), out);
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// No collection in memory has more than `i64::MAX` elements.
fn length(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

fn encode_amount(amount: Amount, out: &mut Vec<u8>) {
    if let Some(whole) = amount.to_i64() {
        let mut digits = itoa::Buffer::new();
        bulk(digits.format(whole).as_bytes(), out);
        return;
    }
    // An amount's text has at most 39 bytes, so its length has one or two digits.
    let mark = out.len();
    out.extend_from_slice(b"$00\r\n");
    let start = out.len();
    amount.write_to(out);
    let length = (out.len() - start) as u8;
    out[mark + 1] += length / 10;
    out[mark + 2] += length % 10;
    if length < 10 {
        out.remove(mark + 1);
    }
    out.extend_from_slice(b"\r\n");
}

fn encode_double(value: f64, resp3: bool, out: &mut Vec<u8>) {
    let text = if value.is_nan() { "nan".to_owned() } else { value.to_string() };
    if resp3 {
        line(b',', text.as_bytes(), out);
    } else {
        bulk(text.as_bytes(), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::ErrorReply;
    use proptest::prelude::*;

    fn both(reply: &Reply) -> (String, String) {
        let text = |protocol| {
            let mut out = Vec::new();
            encode(reply, protocol, &mut out);
            String::from_utf8(out).expect("the test's replies are text")
        };
        (text(Protocol::Resp2), text(Protocol::Resp3))
    }

    fn amount(text: &str) -> Reply {
        Reply::Amount(text.parse().expect("an amount"))
    }

    #[test]
    fn types_that_both_versions_have_look_alike() {
        for (reply, bytes) in [
            (Reply::Simple("OK"), "+OK\r\n"),
            (Reply::Error(ErrorReply::new("ERR no")), "-ERR no\r\n"),
            (Reply::Integer(-7), ":-7\r\n"),
            (Reply::Integer(i64::MIN), ":-9223372036854775808\r\n"),
            (amount("0"), "$1\r\n0\r\n"),
            (amount("-12"), "$3\r\n-12\r\n"),
            (amount("0.1"), "$3\r\n0.1\r\n"),
            (amount("12345.678"), "$9\r\n12345.678\r\n"),
            (amount("123456.789"), "$10\r\n123456.789\r\n"),
            (amount("-99999999999999999999.99999999999999999"), "$39\r\n-99999999999999999999.99999999999999999\r\n"),
            (amount("1e20"), "$21\r\n100000000000000000000\r\n"),
            (Reply::Bulk(b"a\r\nb".to_vec()), "$4\r\na\r\nb\r\n"),
            (Reply::Bulk(Vec::new()), "$0\r\n\r\n"),
            (Reply::Text("hello"), "$5\r\nhello\r\n"),
            (Reply::Many(vec![Reply::Integer(1), Reply::Text("x")]), ":1\r\n$1\r\nx\r\n"),
            (Reply::Array(Vec::new()), "*0\r\n"),
            (
                Reply::Array(vec![Reply::Integer(1), Reply::Array(vec![Reply::Text("x")])]),
                "*2\r\n:1\r\n*1\r\n$1\r\nx\r\n",
            ),
        ] {
            assert_eq!(both(&reply), (bytes.to_owned(), bytes.to_owned()));
        }
    }

    #[test]
    fn types_of_the_third_version_have_a_stand_in_under_the_second() {
        for (reply, second, third) in [
            (Reply::Null, "$-1\r\n", "_\r\n"),
            (Reply::Boolean(true), ":1\r\n", "#t\r\n"),
            (Reply::Boolean(false), ":0\r\n", "#f\r\n"),
            (Reply::Double(1.5), "$3\r\n1.5\r\n", ",1.5\r\n"),
            (Reply::Double(f64::NEG_INFINITY), "$4\r\n-inf\r\n", ",-inf\r\n"),
            (Reply::Double(f64::NAN), "$3\r\nnan\r\n", ",nan\r\n"),
            (Reply::Map(vec![(Reply::Text("a"), Reply::Null)]), "*2\r\n$1\r\na\r\n$-1\r\n", "%1\r\n$1\r\na\r\n_\r\n"),
            (Reply::Set(vec![Reply::Boolean(true)]), "*1\r\n:1\r\n", "~1\r\n#t\r\n"),
            (Reply::Push(vec![Reply::Double(2.0)]), "*1\r\n$1\r\n2\r\n", ">1\r\n,2\r\n"),
            (Reply::Verbatim("hi\n".to_owned()), "$3\r\nhi\n\r\n", "=7\r\ntxt:hi\n\r\n"),
        ] {
            assert_eq!(both(&reply), (second.to_owned(), third.to_owned()));
        }
    }

    proptest! {
        #[test]
        fn an_amount_is_the_bulk_string_of_its_text(units in -10_i128.pow(37)..=10_i128.pow(37), shift in 0_u32..38) {
            let amount = Amount::from_units(units / 10_i128.pow(shift)).expect("within the range");
            prop_assert_eq!(
                both(&Reply::Amount(amount)),
                both(&Reply::Bulk(amount.to_string().into_bytes()))
            );
        }
    }
}
