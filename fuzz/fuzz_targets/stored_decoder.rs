//! Any bytes from a disk: neither decoder may panic or make more of them than there are, and what was understood must be
//! understood again when it is written again.

#![no_main]

use discnt::base::{Incarnation, NodeId, ReplicaId};
use discnt::wire::{decode_node_record, decode_stored_counter, encode_node_record, encode_stored_counter};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let replicas = [1, 2, 3].map(|node| ReplicaId { node: NodeId::new([node; 20]), incarnation: Incarnation(3) });
    if let Ok(counter) = decode_stored_counter(bytes, &replicas) {
        assert!(counter.shares.len() + counter.retired.len() + counter.remainders.len() <= bytes.len());
        let mut written = Vec::new();
        encode_stored_counter(&counter, &mut written);
        // Bytes can say the same in more than one way, so it is the second writing that must stand.
        let again = decode_stored_counter(&written, &replicas).expect("what was written is understood");
        let mut rewritten = Vec::new();
        encode_stored_counter(&again, &mut rewritten);
        assert_eq!(rewritten, written);
    }
    if let Ok(record) = decode_node_record(bytes) {
        assert!(record.replicas.len() <= bytes.len());
        let mut written = Vec::new();
        encode_node_record(&record, &mut written);
        assert_eq!(decode_node_record(&written), Ok(record));
    }
});
