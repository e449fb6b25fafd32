//! Who may ask: a token, a certificate, or whoever is on this machine.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HOST, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parking_lot::RwLock;
use rustls::ServerConfig;

use super::answers::refusal;
use super::{Config, HttpError, Source, tls};
use crate::command::{Access, PasswordHash};

/// No token is longer; a file that is, is another one.
const MAX_TOKEN_BYTES: u64 = 4096;

/// What was read of the files, and is right as a whole.
#[derive(Debug)]
pub struct PreparedAccess {
    token: Option<PasswordHash>,
    tls: Option<Arc<ServerConfig>>,
    shows_certificates: bool,
}

impl PreparedAccess {
    /// Reads the files of the configuration, whose paths are those that are meant.
    ///
    /// # Errors
    /// [`HttpError::File`] names the setting and the file, and nothing of what is in it.
    pub fn read(config: &Config) -> Result<Self, HttpError> {
        let token = config.token_file.as_deref().map(read_token).transpose()?;
        Ok(Self { token, tls: tls::read(config)?, shows_certificates: config.tls_ca_cert.is_some() })
    }
}

fn read_token(path: &Path) -> Result<PasswordHash, HttpError> {
    let told = |reason: String| HttpError::File { key: "token_file", path: path.to_owned(), reason };
    let cannot = |error: io::Error| told(format!("it cannot be read: {error}"));
    if fs::metadata(path).map_err(cannot)?.len() > MAX_TOKEN_BYTES {
        return Err(told(format!("it has more than {MAX_TOKEN_BYTES} bytes")));
    }
    let bytes = fs::read(path).map_err(cannot)?;
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    match line.strip_suffix(b"\r").unwrap_or(line) {
        b"" => Err(told("its first line is empty".to_owned())),
        token => Ok(PasswordHash::of(token)),
    }
}

/// Who may ask, while the server runs.
#[derive(Debug)]
pub struct Gate {
    current: RwLock<Arc<PreparedAccess>>,
    serves_plain_clients: bool,
}

impl Gate {
    /// As it was read; and whether clients of RESP are served who neither speak TLS nor show a certificate.
    pub fn new(prepared: PreparedAccess, serves_plain_clients: bool) -> Self {
        Self { current: RwLock::new(Arc::new(prepared)), serves_plain_clients }
    }

    /// Has this hold from now on. Whether there is TLS stays as it was; connections that stand go on.
    pub fn replace(&self, prepared: PreparedAccess) {
        *self.current.write() = Arc::new(prepared);
    }

    /// How to come to terms with a new connection; none where there is no TLS.
    pub(super) fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.current.read().tls.clone()
    }

    /// Whether whoever reaches the address may ask.
    fn is_unguarded(&self) -> bool {
        let current = self.current.read();
        current.token.is_none() && !current.shows_certificates
    }

    /// Whether whoever reaches the port for clients may read every counter, so that nothing is kept from anybody here.
    fn counters_are_open(&self, access: &Access) -> bool {
        self.serves_plain_clients && access.lets_everyone_read()
    }

    fn admits(&self, headers: &HeaderMap) -> Admission {
        let current = Arc::clone(&self.current.read());
        match &current.token {
            Some(token) => match said(headers) {
                Some(said) if PasswordHash::of(&said).is_same(token) => Admission::Granted,
                _ => Admission::NoToken,
            },
            // A page of another site that has its name point here would otherwise read all of this with the browser of
            // whoever visits it.
            None if !current.shows_certificates && !is_of_this_machine(headers) => Admission::OtherName,
            None => Admission::Granted,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Admission {
    Granted,
    NoToken,
    OtherName,
}

/// What was said as the token: as a bearer, or as the password of any user.
fn said(headers: &HeaderMap) -> Option<Vec<u8>> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let after = |scheme: &str| {
        let (word, rest) = value.split_at_checked(scheme.len())?;
        word.eq_ignore_ascii_case(scheme.as_bytes()).then(|| rest.trim_ascii())
    };
    if let Some(token) = after("bearer ") {
        return Some(token.to_vec());
    }
    let pair = STANDARD.decode(after("basic ")?).ok()?;
    let at = pair.iter().position(|byte| *byte == b':')?;
    Some(pair[at + 1..].to_vec())
}

/// Whether the name by which this was asked is an address, or that of the machine itself.
fn is_of_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST) else { return true };
    let Ok(host) = host.to_str() else { return false };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

/// The page itself, which has nothing of this node in it: it asks for the token.
fn is_page(path: &str) -> bool {
    path == "/" || path.starts_with("/page/")
}

/// What tells of counters: those who may not read all of them as clients do not get them here without a token.
fn tells_of_counters(path: &str) -> bool {
    path.starts_with("/api/")
}

/// Lets requests pass that may, and answers the others.
pub(super) async fn guard(
    State((gate, source)): State<(Arc<Gate>, Arc<Source>)>,
    request: Request,
    next: Next,
) -> Response<Body> {
    let is_open = gate.counters_are_open(&source.environment().settings.access);
    match gate.admits(request.headers()) {
        Admission::Granted if !is_open && gate.is_unguarded() && tells_of_counters(request.uri().path()) => refusal(
            StatusCode::FORBIDDEN,
            "token_needed",
            "not everybody may read all counters of this node, so they are only told over HTTP to who has a token: set [http] \
             token_file",
        ),
        Admission::NoToken if is_page(request.uri().path()) => next.run(request).await,
        Admission::Granted => next.run(request).await,
        Admission::NoToken => {
            let mut response = refusal(
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "the token is missing or wrong; it goes into a header: Authorization: Bearer TOKEN",
            );
            // Not "Basic", though that is taken: browsers would ask before the page can.
            let asked = HeaderValue::from_static("Bearer realm=\"discnt\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, asked);
            response
        }
        Admission::OtherName => refusal(
            StatusCode::FORBIDDEN,
            "unknown_host",
            "without a token only requests to an IP address or localhost are answered; see [http] token_file",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                let name = axum::http::HeaderName::from_static(name);
                (name, HeaderValue::from_str(value).expect("a value"))
            })
            .collect()
    }

    fn gate(token: Option<&[u8]>) -> Gate {
        let prepared = PreparedAccess { token: token.map(PasswordHash::of), tls: None, shows_certificates: false };
        Gate::new(prepared, true)
    }

    #[test]
    fn a_token_is_taken_as_bearer_or_as_password_and_any_other_is_not() {
        let gate = gate(Some(b"s3cret"));
        let basic = format!("Basic {}", STANDARD.encode("anybody:s3cret"));
        for right in ["Bearer s3cret", "bearer  s3cret", &basic] {
            assert_eq!(gate.admits(&headers(&[("authorization", right)])), Admission::Granted, "{right}");
        }
        let (short, none) = (format!("Basic {}", STANDARD.encode("s3cret")), "Basic %%%".to_owned());
        for wrong in ["Bearer s3cre", "Bearer", "s3cret", "Bearer s3cretx", &short, &none] {
            assert_eq!(gate.admits(&headers(&[("authorization", wrong)])), Admission::NoToken, "{wrong}");
        }
        assert_eq!(gate.admits(&headers(&[("host", "localhost")])), Admission::NoToken);
    }

    #[test]
    fn without_a_token_only_names_of_this_machine_are_answered() {
        let gate = gate(None);
        for name in ["127.0.0.1:15262", "localhost", "LocalHost:1", "[::1]:15262", "10.0.0.1"] {
            assert_eq!(gate.admits(&headers(&[("host", name)])), Admission::Granted, "{name}");
        }
        for name in ["evil.example:15262", "127.0.0.1.evil.example", "localhost.evil.example:80", ""] {
            assert_eq!(gate.admits(&headers(&[("host", name)])), Admission::OtherName, "{name}");
        }
    }

    #[test]
    fn a_token_is_the_first_line_of_its_file() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), "s3cret\r\nmore").expect("written");
        assert_eq!(read_token(file.path()).expect("a token"), PasswordHash::of(b"s3cret"));
        fs::write(file.path(), "\n").expect("written");
        let refused = read_token(file.path()).expect_err("empty").to_string();
        assert!(refused.contains("token_file") && refused.contains("first line is empty"), "{refused}");
    }
}
