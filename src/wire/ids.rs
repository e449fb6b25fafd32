//! Replicas, names and lists on the wire.

use super::decimal::Writer;
use super::error::WireError;
use crate::base::{Incarnation, MAX_CONTEXT_REPLICAS, Name, NodeId, ReplicaId};
use minicbor::Decoder;
use minicbor::data::Type;

pub(super) fn encode_replica(out: &mut Writer<'_>, replica: ReplicaId) {
    let _ = out.bytes(replica.node.as_bytes()).and_then(|out| out.u64(replica.incarnation.0));
}

pub(super) fn decode_node(input: &mut Decoder<'_>) -> Result<NodeId, WireError> {
    let bytes: [u8; 20] = input.bytes()?.try_into().map_err(|_| WireError::Bounds("a node id"))?;
    Ok(NodeId::new(bytes))
}

pub(super) fn decode_replica(input: &mut Decoder<'_>) -> Result<ReplicaId, WireError> {
    Ok(ReplicaId { node: decode_node(input)?, incarnation: Incarnation(input.u64()?) })
}

pub(super) fn decode_name<'a>(input: &mut Decoder<'a>) -> Result<Name<'a>, WireError> {
    Name::new(input.bytes()?).map_err(|_| WireError::Bounds("a counter's name"))
}

/// Opens an array of a fixed length.
pub(super) fn expect_array(input: &mut Decoder<'_>, length: u64) -> Result<(), WireError> {
    match input.array()? {
        Some(given) if given == length => Ok(()),
        _ => Err(WireError::Bounds("the length of an array")),
    }
}

/// Reads an array of at least `least` parts. What a later version has put behind those is passed over.
pub(super) fn read_array<'a, T>(
    input: &mut Decoder<'a>,
    least: u64,
    read: impl FnOnce(&mut Decoder<'a>) -> Result<T, WireError>,
) -> Result<T, WireError> {
    let given = input.array()?.filter(|given| *given >= least).ok_or(WireError::Bounds("the length of an array"))?;
    let value = read(input)?;
    pass_over(input, given - least)?;
    Ok(value)
}

/// Passes over so many parts of an array, whatever they are.
pub(super) fn pass_over(input: &mut Decoder<'_>, parts: u64) -> Result<(), WireError> {
    // The number is a claim; the loop ends where the bytes do.
    for _ in 0..parts {
        if matches!(input.datatype()?, Type::Break) {
            return Err(WireError::Bounds("the length of an array"));
        }
        input.skip()?;
    }
    Ok(())
}

/// Passes over what a later version has put at the end of an open-ended array, and takes that end.
pub(super) fn pass_to_break(input: &mut Decoder<'_>) -> Result<(), WireError> {
    while !take_break(input)? {
        input.skip()?;
    }
    Ok(())
}

/// Opens an array of any length up to `most`.
pub(super) fn bounded_array(input: &mut Decoder<'_>, most: usize) -> Result<usize, WireError> {
    let length = input.array()?.and_then(|length| usize::try_from(length).ok());
    length.filter(|length| *length <= most).ok_or(WireError::Bounds("the length of a list"))
}

/// A list with one entry a replica.
pub(super) fn decode_replica_list<'a, T>(
    input: &mut Decoder<'a>,
    mut one: impl FnMut(&mut Decoder<'a>) -> Result<T, WireError>,
) -> Result<Vec<T>, WireError> {
    let length = bounded_array(input, MAX_CONTEXT_REPLICAS)?;
    // The length is a claim; memory is taken as entries really arrive.
    let mut list = Vec::with_capacity(length.min(64));
    for _ in 0..length {
        list.push(one(input)?);
    }
    Ok(list)
}

/// Takes the end of an open-ended array, if it is here.
pub(super) fn take_break(input: &mut Decoder<'_>) -> Result<bool, WireError> {
    let at_end = matches!(input.datatype()?, Type::Break);
    if at_end {
        input.skip()?;
    }
    Ok(at_end)
}

/// Opens an open-ended array.
pub(super) fn expect_open_array(input: &mut Decoder<'_>) -> Result<(), WireError> {
    match input.array()? {
        None => Ok(()),
        Some(_) => Err(WireError::Bounds("the length of an open array")),
    }
}

/// Nothing may follow.
pub(super) fn expect_end(input: &Decoder<'_>) -> Result<(), WireError> {
    if input.position() == input.input().len() { Ok(()) } else { Err(WireError::Bounds("what follows the end")) }
}
