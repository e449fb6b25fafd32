//! What is asked for and given on a connection for certificates: by a machine that has an invitation, and by members.
//!
//! What a later version appends to these is passed over.

use super::error::WireError;
use super::ids::{bounded_array, expect_array, expect_end, expect_open_array, take_break};
use super::packer::sealed;
use super::record::decode_head;
use minicbor::Decoder;

const CERTIFICATE_WANTED: u8 = 1;
const AUTHORITIES_OFFERED: u8 = 2;
const CERTIFICATE_GIVEN: u8 = 3;
const REFUSED: u8 = 4;
const TAKEN: u8 = 5;
const HOLDER_WANTED: u8 = 6;
const HOLDS: u8 = 7;

/// The longest request or reply, in bytes.
pub const MAX_CERTIFY_BYTES: usize = 64 << 10;
/// The most certificates of one list.
pub const MAX_CERTIFICATES: usize = 8;
/// The longest certificate or request for one, in bytes.
pub const MAX_CERTIFICATE_BYTES: usize = 4096;
const MAX_ADDRESSES: usize = 32;
const MAX_HOST_BYTES: usize = 255;
const MAX_TEXT_BYTES: usize = 512;

/// An authority, with what makes those trust it who know only one before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedAuthority {
    /// Its own certificate, as DER.
    pub certificate: Vec<u8>,
    /// A certificate for the same key from the authority before it, as DER; empty where there is none.
    pub voucher: Vec<u8>,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertifyRequest {
    /// A certificate for the key that signed this request (PKCS #10, as DER).
    Certificate(Vec<u8>),
    /// The receiver is to trust these, too.
    Authorities(Vec<OfferedAuthority>),
    /// Whether the receiver holds the key of the cluster's authority.
    Holder,
}

/// A certificate with all that its owner needs to use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateGiven {
    /// The certificate, then any between it and an authority.
    pub chain: Vec<Vec<u8>>,
    /// The authorities whose nodes are to be accepted.
    pub authorities: Vec<OfferedAuthority>,
    /// Where members are: host and UDP port.
    pub members: Vec<(String, u16)>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertifyReply {
    /// A certificate.
    Given(CertificateGiven),
    /// Nothing was done, for a reason in words for people.
    Refused(String),
    /// What was offered is known.
    Taken,
    /// Whether the sender holds the key of the cluster's authority.
    Holds(bool),
}

impl CertifyRequest {
    /// Encodes the request.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Certificate(request) => sealed(CERTIFICATE_WANTED, |out| {
                let _ = out.bytes(request);
            }),
            Self::Authorities(authorities) => sealed(AUTHORITIES_OFFERED, |out| encode_authorities(out, authorities)),
            Self::Holder => sealed(HOLDER_WANTED, |_| ()),
        }
    }

    /// Decodes a request.
    ///
    /// # Errors
    /// [`WireError`] says what is wrong with it.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        decode(bytes, |kind, input| match kind {
            CERTIFICATE_WANTED => Ok(Self::Certificate(decode_certificate(input)?)),
            AUTHORITIES_OFFERED => Ok(Self::Authorities(decode_authorities(input)?)),
            HOLDER_WANTED => Ok(Self::Holder),
            other => Err(WireError::Kind(other)),
        })
    }
}

impl CertifyReply {
    /// Encodes the reply. A text that is too long is cut.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Given(given) => sealed(CERTIFICATE_GIVEN, |out| {
                let _ = out.array(given.chain.len() as u64);
                for certificate in &given.chain {
                    let _ = out.bytes(certificate);
                }
                encode_authorities(out, &given.authorities);
                let _ = out.array(given.members.len() as u64);
                for (host, port) in &given.members {
                    let _ = out.array(2).and_then(|out| out.str(host)?.u16(*port));
                }
            }),
            Self::Refused(text) => sealed(REFUSED, |out| {
                let end = text.floor_char_boundary(MAX_TEXT_BYTES);
                let _ = out.str(&text[..end]);
            }),
            Self::Taken => sealed(TAKEN, |_| ()),
            Self::Holds(holds) => sealed(HOLDS, |out| {
                let _ = out.bool(*holds);
            }),
        }
    }

    /// Decodes a reply.
    ///
    /// # Errors
    /// [`WireError`] says what is wrong with it.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        decode(bytes, |kind, input| match kind {
            CERTIFICATE_GIVEN => {
                let length = bounded_array(input, MAX_CERTIFICATES)?;
                let chain = (0..length).map(|_| decode_certificate(input)).collect::<Result<_, _>>()?;
                let authorities = decode_authorities(input)?;
                let length = bounded_array(input, MAX_ADDRESSES)?;
                let members = (0..length).map(|_| decode_address(input)).collect::<Result<_, _>>()?;
                Ok(Self::Given(CertificateGiven { chain, authorities, members }))
            }
            REFUSED => Ok(Self::Refused(bounded_text(input, MAX_TEXT_BYTES, "a reason")?)),
            TAKEN => Ok(Self::Taken),
            HOLDS => Ok(Self::Holds(input.bool()?)),
            other => Err(WireError::Kind(other)),
        })
    }
}

fn decode<T>(bytes: &[u8], body: impl FnOnce(u8, &mut Decoder<'_>) -> Result<T, WireError>) -> Result<T, WireError> {
    if bytes.len() > MAX_CERTIFY_BYTES {
        return Err(WireError::Bounds("the length of a message"));
    }
    let mut input = Decoder::new(bytes);
    expect_open_array(&mut input)?;
    let kind = decode_head(&mut input)?;
    let value = body(kind, &mut input)?;
    while !take_break(&mut input)? {
        input.skip()?;
    }
    expect_end(&input)?;
    Ok(value)
}

fn encode_authorities(out: &mut super::decimal::Writer<'_>, authorities: &[OfferedAuthority]) {
    let _ = out.array(authorities.len() as u64);
    for authority in authorities {
        let _ = out.array(2).and_then(|out| out.bytes(&authority.certificate)?.bytes(&authority.voucher));
    }
}

fn decode_authorities(input: &mut Decoder<'_>) -> Result<Vec<OfferedAuthority>, WireError> {
    let length = bounded_array(input, MAX_CERTIFICATES)?;
    let one = |_| {
        expect_array(input, 2)?;
        Ok(OfferedAuthority { certificate: decode_certificate(input)?, voucher: decode_certificate(input)? })
    };
    (0..length).map(one).collect()
}

fn decode_certificate(input: &mut Decoder<'_>) -> Result<Vec<u8>, WireError> {
    let bytes = input.bytes()?;
    match bytes.len() {
        0..=MAX_CERTIFICATE_BYTES => Ok(bytes.to_vec()),
        _ => Err(WireError::Bounds("a certificate")),
    }
}

fn decode_address(input: &mut Decoder<'_>) -> Result<(String, u16), WireError> {
    expect_array(input, 2)?;
    Ok((bounded_text(input, MAX_HOST_BYTES, "a host name")?, input.u16()?))
}

fn bounded_text(input: &mut Decoder<'_>, most: usize, what: &'static str) -> Result<String, WireError> {
    let text = input.str()?;
    if text.len() > most { Err(WireError::Bounds(what)) } else { Ok(text.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn authority() -> OfferedAuthority {
        OfferedAuthority { certificate: vec![1, 2], voucher: vec![3] }
    }

    fn given() -> CertifyReply {
        CertifyReply::Given(CertificateGiven {
            chain: vec![vec![9, 8], vec![7]],
            authorities: vec![authority()],
            members: vec![("10.0.0.1".to_owned(), 5262)],
        })
    }

    #[test]
    fn requests_and_replies_have_the_pinned_bytes() {
        for (request, golden) in [
            (CertifyRequest::Certificate(vec![0x30, 0x00]), "9f0101423000ff"),
            (CertifyRequest::Authorities(vec![authority()]), "9f0102818242010241 03ff"),
            (CertifyRequest::Holder, "9f0106ff"),
        ] {
            assert_eq!(hex(&request.encode()), golden.replace(' ', ""));
            assert_eq!(CertifyRequest::decode(&request.encode()), Ok(request));
        }
        for (reply, golden) in [
            (given(), "9f0103 82 420908 4107 81 82 420102 4103 81 82 6831302e302e302e31 19148e ff"),
            (CertifyReply::Refused("no".to_owned()), "9f0104 626e6f ff"),
            (CertifyReply::Taken, "9f0105ff"),
            (CertifyReply::Holds(true), "9f0107f5ff"),
        ] {
            assert_eq!(hex(&reply.encode()), golden.replace(' ', ""));
            assert_eq!(CertifyReply::decode(&reply.encode()), Ok(reply));
        }
    }

    #[test]
    fn what_a_later_version_appends_is_passed_over() {
        let mut bytes = given().encode();
        bytes.pop();
        bytes.extend_from_slice(b"\x82\x01\x02\x63new\xff");
        assert_eq!(CertifyReply::decode(&bytes), Ok(given()));
    }

    #[test]
    fn what_is_too_long_or_cut_off_is_refused() {
        let long = CertifyRequest::Certificate(vec![0; MAX_CERTIFICATE_BYTES + 1]).encode();
        assert_eq!(CertifyRequest::decode(&long), Err(WireError::Bounds("a certificate")));
        let many = CertifyRequest::Authorities(vec![authority(); MAX_CERTIFICATES + 1]).encode();
        assert!(CertifyRequest::decode(&many).is_err());
        let bytes = given().encode();
        for end in 0..bytes.len() {
            assert!(CertifyReply::decode(&bytes[..end]).is_err(), "{end}");
        }
        let text = CertifyReply::Refused("ü".repeat(400)).encode();
        assert_eq!(CertifyReply::decode(&text), Ok(CertifyReply::Refused("ü".repeat(256))));
    }
}
