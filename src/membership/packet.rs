//! A membership packet as a whole: one byte that says what it is, then what the failure detector wrote,
//! or a word that the detector has no message for.

use bytes::{Buf, BufMut};
use foca::{Codec, Header, Member};
use minicbor::{Decoder, Encoder};

use super::MembershipError;
use super::codec::{self, CborCodec, CodecError};
use super::identity::Announced;

/// The longest membership packet, in bytes. It fits a datagram of a link whose MTU has not been discovered yet.
pub const MAX_PACKET_BYTES: usize = 1000;

/// What of it is the failure detector's.
pub(super) const MAX_PROTOCOL_BYTES: usize = MAX_PACKET_BYTES - 1;

const PROTOCOL: u8 = 1;
const OUTLIVED: u8 = 2;

/// What one node says to another about members.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one at a time, on the stack, and nearly always the large one")]
pub(super) enum Packet {
    /// A packet of the failure detector: header, then news of members.
    Protocol { header: Header<Announced>, members: Vec<Member<Announced>> },
    /// "I know a later life of you than the one you speak as: renew to at least this generation."
    /// So a node whose data was restored from a backup comes back in one round trip.
    Outlived { generation: u64 },
}

/// What the failure detector wrote, as a packet.
pub(super) fn frame(protocol: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + protocol.len());
    bytes.push(PROTOCOL);
    bytes.extend_from_slice(protocol);
    bytes
}

impl Packet {
    /// Reads a packet; nothing may follow it. Allocates in proportion to the packet, which is bounded.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, MembershipError> {
        if bytes.len() > MAX_PACKET_BYTES {
            return Err(MembershipError::TooLong(bytes.len()));
        }
        Self::decode_bounded(bytes).map_err(|error| MembershipError::Malformed(error.to_string()))
    }

    fn decode_bounded(bytes: &[u8]) -> Result<Self, CodecError> {
        let (&kind, body) = bytes.split_first().ok_or(CodecError::Shape("a first byte"))?;
        let mut input = Decoder::new(body);
        match kind {
            PROTOCOL => {
                let header = codec::decode_header(&mut input)?;
                let members = decode_members(&body[input.position()..])?;
                Ok(Self::Protocol { header, members })
            }
            OUTLIVED => {
                let generation = input.u64()?;
                if input.position() == body.len() {
                    Ok(Self::Outlived { generation })
                } else {
                    Err(CodecError::Shape("the end of the packet"))
                }
            }
            _ => Err(CodecError::Shape("a packet of a known kind")),
        }
    }

    /// The bytes of this packet.
    ///
    /// # Errors
    /// When it is longer than a packet may be.
    pub(super) fn encode(&self) -> Result<Vec<u8>, CodecError> {
        let mut bytes = Vec::new();
        match self {
            Self::Protocol { header, members } => {
                bytes.push(PROTOCOL);
                let mut codec = CborCodec::default();
                codec.encode_header(header, &mut bytes)?;
                if !members.is_empty() {
                    let count = u16::try_from(members.len());
                    bytes.put_u16(count.map_err(|_| CodecError::Shape("fewer members"))?);
                    for member in members {
                        codec.encode_member(member, &mut bytes)?;
                    }
                }
            }
            Self::Outlived { generation } => {
                bytes.push(OUTLIVED);
                Encoder::new(&mut bytes).u64(*generation)?;
            }
        }
        if bytes.len() > MAX_PACKET_BYTES {
            return Err(CodecError::Room(bytes.len() - MAX_PACKET_BYTES));
        }
        Ok(bytes)
    }
}

/// The detector counts members in two bytes before them; no members, no count.
fn decode_members(mut rest: &[u8]) -> Result<Vec<Member<Announced>>, CodecError> {
    let mut members = Vec::new();
    if rest.is_empty() {
        return Ok(members);
    }
    let count = rest.try_get_u16().map_err(|_| CodecError::Shape("a count of members"))?;
    for _ in 0..count {
        let mut input = Decoder::new(rest);
        members.push(codec::decode_member(&mut input)?);
        rest = &rest[input.position()..];
    }
    if rest.is_empty() { Ok(members) } else { Err(CodecError::Shape("the end of the packet")) }
}

#[cfg(test)]
mod tests {
    use foca::{Message, State};
    use proptest::prelude::*;

    use super::*;
    use crate::base::NodeId;
    use crate::membership::strategies::{anyone, packet};
    use crate::membership::{MAX_GENERATION, MAX_HOST_BYTES};

    proptest! {
        #[test]
        fn a_packet_reads_back_as_it_was_written(packet in packet(anyone())) {
            if let Ok(bytes) = packet.encode() {
                prop_assert_eq!(Packet::decode(&bytes), Ok(packet));
            }
        }

        #[test]
        fn any_bytes_are_a_packet_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..1100)) {
            if let Ok(packet) = Packet::decode(&bytes) {
                prop_assert!(packet.encode().is_ok());
            }
        }

        #[test]
        fn no_shortened_or_lengthened_packet_is_one(packet in packet(anyone()), cut in any::<prop::sample::Index>()) {
            if let Ok(mut bytes) = packet.encode() {
                if let Packet::Protocol { header, members } = &packet {
                    let bare = Packet::Protocol { header: header.clone(), members: vec![] };
                    let end = cut.index(bytes.len());
                    // Cut right behind its header a packet is one without members.
                    if members.is_empty() || bare.encode().map(|bare| bare.len()) != Ok(end) {
                        prop_assert!(Packet::decode(&bytes[..end]).is_err());
                    }
                }
                bytes.push(0);
                prop_assert!(Packet::decode(&bytes).is_err());
            }
        }
    }

    #[test]
    fn the_longest_header_and_one_member_of_usual_size_fit() {
        let mut longest = Announced::unknown(NodeId::new([255; 20])).with_generation(MAX_GENERATION);
        longest.identity.host = "h".repeat(MAX_HOST_BYTES);
        longest.identity.client_port = u16::MAX;
        longest.identity.mesh_port = u16::MAX;
        let mut usual = longest.clone();
        usual.identity.host = "2001:db8::1234:5678".into();
        let header = Header {
            src: longest.clone(),
            src_incarnation: u16::MAX,
            dst: longest.clone(),
            message: Message::PingReq { target: longest, probe_number: u8::MAX },
        };
        let members = vec![Member::new(usual, u16::MAX, State::Down)];
        let bytes = Packet::Protocol { header, members }.encode();
        assert!(bytes.is_ok(), "{bytes:?}");
    }

    #[test]
    fn the_bytes_of_a_packet_are_pinned() {
        let mut me = Announced::unknown(NodeId::new([1; 20])).with_generation(3);
        me.identity.host = "::1".into();
        me.identity.client_port = 5262;
        me.identity.mesh_port = 5263;
        let packet = Packet::Protocol {
            header: Header {
                src: me.clone(),
                src_incarnation: 2,
                dst: Announced::unknown(NodeId::new([2; 20])),
                message: Message::Ping(9),
            },
            members: vec![Member::new(me, 4, State::Suspect)],
        };
        let text = |bytes: Vec<u8>| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let (one, two) = ("01".repeat(20), "02".repeat(20));
        let golden = format!(
            "01848654{one}03633a3a3119148e19148ff4028654{two}00600000f4820009\
             0001838654{one}03633a3a3119148e19148ff40401"
        );
        assert_eq!(packet.encode().map(text), Ok(golden));
        assert_eq!(Packet::Outlived { generation: 7 }.encode(), Ok(vec![2, 7]));
    }
}
