//! Identities, members and headers as CBOR arrays. Decoding allocates a host name at most; every length is bounded.

use std::convert::Infallible;

use bytes::{Buf, BufMut};
use foca::{Header, Member, Message, State};
use minicbor::data::Type;
use minicbor::{Decoder, Encoder};

use super::MAX_GENERATION;
use super::identity::{Announced, MemberIdentity, is_host};
use crate::base::NodeId;

/// Why bytes are not what they should be, or do not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CodecError {
    #[error("{0}")]
    Cbor(String),
    #[error("{0} expected")]
    Shape(&'static str),
    #[error("no room for {0} more bytes")]
    Room(usize),
    #[error("a message of a kind that is not used here")]
    UnusedMessage,
}

impl From<minicbor::decode::Error> for CodecError {
    fn from(error: minicbor::decode::Error) -> Self {
        Self::Cbor(error.to_string())
    }
}

impl From<minicbor::encode::Error<Infallible>> for CodecError {
    fn from(error: minicbor::encode::Error<Infallible>) -> Self {
        Self::Cbor(error.to_string())
    }
}

type Bytes<'a> = Encoder<&'a mut Vec<u8>>;

mod kind {
    pub(super) const PING: u8 = 0;
    pub(super) const ACK: u8 = 1;
    pub(super) const PING_REQUEST: u8 = 2;
    pub(super) const INDIRECT_PING: u8 = 3;
    pub(super) const INDIRECT_ACK: u8 = 4;
    pub(super) const FORWARDED_ACK: u8 = 5;
    pub(super) const ANNOUNCE: u8 = 6;
    pub(super) const FEED: u8 = 7;
    pub(super) const GOSSIP: u8 = 8;
    pub(super) const TURN_UNDEAD: u8 = 9;
}

/// Reads an array of at least `least` parts. What a later version has put behind those is passed over.
fn read_array<T>(
    input: &mut Decoder<'_>,
    least: u64,
    what: &'static str,
    read: impl FnOnce(&mut Decoder<'_>) -> Result<T, CodecError>,
) -> Result<T, CodecError> {
    let given = input.array()?.filter(|given| *given >= least).ok_or(CodecError::Shape(what))?;
    let value = read(input)?;
    pass_over(input, given - least, what)?;
    Ok(value)
}

fn pass_over(input: &mut Decoder<'_>, parts: u64, what: &'static str) -> Result<(), CodecError> {
    // The number is a claim; the loop ends where the bytes do.
    for _ in 0..parts {
        if matches!(input.datatype()?, Type::Break) {
            return Err(CodecError::Shape(what));
        }
        input.skip()?;
    }
    Ok(())
}

fn encode_announced(announced: &Announced, out: &mut Bytes<'_>) -> Result<(), CodecError> {
    let identity = &announced.identity;
    out.array(6)?
        .bytes(identity.node.as_bytes())?
        .u64(identity.generation)?
        .str(&identity.host)?
        .u16(identity.client_port)?
        .u16(identity.mesh_port)?
        .bool(announced.leaving)?;
    Ok(())
}

fn decode_announced(input: &mut Decoder<'_>) -> Result<Announced, CodecError> {
    read_array(input, 6, "an identity of 6 parts", decode_identity)
}

fn decode_identity(input: &mut Decoder<'_>) -> Result<Announced, CodecError> {
    let node = input.bytes()?.try_into().map_err(|_| CodecError::Shape("a node id of 20 bytes"))?;
    let generation = input.u64()?;
    if generation > MAX_GENERATION {
        return Err(CodecError::Shape("a generation in range"));
    }
    let host = input.str()?;
    if !is_host(host) {
        return Err(CodecError::Shape("a host"));
    }
    let identity = MemberIdentity {
        node: NodeId::new(node),
        generation,
        host: host.to_owned(),
        client_port: input.u16()?,
        mesh_port: input.u16()?,
    };
    let leaving = input.bool()?;
    Ok(Announced { identity, leaving })
}

fn encode_member(member: &Member<Announced>, out: &mut Bytes<'_>) -> Result<(), CodecError> {
    out.array(3)?;
    encode_announced(member.id(), out)?;
    let state = match member.state() {
        State::Alive => 0,
        State::Suspect => 1,
        State::Down => 2,
    };
    out.u16(member.incarnation())?.u8(state)?;
    Ok(())
}

pub(super) fn decode_member(input: &mut Decoder<'_>) -> Result<Member<Announced>, CodecError> {
    read_array(input, 3, "a member of 3 parts", |input| {
        let announced = decode_announced(input)?;
        let incarnation = input.u16()?;
        let state = match input.u8()? {
            0 => State::Alive,
            1 => State::Suspect,
            2 => State::Down,
            _ => return Err(CodecError::Shape("a member's state")),
        };
        Ok(Member::new(announced, incarnation, state))
    })
}

fn encode_message(message: &Message<Announced>, out: &mut Bytes<'_>) -> Result<(), CodecError> {
    let (kind, probe_number, other) = match message {
        Message::Ping(number) => (kind::PING, Some(*number), None),
        Message::Ack(number) => (kind::ACK, Some(*number), None),
        Message::PingReq { target, probe_number } => (kind::PING_REQUEST, Some(*probe_number), Some(target)),
        Message::IndirectPing { origin, probe_number } => (kind::INDIRECT_PING, Some(*probe_number), Some(origin)),
        Message::IndirectAck { target, probe_number } => (kind::INDIRECT_ACK, Some(*probe_number), Some(target)),
        Message::ForwardedAck { origin, probe_number } => (kind::FORWARDED_ACK, Some(*probe_number), Some(origin)),
        Message::Announce => (kind::ANNOUNCE, None, None),
        Message::Feed => (kind::FEED, None, None),
        Message::Gossip => (kind::GOSSIP, None, None),
        Message::TurnUndead => (kind::TURN_UNDEAD, None, None),
        Message::Broadcast => return Err(CodecError::UnusedMessage),
    };
    let parts = 1 + u64::from(probe_number.is_some()) + u64::from(other.is_some());
    out.array(parts)?.u8(kind)?;
    if let Some(probe_number) = probe_number {
        out.u8(probe_number)?;
    }
    if let Some(other) = other {
        encode_announced(other, out)?;
    }
    Ok(())
}

fn decode_message(input: &mut Decoder<'_>) -> Result<Message<Announced>, CodecError> {
    const WHAT: &str = "a message of a known kind";
    let parts = input.array()?.ok_or(CodecError::Shape("a message of known length"))?;
    let kind = input.u8()?;
    let least = match kind {
        kind::PING | kind::ACK => 2,
        kind::PING_REQUEST..=kind::FORWARDED_ACK => 3,
        _ => 1,
    };
    let further = parts.checked_sub(least).ok_or(CodecError::Shape(WHAT))?;
    let message = match kind {
        kind::PING => Message::Ping(input.u8()?),
        kind::ACK => Message::Ack(input.u8()?),
        kind::PING_REQUEST => {
            let probe_number = input.u8()?;
            let target = decode_announced(input)?;
            Message::PingReq { target, probe_number }
        }
        kind::INDIRECT_PING => {
            let probe_number = input.u8()?;
            let origin = decode_announced(input)?;
            Message::IndirectPing { origin, probe_number }
        }
        kind::INDIRECT_ACK => {
            let probe_number = input.u8()?;
            let target = decode_announced(input)?;
            Message::IndirectAck { target, probe_number }
        }
        kind::FORWARDED_ACK => {
            let probe_number = input.u8()?;
            let origin = decode_announced(input)?;
            Message::ForwardedAck { origin, probe_number }
        }
        kind::ANNOUNCE => Message::Announce,
        kind::FEED => Message::Feed,
        kind::GOSSIP => Message::Gossip,
        kind::TURN_UNDEAD => Message::TurnUndead,
        _ => return Err(CodecError::Shape(WHAT)),
    };
    pass_over(input, further, WHAT)?;
    Ok(message)
}

fn encode_header(header: &Header<Announced>, out: &mut Bytes<'_>) -> Result<(), CodecError> {
    out.array(4)?;
    encode_announced(&header.src, out)?;
    out.u16(header.src_incarnation)?;
    encode_announced(&header.dst, out)?;
    encode_message(&header.message, out)
}

pub(super) fn decode_header(input: &mut Decoder<'_>) -> Result<Header<Announced>, CodecError> {
    read_array(input, 4, "a header of 4 parts", |input| {
        Ok(Header {
            src: decode_announced(input)?,
            src_incarnation: input.u16()?,
            dst: decode_announced(input)?,
            message: decode_message(input)?,
        })
    })
}

/// The codec that the failure detector writes and reads its packets with.
#[derive(Debug, Default)]
pub(super) struct CborCodec {
    scratch: Vec<u8>,
}

impl CborCodec {
    /// Encodes aside first, because a target that is too small must be left as it was.
    fn put(
        &mut self,
        mut out: impl BufMut,
        encode: impl FnOnce(&mut Bytes<'_>) -> Result<(), CodecError>,
    ) -> Result<(), CodecError> {
        self.scratch.clear();
        encode(&mut Encoder::new(&mut self.scratch))?;
        if out.remaining_mut() < self.scratch.len() {
            return Err(CodecError::Room(self.scratch.len()));
        }
        out.put_slice(&self.scratch);
        Ok(())
    }
}

fn take<T>(
    mut input: impl Buf,
    decode: impl FnOnce(&mut Decoder<'_>) -> Result<T, CodecError>,
) -> Result<T, CodecError> {
    let mut decoder = Decoder::new(input.chunk());
    let value = decode(&mut decoder)?;
    let used = decoder.position();
    input.advance(used);
    Ok(value)
}

impl foca::Codec<Announced> for CborCodec {
    type Error = CodecError;

    fn encode_header(&mut self, header: &Header<Announced>, out: impl BufMut) -> Result<(), CodecError> {
        self.put(out, |bytes| encode_header(header, bytes))
    }

    fn decode_header(&mut self, input: impl Buf) -> Result<Header<Announced>, CodecError> {
        take(input, decode_header)
    }

    fn encode_member(&mut self, member: &Member<Announced>, out: impl BufMut) -> Result<(), CodecError> {
        self.put(out, |bytes| encode_member(member, bytes))
    }

    fn decode_member(&mut self, input: impl Buf) -> Result<Member<Announced>, CodecError> {
        take(input, decode_member)
    }
}
