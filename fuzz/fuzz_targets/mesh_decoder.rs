//! Any bytes from another node: neither decoder may panic or make more of them than there are, and what was understood
//! must be understood again when it is said again.

#![no_main]

use discnt::wire::{
    CertifyReply, CertifyRequest, Datagram, Message, Packed, ProtocolVersions, RecordPacker, Records, RepairItem,
    RepairWriter,
};
use libfuzzer_sys::fuzz_target;

/// Larger than anything that is decoded here.
const NO_LIMIT: usize = 1 << 24;

fn pack(records: &Records<'_>) -> Vec<u8> {
    let (mut packer, mut packed) = (RecordPacker::new(records.incarnation, records.clock, NO_LIMIT), Vec::new());
    for (number, record) in &records.records {
        packer.push(*number, record, &mut packed);
    }
    packer.finish(&mut packed);
    match packed.pop() {
        Some(Packed::Datagram(bytes, count)) if packed.is_empty() && count == records.records.len() => bytes,
        None => Vec::new(),
        other => panic!("one datagram, not {other:?}"),
    }
}

fn check_records(records: &Records<'_>, length: usize) {
    assert!(records.records.len() <= length);
    // Bytes can say the same in more than one way (a rate of zero, say), so it is the second saying that must stand.
    let said = pack(records);
    if let Ok(Datagram::Records(again)) = Datagram::decode(&said) {
        assert_eq!(again.incarnation, records.incarnation);
        assert_eq!(pack(&again), said);
    } else {
        assert!(said.is_empty(), "what was packed is not understood");
    }
}

fn write(items: &[RepairItem<'_>]) -> Vec<u8> {
    let mut writer = RepairWriter::default();
    for item in items {
        writer.push(item);
    }
    writer.finish(7)
}

fuzz_target!(|bytes: &[u8]| {
    match Datagram::decode(bytes) {
        Ok(Datagram::Records(records)) => check_records(&records, bytes.len()),
        Ok(Datagram::Membership(inner)) => assert!(inner.len() < bytes.len()),
        Ok(Datagram::Heartbeat(heartbeat)) => {
            assert_eq!(Datagram::decode(&heartbeat.encode()), Ok(Datagram::Heartbeat(heartbeat)));
        }
        Ok(Datagram::NamesWanted(places)) => assert!(places.len() <= bytes.len()),
        Err(_) => {}
    }
    if let Ok(request) = CertifyRequest::decode(bytes) {
        assert_eq!(CertifyRequest::decode(&request.encode()), Ok(request));
    }
    if let Ok(reply) = CertifyReply::decode(bytes) {
        assert_eq!(CertifyReply::decode(&reply.encode()), Ok(reply));
    }
    match Message::decode(bytes) {
        Ok(Message::Records(records)) => check_records(&records, bytes.len()),
        Ok(Message::Hello(hello)) => {
            let said = Message::encode_hello(&hello, ProtocolVersions::SPOKEN.newest());
            assert_eq!(Message::decode(&said), Ok(Message::Hello(hello)));
        }
        Ok(Message::Digest(clock, lines)) => {
            let said = Message::encode_digest(clock, &lines);
            assert_eq!(Message::decode(&said), Ok(Message::Digest(clock, lines)));
        }
        Ok(Message::Pull(have)) => {
            let said = Message::encode_pull(&have);
            assert_eq!(Message::decode(&said), Ok(Message::Pull(have)));
        }
        Ok(Message::RepairBegin(items)) => {
            let said = Message::encode_repair_begin(items);
            assert_eq!(Message::decode(&said), Ok(Message::RepairBegin(items)));
        }
        Ok(Message::Admissions(admissions)) => {
            let said = Message::encode_admissions(&admissions);
            assert_eq!(Message::decode(&said), Ok(Message::Admissions(admissions)));
        }
        Ok(Message::Bans(nodes)) => {
            let said = Message::encode_bans(&nodes);
            assert_eq!(Message::decode(&said), Ok(Message::Bans(nodes)));
        }
        Ok(Message::TellPredictions) => {
            assert_eq!(Message::decode(&Message::encode_tell_predictions()), Ok(Message::TellPredictions));
        }
        Ok(Message::PredictionsTold) => {
            assert_eq!(Message::decode(&Message::encode_predictions_told()), Ok(Message::PredictionsTold));
        }
        Ok(Message::DigestWanted(token, number)) => {
            let said = Message::encode_digest_wanted(token, number);
            assert_eq!(Message::decode(&said), Ok(Message::DigestWanted(token, number)));
        }
        Ok(Message::DigestGiven(token)) => {
            let said = Message::encode_digest_given(token);
            assert_eq!(Message::decode(&said), Ok(Message::DigestGiven(token)));
        }
        Ok(Message::Leaving) => assert_eq!(Message::decode(&Message::encode_leaving()), Ok(Message::Leaving)),
        Ok(Message::Partings(clusters)) => {
            let said = Message::encode_partings(&clusters);
            assert_eq!(Message::decode(&said), Ok(Message::Partings(clusters)));
        }
        Ok(Message::RepairEnd(time, lines)) => {
            let said = Message::encode_repair_end(time, &lines);
            assert_eq!(Message::decode(&said), Ok(Message::RepairEnd(time, lines)));
        }
        Ok(Message::RepairItems(_, items)) => {
            assert!(items.items.len() <= bytes.len());
            let said = write(&items.items);
            match Message::decode(&said) {
                Ok(Message::RepairItems(_, again)) => assert_eq!(write(&again.items), said),
                other => panic!("what was written is not understood: {other:?}"),
            }
        }
        Err(_) => {}
    }
});
