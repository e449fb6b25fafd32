//! The HTTP side as a part of the process: its socket, its files, and reading those again.

use std::net::SocketAddr;
use std::sync::Arc;

use super::Configuration;
use super::reloading::{Prepared, Reloadable};
use super::secrets::Credentials;
use super::serve::ServeError;
use crate::http::{self, Bound, Gate, PreparedAccess, Running, Source};

/// Settings that take effect when they are read again.
const LIVE: &[&str] = &["http.token_file", "http.tls_cert", "http.tls_key", "http.tls_ca_cert"];

/// The socket for HTTP and who is let in; nothing answers yet.
pub(super) struct HttpSide {
    bound: Bound,
    gate: Arc<Gate>,
    credentials: Credentials,
}

impl HttpSide {
    /// Listens, and reads the files; none where the configuration says so. To be called once the port for clients is known.
    ///
    /// # Errors
    /// [`ServeError::Http`], or [`ServeError::Door`] where there is no such credential.
    pub(super) fn bind(all: &Configuration, credentials: &Credentials) -> Result<Option<Self>, ServeError> {
        let config = resolved(&all.http, credentials).map_err(ServeError::Door)?;
        let Some(bound) = Bound::bind(&config, all.resp.port)? else { return Ok(None) };
        let gate = Arc::new(Gate::new(PreparedAccess::read(&config)?, all.resp.plaintext));
        Ok(Some(Self { bound, gate, credentials: credentials.clone() }))
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.bound.address()
    }

    /// What is read again with the configuration.
    pub(super) fn reloadable(&self) -> Box<dyn Reloadable> {
        let (gate, credentials) = (Arc::clone(&self.gate), self.credentials.clone());
        Box::new(Access { gate, credentials, address: self.address() })
    }

    /// Answers from now on.
    ///
    /// # Errors
    /// [`ServeError::Http`].
    pub(super) fn serve(self, source: Arc<Source>) -> Result<Running, ServeError> {
        Ok(self.bound.serve(source, self.gate)?)
    }
}

/// `[http]` with the paths that are meant.
pub(super) fn resolved(given: &http::Config, credentials: &Credentials) -> Result<http::Config, String> {
    let mut config = given.clone();
    for (key, path) in config.files_mut() {
        *path = credentials.resolve(path).map_err(|error| format!("[http] {key}: {error}"))?;
    }
    Ok(config)
}

/// Who is let in, for whoever reads all files again at once.
struct Access {
    gate: Arc<Gate>,
    credentials: Credentials,
    /// Another takes effect with the next start, so this is the one to be guarded.
    address: SocketAddr,
}

impl Reloadable for Access {
    fn what(&self) -> &'static str {
        "the token and the certificate for HTTP"
    }

    fn settings(&self) -> &'static [&'static str] {
        LIVE
    }

    fn prepare(&self, configuration: &Configuration) -> Result<Prepared, String> {
        let mut config = resolved(&configuration.http, &self.credentials)?;
        config.listen = Some(self.address.to_string());
        config.check().map_err(|error| error.to_string())?;
        if config.tls_cert.is_some() != self.gate.has_tls() {
            let (is, would) = if self.gate.has_tls() { ("with", "without") } else { ("without", "with") };
            return Err(format!("[http] tls_cert: HTTP was started {is} TLS, and only a restart has it go on {would}"));
        }
        let (gate, prepared) =
            (Arc::clone(&self.gate), PreparedAccess::read(&config).map_err(|error| error.to_string())?);
        let has_certificate = config.tls_cert.is_some();
        Ok(Box::new(move || {
            gate.replace(prepared);
            has_certificate.then(|| "whoever connects over HTTP is shown the certificate as it is now".to_owned())
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(address: &str) -> Access {
        let open = PreparedAccess::read(&http::Config::default()).expect("no files");
        let address = address.parse().expect("an address");
        Access { gate: Arc::new(Gate::new(open, true)), credentials: Credentials::default(), address }
    }

    #[test]
    fn what_is_open_to_other_machines_stays_guarded_whatever_is_read_again() {
        let configuration = Configuration::default();
        assert!(access("127.0.0.1:80").prepare(&configuration).is_ok());
        let refused = access("10.0.0.1:80").prepare(&configuration).map(drop).expect_err("no token any more");
        assert!(refused.contains("[http] listen = \"10.0.0.1:80\""), "{refused}");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let mut configuration = Configuration::default();
        configuration.http.token_file = Some("/no/such/file".into());
        let refused = access("127.0.0.1:80").prepare(&configuration).map(drop).expect_err("no such file");
        assert!(refused.contains("token_file = /no/such/file"), "{refused}");
        configuration.http.token_file = Some("credential:token".into());
        let refused = access("127.0.0.1:80").prepare(&configuration).map(drop).expect_err("no credentials");
        assert!(refused.contains("[http] token_file") && refused.contains("LoadCredential"), "{refused}");
    }
}
