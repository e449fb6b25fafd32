//! Versions of the protocol between nodes: what the first said is read, what is said is read by the first, and what a later
//! one may add is passed over.

mod grammar;
mod nodes;

use ciborium::Value;
use discnt::base::{Monotonic, NodeId};
use discnt::membership::{Config, MemberIdentity, Membership, MembershipError};
use discnt::wire::{
    Datagram, Message, MessageKind, Packed, ProtocolVersion, RecordPacker, RepairWriter, WireError, encode_membership,
    encode_names_wanted,
};
use std::collections::BTreeSet;

/// One that was recorded.
struct Recorded {
    is_datagram: bool,
    kind: &'static str,
    bytes: Vec<u8>,
}

/// What nodes of the first version said to each other.
fn first_version() -> Vec<Recorded> {
    let lines = include_str!("golden/version_1.txt").lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let words: Vec<&'static str> = line.split(' ').collect();
            let [how, kind, hex] = words[..] else { panic!("{line}") };
            let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal digits");
            Recorded { is_datagram: how == "datagram", kind, bytes: (0..hex.len()).step_by(2).map(byte).collect() }
        })
        .collect()
}

/// What is understood of it, as text.
fn read(recorded: &Recorded, bytes: &[u8]) -> Result<String, WireError> {
    match recorded.is_datagram {
        true => Datagram::decode(bytes).map(|datagram| format!("{datagram:?}")),
        false => Message::decode(bytes).map(|message| format!("{message:?}")),
    }
}

#[test]
fn all_that_the_first_version_said_is_read() {
    let recorded = first_version();
    let kinds: BTreeSet<&str> = recorded.iter().map(|one| one.kind).collect();
    let first = MessageKind::ALL.iter().filter(|kind| kind.since().0 == 1);
    assert_eq!(kinds, first.map(|kind| kind.name()).collect(), "each kind is among the recorded");
    for one in &recorded {
        assert_eq!(MessageKind::of(&one.bytes).map(MessageKind::name), Some(one.kind));
        let text = read(one, &one.bytes).unwrap_or_else(|error| panic!("{}: {error}: {:02x?}", one.kind, one.bytes));
        assert!(!text.contains("unknown: 1"), "{text}");
    }
}

#[test]
fn the_first_version_takes_what_it_said_itself_and_nothing_that_is_longer() {
    for one in first_version() {
        grammar::check(&one.bytes).unwrap_or_else(|error| panic!("{}: {error}: {:02x?}", one.kind, one.bytes));
        let longer = grammar::extend(&one.bytes, Value::Null).expect("it was taken");
        assert!(longer.len() > one.bytes.len());
        assert!(grammar::check(&longer).is_err(), "{}: {longer:02x?}", one.kind);
    }
}

/// What is read is said again in the same bytes, so that the first version reads what is said today.
#[test]
fn what_is_read_is_said_again_in_the_same_bytes() {
    let mut said = BTreeSet::new();
    for one in first_version() {
        let again = match one.is_datagram {
            true => datagram_again(&Datagram::decode(&one.bytes).expect("it is read")),
            false => message_again(&Message::decode(&one.bytes).expect("it is read")),
        };
        let Some(again) = again else { continue };
        grammar::check(&again).unwrap_or_else(|error| panic!("{}: {error}: {again:02x?}", one.kind));
        assert_eq!(again, one.bytes, "{}", one.kind);
        said.insert(one.kind);
    }
    let first = MessageKind::ALL.iter().filter(|kind| kind.since().0 == 1);
    assert_eq!(said, first.map(|kind| kind.name()).collect());
}

fn packed_again(records: &discnt::wire::Records<'_>) -> Option<Vec<u8>> {
    let (mut packer, mut ready) = (RecordPacker::new(records.incarnation, records.clock, 60_000), Vec::new());
    for (number, record) in &records.records {
        packer.push(*number, record, &mut ready);
    }
    packer.finish(&mut ready);
    match ready.pop()? {
        Packed::Datagram(bytes, _) | Packed::Message(bytes) => Some(bytes),
    }
}

fn datagram_again(datagram: &Datagram<'_>) -> Option<Vec<u8>> {
    match datagram {
        Datagram::Records(records) => packed_again(records),
        Datagram::Membership(bytes) => Some(encode_membership(bytes)),
        Datagram::NamesWanted(places) => Some(encode_names_wanted(places)),
        Datagram::Heartbeat(heartbeat) => Some(heartbeat.encode()),
    }
}

fn message_again(message: &Message<'_>) -> Option<Vec<u8>> {
    Some(match message {
        Message::Hello(hello) => Message::encode_hello(hello, ProtocolVersion(2)),
        Message::Digest(clock, lines) => Message::encode_digest(*clock, lines),
        Message::Pull(lines) => Message::encode_pull(lines),
        Message::RepairBegin(items) => Message::encode_repair_begin(*items),
        Message::RepairItems(clock, repair) => {
            let mut writer = RepairWriter::default();
            repair.items.iter().for_each(|item| writer.push(item));
            writer.finish(*clock)
        }
        Message::RepairEnd(time, lines) => Message::encode_repair_end(*time, lines),
        Message::Admissions(admissions) => Message::encode_admissions(admissions),
        Message::Bans(nodes) => Message::encode_bans(nodes),
        Message::Partings(clusters) => Message::encode_partings(clusters),
        Message::Records(records) => return packed_again(records),
        Message::TellPredictions => Message::encode_tell_predictions(),
        Message::PredictionsTold => Message::encode_predictions_told(),
        Message::DigestWanted(token, number) => Message::encode_digest_wanted(*token, *number),
        Message::DigestGiven(token) => Message::encode_digest_given(*token),
        Message::Leaving => Message::encode_leaving(),
    })
}

/// What a later version may put at the end of an array: a value, or a whole tree.
fn further_parts() -> Vec<Value> {
    let deep = (0..40).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
    let map = Value::Map(vec![(Value::Text("later".into()), Value::Float(0.5))]);
    vec![Value::Null, Value::Integer(u64::MAX.into()), Value::Bytes(vec![0xff; 70]), map, deep]
}

#[test]
fn what_a_later_version_adds_is_passed_over() {
    for one in first_version() {
        let alone = read(&one, &one.bytes).expect("it is read");
        for further in further_parts() {
            let longer = grammar::extend(&one.bytes, further).expect("it was taken");
            let text = read(&one, &longer).unwrap_or_else(|error| panic!("{}: {error}: {longer:02x?}", one.kind));
            // What the failure detectors say is read by them.
            if one.kind != "membership" {
                assert_eq!(text, alone, "{}", one.kind);
            }
        }
    }
}

#[test]
fn what_a_later_version_adds_to_the_failure_detectors_words_is_passed_over() {
    let mut read = 0;
    for one in first_version().into_iter().filter(|one| one.kind == "membership") {
        for further in further_parts() {
            let longer = grammar::extend(&one.bytes, further).expect("it was taken");
            let Ok(Datagram::Membership(packet)) = Datagram::decode(&longer) else { panic!("{longer:02x?}") };
            let heard = |packet: &[u8]| {
                let me = MemberIdentity {
                    node: NodeId::new([99; 20]),
                    generation: 1,
                    host: "99".to_owned(),
                    client_port: 1,
                    mesh_port: 1,
                };
                let mut membership = Membership::new(me, Config::default(), 1).expect("in range");
                // It speaks for itself where its id is in its header, in the first place.
                let by = packet
                    .get(4..24)
                    .and_then(|id| <[u8; 20]>::try_from(id).ok())
                    .map_or(NodeId::new([1; 20]), NodeId::new);
                membership.link_up(by, Monotonic::ZERO);
                let result = membership.handle(by, packet, Monotonic::ZERO);
                (result, membership.members().count())
            };
            let Ok(Datagram::Membership(alone)) = Datagram::decode(&one.bytes) else { panic!("{:02x?}", one.bytes) };
            let (result, members) = heard(packet);
            assert!(!matches!(result, Err(MembershipError::Malformed(_))), "{result:?}: {packet:02x?}");
            assert_eq!(members, heard(alone).1);
            read += usize::from(result.is_ok());
        }
    }
    assert!(read > 50, "only {read} were heard");
}

/// A datagram or message of CBOR, in an open array.
fn open(parts: &[Value]) -> Vec<u8> {
    let mut bytes = vec![0x9f];
    for part in parts {
        match part {
            // A run of records is open, too.
            Value::Tag(_, run) => {
                bytes.push(0x9f);
                for part in run.as_array().expect("a run") {
                    ciborium::into_writer(part, &mut bytes).expect("a vector takes all");
                }
                bytes.push(0xff);
            }
            other => ciborium::into_writer(other, &mut bytes).expect("a vector takes all"),
        }
    }
    bytes.push(0xff);
    bytes
}

fn integer(number: u64) -> Value {
    Value::Integer(number.into())
}

#[test]
fn a_kind_that_a_later_version_brings_is_told_apart_from_nonsense() {
    let later = open(&[integer(1), integer(99), Value::Text("later".into())]);
    assert_eq!(Datagram::decode(&later), Err(WireError::Kind(99)));
    assert_eq!(Message::decode(&later), Err(WireError::Kind(99)));
}

#[test]
fn a_record_of_a_later_kind_is_passed_over_and_those_beside_it_are_read() {
    let share = |place: u64| Value::Array(vec![integer(0), integer(place), integer(7), integer(5)]);
    let later = Value::Array(vec![integer(77), Value::Map(vec![(integer(1), Value::Array(vec![Value::Null; 9]))])]);
    let run = Value::Tag(0, Box::new(Value::Array(vec![integer(10), share(1), later, share(3)])));
    let bytes = open(&[integer(1), integer(1), integer(3), integer(5), run]);
    let Ok(Datagram::Records(records)) = Datagram::decode(&bytes) else { panic!("{:?}", Datagram::decode(&bytes)) };
    let numbers: Vec<u64> = records.records.iter().map(|(number, _)| *number).collect();
    // The number in between was not received: it stands for something that is not known here.
    assert_eq!((numbers, records.unknown), (vec![10, 12], 1));
}

#[test]
fn an_item_of_a_later_kind_is_passed_over_and_those_beside_it_are_read() {
    let replica = Value::Array(vec![Value::Bytes(vec![1; 20]), integer(3)]);
    let name = || Value::Bytes(b"x".to_vec());
    let gone = Value::Array(vec![integer(10), integer(0), integer(4), name(), integer(0), integer(2)]);
    let later = Value::Array(vec![integer(55), Value::Null, Value::Array(vec![])]);
    let items = Value::Array(vec![later.clone(), gone, later]);
    let bytes = open(&[integer(1), integer(19), integer(6), Value::Array(vec![replica]), items]);
    let Ok(Message::RepairItems(6, repair)) = Message::decode(&bytes) else { panic!("{:?}", Message::decode(&bytes)) };
    assert_eq!((repair.items.len(), repair.unknown), (1, 2));
}

#[test]
fn an_array_that_claims_more_parts_than_come_is_refused_at_once() {
    // 2^60 parts, of which two come.
    for bytes in [
        b"\x9f\x01\x11\x00\x81\x9b\x10\0\0\0\0\0\0\0\x00\x00\xff".to_vec(),
        b"\x9f\x01\x01\x03\x05\x9f\x0a\x9b\x10\0\0\0\0\0\0\0\x18\x4d\x00\xff\xff".to_vec(),
        [&b"\x9f\x01\x18\x17"[..], &[0x9f; 1000]].concat(),
    ] {
        assert!(Datagram::decode(&bytes).is_err());
        assert!(Message::decode(&bytes).is_err());
    }
}
