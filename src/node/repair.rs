//! The receiving side of anti-entropy: digests are exchanged and compared, and what is lacking is pulled.
//!
//! One pull at a time, from one peer, of everything that this node lacks: that way an empty node gets the state of the whole
//! cluster once, and not once from every member. What is still on its way is not asked for.

use super::announcing::ANNOUNCEMENTS_A_FLUSH;
use super::clock_offset::clock_micros;
use super::event::Event;
use super::input::Output;
use super::leaving::Contested;
use super::machine::Node;
use super::peer::{Link, Peer};
use super::start::NOBODY;
use super::view::RepairView;
use crate::base::{HybridTime, Incarnation, Monotonic, Name, NodeId, ReplicaId, ReplicaIndex, Stamp};
use crate::counter::{Forecast, IncomingShare, PrecisionRegister, Retired, Share};
use crate::replication::{Digest, DigestEntry, NumberSet, Voice};
use crate::wire::{DigestLine, HeldLine, Message, PullLine, RepairItem, RepairKind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Datagrams overtake digests; what is on its way needs no repair.
const COMPARE_AFTER: Duration = Duration::from_millis(100);
/// A pull that brings nothing for this long is given up.
const PULL_PATIENCE: Duration = Duration::from_secs(5);
/// A pull that takes longer than this is told of.
const LONG_PULL: Duration = Duration::from_secs(1);
/// A peer that has not said for this long what it has may be out of hearing, whatever its link says.
const SPEAKS_FOR: Duration = Duration::from_millis(1500);
/// The first digest on a link waits no longer than this for what is still to be numbered.
const LONGEST_DIGEST_DELAY: Duration = Duration::from_secs(5);
/// How often digests are compared when no new one has come.
const COMPARE_INTERVAL: Duration = Duration::from_millis(100);

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
    /// What this node has: of those replicas whose owners can be asked what was received in full, of the others all that
    /// is in the table.
    pub(super) fn digest(&self, now: Monotonic) -> Digest {
        let voices = self.voices(now);
        let all = (0..).map(ReplicaIndex).zip(&self.sequences);
        Digest::of_memory(all.map(|(index, sequence)| sequence.spoken_for(voices.contains(&index))))
    }

    fn digest_lines(&self, now: Monotonic) -> Vec<DigestLine> {
        if self.is_stale() {
            // What it holds may have been given up: nobody is to be led to take that from here.
            return Vec::new();
        }
        let mut digest = self.digest(now);
        for index in (0..).map(ReplicaIndex).take(self.sequences.len()) {
            digest.set(index, DigestEntry { durable: self.durable(index), ..digest.entry(index) });
        }
        // Whoever hears that this node has an assignment may take it that none was made here without seeing that one, but
        // for those that the digest speaks of. So it speaks of what waits to leave, too.
        if self.own_index != NOBODY {
            let last = self.table.last_number();
            let durable = if self.writes_down() { self.durable(self.own_index) } else { last };
            digest.set(self.own_index, DigestEntry { received: last, durable, beyond: 0 });
        }
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

    /// Tells a new peer what this node has. What was counted alone has no numbers yet, and a digest without it would let
    /// the peer believe that it has everything: so where that is much, the digest waits for it.
    pub(super) fn send_first_digest(&mut self, to: NodeId, now: Monotonic) {
        let Some(link) = self.peers.get_mut(&to).and_then(|peer| peer.link.as_mut()) else { return };
        if self.table.waiting() > ANNOUNCEMENTS_A_FLUSH {
            link.owes_digest_since = Some(now);
            return;
        }
        self.send_digest_to(vec![to], now);
    }

    /// Everything that waited to be numbered has been: sends the digests that waited for it.
    pub(super) fn send_owed_digests(&mut self, now: Monotonic) {
        let mut owed = Vec::new();
        for peer in self.peers.values_mut() {
            let since = peer.link.as_mut().and_then(|link| link.owes_digest_since.take());
            owed.extend(since.map(|_| peer.id));
        }
        self.send_digest_to(owed, now);
    }

    /// Tells every linked peer what this node has; also the sign that it lives.
    pub(super) fn send_digests(&mut self, now: Monotonic) {
        let waits = |link: &Link| link.owes_digest_since.is_some_and(|since| now.since(since) < LONGEST_DIGEST_DELAY);
        let is_due = |peer: &&Peer| peer.is_linked() && !peer.link.as_ref().is_some_and(waits);
        let due = self.peers.values().filter(is_due).map(|peer| peer.id).collect();
        self.send_digest_to(due, now);
    }

    pub(super) fn send_digest_to(&mut self, peers: Vec<NodeId>, now: Monotonic) {
        if peers.is_empty() {
            return;
        }
        let bytes = Message::encode_digest(clock_micros(now), &self.digest_lines(now));
        for peer in peers {
            self.digest_message(peer, bytes.clone());
        }
    }

    fn digest_message(&mut self, to: NodeId, bytes: Vec<u8>) {
        self.state.traffic.digest_bytes_sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.message(to, bytes);
    }

    pub(super) fn take_digest(&mut self, from: NodeId, clock: u64, lines: &[DigestLine], now: Monotonic) {
        let mut digest = Digest::default();
        // Nothing comes by datagram that is waited for.
        let is_waiting = self.may_resume();
        // The first digest of a link was made before anything that was said on it arrived.
        let link = self.peers.get(&from).and_then(|peer| peer.link.as_ref());
        let is_untold = link.is_some_and(|link| link.digest.is_none() && link.was_untold);
        let said = if is_untold { 0 } else { self.table.last_number() };
        if let Some(later) = self.look_out_for_own(lines, said, now) {
            self.outputs.push_back(Output::NewIncarnation(later));
        }
        for line in lines {
            let entry = DigestEntry { received: line.received, durable: line.durable, beyond: line.beyond };
            if let Some(index) = self.enter(line.replica) {
                digest.set(index, entry);
            }
        }
        if self.peers.get(&from).and_then(|peer| peer.link.as_ref()).is_some_and(|link| link.digest.is_none()) {
            self.mind_lost_memory(from, &digest);
        }
        let Some(link) = self.peers.get_mut(&from).and_then(|peer| peer.link.as_mut()) else { return };
        // The first digest of a link speaks of what was before it, which no datagram will bring.
        let wait = if link.digest.is_none() || is_waiting { Duration::ZERO } else { COMPARE_AFTER };
        if link.digest.is_none() {
            link.goal = Some(digest.clone());
        }
        link.digest = Some(digest);
        (link.vouching.digest_said, link.digest_at) = (clock, now);
        link.compare_at = now.after(wait);
        self.confirm(now);
    }

    /// Finds lines that speak of a life of this node that it does not know itself, or of more of the present one than it has
    /// said: its own must come after that. Answers the last such incarnation.
    fn look_out_for_own(&mut self, lines: &[DigestLine], said: u64, now: Monotonic) -> Option<Incarnation> {
        if self.awaits_incarnation() {
            return None;
        }
        let (own, said) = (self.own, self.last_told_before().unwrap_or(said));
        let is_outnumbered = |line: &&DigestLine| line.replica == own && line.received > said;
        let is_unknown = |line: &&DigestLine| {
            let replica = line.replica;
            replica.node == own.node && replica.incarnation > own.incarnation && self.registry.index(replica).is_none()
        };
        let outnumbered = lines.iter().find(is_outnumbered);
        let later = lines.iter().filter(is_unknown).chain(outnumbered).map(|line| line.replica.incarnation).max()?;
        match outnumbered.map(|line| line.received) {
            Some(heard) => {
                self.find_itself_outnumbered(heard, said, now);
            }
            None if self.is_restored => self.learn_that_it_is_stale(now),
            None => {}
        }
        Some(later)
    }

    /// Somebody has heard more of the present replica than this process said. Answers the incarnation to come after.
    pub(super) fn find_itself_outnumbered(&mut self, heard: u64, said: u64, now: Monotonic) -> Incarnation {
        // What has been told on another link by now may have come round: that much proves nothing.
        let is_others = !self.has_told || heard > self.table.last_number();
        self.contested = Some(Contested { is_untold: said == 0 && self.is_restored && is_others });
        self.emit(Event::Outnumbered { replica: self.own, heard, said });
        if self.is_restored {
            self.learn_that_it_is_stale(now);
        }
        self.own.incarnation
    }

    /// Compares the digests whose time has come, and pulls from the first peer that has what this node lacks.
    pub(super) fn compare_digests(&mut self, now: Monotonic) {
        self.mind_pull(now);
        let mut is_due = self.next_compare <= now;
        for peer in self.peers.values_mut() {
            if let Some(link) = peer.link.as_mut().filter(|link| link.compare_at <= now) {
                link.compare_at = Monotonic::NEVER;
                is_due = true;
            }
        }
        if !is_due {
            return;
        }
        self.next_compare = now.after(COMPARE_INTERVAL);
        let mine = self.digest(now);
        self.mind_goals(&mine, now);
        self.verify_digests(now);
        if self.pulling.is_some() || self.is_taking_over(now) {
            return;
        }
        let voices = self.voices(now);
        let source = self.peers.values().find(|peer| {
            let link = peer.link.as_ref().filter(|link| link.replica.is_some() && link.compare_at == Monotonic::NEVER);
            let has_news = |link: &Link| {
                self.may_pull_from(link)
                    && link.digest.as_ref().is_some_and(|digest| digest.has_news_for(&mine, link.voice(&voices)))
            };
            link.is_some_and(has_news)
        });
        if let Some(from) = source.map(|peer| peer.id) {
            self.pull(from, &voices, now);
        }
    }

    /// The replicas whose owners can be asked: this node's own, and those of the peers that say what they have.
    pub(super) fn voices(&self, now: Monotonic) -> Vec<ReplicaIndex> {
        let speaks = |link: &&Link| link.digest.is_some() && now.since(link.digest_at) <= SPEAKS_FOR;
        let links = self.peers.values().filter_map(|peer| peer.link.as_ref()).filter(speaks);
        links.filter_map(|link| Some(link.replica?.0)).chain([self.own_index]).collect()
    }

    /// Forgets of every peer's first digest that this node has all of it by now.
    fn mind_goals(&mut self, mine: &Digest, now: Monotonic) {
        if self.peers.values().all(|peer| peer.link.as_ref().is_none_or(|link| link.goal.is_none())) {
            return;
        }
        let voices = self.voices(now);
        let mut is_any_reached = false;
        for peer in self.peers.values_mut() {
            let Some(link) = peer.link.as_mut() else { continue };
            // A later digest speaks of all that the first did, and perhaps of more that this node has, too.
            let speaks_of_nothing_else = |digest: &Option<Digest>| {
                digest.as_ref().is_some_and(|one| !one.has_news_for(mine, link.voice(&voices)))
            };
            if speaks_of_nothing_else(&link.goal) || (link.goal.is_some() && speaks_of_nothing_else(&link.digest)) {
                link.goal = None;
                peer.was_caught_up_with = true;
                is_any_reached = true;
            }
        }
        if is_any_reached {
            self.members_changed();
        }
    }

    /// Whether what is read here may be much older than what was said elsewhere.
    pub(super) fn is_catching_up(&self) -> bool {
        let lacks = |link: &Link| {
            link.replica.is_some() && (link.digest.is_none() || link.goal.is_some() || link.awaits_predictions)
        };
        self.peers.values().filter_map(|peer| peer.link.as_ref()).any(lacks)
            || self.pulling.as_ref().is_some_and(Pulling::is_long)
    }

    fn pull(&mut self, from: NodeId, voices: &[ReplicaIndex], now: Monotonic) {
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
    fn mind_pull(&mut self, now: Monotonic) {
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
