//! Messages on a link's stream: greetings, digests and repair, and records too long for a datagram.

use super::decimal::{decode_total, encode_units};
use super::error::WireError;
use super::ids::{
    bounded_array, decode_name, decode_replica, decode_replica_list, encode_replica, expect_array, expect_end,
    expect_open_array, take_break,
};
use super::packer::sealed;
use super::record::{AssignmentBody, RECORDS, Records, decode_head, decode_motion, decode_precision, micros};
use crate::base::{HybridTime, Incarnation, Location, MAX_CONTEXT_REPLICAS, MAX_MESSAGE_BYTES, Name, ReplicaId, Total};
use crate::counter::Precision;
use minicbor::data::Type;
use minicbor::{Decoder, Encoder};
use std::time::Duration;

const HELLO: u8 = 16;
const DIGEST: u8 = 17;
const PULL: u8 = 18;
const REPAIR_ITEMS: u8 = 19;
const REPAIR_END: u8 = 20;

/// The longest host name in a greeting.
const MAX_HOST_BYTES: usize = 255;
/// The most ranges of one replica beyond its contiguous part.
const MAX_RANGES: usize = 256;

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

/// What the sender has of one replica, number by number, at the end of a repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldLine {
    /// The replica.
    pub replica: ReplicaId,
    /// Everything up to this number.
    pub contiguous: u64,
    /// And these ranges, both ends included.
    pub ranges: Vec<(u64, u64)>,
}

/// One item of a repair: the present state of one thing that somebody numbered.
#[derive(Debug, Clone, PartialEq)]
pub struct RepairItem<'a> {
    /// The counter.
    pub name: Name<'a>,
    /// Whose number it carries.
    pub replica: ReplicaId,
    /// The number.
    pub number: u64,
    /// What it is.
    pub kind: RepairKind,
}

/// What an item of a repair is.
#[derive(Debug, Clone, PartialEq)]
pub enum RepairKind {
    /// The replica's share; the number is its revision.
    Share {
        /// The counter's place in the sender's table, where the share is the sender's own.
        location: Option<Location>,
        /// The number at which this life began.
        born: u64,
        /// The total as announced.
        total: Total,
        /// Amount a second; 0 for an exact share.
        rate: f32,
        /// How long ago the total was taken.
        age: Duration,
        /// Whether to extrapolate in whole steps.
        whole: bool,
    },
    /// A SET or DEL by the replica.
    Assignment(AssignmentBody),
    /// A PRECISION by the replica.
    Precision {
        /// When.
        time: HybridTime,
        /// The promise.
        precision: Precision,
    },
    /// A share that the replica gave up.
    Retirement {
        /// Whose share it was.
        of: ReplicaId,
        /// The life that is over.
        born: u64,
    },
}

/// A message on a link's stream, decoded.
#[derive(Debug, PartialEq)]
pub enum Message<'a> {
    /// The first on every link.
    Hello(Hello),
    /// When it was said, in microseconds on the sender's monotonic clock, and what the sender has of every replica; once a
    /// second.
    Digest(u64, Vec<DigestLine>),
    /// Asks for everything above these numbers.
    Pull(Vec<(ReplicaId, u64)>),
    /// When it was made, in microseconds on the sender's monotonic clock, and a part of what was asked for.
    RepairItems(u64, Vec<RepairItem<'a>>),
    /// All that was asked for has been sent; whoever took it has what the sender had, of which no stamp is later than this.
    RepairEnd(HybridTime, Vec<HeldLine>),
    /// Records that fit no datagram.
    Records(Records<'a>),
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
            PULL => Self::Pull(decode_replica_list(&mut input, |input| {
                expect_array(input, 3)?;
                Ok((decode_replica(input)?, input.u64()?))
            })?),
            REPAIR_ITEMS => Self::RepairItems(input.u64()?, decode_items(&mut input)?),
            REPAIR_END => {
                let time = HybridTime(input.u64()?);
                Self::RepairEnd(time, decode_replica_list(&mut input, decode_held_line)?)
            }
            RECORDS => {
                let records = Records::decode(&mut input)?;
                expect_end(&input)?;
                return Ok(Self::Records(records));
            }
            other => return Err(WireError::Kind(other)),
        };
        if !take_break(&mut input)? {
            return Err(WireError::Bounds("the length of a message"));
        }
        expect_end(&input)?;
        Ok(message)
    }

    /// Encodes the greeting.
    pub fn encode_hello(hello: &Hello) -> Vec<u8> {
        sealed(HELLO, |out| {
            let _ = out.u64(hello.incarnation.0).and_then(|out| {
                out.str(&hello.host)?.u16(hello.client_port)?.u16(hello.mesh_port)?.bool(hello.meet)?.str(&hello.you)
            });
            let _ = out.u64(hello.instance);
            encode_units(out, hello.default_precision.amount().units());
        })
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

    /// Encodes a request for everything above these numbers.
    pub fn encode_pull(have: &[(ReplicaId, u64)]) -> Vec<u8> {
        sealed(PULL, |out| {
            let _ = out.array(have.len() as u64);
            for (replica, number) in have {
                let _ = out.array(3);
                encode_replica(out, *replica);
                let _ = out.u64(*number);
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
            for line in lines {
                let _ = out.array(4);
                encode_replica(out, line.replica);
                let _ = out.u64(line.contiguous).and_then(|out| out.array(line.ranges.len() as u64));
                for (first, last) in &line.ranges {
                    let _ = out.array(2).and_then(|out| out.u64(*first)?.u64(*last));
                }
            }
        })
    }
}

impl Hello {
    fn decode(input: &mut Decoder<'_>) -> Result<Self, WireError> {
        let incarnation = Incarnation(input.u64()?);
        let host = decode_host(input)?;
        let (client_port, mesh_port) = (input.u16()?, input.u16()?);
        let (meet, you) = (input.bool()?, decode_host(input)?);
        let (instance, default_precision) = (input.u64()?, decode_precision(input)?);
        Ok(Self { incarnation, host, client_port, mesh_port, meet, you, instance, default_precision })
    }
}

fn decode_host(input: &mut Decoder<'_>) -> Result<String, WireError> {
    let host = input.str()?;
    if host.len() > MAX_HOST_BYTES { Err(WireError::Bounds("a host name")) } else { Ok(host.to_owned()) }
}

fn decode_digest_line(input: &mut Decoder<'_>) -> Result<DigestLine, WireError> {
    expect_array(input, 5)?;
    Ok(DigestLine {
        replica: decode_replica(input)?,
        received: input.u64()?,
        durable: input.u64()?,
        beyond: input.u64()?,
    })
}

fn decode_held_line(input: &mut Decoder<'_>) -> Result<HeldLine, WireError> {
    expect_array(input, 4)?;
    let (replica, contiguous) = (decode_replica(input)?, input.u64()?);
    let length = bounded_array(input, MAX_RANGES)?;
    let mut ranges = Vec::with_capacity(length.min(16));
    for _ in 0..length {
        expect_array(input, 2)?;
        ranges.push((input.u64()?, input.u64()?));
    }
    Ok(HeldLine { replica, contiguous, ranges })
}

const ITEM_SHARE: u8 = 0;
const ITEM_MOVING_SHARE: u8 = 1;
const ITEM_MOVING_IN_WHOLE_STEPS: u8 = 3;
const ITEM_ASSIGNMENT: u8 = 8;
const ITEM_PRECISION: u8 = 9;
const ITEM_RETIREMENT: u8 = 10;

/// Gathers the items of one repair message; replicas are said once and then referred to.
#[derive(Debug, Default)]
pub struct RepairWriter {
    replicas: Vec<ReplicaId>,
    items: Vec<u8>,
    count: usize,
}

impl RepairWriter {
    /// How many bytes have been gathered.
    pub fn len(&self) -> usize {
        self.items.len() + self.replicas.len() * 30
    }

    /// Whether nothing has been gathered.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many items have been gathered.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Adds an item: `[kind, replica, number, name, ...]`.
    pub fn push(&mut self, item: &RepairItem<'_>) {
        let reference = self.reference(item.replica);
        let retired = match &item.kind {
            RepairKind::Retirement { of, .. } => self.reference(*of),
            _ => 0,
        };
        self.count += 1;
        let out = &mut Encoder::new(&mut self.items);
        let kind = match &item.kind {
            RepairKind::Share { rate: 0.0, .. } => ITEM_SHARE,
            RepairKind::Share { whole: false, .. } => ITEM_MOVING_SHARE,
            RepairKind::Share { .. } => ITEM_MOVING_IN_WHOLE_STEPS,
            RepairKind::Assignment(_) => ITEM_ASSIGNMENT,
            RepairKind::Precision { .. } => ITEM_PRECISION,
            RepairKind::Retirement { .. } => ITEM_RETIREMENT,
        };
        let length = match kind {
            ITEM_SHARE => 7,
            ITEM_MOVING_SHARE | ITEM_MOVING_IN_WHOLE_STEPS => 9,
            ITEM_ASSIGNMENT => 8,
            _ => 6,
        };
        let _ = out
            .array(length)
            .and_then(|out| out.u8(kind)?.u64(reference)?.u64(item.number)?.bytes(item.name.as_bytes()));
        match &item.kind {
            RepairKind::Share { location, born, total, rate, age, .. } => {
                let _ = match location {
                    Some(location) => out.u32(location.0),
                    None => out.null(),
                };
                let _ = out.u64(*born);
                encode_units(out, total.units());
                if kind != ITEM_SHARE {
                    let _ = out.f32(*rate).and_then(|out| out.u64(micros(*age)));
                }
            }
            RepairKind::Assignment(body) => body.encode(out),
            RepairKind::Precision { time, precision } => {
                let _ = out.u64(time.0);
                encode_units(out, precision.amount().units());
            }
            RepairKind::Retirement { born, .. } => {
                let _ = out.u64(retired).and_then(|out| out.u64(*born));
            }
        }
    }

    /// The message with all that was gathered.
    pub fn finish(&mut self, clock: u64) -> Vec<u8> {
        let written = std::mem::take(self);
        let mut bytes = sealed(REPAIR_ITEMS, |out| {
            let _ = out.u64(clock);
            let _ = out.array(written.replicas.len() as u64);
            for replica in &written.replicas {
                let _ = out.array(2);
                encode_replica(out, *replica);
            }
            let _ = out.array(written.count as u64);
        });
        // The items belong before the end of the message.
        let end = bytes.pop();
        bytes.extend_from_slice(&written.items);
        bytes.extend(end);
        bytes
    }

    fn reference(&mut self, replica: ReplicaId) -> u64 {
        let at = self.replicas.iter().position(|known| *known == replica).unwrap_or_else(|| {
            self.replicas.push(replica);
            self.replicas.len() - 1
        });
        at as u64
    }
}

fn decode_items<'a>(input: &mut Decoder<'a>) -> Result<Vec<RepairItem<'a>>, WireError> {
    let replicas = decode_replica_list(input, |input| {
        expect_array(input, 2)?;
        decode_replica(input)
    })?;
    // An item takes at least 8 bytes, so this also bounds what a false length can make us reserve.
    let length = bounded_array(input, MAX_MESSAGE_BYTES / 8)?;
    let mut items = Vec::with_capacity(length.min(4096));
    for _ in 0..length {
        items.push(decode_item(input, &replicas)?);
    }
    Ok(items)
}

fn decode_item<'a>(input: &mut Decoder<'a>, replicas: &[ReplicaId]) -> Result<RepairItem<'a>, WireError> {
    debug_assert!(replicas.len() <= MAX_CONTEXT_REPLICAS);
    let referred = |at: u64| {
        let at = usize::try_from(at).ok();
        at.and_then(|at| replicas.get(at)).copied().ok_or(WireError::Bounds("a reference to a replica"))
    };
    let length = bounded_array(input, 9)?;
    let kind = input.u8()?;
    let replica = referred(input.u64()?)?;
    let number = input.u64()?;
    let name = decode_name(input)?;
    let kind = match (kind, length) {
        (ITEM_SHARE, 7) | (ITEM_MOVING_SHARE | ITEM_MOVING_IN_WHOLE_STEPS, 9) => {
            let location = match input.datatype()? {
                Type::Null => {
                    input.null()?;
                    None
                }
                _ => Some(Location(input.u32()?)),
            };
            let (born, total) = (input.u64()?, decode_total(input)?);
            let (rate, age) = if kind == ITEM_SHARE { (0.0, Duration::ZERO) } else { decode_motion(input)? };
            RepairKind::Share { location, born, total, rate, age, whole: kind == ITEM_MOVING_IN_WHOLE_STEPS }
        }
        (ITEM_ASSIGNMENT, 8) => RepairKind::Assignment(AssignmentBody::decode(input)?),
        (ITEM_PRECISION, 6) => {
            RepairKind::Precision { time: HybridTime(input.u64()?), precision: decode_precision(input)? }
        }
        (ITEM_RETIREMENT, 6) => RepairKind::Retirement { of: referred(input.u64()?)?, born: input.u64()? },
        (other, _) => return Err(WireError::Kind(other)),
    };
    Ok(RepairItem { name, replica, number, kind })
}
