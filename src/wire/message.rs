//! Messages on a link's stream: greetings, digests and repair, and records too long for a datagram.

use super::decimal::{Writer, encode_units};
use super::error::WireError;
use super::ids::{
    bounded_array, decode_node, decode_replica, decode_replica_list, encode_replica, expect_end, expect_open_array,
    pass_to_break, read_array,
};
use super::packer::sealed;
use super::record::{RECORDS, Records, decode_head, decode_precision};
use super::repair::{RepairItem, RepairWriter, decode_items};
use super::version::ProtocolVersion;
use crate::base::{HybridTime, Incarnation, Labels, MAX_MESSAGE_BYTES, MAX_PARTED, NodeId, ReplicaId};
use crate::counter::Precision;
use crate::membership::{Admission, MAX_ADMISSIONS, MAX_BANNED, is_host};
use minicbor::Decoder;

const HELLO: u8 = 16;
const DIGEST: u8 = 17;
const PULL: u8 = 18;
pub(super) const REPAIR_ITEMS: u8 = 19;
const REPAIR_END: u8 = 20;
const REPAIR_BEGIN: u8 = 22;
const ADMISSIONS: u8 = 21;
const TELL_PREDICTIONS: u8 = 23;
const PREDICTIONS_TOLD: u8 = 24;
const DIGEST_WANTED: u8 = 25;
const DIGEST_GIVEN: u8 = 26;
const LEAVING: u8 = 28;
const PARTINGS: u8 = 27;
const BANS: u8 = 29;

/// The most ranges of one replica beyond its contiguous part.
const MAX_RANGES: usize = 256;
/// The most ranges of all replicas in one message. What is left out is only sent again.
const RANGES_A_MESSAGE: usize = 1 << 14;

/// What a node says of itself on a new link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Which life of the sender's speaks.
    pub incarnation: Incarnation,
    /// Where others reach it; empty for "where you see me".
    pub host: String,
    /// Its port for clients.
    pub client_port: u16,
    /// Its port for nodes.
    pub mesh_port: u16,
    /// Somebody asked for this meeting, as against a link that is made again.
    pub meet: bool,
    /// Where the sender sees the receiver, for one that does not know how others reach it.
    pub you: String,
    /// Drawn anew by every process: two that speak as one node differ in it.
    pub instance: u64,
    /// The sender's promise about counters without a precision of their own.
    pub default_precision: Precision,
    /// Numbers of this replica up to this one may have been drawn by an earlier process, whose forecasts are void.
    pub drawn_before: u64,
    /// What the sender's operator says of it.
    pub labels: Labels,
}

/// What the sender has of one replica, in a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DigestLine {
    /// The replica.
    pub replica: ReplicaId,
    /// Everything up to this number has been received.
    pub received: u64,
    /// Everything up to this number will survive a crash.
    pub durable: u64,
    /// A hash of the numbers held beyond; 0 for none.
    pub beyond: u64,
}

/// What the sender has of one replica, number by number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldLine {
    /// The replica.
    pub replica: ReplicaId,
    /// Everything up to this number.
    pub contiguous: u64,
    /// And these ranges, both ends included.
    pub ranges: Vec<(u64, u64)>,
}

/// What the sender has of one replica, and how much more it wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullLine {
    /// What it has.
    pub held: HeldLine,
    /// Up to which number it wants the rest; what is above is on its way, or comes from somebody else.
    pub until: u64,
}

/// A part of a repair.
#[derive(Debug, PartialEq)]
pub struct RepairItems<'a> {
    /// What is understood.
    pub items: Vec<RepairItem<'a>>,
    /// How many there were of kinds that this version does not know.
    pub unknown: u64,
}

/// A message on a link's stream, decoded.
#[derive(Debug, PartialEq)]
pub enum Message<'a> {
    /// The first on every link.
    Hello(Hello),
    /// When it was said, in microseconds on the sender's monotonic clock, and what the sender has of every replica; once a
    /// second.
    Digest(u64, Vec<DigestLine>),
    /// Asks for what the sender lacks: of the replicas named here so much, of all others everything.
    Pull(Vec<PullLine>),
    /// What follows is the answer to a pull, of about so many items.
    RepairBegin(u64),
    /// When it was made, in microseconds on the sender's monotonic clock, and a part of what was asked for.
    RepairItems(u64, RepairItems<'a>),
    /// All that was asked for has been sent; whoever took it has what the sender had, of which no stamp is later than this.
    RepairEnd(HybridTime, Vec<HeldLine>),
    /// Who was forgotten and who was met again: all that the sender knows on a new link, and later what is new.
    Admissions(Vec<Admission>),
    /// Nodes whose keys are banned: all that the sender knows on a new link, and later what is new.
    Bans(Vec<NodeId>),
    /// Clusters, each by those of its nodes that the sender knows: it may have what they have given up since it was parted
    /// from them, or have taken it from whoever was.
    Partings(Vec<Vec<NodeId>>),
    /// Records that fit no datagram.
    Records(Records<'a>),
    /// The sender came back without what it is to extrapolate, and asks the receiver to say that of its own shares again.
    TellPredictions,
    /// All that was asked for by [`Message::TellPredictions`] has been said.
    PredictionsTold,
    /// A token, and a number of the sender: it wants a digest as soon as the receiver has everything up to that on disk.
    DigestWanted(u64, u64),
    /// The digest before this was made after the request with this token had arrived, and shows what it asked for.
    DigestGiven(u64),
    /// The sender leaves the cluster for good; whoever has heard that closes the link.
    Leaving,
}

impl<'a> Message<'a> {
    /// Decodes a message.
    ///
    /// # Errors
    /// [`WireError`] says what is wrong; nothing of such a message is used.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, WireError> {
        if bytes.len() > MAX_MESSAGE_BYTES {
            return Err(WireError::Bounds("the length of a message"));
        }
        let mut input = Decoder::new(bytes);
        expect_open_array(&mut input)?;
        let message = match decode_head(&mut input)? {
            HELLO => Self::Hello(Hello::decode(&mut input)?),
            DIGEST => Self::Digest(input.u64()?, decode_replica_list(&mut input, decode_digest_line)?),
            PULL => Self::Pull(decode_pull(&mut input)?),
            REPAIR_BEGIN => Self::RepairBegin(input.u64()?),
            REPAIR_ITEMS => {
                let clock = input.u64()?;
                let (items, unknown) = decode_items(&mut input)?;
                Self::RepairItems(clock, RepairItems { items, unknown })
            }
            REPAIR_END => {
                let (time, mut room) = (HybridTime(input.u64()?), RANGES_A_MESSAGE);
                Self::RepairEnd(
                    time,
                    decode_replica_list(&mut input, |input| {
                        read_array(input, 4, |input| decode_held(input, &mut room))
                    })?,
                )
            }
            ADMISSIONS => Self::Admissions(decode_admissions(&mut input)?),
            BANS => Self::Bans(decode_bans(&mut input)?),
            TELL_PREDICTIONS => Self::TellPredictions,
            PREDICTIONS_TOLD => Self::PredictionsTold,
            DIGEST_WANTED => Self::DigestWanted(input.u64()?, input.u64()?),
            DIGEST_GIVEN => Self::DigestGiven(input.u64()?),
            LEAVING => Self::Leaving,
            PARTINGS => Self::Partings(decode_partings(&mut input)?),
            RECORDS => {
                let records = Records::decode(&mut input)?;
                expect_end(&input)?;
                return Ok(Self::Records(records));
            }
            other => return Err(WireError::Kind(other)),
        };
        pass_to_break(&mut input)?;
        expect_end(&input)?;
        Ok(message)
    }

    /// Encodes the greeting, for a link of this version.
    pub fn encode_hello(hello: &Hello, version: ProtocolVersion) -> Vec<u8> {
        sealed(HELLO, |out| {
            let _ = out.u64(hello.incarnation.0).and_then(|out| {
                out.str(&hello.host)?.u16(hello.client_port)?.u16(hello.mesh_port)?.bool(hello.meet)?.str(&hello.you)
            });
            let _ = out.u64(hello.instance);
            encode_units(out, hello.default_precision.amount().units());
            let _ = out.u64(hello.drawn_before);
            // The first version refuses what it does not know.
            if version > ProtocolVersion::FIRST && !hello.labels.is_empty() {
                let text = |label: &Option<String>| label.clone().unwrap_or_default();
                let _ = out
                    .array(2)
                    .and_then(|out| out.str(&text(&hello.labels.name))?.str(&text(&hello.labels.datacentre)));
            }
        })
    }

    /// Encodes the request for forecasts.
    pub fn encode_tell_predictions() -> Vec<u8> {
        sealed(TELL_PREDICTIONS, |_| ())
    }

    /// Encodes the end of forecasts that were asked for.
    pub fn encode_predictions_told() -> Vec<u8> {
        sealed(PREDICTIONS_TOLD, |_| ())
    }

    /// Encodes the request for a digest.
    pub fn encode_digest_wanted(token: u64, number: u64) -> Vec<u8> {
        sealed(DIGEST_WANTED, |out| {
            let _ = out.u64(token).and_then(|out| out.u64(number));
        })
    }

    /// Encodes which request the digest before this answers.
    pub fn encode_digest_given(token: u64) -> Vec<u8> {
        sealed(DIGEST_GIVEN, |out| {
            let _ = out.u64(token);
        })
    }

    /// Encodes that the sender leaves.
    pub fn encode_leaving() -> Vec<u8> {
        sealed(LEAVING, |_| ())
    }

    /// Encodes a digest.
    pub fn encode_digest(clock: u64, lines: &[DigestLine]) -> Vec<u8> {
        sealed(DIGEST, |out| {
            let _ = out.u64(clock).and_then(|out| out.array(lines.len() as u64));
            for line in lines {
                let _ = out.array(5);
                encode_replica(out, line.replica);
                let _ = out.u64(line.received).and_then(|out| out.u64(line.durable)?.u64(line.beyond));
            }
        })
    }

    /// Encodes a request for what the sender lacks.
    pub fn encode_pull(lines: &[PullLine]) -> Vec<u8> {
        sealed(PULL, |out| {
            let _ = out.array(lines.len() as u64);
            let mut room = RANGES_A_MESSAGE;
            for line in lines {
                let _ = out.array(5);
                encode_held(out, &line.held, &mut room);
                let _ = out.u64(line.until);
            }
        })
    }

    /// Encodes what goes ahead of a repair.
    pub fn encode_repair_begin(items: u64) -> Vec<u8> {
        sealed(REPAIR_BEGIN, |out| {
            let _ = out.u64(items);
        })
    }

    /// Encodes who was forgotten and who was met again.
    pub fn encode_admissions(admissions: &[Admission]) -> Vec<u8> {
        sealed(ADMISSIONS, |out| {
            let _ = out.array(admissions.len() as u64);
            for admission in admissions {
                let _ = out.array(3).and_then(|out| out.bytes(admission.node.as_bytes()));
                let _ = out.u64(admission.forgotten.0).and_then(|out| out.u64(admission.met.0));
            }
        })
    }

    /// Encodes whose keys are banned.
    pub fn encode_bans(nodes: &[NodeId]) -> Vec<u8> {
        sealed(BANS, |out| {
            let _ = out.array(nodes.len() as u64);
            for node in nodes {
                let _ = out.bytes(node.as_bytes());
            }
        })
    }

    /// Encodes from whom the sender was parted.
    pub fn encode_partings(clusters: &[Vec<NodeId>]) -> Vec<u8> {
        sealed(PARTINGS, |out| {
            let _ = out.array(clusters.len() as u64);
            for nodes in clusters {
                let _ = out.array(nodes.len() as u64);
                for node in nodes {
                    let _ = out.bytes(node.as_bytes());
                }
            }
        })
    }

    /// Encodes a part of a repair with nothing in it.
    pub fn encode_empty_repair(clock: u64) -> Vec<u8> {
        RepairWriter::default().finish(clock)
    }

    /// Encodes the end of a repair.
    pub fn encode_repair_end(time: HybridTime, lines: &[HeldLine]) -> Vec<u8> {
        sealed(REPAIR_END, |out| {
            let _ = out.u64(time.0);
            let _ = out.array(lines.len() as u64);
            let mut room = RANGES_A_MESSAGE;
            for line in lines {
                let _ = out.array(4);
                encode_held(out, line, &mut room);
            }
        })
    }
}

/// The replica, the contiguous number and the ranges. Ranges that no longer fit are left out.
fn encode_held(out: &mut Writer<'_>, line: &HeldLine, room: &mut usize) {
    let ranges = &line.ranges[..line.ranges.len().min(MAX_RANGES).min(*room)];
    *room -= ranges.len();
    encode_replica(out, line.replica);
    let _ = out.u64(line.contiguous).and_then(|out| out.array(ranges.len() as u64));
    for (first, last) in ranges {
        let _ = out.array(2).and_then(|out| out.u64(*first)?.u64(*last));
    }
}

impl Hello {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, WireError> {
        let incarnation = Incarnation(input.u64()?);
        let host = decode_host(input)?;
        let (client_port, mesh_port) = (input.u16()?, input.u16()?);
        let (meet, you) = (input.bool()?, decode_host(input)?);
        let (instance, default_precision, drawn_before) = (input.u64()?, decode_precision(input)?, input.u64()?);
        let labels = decode_labels(input);
        Ok(Self {
            incarnation,
            host,
            client_port,
            mesh_port,
            meet,
            you,
            instance,
            default_precision,
            drawn_before,
            labels,
        })
    }
}

/// What is no label is none, and so is what a later version has in their place: nobody is kept out for what it is called.
fn decode_labels(input: &mut Decoder<'_>) -> Labels {
    let mut ahead = input.clone();
    match read_array(&mut ahead, 2, |input| Ok(Labels::of(input.str()?, input.str()?))) {
        Ok(labels) => {
            input.set_position(ahead.position());
            labels
        }
        Err(_) => Labels::default(),
    }
}

fn decode_host(input: &mut Decoder<'_>) -> Result<String, WireError> {
    let host = input.str()?;
    if is_host(host) { Ok(host.to_owned()) } else { Err(WireError::Bounds("a host name")) }
}

fn decode_digest_line(input: &mut Decoder<'_>) -> Result<DigestLine, WireError> {
    read_array(input, 5, |input| {
        Ok(DigestLine {
            replica: decode_replica(input)?,
            received: input.u64()?,
            durable: input.u64()?,
            beyond: input.u64()?,
        })
    })
}

fn decode_pull(input: &mut Decoder<'_>) -> Result<Vec<PullLine>, WireError> {
    let mut room = RANGES_A_MESSAGE;
    decode_replica_list(input, |input| {
        read_array(input, 5, |input| Ok(PullLine { held: decode_held(input, &mut room)?, until: input.u64()? }))
    })
}

fn decode_held(input: &mut Decoder<'_>, room: &mut usize) -> Result<HeldLine, WireError> {
    let (replica, contiguous) = (decode_replica(input)?, input.u64()?);
    let length = bounded_array(input, MAX_RANGES.min(*room))?;
    *room -= length;
    let mut ranges = Vec::with_capacity(length.min(16));
    for _ in 0..length {
        ranges.push(read_array(input, 2, |input| Ok((input.u64()?, input.u64()?)))?);
    }
    Ok(HeldLine { replica, contiguous, ranges })
}

fn decode_admissions(input: &mut Decoder<'_>) -> Result<Vec<Admission>, WireError> {
    let length = bounded_array(input, MAX_ADMISSIONS)?;
    let mut admissions = Vec::with_capacity(length.min(64));
    for _ in 0..length {
        admissions.push(read_array(input, 3, |input| {
            let (node, forgotten, met) = (decode_node(input)?, HybridTime(input.u64()?), HybridTime(input.u64()?));
            Ok(Admission { node, forgotten, met, banned: false })
        })?);
    }
    Ok(admissions)
}

fn decode_bans(input: &mut Decoder<'_>) -> Result<Vec<NodeId>, WireError> {
    let length = bounded_array(input, MAX_BANNED)?;
    (0..length).map(|_| decode_node(input)).collect()
}

fn decode_partings(input: &mut Decoder<'_>) -> Result<Vec<Vec<NodeId>>, WireError> {
    let mut room = MAX_PARTED;
    let length = bounded_array(input, MAX_PARTED)?;
    let mut clusters = Vec::with_capacity(length.min(16));
    for _ in 0..length {
        let nodes = bounded_array(input, room)?;
        room -= nodes;
        clusters.push((0..nodes).map(|_| decode_node(input)).collect::<Result<_, _>>()?);
    }
    Ok(clusters)
}
