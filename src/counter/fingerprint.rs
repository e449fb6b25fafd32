//! One hash of what all counters of a table mean, equal on nodes that agree.
//!
//! What goes in, for every counter: its name; each share's replica, birth and exact total; the assignment's stamp, base
//! and kind (its cut belongs to the stamp); the precision's stamp and value.
//!
//! What nodes that agree may hold or have given up stays out: revisions, forecasts, notes on given-up shares, shares that a
//! deletion covers wholly, and deletions that take nothing away from any share that is left. So a counter that does not
//! exist counts only by its precision.

use super::share::Share;
use super::state::CounterState;
use super::table::Table;
use crate::base::{Location, ReplicaId, ReplicaIndex};
use ring::digest::{SHA256, digest};
use std::fmt;

/// Counters looked at under one lock: a few dozen microseconds.
const PLACES_A_STEP: u32 = 64;

/// A hash of what all counters mean, shown as 40 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 20]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Table {
    /// The hash of all counters as they are found on a walk over the table, a few places at a time; counters that change
    /// meanwhile are in it as they were before or after. `id_of` tells the replica behind an index.
    ///
    /// None if it does not know one: indexes mean nothing to other nodes.
    pub fn fingerprint(&self, id_of: &dyn Fn(ReplicaIndex) -> Option<ReplicaId>) -> Option<Fingerprint> {
        let mut sum = Sum::default();
        let mut writer = Writer { bytes: Vec::new(), shares: Vec::new(), id_of };
        // Shard after shard and then on within each, so that whoever waits for a shard gets it in between.
        for first in (0..).step_by(PLACES_A_STEP as usize) {
            let mut more = false;
            for number in 0..=u8::MAX {
                let shard = self.lock_at(Location(number.into()))?;
                let last = shard.counters.end().min(first + PLACES_A_STEP);
                more |= last < shard.counters.end();
                for counter in (first..last).filter_map(|slot| shard.counters.get(slot)) {
                    if writer.write(counter.name(), shard.own.index, &counter.state)? {
                        sum.add(&writer.bytes);
                    }
                }
            }
            if !more {
                break;
            }
        }
        Some(sum.finish())
    }
}

/// Hashes added up: the order in which counters are met is another on every node.
#[derive(Default)]
struct Sum([u64; 4]);

impl Sum {
    fn add(&mut self, counter: &[u8]) {
        let hash = digest(&SHA256, counter);
        for (sum, part) in self.0.iter_mut().zip(hash.as_ref().chunks_exact(8)) {
            let part = part.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
            *sum = sum.wrapping_add(part);
        }
    }

    fn finish(self) -> Fingerprint {
        let bytes: Vec<u8> = self.0.iter().flat_map(|part| part.to_be_bytes()).collect();
        let hash = digest(&SHA256, &bytes);
        let mut short = [0; 20];
        short.copy_from_slice(&hash.as_ref()[..20]);
        Fingerprint(short)
    }
}

/// Writes what one counter means so that no two meanings give the same bytes.
struct Writer<'a> {
    bytes: Vec<u8>,
    shares: Vec<(ReplicaId, ReplicaIndex, Share)>,
    id_of: &'a dyn Fn(ReplicaIndex) -> Option<ReplicaId>,
}

impl Writer<'_> {
    /// Answers whether the counter means anything, or none if one of its replicas is not known.
    fn write(&mut self, name: &[u8], own: ReplicaIndex, state: &CounterState) -> Option<bool> {
        self.bytes.clear();
        self.number(name.len() as u64);
        self.bytes.extend_from_slice(name);
        let assignment = state.assignment();
        let deletion = assignment.filter(|assignment| assignment.deleted);
        let covered = |of, share: &Share| deletion.is_some_and(|deletion| share.is_covered_by(deletion.cut_of(of)));
        let own_share = state.own().map(|share| (own, share)).into_iter();
        let others = state.others().map(|held| (held.replica, held.share));
        let mut shares = std::mem::take(&mut self.shares);
        shares.clear();
        for (of, share) in own_share.chain(others).filter(|(of, share)| !covered(*of, share)) {
            shares.push(((self.id_of)(of)?, of, share));
        }
        shares.sort_unstable_by_key(|(replica, ..)| *replica);
        let same_life = |of, share: &Share| {
            assignment.and_then(|assignment| assignment.cut_of(of)).is_some_and(|cut| cut.born == share.born)
        };
        let takes_away = shares.iter().any(|(_, of, share)| same_life(*of, share));
        let assignment = assignment.filter(|assignment| !assignment.deleted || takes_away);
        self.number(shares.len() as u64);
        for (replica, _, share) in &shares {
            self.replica(*replica);
            self.number(share.born);
            self.units(share.total.units());
        }
        self.number(assignment.is_some().into());
        if let Some(assignment) = assignment {
            self.stamp(&assignment.stamp);
            self.units(assignment.base.units());
            self.number(assignment.deleted.into());
        }
        if let Some(register) = state.precision() {
            self.stamp(&register.stamp);
            self.units(register.precision.amount().units());
        }
        let means_anything = !shares.is_empty() || assignment.is_some() || state.precision().is_some();
        self.shares = shares;
        Some(means_anything)
    }

    fn stamp(&mut self, stamp: &crate::base::Stamp) {
        self.number(stamp.time.0);
        self.replica(stamp.replica);
        self.number(stamp.number);
    }

    fn replica(&mut self, replica: ReplicaId) {
        self.bytes.extend_from_slice(replica.node.as_bytes());
        self.number(replica.incarnation.0);
    }

    fn number(&mut self, number: u64) {
        self.bytes.extend_from_slice(&number.to_be_bytes());
    }

    fn units(&mut self, units: i128) {
        self.bytes.extend_from_slice(&units.to_be_bytes());
    }
}
