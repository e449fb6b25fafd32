//! Golden bytes: what left an older node must be read by a newer one, and the other way round.

use super::*;
use crate::base::{Amount, HybridTime, Incarnation, Labels, Location, Name, NodeId, ReplicaId, Total};
use crate::counter::{Precision, Share};
use crate::membership::Admission;
use proptest::prelude::*;
use std::time::Duration;

fn name(bytes: &[u8]) -> Name<'_> {
    Name::new(bytes).expect("an allowed name")
}

fn replica(node: u8) -> ReplicaId {
    ReplicaId { node: NodeId::new([node; 20]), incarnation: Incarnation(3) }
}

fn total(text: &str) -> Total {
    Total::from_units(text.parse::<Amount>().expect("an amount").units())
}

fn body() -> AssignmentBody {
    let share = Share { born: 7, revision: 9, total: total("-2.5") };
    AssignmentBody {
        time: HybridTime(0x0102_0304_0506_0708),
        base: "100".parse().expect("an amount"),
        deleted: false,
        observed: vec![
            Observed { replica: replica(1), received: 9, share: Some(share) },
            Observed { replica: replica(2), received: 4, share: None },
        ],
    }
}

fn records() -> Vec<(u64, Record<'static>)> {
    let share = |rate, named: Option<&'static [u8]>| Record::Share {
        location: Location(0x0102),
        born: 70_000,
        total: total("12.5"),
        rate,
        age: if rate == 0.0 { Duration::ZERO } else { Duration::from_micros(1500) },
        whole: rate != 0.0,
        name: named.map(name),
    };
    vec![
        (70_000, share(0.0, Some(b"clicks"))),
        (70_001, share(250.0, None)),
        (70_003, Record::Assignment { name: name(b"x"), body: body() }),
        (70_004, Record::Precision { name: name(b"x"), time: HybridTime(5), precision: Precision::ONE }),
        (70_005, Record::Retirement { name: name(b"x"), replica: replica(1), born: 7 }),
    ]
}

fn pack(limit: usize) -> Vec<Packed> {
    let (mut packer, mut ready) = (RecordPacker::new(Incarnation(3), 5, limit), Vec::new());
    for (number, record) in records() {
        packer.push(number, &record, &mut ready);
    }
    packer.finish(&mut ready);
    ready
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Everything is CBOR that any CBOR library reads.
fn is_cbor(bytes: &[u8]) -> bool {
    ciborium::from_reader::<ciborium::Value, _>(bytes).is_ok_and(|value| value.is_array())
}

const GOLDEN_RECORDS: &str = "9f010103059f1a0001117085041901021a00011170c48220187d46636c69636b7386031901021a00011170c48220187dfa437a00001905dcff9f1a00011173860841781b01020304050607081864f4828654010101010101010101010101010101010101010103090709c482203818835402020202020202020202020202020202020202020304840941780501850a41785401010101010101010101010101010101010101010307ffff";
const GOLDEN_REPAIR: &str = "9f0113068282540101010101010101010101010101010101010101038254020202020202020202020202020202020202020203858700000946636c69636b73f607c48220018901000a46636c69636b730507c4822001fac0600000194e208808000b46636c69636b731b01020304050607081864f4828654010101010101010101010101010101010101010103090709c4822038188354020202020202020202020202020202020202020203048609000c46636c69636b730501860a000d46636c69636b730104ff";

#[test]
fn records_have_the_pinned_bytes() {
    let packed = pack(1200);
    let [Packed::Datagram(bytes, 5)] = &packed[..] else { panic!("one datagram, not {packed:?}") };
    assert_eq!(hex(bytes), GOLDEN_RECORDS);
    assert!(is_cbor(bytes));
    let expected = Datagram::Records(Records { incarnation: Incarnation(3), clock: 5, records: records(), unknown: 0 });
    assert_eq!(Datagram::decode(bytes), Ok(expected));
}

#[test]
fn no_datagram_is_longer_than_the_limit_and_what_fits_none_goes_by_stream() {
    let mut seen = Vec::new();
    let mut messages = 0;
    for packed in pack(70) {
        let decoded = match &packed {
            Packed::Datagram(bytes, count) => {
                assert!(bytes.len() <= 70, "{}", bytes.len());
                match Datagram::decode(bytes) {
                    Ok(Datagram::Records(records)) if records.records.len() == *count => records.records.len(),
                    other => panic!("{other:?}"),
                }
            }
            Packed::Message(bytes) => {
                messages += 1;
                match Message::decode(bytes) {
                    Ok(Message::Records(records)) => records.records.len(),
                    other => panic!("{other:?}"),
                }
            }
        };
        seen.push(decoded);
    }
    assert_eq!((seen.iter().sum::<usize>(), messages), (5, 1));
}

#[test]
fn a_record_without_its_name_is_short() {
    let record = |n: u64, rate| Record::Share {
        location: Location(90_000 + n as u32),
        born: 1_000_000 + n,
        total: Total::from_units(Amount::from(123_456).units()),
        rate,
        age: Duration::ZERO,
        whole: true,
        name: None,
    };
    for rate in [0.0, 117.3] {
        let (mut packer, mut ready) = (RecordPacker::new(Incarnation(3), 5, 1162), Vec::new());
        for n in 0..1000 {
            packer.push(5_000_000 + n, &record(n, rate), &mut ready);
        }
        packer.finish(&mut ready);
        let bytes: usize = ready
            .iter()
            .map(|packed| match packed {
                Packed::Datagram(bytes, _) | Packed::Message(bytes) => bytes.len(),
            })
            .sum();
        assert!(bytes <= 32 * 1000, "{bytes} bytes for 1000 records");
    }
}

fn items() -> Vec<RepairItem<'static>> {
    let item = |number, kind| RepairItem { name: name(b"clicks"), replica: replica(1), number, kind };
    let share = |location, rate| RepairKind::Share {
        location,
        born: 7,
        total: total("0.1"),
        rate,
        age: if rate == 0.0 { Duration::ZERO } else { Duration::from_millis(20) },
        whole: false,
    };
    vec![
        item(9, share(None, 0.0)),
        item(10, share(Some(Location(5)), -3.5)),
        item(11, RepairKind::Assignment(body())),
        item(12, RepairKind::Precision { time: HybridTime(5), precision: Precision::ONE }),
        item(13, RepairKind::Retirement { of: replica(2), born: 4 }),
    ]
}

#[test]
fn a_repair_has_the_pinned_bytes() {
    let mut writer = RepairWriter::default();
    for item in items() {
        writer.push(&item);
    }
    assert_eq!(writer.count(), 5);
    let bytes = writer.finish(6);
    assert_eq!(hex(&bytes), GOLDEN_REPAIR);
    assert!(is_cbor(&bytes));
    assert_eq!(Message::decode(&bytes), Ok(Message::RepairItems(6, RepairItems { items: items(), unknown: 0 })));
    assert!(writer.is_empty());
}

#[test]
fn heartbeats_have_the_pinned_bytes() {
    let first = Heartbeat {
        incarnation: Incarnation(3),
        clock: 70_000,
        newest: 9,
        told_until: 69_999,
        members: 5,
        cluster: 258,
        echo: None,
    };
    let next = Heartbeat { echo: Some((258, 4)), ..first };
    for (heartbeat, golden) in [
        (first, "9f0104031a00011170091a0001116f05190102f6ff"),
        (next, "9f0104031a00011170091a0001116f051901028219010204ff"),
    ] {
        let bytes = heartbeat.encode();
        assert_eq!(hex(&bytes), golden);
        assert!(is_cbor(&bytes));
        assert_eq!(Datagram::decode(&bytes), Ok(Datagram::Heartbeat(heartbeat)));
    }
}

#[test]
fn the_other_messages_have_the_pinned_bytes() {
    let hello = Hello {
        incarnation: Incarnation(3),
        host: "::1".into(),
        client_port: 7711,
        mesh_port: 7712,
        meet: true,
        you: "::2".into(),
        instance: 77,
        default_precision: Precision::ONE,
        drawn_before: 1000,
        labels: Labels::default(),
    };
    let labelled = Hello { labels: Labels::of("a", "eu"), ..hello.clone() };
    let line = DigestLine { replica: replica(1), received: 5, durable: 4, beyond: 9 };
    let held = HeldLine { replica: replica(1), contiguous: 5, ranges: vec![(7, 8)] };
    let pull = PullLine { held: held.clone(), until: 11 };
    let admission =
        Admission { node: NodeId::new([1; 20]), forgotten: HybridTime(9), met: HybridTime(255), banned: false };
    let id = "5401010101010101010101010101010101010101 01".replace(' ', "");
    for (bytes, golden, message) in [
        (
            Message::encode_hello(&hello, ProtocolVersion(2)),
            "9f011003633a3a31191e1f191e20f5633a3a32184d011903e8ff".to_owned(),
            Message::Hello(hello.clone()),
        ),
        (
            Message::encode_hello(&labelled, ProtocolVersion(2)),
            "9f011003633a3a31191e1f191e20f5633a3a32184d011903e8826161626575ff".to_owned(),
            Message::Hello(labelled.clone()),
        ),
        (
            Message::encode_hello(&labelled, ProtocolVersion(1)),
            "9f011003633a3a31191e1f191e20f5633a3a32184d011903e8ff".to_owned(),
            Message::Hello(hello.clone()),
        ),
        (
            Message::encode_digest(258, &[line]),
            format!("9f01111901028185{id}03050409ff"),
            Message::Digest(258, vec![line]),
        ),
        (
            Message::encode_pull(std::slice::from_ref(&pull)),
            format!("9f01128185{id}030581820708 0bff").replace(' ', ""),
            Message::Pull(vec![pull.clone()]),
        ),
        (Message::encode_repair_begin(1000), "9f01161903e8ff".to_owned(), Message::RepairBegin(1000)),
        (
            Message::encode_repair_end(HybridTime(258), std::slice::from_ref(&held)),
            format!("9f011419010281 84{id}0305818207 08ff").replace(' ', ""),
            Message::RepairEnd(HybridTime(258), vec![held.clone()]),
        ),
        (
            Message::encode_admissions(&[admission]),
            "9f011581835401010101010101010101010101010101010101010918ffff".to_owned(),
            Message::Admissions(vec![admission]),
        ),
        (Message::encode_tell_predictions(), "9f0117ff".to_owned(), Message::TellPredictions),
        (Message::encode_predictions_told(), "9f011818ff".to_owned(), Message::PredictionsTold),
        (Message::encode_digest_wanted(3, 1000), "9f011819031903e8ff".to_owned(), Message::DigestWanted(3, 1000)),
        (Message::encode_digest_given(3), "9f01181a03ff".to_owned(), Message::DigestGiven(3)),
        (
            Message::encode_bans(&[NodeId::new([1; 20])]),
            "9f01181d81540101010101010101010101010101010101010101ff".to_owned(),
            Message::Bans(vec![NodeId::new([1; 20])]),
        ),
        (Message::encode_leaving(), "9f01181cff".to_owned(), Message::Leaving),
        (
            Message::encode_partings(&[vec![NodeId::new([1; 20])], Vec::new()]),
            "9f01181b8281540101010101010101010101010101010101010101 80ff".replace(' ', ""),
            Message::Partings(vec![vec![NodeId::new([1; 20])], Vec::new()]),
        ),
    ] {
        assert_eq!(hex(&bytes), golden);
        assert!(is_cbor(&bytes));
        assert_eq!(Message::decode(&bytes), Ok(message));
    }
    let wanted = encode_names_wanted(&[(Location(300), 4)]);
    assert_eq!(hex(&wanted), "9f0103818219012c04ff");
    assert_eq!(Datagram::decode(&wanted), Ok(Datagram::NamesWanted(vec![(Location(300), 4)])));
    let membership = encode_membership(b"abc");
    assert_eq!(hex(&membership), "9f010243616263ff");
    assert_eq!(Datagram::decode(&membership), Ok(Datagram::Membership(b"abc")));
}

#[test]
fn another_version_is_refused_by_name() {
    assert_eq!(Datagram::decode(&[0x9f, 2, 1, 3, 0xff]), Err(WireError::Version(2)));
    assert_eq!(Message::decode(&[0x9f, 1, 0x18, 99, 0xff]), Err(WireError::Kind(99)));
}

proptest! {
    #[test]
    fn a_changed_byte_is_refused_or_read_but_never_harms(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut writer = RepairWriter::default();
        items().iter().for_each(|item| writer.push(item));
        let Packed::Datagram(datagram, _) = pack(1200).remove(0) else { unreachable!("it fits") };
        for mut bytes in [datagram, writer.finish(6), Message::encode_digest(6, &[])] {
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = Datagram::decode(&bytes);
            let _ = Message::decode(&bytes);
            bytes.truncate(cut.index(bytes.len()));
            let _ = Datagram::decode(&bytes);
            let _ = Message::decode(&bytes);
        }
    }

    #[test]
    fn hostile_bytes_never_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Datagram::decode(&bytes);
        let _ = Message::decode(&bytes);
    }
}
