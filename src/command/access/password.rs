//! Passwords as they are kept: hashed with SHA-256, as Redis keeps them, so that hashes can be moved from there and back.

use ring::digest::{SHA256, digest};
use std::fmt;

/// The SHA-256 of a password. Nothing shows it but what has to: ACL LIST, ACL GETUSER and ACL SAVE.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PasswordHash([u8; 32]);

impl PasswordHash {
    /// The hash of a password.
    pub fn of(password: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, password).as_ref());
        Self(bytes)
    }

    /// Reads 64 lower-case hexadecimal digits.
    pub fn from_hex(text: &[u8]) -> Option<Self> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        if text.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(bytes))
    }

    /// 64 lower-case hexadecimal digits.
    pub fn to_hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Compares in a time that depends on neither hash.
    pub fn is_same(&self, other: &Self) -> bool {
        let difference = self.0.iter().zip(other.0).fold(0, |sum, (a, b)| sum | std::hint::black_box(a ^ b));
        difference == 0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_hashed_as_others_do_and_never_shown() {
        let hex = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8";
        let hash = PasswordHash::of(b"password");
        assert_eq!(hash.to_hex(), hex);
        assert_eq!(PasswordHash::from_hex(hex.as_bytes()), Some(hash));
        assert!(hash.is_same(&hash) && !hash.is_same(&PasswordHash::of(b"passwore")));
        assert_eq!(format!("{hash:?}"), "***");
        for bad in [&hex[1..], &hex.to_uppercase(), &format!("{hex}0"), &hex.replace('5', "g"), ""] {
            assert_eq!(PasswordHash::from_hex(bad.as_bytes()), None, "{bad}");
        }
    }
}
