//! Names in paths: any bytes, with `%` before what has a meaning of its own there.

use std::fmt::Write;

/// As it stands in a path.
pub(super) fn encoded(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => text.push(char::from(*byte)),
            // Writing to a string cannot fail.
            byte => drop(write!(text, "%{byte:02X}")),
        }
    }
    text
}

/// What stands in a path; none where a `%` has no two hexadecimal digits behind it.
pub(super) fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut rest = text.as_bytes();
    let mut bytes = Vec::with_capacity(rest.len());
    while let Some((first, behind)) = rest.split_first() {
        if *first != b'%' {
            bytes.push(*first);
            rest = behind;
            continue;
        }
        let (digits, behind) = behind.split_at_checked(2)?;
        let digit = |at: usize| char::from(digits[at]).to_digit(16);
        bytes.push(u8::try_from(digit(0)? * 16 + digit(1)?).ok()?);
        rest = behind;
    }
    Some(bytes)
}

/// The value of a parameter of a query, which may be any bytes; none where there is no such parameter or it is not encoded well.
pub(super) fn parameter(query: &str, name: &str) -> Option<Vec<u8>> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let mut values = pairs.filter(|(key, _)| decoded(key).as_deref() == Some(name.as_bytes()));
    decoded(&values.next()?.1.replace('+', " "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded_to_the_same(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let text = encoded(&bytes);
            prop_assert!(text.is_ascii() && !text.contains(['/', '?', '#', ' ']));
            prop_assert_eq!(decoded(&text), Some(bytes));
        }
    }

    #[test]
    fn a_parameter_may_be_any_bytes() {
        let query = "a=1&counter=a+b%2B%FF&b=&%63=d";
        assert_eq!(parameter(query, "counter"), Some(b"a b+\xff".to_vec()));
        assert_eq!((parameter(query, "b"), parameter(query, "c")), (Some(Vec::new()), Some(b"d".to_vec())));
        assert_eq!((parameter(query, "count"), parameter("a=%", "a")), (None, None));
    }

    #[test]
    fn a_percent_sign_without_digits_is_refused() {
        for text in ["%", "a%4", "%zz", "%+1"] {
            assert_eq!(decoded(text), None, "{text}");
        }
        assert_eq!(decoded("a%2fb"), Some(b"a/b".to_vec()));
    }
}
