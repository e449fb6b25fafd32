//! A pull: what is lacking is asked for, one pull at a time, and taken in as it comes.

use super::event::Event;
use super::machine::Node;
use super::view::RepairView;
use crate::base::{HybridTime, Monotonic, Name, NodeId, ReplicaId, ReplicaIndex, Stamp};
use crate::counter::{Forecast, IncomingShare, PrecisionRegister, Retired, Share};
use crate::replication::{NumberSet, Voice};
use crate::wire::{HeldLine, Message, PullLine, RepairItem, RepairKind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A pull that brings nothing for this long is given up.
const PULL_PATIENCE: Duration = Duration::from_secs(5);
/// A pull that takes longer than this is told of.
const LONG_PULL: Duration = Duration::from_secs(1);

/// A pull that is under way.
#[derive(Debug)]
pub(super) struct Pulling {
    from: NodeId,
    since: Monotonic,
    last_item_at: Monotonic,
    told_at: Monotonic,
    items: u64,
    estimated: u64,
    /// Of asking all members.
    round: u64,
    /// Something of it was not understood, so what it leads to must not be taken for held.
    is_spoiled: bool,
}

impl Pulling {
    pub(super) fn view(&self) -> RepairView {
        RepairView { from: self.from, items_received: self.items, items_estimated: self.estimated.max(self.items) }
    }

    /// Whether it has been going on for a while, so that readers should know.
    pub(super) fn is_long(&self) -> bool {
        self.last_item_at.since(self.since) > LONG_PULL
    }
}

impl Node {
    /// Asks a peer for all that its digest says this node lacks.
    pub(super) fn pull(&mut self, from: NodeId, voices: &[ReplicaIndex], now: Monotonic) {
        let Some(link) = self.peers.get(&from).and_then(|peer| peer.link.as_ref()) else { return };
        let said = |replica| link.digest.as_ref().map_or(0, |digest| digest.entry(replica).received);
        let line = |(index, replica): (ReplicaIndex, ReplicaId)| {
            let voice = link.voice(voices)(index);
            let held = self.sequences[index.as_usize()].spoken_for(voice != Voice::Relay);
            let until = match voice {
                // What was said after the digest is on its way.
                Voice::Owner => said(index),
                Voice::Hearsay => 0,
                Voice::Relay => u64::MAX,
            };
            let ranges = held.ranges().to_vec();
            PullLine { held: HeldLine { replica, contiguous: held.contiguous(), ranges }, until }
        };
        let lines: Vec<PullLine> = self.registry.iter().map(line).collect();
        self.pull_beyond(from, &lines, now);
    }

    /// Asks for all but what these lines say is here or not wanted.
    pub(super) fn pull_beyond(&mut self, from: NodeId, lines: &[PullLine], now: Monotonic) {
        let bytes = Message::encode_pull(lines);
        self.count_repair(&bytes);
        self.message(from, bytes);
        let round = self.present_round();
        if let Some(link) = self.peers.get_mut(&from).and_then(|peer| peer.link.as_mut()) {
            link.pulled = Some(round);
        }
        self.pulling = Some(Pulling {
            from,
            since: now,
            last_item_at: now,
            told_at: now,
            items: 0,
            estimated: 0,
            round,
            is_spoiled: false,
        });
    }

    /// Gives up a pull that brings nothing, and tells of one that takes long.
    pub(super) fn mind_pull(&mut self, now: Monotonic) {
        let Some(pulling) = &mut self.pulling else { return };
        if now.since(pulling.last_item_at) > PULL_PATIENCE {
            let from = pulling.from;
            self.pulling = None;
            self.give_up_pull_from(from);
        } else if now.since(pulling.told_at) > LONG_PULL {
            pulling.told_at = now;
            let RepairView { from, items_received, items_estimated } = pulling.view();
            self.emit(Event::Repairing { peer: from, items: items_received, estimated: items_estimated });
            self.members_changed();
        }
    }

    pub(super) fn abandon_pull_from(&mut self, peer: NodeId) {
        if self.pulling.as_ref().is_some_and(|pulling| pulling.from == peer) {
            self.pulling = None;
            self.give_up_taking_over();
        }
    }

    /// Something that came of it was not understood: its end proves nothing.
    pub(super) fn spoil_pull_from(&mut self, peer: NodeId) {
        if let Some(pulling) = self.pulling.as_mut().filter(|pulling| pulling.from == peer) {
            pulling.is_spoiled = true;
        }
    }

    pub(super) fn take_repair_begin(&mut self, from: NodeId, items: u64, now: Monotonic) {
        if let Some(pulling) = self.pulling.as_mut().filter(|pulling| pulling.from == from) {
            (pulling.estimated, pulling.last_item_at) = (items, now);
            self.members_changed();
        }
    }

    pub(super) fn take_repair_items(&mut self, from: NodeId, clock: u64, items: &[RepairItem<'_>], now: Monotonic) {
        let made_at = self.said_at(from, clock, Duration::ZERO, now);
        for item in items {
            self.take_repair_item(from, item, made_at, now);
        }
        if let Some(pulling) = self.pulling.as_mut().filter(|pulling| pulling.from == from) {
            pulling.items += items.len() as u64;
            self.state.traffic.repair_items_received.fetch_add(items.len() as u64, Ordering::Relaxed);
            pulling.last_item_at = now;
        }
    }

    fn take_repair_item(&mut self, from: NodeId, item: &RepairItem<'_>, made_at: Monotonic, now: Monotonic) {
        let Some(replica) = self.enter(item.replica) else { return };
        self.note_item(from, replica, item.number);
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
                let mut in_cut = self.beyond_received(&assignment);
                let link = self.peers.get(&from).and_then(|peer| peer.link.as_ref());
                let digest = link.and_then(|link| link.digest.as_ref());
                let relayer_has = |replica| digest.map_or(0, |digest| digest.entry(replica).received);
                in_cut.retain(|(replica, number)| *number > relayer_has(*replica));
                let location = self.table.take_relayed_assignment(item.name, Arc::new(assignment), &relayer_has);
                self.note_loose(in_cut, location);
                location
            }
            RepairKind::Precision { time, precision } => {
                let stamp = Stamp { time: *time, replica: item.replica, number: item.number };
                let register = PrecisionRegister { stamp, origin: replica, precision: *precision };
                self.table.take_precision(item.name, register, now)
            }
            RepairKind::Retirement { of, born } => {
                let Some(of) = self.enter(*of) else { return };
                let retired = Retired { replica: of, born: *born, by: replica, number: item.number };
                // To be taken when everything said before it has been.
                self.early_retirements.keep(from, item.name.as_bytes(), retired);
                return;
            }
        };
        let sequence = self.sequence_of(replica);
        sequence.note_loose(item.number);
        sequence.backlog.push(item.number, location);
    }

    /// Everything that was asked for has arrived: this node now has what the other had.
    pub(super) fn take_repair_end(&mut self, from: NodeId, time: HybridTime, lines: &[HeldLine], now: Monotonic) {
        let Some(pulling) = self.pulling.take_if(|pulling| pulling.from == from) else { return };
        if pulling.is_spoiled {
            self.give_up_taking_over();
            return;
        }
        // Among what the other has had are assignments that it gave up. This node's must be later than those, too: somebody
        // may still hold one.
        self.table.observe(time);
        for line in lines {
            let Some(replica) = self.enter(line.replica).filter(|replica| *replica != self.own_index) else { continue };
            let theirs = NumberSet::new(line.contiguous, line.ranges.iter().copied());
            let received = self.early_retirements.received(from, replica, &theirs);
            self.sequence_of(replica).held.unite(&received);
        }
        self.early_retirements.end(from);
        self.take_early_retirements();
        self.begin_dropping(from, lines);
        let all: Vec<ReplicaIndex> = self.registry.iter().map(|(index, _)| index).collect();
        for replica in all {
            let contiguous = self.sequence_of(replica).held.contiguous();
            if replica != self.own_index {
                self.table.progress().set_received(replica, contiguous);
            }
        }
        let milliseconds = u64::try_from(now.since(pulling.since).as_millis()).unwrap_or(u64::MAX);
        // All that it had told of when it was asked is here.
        let peer = self.peers.get_mut(&from);
        let is_first = peer.is_some_and(|peer| {
            peer.was_caught_up_with = true;
            peer.link.as_mut().and_then(|link| link.goal.take()).is_some()
        });
        self.note_pulled(from, pulling.round);
        self.emit(Event::Repaired { peer: from, items: pulling.items, milliseconds, is_first });
        self.verify_digests(now);
        self.answer_wanted_digests(now);
        self.members_changed();
        self.next_compare = now;
        self.compare_digests(now);
    }

    /// Takes the retirements that were waiting for what was said before them.
    pub(super) fn take_early_retirements(&mut self) {
        let sequences = &self.sequences;
        for (name, retired) in self.early_retirements.take_due(|by| &sequences[by.as_usize()].held) {
            let Ok(name) = Name::new(&name) else { continue };
            let location = self.table.take_retirement(name, retired);
            self.sequence_of(retired.by).backlog.push(retired.number, location);
        }
    }
}
