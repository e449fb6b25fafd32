//! Encrypted connections: who is trusted, and what is shown.

mod cli_support;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use cli_support::{Server, bytes};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a certificate");
        Self { issuer: Issuer::new(params, key), certificate }
    }

    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([name.to_owned()]).expect("a name");
        (params.signed_by(&key, &self.issuer).expect("a certificate"), key)
    }

    /// A server with a certificate for that name; it asks clients for one if `mutual`.
    fn server(&self, name: &str, mutual: bool) -> Server {
        let (certificate, key) = self.issue(name);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("versions");
        let builder = if mutual {
            let mut roots = RootCertStore::empty();
            roots.add(self.certificate.der().clone()).expect("a root");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
        } else {
            builder.with_no_client_auth()
        };
        let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let config = Arc::new(builder.with_single_cert(chain, key).expect("a certificate"));
        Server::start_on(
            move |tcp| {
                let session = ServerConnection::new(Arc::clone(&config)).map_err(std::io::Error::other)?;
                Ok(StreamOwned::new(session, tcp))
            },
            |request| match request.strip_prefix("ECHO ") {
                Some(text) => bytes(&format!("${}\r\n{text}\r\n", text.len())),
                None if request.starts_with("long") => bytes(&format!("$5000\r\n{}\r\n", "x".repeat(5000))),
                None => bytes("$3\r\n0.1\r\n"),
            },
        )
    }

    fn write(&self, path: &Path) -> String {
        fs::write(path, self.certificate.pem()).expect("a file");
        path.to_str().expect("UTF-8").to_owned()
    }
}

#[test]
fn a_server_of_the_trusted_authority_is_talked_to() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::new("one");
    let server = authority.server("127.0.0.1", false);
    let trusted = authority.write(&directory.path().join("ca.crt"));
    let ran = server.run(&["--tls", "--cacert", &trusted, "get", "a"], b"");
    assert_eq!((ran.code, ran.out.as_str(), ran.errors.as_str()), (0, "0.1\n", ""));
}

#[test]
fn requests_are_fed_in_while_the_server_waits_for_its_replies_to_be_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::new("one");
    let server = authority.server("127.0.0.1", false);
    let trusted = authority.write(&directory.path().join("ca.crt"));
    // Requests and replies are far more than the buffers of a connection hold.
    let words = "long".to_owned() + &"y".repeat(1_000);
    let input = format!("*1\r\n${}\r\n{words}\r\n", words.len()).repeat(5_000);
    let ran = server.run(&["--tls", "--cacert", &trusted, "--pipe"], input.as_bytes());
    assert_eq!((ran.code, ran.out.as_str(), ran.errors.as_str()), (0, "errors: 0, replies: 5000\n", ""));
}

#[test]
fn anyone_else_is_refused_before_a_word_was_said() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = Authority::new("one").server("127.0.0.1", false);
    let other = Authority::new("another").write(&directory.path().join("other.crt"));
    let ran = server.run(&["--tls", "--cacert", &other, "-a", "secret", "get", "a"], b"");
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(ran.errors.contains("no TLS with 127.0.0.1:"), "{}", ran.errors);
    assert!(ran.errors.contains("UnknownIssuer"), "{}", ran.errors);
    assert!(server.requests().is_empty());
    let ran = server.run(&["--tls", "--insecure", "get", "a"], b"");
    assert_eq!((ran.code, ran.out.as_str()), (0, "0.1\n"));
}

#[test]
fn the_certificate_has_to_be_for_the_name_that_was_asked_for() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::new("one");
    let server = authority.server("counters.example.org", false);
    let trusted = authority.write(&directory.path().join("ca.crt"));
    let tls = ["--tls", "--cacert", &trusted];
    let ran = server.run(&[&tls[..], &["get", "a"]].concat(), b"");
    assert_eq!(ran.code, 2);
    assert!(ran.errors.contains("--sni"), "{}", ran.errors);
    let named = ["--sni", "counters.example.org", "get", "a"];
    let ran = server.run(&[&tls[..], &named].concat(), b"");
    assert_eq!((ran.code, ran.out.as_str()), (0, "0.1\n"));
}

#[test]
fn a_certificate_is_shown_to_a_server_that_asks() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::new("one");
    let server = authority.server("127.0.0.1", true);
    let trusted = authority.write(&directory.path().join("ca.crt"));
    let (certificate, key) = authority.issue("client");
    let place = |name: &str| directory.path().join(name).to_str().expect("UTF-8").to_owned();
    let (certificate_file, key_file) = (place("client.crt"), place("client.key"));
    fs::write(&certificate_file, certificate.pem()).expect("a file");
    fs::write(&key_file, key.serialize_pem()).expect("a file");
    let tls = ["--tls", "--cacert", &trusted];
    let shown = ["--cert", &certificate_file, "--key", &key_file, "get", "a"];
    let ran = server.run(&[&tls[..], &shown].concat(), b"");
    assert_eq!((ran.code, ran.out.as_str(), ran.errors.as_str()), (0, "0.1\n", ""));
    let ran = server.run(&[&tls[..], &["get", "a"]].concat(), b"");
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(server.requests().len() == 1, "{:?}", server.requests());
}

#[test]
fn what_is_missing_for_tls_is_said() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = Server::start(|_| bytes("+OK\r\n"));
    let ran = server.run(&["--tls", "get", "a"], b"");
    assert_eq!(ran.code, 2);
    assert!(ran.errors.contains("--cacert"), "{}", ran.errors);
    let empty = directory.path().join("empty.crt");
    fs::write(&empty, "nothing").expect("a file");
    let empty = empty.to_str().expect("UTF-8");
    let ran = server.run(&["--tls", "--cacert", empty, "get", "a"], b"");
    assert_eq!(ran.code, 2);
    assert!(ran.errors.contains("empty.crt: there is no PEM certificate"), "{}", ran.errors);
    let ran = server.run(&["--tls", "-t", "0.3", "--insecure", "get", "a"], b"");
    assert_eq!(ran.code, 2);
    assert!(ran.errors.contains("does the server speak TLS"), "{}", ran.errors);
}

#[test]
fn an_import_from_redis_has_tls_options_of_its_own() {
    let directory = tempfile::tempdir().expect("a directory");
    let authority = Authority::new("one");
    let source = authority.server("127.0.0.1", false);
    let target = Server::start(|_| bytes("+OK\r\n"));
    let trusted = authority.write(&directory.path().join("ca.crt"));
    let uri = format!("rediss://127.0.0.1:{}", source.port);
    let import = ["import", "--from-redis", &uri];
    let ran = target.run(&import, b"");
    assert_eq!(ran.code, 2);
    assert!(ran.errors.contains("give --from-cacert FILE, or --from-insecure"), "{}", ran.errors);
    let ran = target.run(&[&import[..], &["--from-cacert", &trusted]].concat(), b"");
    // It is no Redis, but it was understood.
    assert_eq!(ran.code, 1);
    assert!(ran.errors.contains("answered SCAN with something else than was expected: \"0.1\""), "{}", ran.errors);
    assert_eq!(source.requests(), ["DBSIZE", "SCAN 0 COUNT 2000"]);
    let plain = format!("redis://127.0.0.1:{}", source.port);
    let ran = target.run(&["import", "--from-redis", &plain, "--from-cacert", &trusted], b"");
    assert!(ran.errors.contains("of use with rediss:// only"), "{}", ran.errors);
}
