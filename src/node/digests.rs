//! Digests: what a node says that it has, to whom and when, and what it learns of itself from those of others.

use super::announcing::ANNOUNCEMENTS_A_FLUSH;
use super::clock_offset::clock_micros;
use super::event::Event;
use super::input::Output;
use super::leaving::Contested;
use super::machine::Node;
use super::peer::{Link, Peer};
use super::start::NOBODY;
use crate::base::{Incarnation, Monotonic, NodeId, ReplicaIndex};
use crate::replication::{Digest, DigestEntry};
use crate::wire::{DigestLine, Message};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Datagrams overtake digests; what is on its way needs no repair.
const COMPARE_AFTER: Duration = Duration::from_millis(100);
/// The first digest on a link waits no longer than this for what is still to be numbered.
const LONGEST_DIGEST_DELAY: Duration = Duration::from_secs(5);

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
}
