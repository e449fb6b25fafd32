//! Authorities, certificates, and clients that speak TLS.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::server_support::{PATIENCE, Server};

/// An authority with its certificate in a file.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) file: PathBuf,
    directory: PathBuf,
}

/// The files of a certificate and of its key.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    pub(crate) fn new(directory: &Path, name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a certificate");
        let file = directory.join(format!("{name}.crt"));
        fs::write(&file, certificate.pem()).expect("written");
        Self { issuer: Issuer::new(params, key), file, directory: directory.to_owned() }
    }

    pub(crate) fn issue(&self, name: &str) -> Files {
        self.issue_with(name, |_| ())
    }

    pub(crate) fn issue_with(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Files {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        params.distinguished_name.push(DnType::CommonName, name);
        params.subject_alt_names.push(SanType::IpAddress([127, 0, 0, 1].into()));
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let path = |kind: &str| self.directory.join(format!("{name}.{kind}"));
        let files = Files { cert: path("crt"), key: path("key") };
        fs::write(&files.cert, certificate.pem()).expect("written");
        fs::write(&files.key, key.serialize_pem()).expect("written");
        files
    }
}

/// The address for TLS that a server has reported.
#[track_caller]
pub(crate) fn tls_address(server: &Server) -> SocketAddr {
    let line = server.report().lines().find(|line| line.starts_with("clients ") && line.contains("(TLS"));
    let address = line.and_then(|line| line.split_whitespace().nth(1)).expect("a line of TLS");
    address.parse().expect("an address")
}

/// One connection over TLS.
pub(crate) struct TlsClient(StreamOwned<ClientConnection, TcpStream>);

impl TlsClient {
    /// Connects, and comes to terms.
    pub(crate) fn connect(address: SocketAddr, authority: &Path, own: Option<&Files>) -> Result<Self, String> {
        Self::connect_with(address, authority, own, rustls::DEFAULT_VERSIONS)
    }

    /// The same, in one of these versions.
    pub(crate) fn connect_with(
        address: SocketAddr,
        authority: &Path,
        own: Option<&Files>,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Result<Self, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(authority).expect("a file") {
            roots.add(certificate.expect("a certificate")).expect("a root");
        }
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(roots);
        let config = match own {
            None => builder.with_no_client_auth(),
            Some(files) => {
                let chain = vec![CertificateDer::from_pem_file(&files.cert).expect("a certificate")];
                let key = PrivateKeyDer::from_pem_file(&files.key).expect("a key");
                builder.with_client_auth_cert(chain, key).expect("a certificate")
            }
        };
        let tcp = TcpStream::connect(address).map_err(|error| error.to_string())?;
        tcp.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let name = ServerName::try_from("localhost").expect("a name");
        let session = ClientConnection::new(Arc::new(config), name).map_err(|error| error.to_string())?;
        let mut stream = StreamOwned::new(session, tcp);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).map_err(|error| error.to_string())?;
        }
        Ok(Self(stream))
    }

    /// What comes of an inline request, up to the first line break that ends a simple reply.
    pub(crate) fn ask(&mut self, request: &str) -> Result<String, String> {
        let told = |error: std::io::Error| error.to_string();
        self.0.write_all(format!("{request}\r\n").as_bytes()).map_err(told)?;
        let mut received = Vec::new();
        let mut byte = [0];
        // Bulk strings have a second line.
        let mut lines = 1;
        while lines > 0 {
            match self.0.read(&mut byte).map_err(told)? {
                0 => return Err("the connection was closed".to_owned()),
                _ => received.push(byte[0]),
            }
            if received.ends_with(b"\r\n") {
                lines -= 1;
                if received.starts_with(b"$") && received.iter().filter(|byte| **byte == b'\n').count() == 1 {
                    lines += 1;
                }
            }
        }
        Ok(String::from_utf8_lossy(&received).trim_end().to_owned())
    }

    /// Sends bytes as they are, and reads so many.
    pub(crate) fn exchange(&mut self, bytes: &[u8], length: usize) -> Vec<u8> {
        self.0.write_all(bytes).expect("sent");
        let mut received = vec![0; length];
        self.0.read_exact(&mut received).expect("received");
        received
    }

    /// Sends bytes as they are, and reads until the other side ends.
    #[allow(dead_code, reason = "not every target that has this file asks like that")]
    pub(crate) fn converse(&mut self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        self.0.write_all(bytes).map_err(|error| error.to_string())?;
        let mut received = Vec::new();
        self.0.read_to_end(&mut received).map_err(|error| error.to_string())?;
        Ok(received)
    }

    /// The certificate that the server has shown.
    pub(crate) fn server_certificate(&self) -> Vec<u8> {
        self.0.conn.peer_certificates().expect("a certificate")[0].to_vec()
    }
}

/// Whether the other side closes a connection on which nothing was said.
pub(crate) fn is_closed(stream: &mut TcpStream, within: Duration) -> bool {
    stream.set_read_timeout(Some(within)).expect("a timeout");
    match stream.read(&mut [0; 64]) {
        Ok(length) => length == 0,
        Err(error) => !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
    }
}
