//! Giving up deleted counters: deciding, from what every member says it has, what nobody needs any more.

use super::machine::Node;
use super::view::Phase;
use crate::base::{Moment, Monotonic, ReplicaIndex};
use crate::counter::{Assignment, Stability, Tended};
use crate::replication::Digest;
use std::time::Duration;

/// Shards looked at each time.
const SHARDS_A_ROUND: u16 = 32;
/// Counters looked at each time: a millisecond or two.
const LOOKS_A_ROUND: u64 = 8192;
/// Shares given up each time: the words for it fit into a link's queue.
const SHARES_A_ROUND: u64 = 512;
/// Chunks of known places looked at each time.
const PLACE_CHUNKS_A_ROUND: usize = 32;
/// Known places that need no counter to go with them.
const FEW_PLACES: u64 = 4096;
/// A member that has said within this time what it has is heard: longer than the pause between two digests, and shorter
/// than a counter at nothing is left alone.
const LATELY: Duration = Duration::from_millis(2500);
/// The pause between two looks.
const INTERVAL: Duration = Duration::from_millis(100);
/// The same while there is something to give up.
const BUSY_INTERVAL: Duration = Duration::from_millis(10);

impl Node {
    /// Looks at a part of the counters that may be given up, and says when to look again.
    pub(super) fn tend_at(&mut self, now: Moment) {
        // A node must not forget later than what it gives up that there were such stamps and numbers.
        self.publish_record(now.monotonic);
        let is_serving = self.state.phase() == Phase::Serving;
        let done = if is_serving { self.tend(now.monotonic) } else { Tended::default() };
        if done.shares_retired > 0 {
            self.note_irrevocable(now.monotonic);
        }
        if self.doubt.is_open() && done.is_more_than(Tended::default()) {
            self.note_given_up();
        }
        self.forget_places();
        if self.state.phase() == Phase::Serving {
            self.collect_zeros(now);
        }
        let pause = if done.is_more_than(Tended::default()) { BUSY_INTERVAL } else { INTERVAL };
        self.next_tend = now.monotonic.after(pause);
    }

    fn tend(&mut self, now: Monotonic) -> Tended {
        let mut done = Tended::default();
        // Those that this node was parted from may come back, and must hear of what was deleted meanwhile.
        if self.doubt.is_own() || self.is_holding_much() || !self.agrees_on_members() {
            return done;
        }
        let others: Option<Vec<&Digest>> =
            self.peers.values().map(|peer| peer.link.as_ref()?.digest.as_ref()).collect();
        // While one member is out of hearing, nobody knows what it has.
        let Some(others) = others else { return done };
        let voices = self.voices(now);
        let held = |replica: ReplicaIndex| {
            self.sequences[replica.as_usize()].spoken_for(voices.contains(&replica)).contiguous()
        };
        let durable: Vec<u64> = (0..).map(ReplicaIndex).take(self.sequences.len()).map(|of| self.durable(of)).collect();
        let everyone_has =
            |replica: ReplicaIndex, number: u64| others.iter().all(|digest| digest.entry(replica).durable >= number);
        let has_all_of_theirs = others.iter().all(|digest| {
            digest.iter().all(|(replica, entry)| replica == self.own_index || held(replica) >= entry.received)
        });
        let is_stable = |assignment: &Assignment| {
            let (origin, number) = (assignment.origin, assignment.stamp.number);
            has_all_of_theirs
                && durable.get(origin.as_usize()).is_some_and(|durable| *durable >= number)
                && everyone_has(origin, number)
        };
        let is_settled = |replica: ReplicaIndex, revision: u64| {
            revision <= held(replica)
                && others.iter().all(|digest| {
                    let entry = digest.entry(replica);
                    entry.received == held(replica) && entry.beyond == 0
                })
        };
        let is_own_past = |replica: ReplicaIndex| {
            replica != self.own_index && self.registry.replica(replica).is_some_and(|id| id.node == self.own.node)
        };
        let stability = Stability {
            is_stable: &is_stable,
            is_settled: &is_settled,
            is_own_past: &is_own_past,
            everyone_has: &everyone_has,
        };
        for _ in 0..SHARDS_A_ROUND {
            done.add(self.table.tend(self.tend_from, SHARES_A_ROUND.saturating_sub(done.shares_retired), &stability));
            if done.looked_at >= LOOKS_A_ROUND || done.shares_retired >= SHARES_A_ROUND {
                // This shard may have more, and goes first the next time.
                break;
            }
            self.tend_from = self.tend_from.wrapping_add(1);
        }
        done
    }

    /// Deletes counters at nothing, if that is wanted, and not more often than they are looked at in quiet times.
    fn collect_zeros(&mut self, now: Moment) {
        if self.settings.counters.collect_zero && self.next_collect <= now.monotonic {
            self.next_collect = now.monotonic.after(INTERVAL);
            self.table.collect_zeros(self.hears_all(now.monotonic), now);
        }
    }

    /// Whether every member has said lately what it has, and this node has all of it.
    fn hears_all(&self, now: Monotonic) -> bool {
        let voices = self.voices(now);
        let held = |replica: ReplicaIndex| {
            self.sequences[replica.as_usize()].spoken_for(voices.contains(&replica)).contiguous()
        };
        self.peers.values().all(|peer| {
            let link = peer.link.as_ref().filter(|link| now.since(link.digest_at) <= LATELY);
            let digest = link.and_then(|link| link.digest.as_ref());
            digest.is_some_and(|digest| {
                digest.iter().all(|(replica, theirs)| replica == self.own_index || theirs.received <= held(replica))
            })
        })
    }

    /// Forgets, a part at a time, where the counters of peers live here, where most of them live here no more.
    fn forget_places(&mut self) {
        let table = &self.table;
        let enough = table.held().saturating_mul(2).saturating_add(FEW_PLACES);
        for (replica, sequence) in (0..).map(ReplicaIndex).zip(&mut self.sequences) {
            let Some(places) = &mut sequence.places else { continue };
            if !places.is_forgetting() && places.len() as u64 <= enough {
                continue;
            }
            for _ in 0..PLACE_CHUNKS_A_ROUND {
                if places.forget(|ours| table.has_share_at(ours, replica)) {
                    break;
                }
            }
            if places.len() == 0 {
                sequence.places = None;
            }
        }
    }
}
