//! The receiving side of anti-entropy: digests are exchanged and compared, and what is lacking is pulled.
//!
//! One pull at a time, from one peer, of everything above what this node has: that way an empty node gets the state
//! of the whole cluster once, and not once from every member.

use super::clock_offset::clock_micros;
use super::event::Event;
use super::machine::Node;
use crate::base::{HybridTime, Monotonic, NodeId, ReplicaId, ReplicaIndex, Stamp};
use crate::counter::{Forecast, IncomingShare, PrecisionRegister, Retired, Share};
use crate::replication::{Digest, DigestEntry, NumberSet};
use crate::wire::{DigestLine, HeldLine, Message, RepairItem, RepairKind};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Datagrams overtake digests; what is on its way needs no repair.
const COMPARE_AFTER: Duration = Duration::from_millis(100);
/// A pull that brings nothing for this long is given up.
const PULL_PATIENCE: Duration = Duration::from_secs(5);
/// A pull that takes longer than this is told of.
const LONG_PULL: Duration = Duration::from_secs(1);

/// The names and what was given up of them, by the replica that did and its number: to be taken once everything that it
/// said before has been.
pub(super) type EarlyRetirements = BTreeMap<(ReplicaIndex, u64), (Box<[u8]>, Retired)>;

/// A pull that is under way.
#[derive(Debug)]
pub(super) struct Pulling {
    from: NodeId,
    since: Monotonic,
    last_item_at: Monotonic,
    told_at: Monotonic,
    items: u64,
}

impl Pulling {
    /// Whether it has been going on for a while, so that readers should know.
    pub(super) fn is_long(&self) -> bool {
        self.last_item_at.since(self.since) > LONG_PULL
    }
}

impl Node {
    pub(super) fn digest(&self) -> Digest {
        Digest::of_memory(self.sequences.iter().map(|sequence| &sequence.held))
    }

    fn digest_lines(&self) -> Vec<DigestLine> {
        let mut digest = self.digest();
        // Whoever hears that this node has an assignment may take it that none was made here without seeing that one, but
        // for those that the digest speaks of. So it speaks of what waits to leave, too.
        let last = self.table.last_number();
        digest.set(self.own_index, DigestEntry { received: last, durable: last, beyond: 0 });
        let with_id = |(index, entry): (ReplicaIndex, DigestEntry)| {
            let replica = self.registry.replica(index)?;
            (entry != DigestEntry::default()).then_some(DigestLine {
                replica,
                received: entry.received,
                durable: entry.durable,
                beyond: entry.beyond,
            })
        };
        digest.iter().filter_map(with_id).collect()
    }

    pub(super) fn send_digest_to(&mut self, to: NodeId, now: Monotonic) {
        let bytes = Message::encode_digest(clock_micros(now), &self.digest_lines());
        self.message(to, bytes);
    }

    /// Tells every linked peer what this node has; also the sign that it lives.
    pub(super) fn send_digests(&mut self, now: Monotonic) {
        let linked: Vec<NodeId> = self.peers.values().filter(|peer| peer.is_linked()).map(|peer| peer.id).collect();
        if linked.is_empty() {
            return;
        }
        let bytes = Message::encode_digest(clock_micros(now), &self.digest_lines());
        for peer in linked {
            self.message(peer, bytes.clone());
        }
    }

    pub(super) fn take_digest(&mut self, from: NodeId, clock: u64, lines: &[DigestLine], now: Monotonic) {
        let mut digest = Digest::default();
        for line in lines {
            self.look_out_for_own(line.replica);
            let entry = DigestEntry { received: line.received, durable: line.durable, beyond: line.beyond };
            if let Some(index) = self.enter(line.replica) {
                digest.set(index, entry);
            }
        }
        let Some(link) = self.peers.get_mut(&from).and_then(|peer| peer.link.as_mut()) else { return };
        // The first digest of a link speaks of what was before it, which no datagram will bring.
        let wait = if link.digest.is_none() { Duration::ZERO } else { COMPARE_AFTER };
        link.digest = Some(digest);
        (link.vouching.digest_said, link.vouching.digest_came) = (clock, now);
        link.compare_at = now.after(wait);
    }

    /// Somebody has heard of a life of this node that it does not know itself: its own must come after that.
    fn look_out_for_own(&mut self, replica: ReplicaId) {
        let is_later = replica.node == self.own.node && replica.incarnation > self.own.incarnation;
        if is_later && self.registry.index(replica).is_none() {
            self.outputs.push_back(super::Output::NewIncarnation(replica.incarnation));
        }
    }

    /// Compares the digests whose time has come, and pulls from the first peer that has what this node lacks.
    pub(super) fn compare_digests(&mut self, now: Monotonic) {
        self.mind_pull(now);
        let mut is_any_due = false;
        for peer in self.peers.values_mut() {
            if let Some(link) = peer.link.as_mut().filter(|link| link.compare_at <= now) {
                link.compare_at = Monotonic::NEVER;
                is_any_due = true;
            }
        }
        if is_any_due {
            self.verify_digests(now);
        }
        if self.pulling.is_some() {
            return;
        }
        let mine = self.digest();
        let linked: Vec<ReplicaIndex> =
            self.peers.values().filter_map(|peer| Some(peer.link.as_ref()?.replica?.0)).collect();
        let speaks_for_itself = |replica: ReplicaIndex| replica == self.own_index || linked.contains(&replica);
        let has_news = |digest: &Digest| digest.has_news_for(&mine, speaks_for_itself);
        let waits = |compare_at: Monotonic| compare_at != Monotonic::NEVER;
        let source = self.peers.values().find(|peer| {
            let link = peer.link.as_ref().filter(|link| link.replica.is_some() && !waits(link.compare_at));
            link.and_then(|link| link.digest.as_ref()).is_some_and(has_news)
        });
        if let Some(from) = source.map(|peer| peer.id) {
            self.pull(from, now);
        }
    }

    fn pull(&mut self, from: NodeId, now: Monotonic) {
        let have: Vec<(ReplicaId, u64)> = self
            .registry
            .iter()
            .map(|(index, replica)| (replica, self.sequences[index.as_usize()].held.contiguous()))
            .filter(|(_, number)| *number > 0)
            .collect();
        self.message(from, Message::encode_pull(&have));
        self.pulling = Some(Pulling { from, since: now, last_item_at: now, told_at: now, items: 0 });
    }

    /// Gives up a pull that brings nothing, and tells of one that takes long.
    fn mind_pull(&mut self, now: Monotonic) {
        let Some(pulling) = &mut self.pulling else { return };
        if now.since(pulling.last_item_at) > PULL_PATIENCE {
            self.pulling = None;
        } else if now.since(pulling.told_at) > LONG_PULL {
            pulling.told_at = now;
            let event = Event::Repairing { peer: pulling.from, items: pulling.items };
            self.emit(event);
            self.members_changed();
        }
    }

    pub(super) fn abandon_pull_from(&mut self, peer: NodeId) {
        if self.pulling.as_ref().is_some_and(|pulling| pulling.from == peer) {
            self.pulling = None;
        }
    }

    pub(super) fn take_repair_items(&mut self, from: NodeId, clock: u64, items: &[RepairItem<'_>], now: Monotonic) {
        let made_at = self.said_at(from, clock, Duration::ZERO, now);
        for item in items {
            self.take_repair_item(from, item, made_at, now);
        }
        if let Some(pulling) = self.pulling.as_mut().filter(|pulling| pulling.from == from) {
            pulling.items += items.len() as u64;
            pulling.last_item_at = now;
        }
    }

    fn take_repair_item(&mut self, from: NodeId, item: &RepairItem<'_>, made_at: Monotonic, now: Monotonic) {
        let Some(replica) = self.enter(item.replica) else { return };
        if replica == self.own_index || item.number <= self.sequence_of(replica).held.contiguous() {
            return;
        }
        let location = match &item.kind {
            RepairKind::Share { location, born, total, rate, age, whole } => {
                let since = made_at.before(*age);
                let share = Share { born: *born, revision: item.number, total: *total };
                let forecast = Some(Forecast { total: *total, rate: *rate, whole: *whole, since });
                let ours =
                    self.table.take_share(item.name, IncomingShare { replica, share, forecast, in_order_at: None });
                if let Some(theirs) = location.filter(|_| item.replica.node == from) {
                    self.sequence_of(replica).places.get_or_insert_default().set(theirs, ours);
                }
                ours
            }
            RepairKind::Assignment(body) => {
                let Some(assignment) = self.assignment_of(item.replica, replica, item.number, body) else { return };
                let link = self.peers.get(&from).and_then(|peer| peer.link.as_ref());
                let digest = link.and_then(|link| link.digest.as_ref());
                let relayer_has = |replica| digest.map_or(0, |digest| digest.entry(replica).received);
                self.table.take_relayed_assignment(item.name, Arc::new(assignment), &relayer_has)
            }
            RepairKind::Precision { time, precision } => {
                let stamp = Stamp { time: *time, replica: item.replica, number: item.number };
                let register = PrecisionRegister { stamp, origin: replica, precision: *precision };
                self.table.take_precision(item.name, register, now)
            }
            RepairKind::Retirement { of, born } => {
                let Some(of) = self.enter(*of) else { return };
                let retired = Retired { replica: of, born: *born, by: replica, number: item.number };
                // To be taken when everything said before it has been. A pull that is given up does not take it along:
                // its end may still come, and be taken for the end of the next.
                self.early_retirements.insert((replica, item.number), (item.name.as_bytes().into(), retired));
                return;
            }
        };
        self.sequence_of(replica).backlog.push(item.number, location);
    }

    /// Everything that was asked for has arrived: this node now has what the other had.
    pub(super) fn take_repair_end(&mut self, from: NodeId, time: HybridTime, lines: &[HeldLine], now: Monotonic) {
        let Some(pulling) = self.pulling.take_if(|pulling| pulling.from == from) else { return };
        // Among what the other has had are assignments that it gave up. This node's must be later than those, too: somebody
        // may still hold one.
        self.table.observe(time);
        for line in lines {
            let Some(replica) = self.enter(line.replica).filter(|replica| *replica != self.own_index) else { continue };
            let theirs = NumberSet::new(line.contiguous, line.ranges.iter().copied());
            self.sequence_of(replica).held.unite(&theirs);
        }
        self.take_early_retirements();
        let all: Vec<ReplicaIndex> = self.registry.iter().map(|(index, _)| index).collect();
        for replica in all {
            let contiguous = self.sequence_of(replica).held.contiguous();
            if replica != self.own_index {
                self.table.progress().set_received(replica, contiguous);
            }
        }
        let milliseconds = u64::try_from(now.since(pulling.since).as_millis()).unwrap_or(u64::MAX);
        self.emit(Event::Repaired { peer: from, items: pulling.items, milliseconds });
        self.verify_digests(now);
        self.members_changed();
        self.compare_digests(now);
    }
    /// Takes the retirements that were waiting for what was said before them.
    fn take_early_retirements(&mut self) {
        let sequences = &self.sequences;
        let is_due = |by: ReplicaIndex, number: u64| sequences[by.as_usize()].held.contiguous() >= number;
        let due = self.early_retirements.extract_if(.., |(by, number), _| is_due(*by, *number)).collect::<Vec<_>>();
        for ((by, number), (name, retired)) in due {
            let Ok(name) = crate::base::Name::new(&name) else { continue };
            let location = self.table.take_retirement(name, retired);
            self.sequence_of(by).backlog.push(number, location);
        }
    }
}
