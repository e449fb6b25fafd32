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
    fn a_percent_sign_without_digits_is_refused() {
        for text in ["%", "a%4", "%zz", "%+1"] {
            assert_eq!(decoded(text), None, "{text}");
        }
        assert_eq!(decoded("a%2fb"), Some(b"a/b".to_vec()));
    }
}
