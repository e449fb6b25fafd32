//! Records: one announcement each, many to a datagram.
//!
//! A datagram of records is `[_ version, 1, incarnation, clock, [_ number, record, record, ...], ...]`: runs of consecutive
//! numbers, so a record carries none. A share's record finds its counter by the owner's place and the number at
//! which the share was born, both of which the receiver learned with the name; only a birth carries the name.

use super::FORMAT_VERSION;
use super::decimal::{Writer, decode_amount, decode_total, encode_units};
use super::error::WireError;
use super::heartbeat::Heartbeat;
use super::ids::{
    bounded_array, decode_name, decode_replica, decode_replica_list, encode_replica, expect_end, expect_open_array,
    pass_over, pass_to_break, read_array, take_break,
};
use crate::base::{Amount, HybridTime, Incarnation, Location, Name, ReplicaId, Total};
use crate::counter::{Precision, Share};
use minicbor::Decoder;
use minicbor::data::Type;
use std::time::Duration;

/// Kinds of datagrams; messages on streams start above.
pub(super) const RECORDS: u8 = 1;
pub(super) const MEMBERSHIP: u8 = 2;
pub(super) const NAMES_WANTED: u8 = 3;
pub(super) const HEARTBEAT: u8 = 4;

/// A share's record is its kind with these bits.
const SHARE_MOVES: u8 = 1;
const SHARE_IN_WHOLE_STEPS: u8 = 2;
const SHARE_NAMED: u8 = 4;
const ASSIGNMENT: u8 = 8;
const PRECISION: u8 = 9;
const RETIREMENT: u8 = 10;

/// The most places that one request for names may list.
const MAX_NAMES_WANTED: usize = 200;

/// A datagram, decoded.
#[derive(Debug, PartialEq)]
pub enum Datagram<'a> {
    /// News of the sender's own replica.
    Records(Records<'a>),
    /// The membership protocol's own bytes.
    Membership(&'a [u8]),
    /// The receiver's places whose names the sender never learned, each with the birth it was named by.
    NamesWanted(Vec<(Location, u64)>),
    /// That the sender lives, and up to where it has told everything.
    Heartbeat(Heartbeat),
}

/// News of one replica, in the order of its numbers.
#[derive(Debug, PartialEq)]
pub struct Records<'a> {
    /// Which life of the sender's speaks.
    pub incarnation: Incarnation,
    /// When this left, on the sender's monotonic clock in microseconds.
    pub clock: u64,
    /// Each record under its number.
    pub records: Vec<(u64, Record<'a>)>,
    /// How many there were of kinds that this version does not know. Their numbers are not received.
    pub unknown: u64,
}

/// One announcement.
#[derive(Debug, Clone, PartialEq)]
pub enum Record<'a> {
    /// The sender's share of a counter.
    Share {
        /// The counter's place in the sender's table.
        location: Location,
        /// The number at which this life of the share began.
        born: u64,
        /// The exact total at the announcement.
        total: Total,
        /// Amount a second; 0 for an exact share.
        rate: f32,
        /// How long ago the total was taken.
        age: Duration,
        /// Whether to extrapolate in whole steps.
        whole: bool,
        /// With a birth, or when asked for.
        name: Option<Name<'a>>,
    },
    /// A SET or DEL by the sender.
    Assignment {
        /// The counter.
        name: Name<'a>,
        /// The register.
        body: AssignmentBody,
    },
    /// A PRECISION by the sender.
    Precision {
        /// The counter.
        name: Name<'a>,
        /// When.
        time: HybridTime,
        /// The promise.
        precision: Precision,
    },
    /// The sender gave up a share of its node.
    Retirement {
        /// The counter.
        name: Name<'a>,
        /// Whose share it was: the sender's, or an earlier life's of the same node.
        replica: ReplicaId,
        /// The life that is over.
        born: u64,
    },
}

/// A SET or DEL but for who wrote it under which number.
#[derive(Debug, Clone, PartialEq)]
pub struct AssignmentBody {
    /// When.
    pub time: HybridTime,
    /// The value.
    pub base: Amount,
    /// A DEL.
    pub deleted: bool,
    /// What the writer had seen, one entry a replica.
    pub observed: Vec<Observed>,
}

/// What a writer had seen of one replica.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// The replica.
    pub replica: ReplicaId,
    /// Everything up to this number (the context).
    pub received: u64,
    /// Its share of the counter (the cut).
    pub share: Option<Share>,
}

impl Record<'_> {
    pub(super) fn encode(&self, out: &mut Writer<'_>) {
        match self {
            Self::Share { location, born, total, rate, age, whole, name } => {
                let moves = *rate != 0.0;
                let kind = u8::from(moves) * SHARE_MOVES
                    + u8::from(moves && *whole) * SHARE_IN_WHOLE_STEPS
                    + u8::from(name.is_some()) * SHARE_NAMED;
                let length = 4 + u64::from(moves) * 2 + u64::from(name.is_some());
                let _ = out.array(length).and_then(|out| out.u8(kind)?.u32(location.0)?.u64(*born));
                encode_units(out, total.units());
                if moves {
                    let _ = out.f32(*rate).and_then(|out| out.u64(micros(*age)));
                }
                if let Some(name) = name {
                    let _ = out.bytes(name.as_bytes());
                }
            }
            Self::Assignment { name, body } => {
                let _ = out.array(6).and_then(|out| out.u8(ASSIGNMENT)?.bytes(name.as_bytes()));
                body.encode(out);
            }
            Self::Precision { name, time, precision } => {
                let _ = out.array(4).and_then(|out| out.u8(PRECISION)?.bytes(name.as_bytes())?.u64(time.0));
                encode_units(out, precision.amount().units());
            }
            Self::Retirement { name, replica, born } => {
                let _ = out.array(5).and_then(|out| out.u8(RETIREMENT)?.bytes(name.as_bytes()));
                encode_replica(out, *replica);
                let _ = out.u64(*born);
            }
        }
    }

    /// None for one of a kind that this version does not know.
    fn decode<'a>(input: &mut Decoder<'a>) -> Result<Option<Record<'a>>, WireError> {
        let length = input.array()?.filter(|length| *length > 0).ok_or(WireError::Bounds("the length of a record"))?;
        let kind = input.u8()?;
        let least = match kind {
            0..=7 => 4 + u64::from(kind & SHARE_MOVES != 0) * 2 + u64::from(kind & SHARE_NAMED != 0),
            ASSIGNMENT => 6,
            PRECISION => 4,
            RETIREMENT => 5,
            _ => {
                pass_over(input, length - 1)?;
                return Ok(None);
            }
        };
        let further = length.checked_sub(least).ok_or(WireError::Bounds("the length of a record"))?;
        let record = Self::decode_known(kind, input)?;
        pass_over(input, further)?;
        Ok(Some(record))
    }

    fn decode_known<'a>(kind: u8, input: &mut Decoder<'a>) -> Result<Record<'a>, WireError> {
        match kind {
            ASSIGNMENT => Ok(Record::Assignment { name: decode_name(input)?, body: AssignmentBody::decode(input)? }),
            PRECISION => Ok(Record::Precision {
                name: decode_name(input)?,
                time: HybridTime(input.u64()?),
                precision: decode_precision(input)?,
            }),
            RETIREMENT => Ok(Record::Retirement {
                name: decode_name(input)?,
                replica: decode_replica(input)?,
                born: input.u64()?,
            }),
            _ => {
                let location = Location(input.u32()?);
                let born = input.u64()?;
                let total = decode_total(input)?;
                let (rate, age) = if kind & SHARE_MOVES != 0 { decode_motion(input)? } else { (0.0, Duration::ZERO) };
                let name = if kind & SHARE_NAMED != 0 { Some(decode_name(input)?) } else { None };
                let whole = kind & SHARE_IN_WHOLE_STEPS != 0;
                Ok(Record::Share { location, born, total, rate, age, whole, name })
            }
        }
    }
}

impl AssignmentBody {
    pub(super) fn encode(&self, out: &mut Writer<'_>) {
        let _ = out.u64(self.time.0);
        encode_units(out, self.base.units());
        let _ = out.bool(self.deleted).and_then(|out| out.array(self.observed.len() as u64));
        for observed in &self.observed {
            let _ = out.array(if observed.share.is_some() { 6 } else { 3 });
            encode_replica(out, observed.replica);
            let _ = out.u64(observed.received);
            if let Some(share) = &observed.share {
                let _ = out.u64(share.born).and_then(|out| out.u64(share.revision));
                encode_units(out, share.total.units());
            }
        }
    }

    pub(super) fn decode(input: &mut Decoder<'_>) -> Result<Self, WireError> {
        let time = HybridTime(input.u64()?);
        let base = decode_amount(input)?;
        let deleted = input.bool()?;
        let observed = decode_replica_list(input, |input| {
            let length = input.array()?.filter(|length| *length >= 3);
            let length = length.ok_or(WireError::Bounds("the length of what was observed"))?;
            let replica = decode_replica(input)?;
            let received = input.u64()?;
            let has_share = length >= 6;
            let share = match has_share {
                true => Some(Share { born: input.u64()?, revision: input.u64()?, total: decode_total(input)? }),
                false => None,
            };
            pass_over(input, length - if has_share { 6 } else { 3 })?;
            Ok(Observed { replica, received, share })
        })?;
        Ok(Self { time, base, deleted, observed })
    }
}

pub(super) fn micros(age: Duration) -> u64 {
    u64::try_from(age.as_micros()).unwrap_or(u64::MAX)
}

pub(super) fn decode_motion(input: &mut Decoder<'_>) -> Result<(f32, Duration), WireError> {
    let rate = input.f32()?;
    if !rate.is_finite() {
        return Err(WireError::Bounds("a rate"));
    }
    Ok((rate, Duration::from_micros(input.u64()?)))
}

pub(super) fn decode_precision(input: &mut Decoder<'_>) -> Result<Precision, WireError> {
    Precision::new(decode_amount(input)?).map_err(|_| WireError::Bounds("a precision"))
}

impl<'a> Records<'a> {
    /// Decodes what follows the kind.
    pub(super) fn decode(input: &mut Decoder<'a>) -> Result<Self, WireError> {
        let (incarnation, clock) = (Incarnation(input.u64()?), input.u64()?);
        let mut records = Vec::with_capacity(64);
        let mut unknown = 0;
        while !take_break(input)? {
            if !matches!(input.datatype()?, Type::ArrayIndef) {
                // Behind the runs there may be what a later version has put there.
                pass_to_break(input)?;
                break;
            }
            expect_open_array(input)?;
            let mut number = input.u64()?;
            while !take_break(input)? {
                if number == 0 {
                    return Err(WireError::Bounds("a number"));
                }
                match Record::decode(input)? {
                    Some(record) => records.push((number, record)),
                    None => unknown += 1,
                }
                number = number.checked_add(1).ok_or(WireError::Bounds("a number"))?;
            }
        }
        Ok(Self { incarnation, clock, records, unknown })
    }
}

impl<'a> Datagram<'a> {
    /// Decodes a datagram.
    ///
    /// # Errors
    /// [`WireError`] says what is wrong; nothing of such a datagram is used.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, WireError> {
        let mut input = Decoder::new(bytes);
        expect_open_array(&mut input)?;
        let datagram = match decode_head(&mut input)? {
            RECORDS => {
                let records = Records::decode(&mut input)?;
                expect_end(&input)?;
                return Ok(Self::Records(records));
            }
            MEMBERSHIP => Self::Membership(input.bytes()?),
            NAMES_WANTED => {
                let length = bounded_array(&mut input, MAX_NAMES_WANTED)?;
                let one = |_| read_array(&mut input, 2, |input| Ok((Location(input.u32()?), input.u64()?)));
                Self::NamesWanted((0..length).map(one).collect::<Result<_, WireError>>()?)
            }
            HEARTBEAT => Self::Heartbeat(Heartbeat::decode(&mut input)?),
            other => return Err(WireError::Kind(other)),
        };
        pass_to_break(&mut input)?;
        expect_end(&input)?;
        Ok(datagram)
    }
}

/// Reads the version and the kind.
pub(super) fn decode_head(input: &mut Decoder<'_>) -> Result<u8, WireError> {
    match input.u8()? {
        FORMAT_VERSION => Ok(input.u8()?),
        other => Err(WireError::Version(other)),
    }
}
