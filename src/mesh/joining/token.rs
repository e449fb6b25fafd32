//! What an operator carries from a member to a new machine: where members are, whom to believe there, and a secret that
//! is good for few uses and a short time.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use std::fmt;

/// What every token begins with, so that it is known for one wherever it turns up.
const PREFIX: &str = "discnt1-";
const FORMAT: u8 = 1;
const CHECKSUM_BYTES: usize = 4;
/// 128 bits, which nobody guesses.
pub(in crate::mesh) const SECRET_BYTES: usize = 16;
/// The most addresses in a token.
pub(in crate::mesh) const MAX_ADDRESSES: usize = 4;
const MAX_HOST_BYTES: usize = 253;
/// Far above what a token can be.
const MAX_TOKEN_BYTES: usize = 2048;

/// A token, read.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// Where members are: host and UDP port; tried in this order.
    pub addresses: Vec<(String, u16)>,
    /// The SHA-256 of the certificate of the cluster's authority.
    pub fingerprint: [u8; 32],
    /// Until when it is good, in seconds since 1970.
    pub expires: u64,
    pub(in crate::mesh) secret: [u8; SECRET_BYTES],
}

/// Why a text is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is something else.
    #[error("this is no token: one begins with {PREFIX} and is printed by `discnt-cli cluster invite`")]
    NotOne,
    /// It was cut off, mistyped or altered.
    #[error("the token was cut off or altered: copy it again, as a whole")]
    Altered,
    /// It is of a later version.
    #[error("the token is of format {0}, which this version does not know: install the version that the cluster has")]
    Newer(u8),
}

impl fmt::Debug for Token {
    /// Says where to, and nothing of the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("addresses", &self.addresses)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

impl Token {
    /// Reads a token; blanks around it are of no matter.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let rest = text.trim().strip_prefix(PREFIX).ok_or(TokenError::NotOne)?;
        if rest.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Altered);
        }
        let bytes = URL_SAFE_NO_PAD.decode(rest).map_err(|_| TokenError::Altered)?;
        let (body, checksum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(TokenError::Altered)?;
        if *checksum != checksum_of(body) {
            return Err(TokenError::Altered);
        }
        let mut reader = Reader(body);
        match reader.take::<1>() {
            Some([FORMAT]) => {}
            Some([other]) => return Err(TokenError::Newer(other)),
            None => return Err(TokenError::Altered),
        }
        reader.token().ok_or(TokenError::Altered)
    }

    /// The text of the token.
    pub fn text(&self) -> String {
        let mut bytes = vec![FORMAT];
        bytes.extend_from_slice(&self.expires.to_be_bytes());
        bytes.extend_from_slice(&self.fingerprint);
        bytes.extend_from_slice(&self.secret);
        let addresses = &self.addresses[..self.addresses.len().min(MAX_ADDRESSES)];
        bytes.push(addresses.len() as u8);
        for (host, port) in addresses {
            let host = &host.as_bytes()[..host.len().min(MAX_HOST_BYTES)];
            bytes.push(host.len() as u8);
            bytes.extend_from_slice(host);
            bytes.extend_from_slice(&port.to_be_bytes());
        }
        bytes.extend_from_slice(&checksum_of(&bytes));
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The fingerprint as colon-separated hex, as other tools print it.
    pub fn fingerprint_text(&self) -> String {
        let pairs: Vec<String> = self.fingerprint.iter().map(|byte| format!("{byte:02X}")).collect();
        pairs.join(":")
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    /// All behind the format.
    fn token(&mut self) -> Option<Token> {
        let expires = u64::from_be_bytes(self.take()?);
        let (fingerprint, secret) = (self.take()?, self.take()?);
        let [count] = self.take()?;
        if count == 0 || usize::from(count) > MAX_ADDRESSES {
            return None;
        }
        let addresses = (0..count).map(|_| self.address()).collect::<Option<Vec<_>>>()?;
        self.0.is_empty().then_some(Token { addresses, fingerprint, expires, secret })
    }

    fn address(&mut self) -> Option<(String, u16)> {
        let [length] = self.take()?;
        let (host, rest) = self.0.split_at_checked(usize::from(length))?;
        self.0 = rest;
        let host = std::str::from_utf8(host).ok().filter(|host| !host.is_empty())?;
        Some((host.to_owned(), u16::from_be_bytes(self.take()?)))
    }
}

fn checksum_of(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut checksum = [0; CHECKSUM_BYTES];
    checksum.copy_from_slice(&digest(&SHA256, bytes).as_ref()[..CHECKSUM_BYTES]);
    checksum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Token {
        Token {
            addresses: vec![("node1.example.net".to_owned(), 5262), ("2001:db8::1".to_owned(), 7711)],
            fingerprint: [7; 32],
            expires: 1_800_000_000,
            secret: [9; SECRET_BYTES],
        }
    }

    #[test]
    fn a_token_reads_back_with_blanks_around_it() {
        let text = token().text();
        assert_eq!(Token::parse(&format!(" {text}\n")), Ok(token()));
        assert!(text.len() < 200, "it fits into a line or two: {}", text.len());
        assert!(!format!("{:?}", token()).contains('9'), "the secret is not shown");
    }

    #[test]
    fn a_token_of_which_any_letter_was_changed_or_lost_is_refused() {
        let text = token().text();
        for at in PREFIX.len()..text.len() {
            let mut letters: Vec<char> = text.chars().collect();
            letters[at] = if letters[at] == 'A' { 'B' } else { 'A' };
            let altered: String = letters.iter().collect();
            assert_eq!(Token::parse(&altered), Err(TokenError::Altered), "{at}");
            assert_eq!(Token::parse(&text[..at]), Err(TokenError::Altered), "{at}");
        }
        for other in ["", "hello", "discnt-", "discnt2-abc"] {
            assert_eq!(Token::parse(other), Err(TokenError::NotOne));
        }
    }

    #[test]
    fn a_token_of_a_later_format_says_so() {
        let mut body = vec![2, 1, 2, 3];
        body.extend_from_slice(&checksum_of(&body));
        let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(body));
        assert_eq!(Token::parse(&text), Err(TokenError::Newer(2)));
    }
}
