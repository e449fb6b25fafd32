//! Whoever reaches the mesh's port and has a certificate, but not one of a member.

use crate::quic::{Papers, client};
use crate::server_support::{Ground, Server};
use discnt::mesh::{AUTHORITY_CERTIFICATE_FILE, AUTHORITY_KEY_FILE};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::time::{Duration, Instant};
use time::OffsetDateTime;

const PATIENCE: Duration = Duration::from_secs(30);

/// An authority of the development kind, as a directory holds it.
pub(crate) struct Authority {
    certificate: CertificateDer<'static>,
    key: String,
}

impl Authority {
    pub(crate) fn of(directory: &Path) -> Self {
        let certificate = CertificateDer::from_pem_file(directory.join(AUTHORITY_CERTIFICATE_FILE));
        let key = std::fs::read_to_string(directory.join(AUTHORITY_KEY_FILE));
        Self { certificate: certificate.expect("it was made"), key: key.expect("it was made") }
    }

    pub(crate) fn issue(&self, change: impl FnOnce(&mut CertificateParams)) -> Papers {
        let (params, key) = wanted(change);
        let authority = KeyPair::from_pem(&self.key).expect("a key");
        let issuer = Issuer::from_ca_cert_der(&self.certificate, &authority).expect("an authority");
        let certificate = params.signed_by(&key, &issuer).expect("a certificate");
        (vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).expect("a key"))
    }
}

/// What a node's certificate says, but for a change.
fn wanted(change: impl FnOnce(&mut CertificateParams)) -> (CertificateParams, KeyPair) {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "discnt node of somebody");
    params.not_before = OffsetDateTime::now_utc() - time::Duration::days(20);
    params.not_after = OffsetDateTime::now_utc() + time::Duration::days(20);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    change(&mut params);
    (params, KeyPair::generate().expect("a key"))
}

pub(crate) fn self_signed() -> Papers {
    let (params, key) = wanted(|_| ());
    let certificate = params.self_signed(&key).expect("a certificate");
    (vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).expect("a key"))
}

/// Connects, greets, and says something on behalf of a member: the server must end that before it reads a word.
async fn is_shown_the_door(server: &Server, papers: Option<Papers>, protocol: &[u8]) {
    let endpoint = client(papers, protocol);
    let connecting = endpoint.connect(server.address(), "discnt").expect("the address is good");
    let Ok(Ok(connection)) = tokio::time::timeout(PATIENCE, connecting).await else { return };
    if let Ok(mut stream) = connection.open_uni().await {
        let _ = stream.write_all(&[&[0, 0, 0, 17][..], &[0xff; 17]].concat()).await;
        let _ = stream.write_all(&[0, 0, 0, 4, 0x9f, 1, 0x18, 28, 0xff]).await;
    }
    let _ = connection.send_datagram(bytes::Bytes::from_static(b"\x9f\x01\x18\x1c\xff"));
    tokio::time::timeout(PATIENCE, connection.closed()).await.expect("the server closes it");
}

/// Tries until the log has a line of it: of several in one second it only counts the later ones.
async fn refusal_in_the_log(server: &Server, papers: Option<&Papers>, protocol: &[u8], expected: &str) -> String {
    let lines =
        || -> Vec<String> { server.log().lines().filter(|line| line.contains(expected)).map(str::to_owned).collect() };
    let (before, deadline) = (lines().len(), Instant::now() + PATIENCE);
    loop {
        let papers = papers.map(|(chain, key)| (chain.clone(), key.clone_key()));
        is_shown_the_door(server, papers, protocol).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        match lines() {
            found if found.len() > before => return found.last().cloned().unwrap_or_default(),
            _ => assert!(Instant::now() < deadline, "{expected}: {}", server.log()),
        }
    }
}

#[tokio::test]
async fn nobody_without_a_valid_certificate_of_the_authority_says_a_word() {
    let ground = Ground::new();
    let server = ground.start();
    let ours = Authority::of(&ground.path("certs"));
    let elsewhere = Ground::new();
    let _other = elsewhere.start();
    let theirs = Authority::of(&elsewhere.path("certs"));
    let now = OffsetDateTime::now_utc();
    let expired = ours.issue(|params| params.not_after = now - time::Duration::days(1));
    let early = ours.issue(|params| params.not_before = now + time::Duration::days(1));
    let server_only = ours.issue(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    let attempts: [(&str, Option<Papers>, &[u8], &str); 7] = [
        ("no certificate", None, b"discnt/1", "it presented no certificate"),
        ("a self-signed certificate", Some(self_signed()), b"discnt/1", "its certificate is of another authority"),
        (
            "a certificate of another authority",
            Some(theirs.issue(|_| ())),
            b"discnt/1",
            "its certificate is of another authority",
        ),
        ("an expired certificate", Some(expired), b"discnt/1", "its certificate has expired or is not valid yet"),
        ("a certificate of tomorrow", Some(early), b"discnt/1", "its certificate has expired or is not valid yet"),
        ("a certificate for servers alone", Some(server_only), b"discnt/1", "its certificate is not one of a node"),
        ("another protocol", Some(ours.issue(|_| ())), b"h3", "it does not speak discnt/1"),
    ];
    for (what, papers, protocol, expected) in attempts {
        let line = refusal_in_the_log(&server, papers.as_ref(), protocol, expected).await;
        assert!(line.contains("WARN") && line.contains("refused a connection to the mesh"), "{line}");
        println!("attack: {what}: {}", &line[line.find("refused").unwrap_or(0)..]);
    }
    assert!(server.ask("CLUSTER INFO").contains("cluster_known_nodes:1\r\n"));
    assert!(server.ask("INFO mesh").contains("mesh_messages_received:0\r\n"));
}
