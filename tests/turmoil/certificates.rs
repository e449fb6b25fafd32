//! Certificates that are the same in every run, so that node ids are, and with them who dials and who decides.

use discnt::mesh::{Config as MeshConfig, Identity};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SerialNumber, date_time_ymd,
};
use std::fs;
use std::path::Path;

/// The key of an Ed25519 pair in PKCS #8 is these bytes and then 32 of the seed (RFC 8410). Its signatures have one length
/// whatever is signed; those of ECDSA have not, and the handshakes of two runs would differ in length.
const PKCS8_HEAD: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

fn key(number: u8) -> KeyPair {
    let der = [PKCS8_HEAD.as_slice(), &[number.wrapping_mul(37) ^ 0x5a; 32]].concat();
    KeyPair::try_from(der).expect("a key of 32 bytes")
}

fn parameters(name: &str, number: u8) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    // TLS looks at the machine's own clock.
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(2200, 1, 1);
    params.serial_number = Some(SerialNumber::from(u64::from(number) + 1));
    params
}

/// The `[mesh]` section and the identity of one node, with their files in `directory`.
pub(crate) fn identity(directory: &Path, number: u8) -> (MeshConfig, Identity) {
    const AUTHORITY: u8 = 0xff;
    let authority_key = key(AUTHORITY);
    let mut authority = parameters("simulated authority", AUTHORITY);
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority_certificate = authority.self_signed(&authority_key).expect("a certificate");
    let issuer = Issuer::new(authority, authority_key);
    let pair = key(number);
    let mut params = parameters("simulated node", number);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.signed_by(&pair, &issuer).expect("a certificate");
    let write = |name: &str, text: String| {
        let path = directory.join(name);
        fs::write(&path, text).expect("a temporary file");
        Some(path)
    };
    let config = MeshConfig {
        bind: "0.0.0.0".to_owned(),
        ca_cert: write("ca.crt", authority_certificate.pem()),
        cert: write("node.crt", certificate.pem()),
        key: write("node.key", pair.serialize_pem()),
        ..MeshConfig::default()
    };
    let identity = Identity::open(&config, directory).expect("a good identity").identity;
    (config, identity)
}
