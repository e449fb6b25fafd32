//! Golden bytes of what is on disk: what an older program wrote must be read by a newer one.

use super::*;
use crate::base::{Amount, HybridTime, Incarnation, NodeId, ReplicaId, ReplicaIndex, Stamp, Total};
use crate::counter::{Assignment, Context, Precision, PrecisionRegister, Remainder, Retired, Share, StoredCounter};
use crate::replication::{NodeRecord, NumberSet};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use std::sync::Arc;

const REPLICAS: u32 = 3;

fn replicas() -> Vec<ReplicaId> {
    (1..=REPLICAS as u8)
        .map(|node| ReplicaId { node: NodeId::new([node; 20]), incarnation: Incarnation(u64::from(node) * 3) })
        .collect()
}

fn stamp(time: u64, origin: u32, number: u64) -> Stamp {
    Stamp { time: HybridTime(time), replica: replicas()[origin as usize], number }
}

fn share(born: u64, revision: u64, total: &str) -> Share {
    let total = Total::from_units(total.parse::<Amount>().expect("an amount").units());
    Share { born, revision, total }
}

fn full() -> StoredCounter {
    StoredCounter {
        own: Some(share(7, 70_000, "12.5")),
        shares: vec![(ReplicaIndex(1), share(3, 300, "-4")), (ReplicaIndex(2), share(1, 1, "0"))],
        assignment: Some(Arc::new(Assignment {
            stamp: stamp(0x0102_0304_0506_0708, 1, 9),
            origin: ReplicaIndex(1),
            base: "100".parse().expect("an amount"),
            cut: vec![(ReplicaIndex(0), share(7, 8, "2.5"))],
            context: Context::new(vec![8, 0, 4]),
            deleted: true,
        })),
        precision: Some(PrecisionRegister {
            stamp: stamp(5, 2, 6),
            origin: ReplicaIndex(2),
            precision: Precision::ONE,
        }),
        retired: vec![Retired { replica: ReplicaIndex(1), born: 2, by: ReplicaIndex(2), number: 11 }],
        remainders: vec![Remainder { replica: ReplicaIndex(0), revision: 70_000, amount: Total::from_units(1) }],
    }
}

fn bytes_of(counter: &StoredCounter) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_stored_counter(counter, &mut bytes);
    bytes
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_cbor(bytes: &[u8]) -> bool {
    ciborium::from_reader::<ciborium::Value, _>(bytes).is_ok_and(|value| value.is_array())
}

const GOLDEN_FULL: &str = "870183071a00011170c48220187d88010319012c2302010100871b01020304050607080109f5186484000708c48220181984000802048405020601840102020b83001a00011170c4823001";
const GOLDEN_NODE: &str = "9f01540101010101010101010101010101010101010101031a00100000f5190102838454010101010101010101010101010101010101010103098084540202020202020202020202020202020202020202060584070819012c1a000111708454030303030303030303030303030303030303030309008081540202020202020202020202020202020202020202ff";

fn node_record() -> NodeRecord {
    let held = [NumberSet::new(9, []), NumberSet::new(5, [(7, 8), (300, 70_000)]), NumberSet::default()];
    NodeRecord {
        own: replicas()[0],
        replicas: replicas().into_iter().zip(held).collect(),
        reserved: 1 << 20,
        has_told: true,
        time: HybridTime(258),
        parted: vec![replicas()[1].node],
    }
}

fn bytes_of_record(record: &NodeRecord) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_node_record(record, &mut bytes);
    bytes
}

#[test]
fn counters_have_the_pinned_bytes() {
    let own = StoredCounter { own: Some(share(7, 9, "3")), ..StoredCounter::default() };
    for (counter, golden) in [(full(), GOLDEN_FULL), (own, "820183070903"), (StoredCounter::default(), "8101")] {
        let bytes = bytes_of(&counter);
        assert_eq!(hex(&bytes), golden);
        assert!(is_cbor(&bytes));
        assert_eq!(decode_stored_counter(&bytes, &replicas()), Ok(counter));
    }
}

#[test]
fn a_node_record_has_the_pinned_bytes() {
    let bytes = bytes_of_record(&node_record());
    assert_eq!(hex(&bytes), GOLDEN_NODE);
    assert!(is_cbor(&bytes));
    assert_eq!(decode_node_record(&bytes), Ok(node_record()));
}

#[test]
fn another_version_is_refused_by_name_whatever_its_length() {
    assert_eq!(decode_stored_counter(&[0x98, 20, 2, 0], &[]), Err(WireError::Version(2)));
    assert_eq!(decode_node_record(&[0x9f, 2, 0]), Err(WireError::Version(2)));
}

#[test]
fn a_place_beyond_the_list_of_replicas_is_refused() {
    let bytes = bytes_of(&full());
    for known in 0..REPLICAS as usize {
        let result = decode_stored_counter(&bytes, &replicas()[..known]);
        assert_eq!(result, Err(WireError::Bounds("a replica's place")), "{known}");
    }
}

#[test]
fn ranges_of_numbers_that_touch_or_fall_back_are_refused() {
    let good = bytes_of_record(&node_record());
    let at = good.windows(4).position(|four| four == [0x84, 7, 8, 0x19]).expect("the ranges");
    for (offset, byte) in [(1, 6), (1, 5), (1, 9), (2, 6)] {
        let mut bytes = good.clone();
        bytes[at + offset] = byte;
        assert!(decode_node_record(&bytes).is_err(), "{offset} {byte}");
    }
}

fn any_share() -> impl Strategy<Value = Share> {
    (any::<u64>(), any::<u64>(), any::<i128>()).prop_map(|(born, revision, total)| Share {
        born,
        revision,
        total: Total::from_units(total),
    })
}

fn any_index() -> impl Strategy<Value = ReplicaIndex> {
    (0..REPLICAS).prop_map(ReplicaIndex)
}

fn any_amount() -> impl Strategy<Value = Amount> {
    (Amount::MIN.units()..=Amount::MAX.units()).prop_map(|units| Amount::from_units(units).expect("within the range"))
}

fn any_stamp() -> impl Strategy<Value = (Stamp, ReplicaIndex)> {
    (any::<u64>(), any_index(), any::<u64>()).prop_map(|(time, origin, number)| (stamp(time, origin.0, number), origin))
}

fn any_assignment() -> impl Strategy<Value = Assignment> {
    let context = vec(any::<u64>(), 0..=REPLICAS as usize).prop_map(|mut numbers| {
        // A replica that the writer knew nothing of is not written.
        while numbers.last() == Some(&0) {
            numbers.pop();
        }
        Context::new(numbers)
    });
    (any_stamp(), any_amount(), vec((any_index(), any_share()), 0..4), context, any::<bool>()).prop_map(
        |((stamp, origin), base, cut, context, deleted)| Assignment { stamp, origin, base, cut, context, deleted },
    )
}

fn any_counter() -> impl Strategy<Value = StoredCounter> {
    let register = (any_stamp(), any_amount()).prop_filter_map("not negative", |((stamp, origin), amount)| {
        let precision = Precision::new(amount).ok()?;
        Some(PrecisionRegister { stamp, origin, precision })
    });
    let retired = (any_index(), any::<u64>(), any_index(), any::<u64>())
        .prop_map(|(replica, born, by, number)| Retired { replica, born, by, number });
    let remainder = (any_index(), any::<u64>(), any::<i128>()).prop_map(|(replica, revision, amount)| Remainder {
        replica,
        revision,
        amount: Total::from_units(amount),
    });
    let shares = vec((any_index(), any_share()), 0..5);
    (of(any_share()), shares, of(any_assignment()), of(register), vec(retired, 0..4), vec(remainder, 0..3)).prop_map(
        |(own, shares, assignment, precision, retired, remainders)| StoredCounter {
            own,
            shares,
            assignment: assignment.map(Arc::new),
            precision,
            retired,
            remainders,
        },
    )
}

proptest! {
    #[test]
    fn every_counter_is_read_back(counter in any_counter()) {
        let bytes = bytes_of(&counter);
        prop_assert_eq!(decode_stored_counter(&bytes, &replicas()), Ok(counter));
        prop_assert!(decode_stored_counter(&bytes[..bytes.len() - 1], &replicas()).is_err());
    }

    #[test]
    fn every_node_record_is_read_back(
        held in vec((any::<u64>(), vec((any::<u64>(), any::<u64>()), 0..20)), 0..6),
        reserved in any::<u64>(),
        has_told in any::<bool>(),
        time in any::<u64>(),
        parted in vec(any::<[u8; 20]>().prop_map(NodeId::new), 0..4),
    ) {
        let one = |(contiguous, ranges)| (replicas()[1], NumberSet::new(contiguous, ranges));
        let replicas_held = held.into_iter().map(one).collect();
        let record =
            NodeRecord { own: replicas()[2], replicas: replicas_held, reserved, has_told, time: HybridTime(time), parted };
        prop_assert_eq!(decode_node_record(&bytes_of_record(&record)), Ok(record));
    }

    #[test]
    fn hostile_bytes_do_no_harm(
        bytes in vec(any::<u8>(), 0..80),
        counter in any_counter(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let _ = decode_stored_counter(&bytes, &replicas());
        let _ = decode_node_record(&bytes);
        for mut bytes in [bytes_of(&counter), bytes_of_record(&node_record())] {
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = decode_stored_counter(&bytes, &replicas());
            let _ = decode_node_record(&bytes);
        }
    }
}
