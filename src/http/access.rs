//! What guards the way in, as it was last read of files: a token, certificates, or nothing but the machine's own border.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::sync::watch;

use super::{Config, HttpError, tls};
use crate::command::{Access, PasswordHash};

/// No token is longer; a file that is, is another one.
const MAX_TOKEN_BYTES: u64 = 4096;
/// A shorter one can be guessed, however slowly.
const SAFE_TOKEN_BYTES: usize = 16;

/// What was read of the files, and is right as a whole.
#[derive(Debug)]
pub struct PreparedAccess {
    token: Option<PasswordHash>,
    is_token_short: bool,
    tls: Option<Arc<ServerConfig>>,
    /// The file of the authorities of whoever asks, where certificates are asked for.
    authorities: Option<Vec<u8>>,
}

impl PreparedAccess {
    /// Reads the files of the configuration, whose paths are those that are meant.
    ///
    /// # Errors
    /// [`HttpError::File`] names the setting and the file, and nothing of what is in it.
    pub fn read(config: &Config) -> Result<Self, HttpError> {
        let token = config.token_file.as_deref().map(read_token).transpose()?;
        let authorities = config.tls_ca_cert.as_deref().map(|path| {
            fs::read(path).map_err(|error| HttpError::File {
                key: "tls_ca_cert",
                path: path.to_owned(),
                reason: format!("it cannot be read: {error}"),
            })
        });
        Ok(Self {
            token: token.as_deref().map(PasswordHash::of),
            is_token_short: token.is_some_and(|token| token.len() < SAFE_TOKEN_BYTES),
            tls: tls::read(config)?,
            authorities: authorities.transpose()?,
        })
    }

    /// How to come to terms with a new connection; none where there is no TLS.
    pub(super) fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.tls.clone()
    }
}

/// The first line of the file, without blanks around it: a header cannot say those.
fn read_token(path: &Path) -> Result<Vec<u8>, HttpError> {
    let told = |reason: String| HttpError::File { key: "token_file", path: path.to_owned(), reason };
    let cannot = |error: io::Error| told(format!("it cannot be read: {error}"));
    if fs::metadata(path).map_err(cannot)?.len() > MAX_TOKEN_BYTES {
        return Err(told(format!("it has more than {MAX_TOKEN_BYTES} bytes")));
    }
    let bytes = fs::read(path).map_err(cannot)?;
    match bytes.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii() {
        b"" => Err(told("its first line is empty".to_owned())),
        token => Ok(token.to_vec()),
    }
}

/// By what those are known who may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// They say this token.
    Token(PasswordHash),
    /// They have shown a certificate.
    Certificates,
    /// They reach the address.
    Open,
}

/// Who may ask, while the server runs.
#[derive(Debug)]
pub struct Gate {
    current: watch::Sender<Arc<PreparedAccess>>,
    serves_plain_clients: bool,
}

impl Gate {
    /// As it was read; and whether clients of RESP are served who neither speak TLS nor show a certificate.
    pub fn new(prepared: PreparedAccess, serves_plain_clients: bool) -> Self {
        warn_of_token(&prepared);
        Self { current: watch::Sender::new(Arc::new(prepared)), serves_plain_clients }
    }

    /// Has this hold from now on. Connections go on, but for those whose certificate other authorities have signed.
    pub fn replace(&self, prepared: PreparedAccess) {
        warn_of_token(&prepared);
        self.current.send_replace(Arc::new(prepared));
    }

    /// Whether there is TLS and nothing else.
    pub fn has_tls(&self) -> bool {
        self.current.borrow().tls.is_some()
    }

    /// As it holds for a connection that begins.
    pub(super) fn current(&self) -> Arc<PreparedAccess> {
        Arc::clone(&self.current.borrow())
    }

    /// Waits until a connection that began under this could not begin with the same certificate, perhaps.
    pub(super) async fn until_other_authorities(&self, then: &PreparedAccess) {
        let mut changes = self.current.subscribe();
        // The sender is this.
        let _ = changes.wait_for(|now| now.authorities != then.authorities).await;
    }

    pub(super) fn standing(&self) -> Standing {
        let current = self.current.borrow();
        match (current.token, &current.authorities) {
            (Some(token), _) => Standing::Token(token),
            (None, Some(_)) => Standing::Certificates,
            (None, None) => Standing::Open,
        }
    }

    /// Whether whoever reaches the port for clients may read every counter, so that nothing is kept from anybody here.
    pub(super) fn counters_are_open(&self, access: &Access) -> bool {
        self.serves_plain_clients && access.lets_everyone_read()
    }
}

fn warn_of_token(prepared: &PreparedAccess) {
    if prepared.is_token_short {
        tracing::warn!("the token for HTTP has less than {SAFE_TOKEN_BYTES} bytes, and can be guessed in time");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_the_first_line_of_its_file_without_blanks_around_it() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        for text in ["s3cret\r\nmore", " s3cret \n", "s3cret"] {
            fs::write(file.path(), text).expect("written");
            assert_eq!(read_token(file.path()).expect("a token"), b"s3cret");
        }
        for empty in ["\n", " \n s3cret"] {
            fs::write(file.path(), empty).expect("written");
            let refused = read_token(file.path()).expect_err("empty").to_string();
            assert!(refused.contains("token_file") && refused.contains("first line is empty"), "{refused}");
        }
    }

    #[tokio::test]
    async fn connections_under_other_authorities_are_told_and_no_others() {
        let of = |authorities: &[u8]| PreparedAccess {
            token: None,
            is_token_short: false,
            tls: None,
            authorities: Some(authorities.to_vec()),
        };
        let gate = Gate::new(of(b"first"), true);
        let then = gate.current();
        let waits = gate.until_other_authorities(&then);
        tokio::pin!(waits);
        gate.replace(of(b"first"));
        let now = std::future::ready(());
        tokio::select! { biased; () = &mut waits => panic!("the same"), () = now => {} }
        gate.replace(of(b"second"));
        waits.await;
    }
}
