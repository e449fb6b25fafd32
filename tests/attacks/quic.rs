//! A client of QUIC that keeps no rules, and the packets that one begins with.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn::crypto::rustls::QuicClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};

/// A certificate chain and its key.
pub(crate) type Papers = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// An endpoint that accepts every server, and shows these papers or none.
pub(crate) fn client(papers: Option<Papers>, protocol: &[u8]) -> quinn::Endpoint {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("the provider knows it")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AcceptAnybody));
    let mut config = match papers {
        None => config.with_no_client_auth(),
        Some((chain, key)) => config.with_client_auth_cert(chain, key).expect("they belong together"),
    };
    config.alpn_protocols = vec![protocol.to_vec()];
    let config = QuicClientConfig::try_from(config).expect("TLS 1.3");
    let mut endpoint = quinn::Endpoint::client(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port is free");
    endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(config)));
    endpoint
}

/// The first packets of so many connections, each with an id of its own: well formed, and nobody will ever go on from them.
pub(crate) async fn first_packets(count: usize) -> Vec<Vec<u8>> {
    let sink = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    sink.set_nonblocking(true).expect("a socket");
    let endpoint = client(None, b"discnt/1");
    let address = sink.local_addr().expect("bound");
    let mut found = BTreeMap::new();
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut connecting = Vec::new();
    while found.len() < count {
        assert!(Instant::now() < deadline, "{} packets", found.len());
        if connecting.len() < count + 50 {
            connecting.push(endpoint.connect(address, "discnt").expect("the address is good"));
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        let mut packet = [0; 2048];
        while let Ok(length) = sink.recv(&mut packet) {
            // Version, then the length of the connection's id, then that.
            let id = packet[6..6 + usize::from(packet[5])].to_vec();
            found.entry(id).or_insert_with(|| packet[..length].to_vec());
        }
    }
    found.into_values().take(count).collect()
}

#[derive(Debug)]
struct AcceptAnybody;

impl ServerCertVerifier for AcceptAnybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}
