//! The items of a repair: the present state of what somebody numbered, as it is sent again.

use super::decimal::{decode_total, encode_units};
use super::error::WireError;
use super::ids::{
    bounded_array, decode_name, decode_replica, decode_replica_list, encode_replica, pass_over, read_array,
};
use super::message::REPAIR_ITEMS;
use super::packer::sealed;
use super::record::{AssignmentBody, decode_motion, decode_precision, micros};
use crate::base::{HybridTime, Location, MAX_CONTEXT_REPLICAS, MAX_MESSAGE_BYTES, Name, ReplicaId, Total};
use crate::counter::Precision;
use minicbor::data::Type;
use minicbor::{Decoder, Encoder};
use std::time::Duration;

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

/// The items, and how many there are of kinds that this version does not know.
pub(super) fn decode_items<'a>(input: &mut Decoder<'a>) -> Result<(Vec<RepairItem<'a>>, u64), WireError> {
    let replicas = decode_replica_list(input, |input| read_array(input, 2, decode_replica))?;
    // An item takes at least 8 bytes, so this also bounds what a false length can make us reserve.
    let length = bounded_array(input, MAX_MESSAGE_BYTES / 8)?;
    let mut items = Vec::with_capacity(length.min(4096));
    let mut unknown = 0;
    for _ in 0..length {
        match decode_item(input, &replicas)? {
            Some(item) => items.push(item),
            None => unknown += 1,
        }
    }
    Ok((items, unknown))
}

/// How many parts an item of this kind has at least; none for a kind that this version does not know.
const fn least_parts(kind: u8) -> Option<u64> {
    Some(match kind {
        ITEM_SHARE => 7,
        ITEM_MOVING_SHARE | ITEM_MOVING_IN_WHOLE_STEPS => 9,
        ITEM_ASSIGNMENT => 8,
        ITEM_PRECISION | ITEM_RETIREMENT => 6,
        _ => return None,
    })
}

/// None for one of a kind that this version does not know.
fn decode_item<'a>(input: &mut Decoder<'a>, replicas: &[ReplicaId]) -> Result<Option<RepairItem<'a>>, WireError> {
    debug_assert!(replicas.len() <= MAX_CONTEXT_REPLICAS);
    let referred = |at: u64| {
        let at = usize::try_from(at).ok();
        at.and_then(|at| replicas.get(at)).copied().ok_or(WireError::Bounds("a reference to a replica"))
    };
    let length = input.array()?.filter(|length| *length > 0).ok_or(WireError::Bounds("the length of an item"))?;
    let kind = input.u8()?;
    let Some(least) = least_parts(kind) else {
        pass_over(input, length - 1)?;
        return Ok(None);
    };
    let further = length.checked_sub(least).ok_or(WireError::Bounds("the length of an item"))?;
    let replica = referred(input.u64()?)?;
    let number = input.u64()?;
    let name = decode_name(input)?;
    let kind = match kind {
        ITEM_ASSIGNMENT => RepairKind::Assignment(AssignmentBody::decode(input)?),
        ITEM_PRECISION => RepairKind::Precision { time: HybridTime(input.u64()?), precision: decode_precision(input)? },
        ITEM_RETIREMENT => RepairKind::Retirement { of: referred(input.u64()?)?, born: input.u64()? },
        _ => {
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
    };
    pass_over(input, further)?;
    Ok(Some(RepairItem { name, replica, number, kind }))
}
