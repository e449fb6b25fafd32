//! What is kept on disk of a counter and of a node: CBOR as on the wire, in arrays that open with a version.
//!
//! A counter is `[version, own, shares, assignment, precision, retired, remainders]`, cut off behind the last that is
//! there: most counters have an own share and nothing else. Replicas are their places in the node's list of replicas,
//! which is never reordered.

use super::decimal::{Writer, decode_amount, decode_total, encode_units};
use super::error::WireError;
use super::ids::{
    bounded_array, decode_node, decode_replica, decode_replica_list, encode_replica, expect_array, expect_end,
    expect_open_array, take_break,
};
use super::record::decode_precision;
use crate::base::{HybridTime, MAX_CONTEXT_REPLICAS, ReplicaId, ReplicaIndex, Stamp};
use crate::counter::{Assignment, Context, PrecisionRegister, Remainder, Retired, Share, StoredCounter};
use crate::replication::{NodeRecord, NumberSet};
use minicbor::data::Type;
use minicbor::{Decoder, Encoder};
use std::sync::Arc;

/// The version of both formats that is written, and the newest that is read.
pub const STORED_VERSION: u8 = 1;

/// How many shares of one counter may be given up and still remembered: those of all lives of all replicas.
const MAX_RETIRED: usize = 1 << 20;

/// How many nodes one may have been parted from.
const MAX_PARTED: usize = 1024;

/// Appends the bytes of a counter.
pub fn encode_stored_counter(counter: &StoredCounter, out: &mut Vec<u8>) {
    let parts = [
        counter.own.is_some(),
        !counter.shares.is_empty(),
        counter.assignment.is_some(),
        counter.precision.is_some(),
        !counter.retired.is_empty(),
        !counter.remainders.is_empty(),
    ];
    let last = parts.iter().rposition(|there| *there).map_or(0, |at| at + 1);
    let mut out = Encoder::new(out);
    let _ = out.array(1 + last as u64).and_then(|out| out.u8(STORED_VERSION));
    let writers: [&dyn Fn(&mut Writer<'_>); 6] = [
        &|out| encode_optional(out, counter.own.as_ref(), encode_own),
        &|out| encode_list::<4, _>(out, &counter.shares, encode_share_of),
        &|out| encode_optional(out, counter.assignment.as_deref(), encode_assignment),
        &|out| encode_optional(out, counter.precision.as_ref(), encode_register),
        &|out| encode_list::<4, _>(out, &counter.retired, encode_retired),
        &|out| encode_list::<3, _>(out, &counter.remainders, encode_remainder),
    ];
    writers[..last].iter().for_each(|write| write(&mut out));
}

/// Reads a counter. `replicas` is the node's list of replicas: a place beyond it is an error.
///
/// # Errors
/// [`WireError`] says what is wrong; [`WireError::Version`] when a newer program wrote it.
pub fn decode_stored_counter(bytes: &[u8], replicas: &[ReplicaId]) -> Result<StoredCounter, WireError> {
    let mut reader = Reader { input: Decoder::new(bytes), replicas };
    let length = bounded_array(&mut reader.input, usize::from(u8::MAX))?;
    match reader.input.u8()? {
        STORED_VERSION => {}
        other => return Err(WireError::Version(other)),
    }
    if !(1..=7).contains(&length) {
        return Err(WireError::Bounds("the length of a stored counter"));
    }
    let mut counter = StoredCounter::default();
    let parts: [ReadPart; 6] = [
        |reader, counter| reader.optional(Reader::own).map(|own| counter.own = own),
        |reader, counter| reader.list(4, MAX_CONTEXT_REPLICAS, Reader::share_of).map(|shares| counter.shares = shares),
        |reader, counter| reader.optional(Reader::assignment).map(|found| counter.assignment = found.map(Arc::new)),
        |reader, counter| reader.optional(Reader::register).map(|register| counter.precision = register),
        |reader, counter| reader.list(4, MAX_RETIRED, Reader::retired).map(|retired| counter.retired = retired),
        |reader, counter| {
            reader.list(3, MAX_CONTEXT_REPLICAS, Reader::remainder).map(|remainders| counter.remainders = remainders)
        },
    ];
    for read in &parts[..length - 1] {
        read(&mut reader, &mut counter)?;
    }
    expect_end(&reader.input)?;
    Ok(counter)
}

/// Appends the bytes of a node's record.
pub fn encode_node_record(record: &NodeRecord, out: &mut Vec<u8>) {
    let mut out = Encoder::new(out);
    let _ = out.begin_array().and_then(|out| out.u8(STORED_VERSION));
    encode_replica(&mut out, record.own);
    let _ = out.u64(record.reserved).and_then(|out| out.bool(record.has_told)?.u64(record.time.0));
    let _ = out.array(record.replicas.len() as u64);
    for (replica, held) in &record.replicas {
        let _ = out.array(4);
        encode_replica(&mut out, *replica);
        let _ = out.u64(held.contiguous());
        encode_list::<2, _>(&mut out, held.ranges(), |out, (first, last)| {
            let _ = out.u64(*first).and_then(|out| out.u64(*last));
        });
    }
    let _ = out.array(record.parted.len() as u64);
    for node in &record.parted {
        let _ = out.bytes(node.as_bytes());
    }
    let _ = out.end();
}

/// Reads a node's record.
///
/// # Errors
/// As [`decode_stored_counter`].
pub fn decode_node_record(bytes: &[u8]) -> Result<NodeRecord, WireError> {
    let mut input = Decoder::new(bytes);
    expect_open_array(&mut input)?;
    match input.u8()? {
        STORED_VERSION => {}
        other => return Err(WireError::Version(other)),
    }
    let own = decode_replica(&mut input)?;
    let (reserved, has_told, time) = (input.u64()?, input.bool()?, HybridTime(input.u64()?));
    let replicas = decode_replica_list(&mut input, |input| {
        expect_array(input, 4)?;
        Ok((decode_replica(input)?, decode_numbers(input)?))
    })?;
    let parted = bounded_array(&mut input, MAX_PARTED)?;
    let parted = (0..parted).map(|_| decode_node(&mut input)).collect::<Result<_, _>>()?;
    if !take_break(&mut input)? {
        return Err(WireError::Bounds("the length of a node's record"));
    }
    expect_end(&input)?;
    Ok(NodeRecord { own, replicas, reserved, has_told, time, parted })
}

/// The numbers held of one replica, which must be written as a set writes itself: in order and apart.
fn decode_numbers(input: &mut Decoder<'_>) -> Result<NumberSet, WireError> {
    let contiguous = input.u64()?;
    let length = input.array()?.filter(|length| length % 2 == 0).ok_or(WireError::Bounds("ranges of numbers"))?;
    let mut ranges = Vec::new();
    let mut previous = contiguous;
    for _ in 0..length / 2 {
        let (first, last) = (input.u64()?, input.u64()?);
        let is_apart = previous.checked_add(1).is_some_and(|next| first > next);
        if !is_apart || last < first {
            return Err(WireError::Bounds("ranges of numbers"));
        }
        ranges.push((first, last));
        previous = last;
    }
    let mut numbers = NumberSet::new(contiguous, []);
    numbers.insert_all(ranges);
    Ok(numbers)
}

fn encode_optional<T>(out: &mut Writer<'_>, value: Option<&T>, encode: impl Fn(&mut Writer<'_>, &T)) {
    match value {
        Some(value) => encode(out, value),
        None => {
            let _ = out.null();
        }
    }
}

/// A flat array: every entry takes `WIDTH` places in it.
fn encode_list<const WIDTH: u64, T>(out: &mut Writer<'_>, list: &[T], encode: impl Fn(&mut Writer<'_>, &T)) {
    let _ = out.array(list.len() as u64 * WIDTH);
    list.iter().for_each(|value| encode(out, value));
}

fn encode_share(out: &mut Writer<'_>, share: &Share) {
    let _ = out.u64(share.born).and_then(|out| out.u64(share.revision));
    encode_units(out, share.total.units());
}

fn encode_own(out: &mut Writer<'_>, share: &Share) {
    let _ = out.array(3);
    encode_share(out, share);
}

fn encode_share_of(out: &mut Writer<'_>, (replica, share): &(ReplicaIndex, Share)) {
    let _ = out.u32(replica.0);
    encode_share(out, share);
}

fn encode_assignment(out: &mut Writer<'_>, assignment: &Assignment) {
    let Assignment { stamp, origin, base, cut, context, deleted } = assignment;
    let _ = out.array(7).and_then(|out| out.u64(stamp.time.0)?.u32(origin.0)?.u64(stamp.number)?.bool(*deleted));
    encode_units(out, base.units());
    encode_list::<4, _>(out, cut, encode_share_of);
    let context: Vec<_> = context.iter().collect();
    encode_list::<2, _>(out, &context, |out, (replica, number)| {
        let _ = out.u32(replica.0).and_then(|out| out.u64(*number));
    });
}

fn encode_register(out: &mut Writer<'_>, register: &PrecisionRegister) {
    let PrecisionRegister { stamp, origin, precision } = register;
    let _ = out.array(4).and_then(|out| out.u64(stamp.time.0)?.u32(origin.0)?.u64(stamp.number));
    encode_units(out, precision.amount().units());
}

fn encode_retired(out: &mut Writer<'_>, retired: &Retired) {
    let Retired { replica, born, by, number } = retired;
    let _ = out.u32(replica.0).and_then(|out| out.u64(*born)?.u32(by.0)?.u64(*number));
}

fn encode_remainder(out: &mut Writer<'_>, remainder: &Remainder) {
    let _ = out.u32(remainder.replica.0).and_then(|out| out.u64(remainder.revision));
    encode_units(out, remainder.amount.units());
}

/// Reads one part of a counter.
type ReadPart = fn(&mut Reader<'_>, &mut StoredCounter) -> Result<(), WireError>;

/// Reads the parts of a counter, and holds every place against the list of replicas.
struct Reader<'a> {
    input: Decoder<'a>,
    replicas: &'a [ReplicaId],
}

impl Reader<'_> {
    fn optional<T>(&mut self, read: impl Fn(&mut Self) -> Result<T, WireError>) -> Result<Option<T>, WireError> {
        if matches!(self.input.datatype()?, Type::Null) {
            self.input.null()?;
            return Ok(None);
        }
        read(self).map(Some)
    }

    /// A flat array of entries of `width` places, at most `most` entries.
    fn list<T>(
        &mut self,
        width: usize,
        most: usize,
        read: impl Fn(&mut Self) -> Result<T, WireError>,
    ) -> Result<Vec<T>, WireError> {
        let places = bounded_array(&mut self.input, most * width)?;
        if places % width != 0 {
            return Err(WireError::Bounds("the length of a list"));
        }
        // The length is a claim; memory is taken as entries really arrive. Exact, as most lists stay as they are.
        let mut list = Vec::with_capacity((places / width).min(64));
        for _ in 0..places / width {
            list.push(read(self)?);
        }
        Ok(list)
    }

    fn replica(&mut self) -> Result<(ReplicaIndex, ReplicaId), WireError> {
        let index = ReplicaIndex(self.input.u32()?);
        let id = self.replicas.get(index.as_usize()).ok_or(WireError::Bounds("a replica's place"))?;
        Ok((index, *id))
    }

    fn share(&mut self) -> Result<Share, WireError> {
        Ok(Share { born: self.input.u64()?, revision: self.input.u64()?, total: decode_total(&mut self.input)? })
    }

    fn own(&mut self) -> Result<Share, WireError> {
        expect_array(&mut self.input, 3)?;
        self.share()
    }

    fn share_of(&mut self) -> Result<(ReplicaIndex, Share), WireError> {
        Ok((self.replica()?.0, self.share()?))
    }

    /// A stamp and the place of who made it.
    fn stamp(&mut self) -> Result<(Stamp, ReplicaIndex), WireError> {
        let time = HybridTime(self.input.u64()?);
        let (origin, replica) = self.replica()?;
        Ok((Stamp { time, replica, number: self.input.u64()? }, origin))
    }

    fn assignment(&mut self) -> Result<Assignment, WireError> {
        expect_array(&mut self.input, 7)?;
        let (stamp, origin) = self.stamp()?;
        let deleted = self.input.bool()?;
        let base = decode_amount(&mut self.input)?;
        let cut = self.list(4, MAX_CONTEXT_REPLICAS, Self::share_of)?;
        let known = self.list(2, MAX_CONTEXT_REPLICAS, |reader| Ok((reader.replica()?.0, reader.input.u64()?)))?;
        let length = known.iter().map(|(replica, _)| replica.as_usize() + 1).max().unwrap_or(0);
        let mut received = vec![0; length];
        known.iter().for_each(|(replica, number)| received[replica.as_usize()] = *number);
        Ok(Assignment { stamp, origin, base, cut, context: Context::new(received), deleted })
    }

    fn register(&mut self) -> Result<PrecisionRegister, WireError> {
        expect_array(&mut self.input, 4)?;
        let (stamp, origin) = self.stamp()?;
        Ok(PrecisionRegister { stamp, origin, precision: decode_precision(&mut self.input)? })
    }

    fn retired(&mut self) -> Result<Retired, WireError> {
        let (replica, _) = self.replica()?;
        let born = self.input.u64()?;
        let (by, _) = self.replica()?;
        Ok(Retired { replica, born, by, number: self.input.u64()? })
    }

    fn remainder(&mut self) -> Result<Remainder, WireError> {
        let (replica, _) = self.replica()?;
        Ok(Remainder { replica, revision: self.input.u64()?, amount: decode_total(&mut self.input)? })
    }
}
