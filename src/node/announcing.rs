//! From what became announceable to datagrams on every link.

use super::clock_offset::clock_micros;
use super::machine::Node;
use crate::base::{Location, Monotonic, NodeId, ReplicaIndex};
use crate::counter::{Announcement, AnnouncementBody, Assignment, NumberedItem};
use crate::wire::{AssignmentBody, Observed, Packed, Record, RecordPacker};
use bytes::Bytes;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A pipeline of increments of one counter is mostly over within this time, and then costs one record. The runtime's timers
/// add up to a millisecond.
const BURST: Duration = Duration::from_micros(200);
/// A flush that is due within this time needs no word that there is still more to say.
const SOON: Duration = Duration::from_millis(10);
/// What one flush announces at most, but for one shard's news: a node that counted millions alone tells of them over
/// many flushes, and its clients' commands on the cluster do not wait for all that.
pub(super) const ANNOUNCEMENTS_A_FLUSH: usize = 16_384;
/// Flushes that the last words of a node may take: each takes at least a shard's news.
const LAST_FLUSHES: usize = 256;
/// So much of the last words goes by stream, which sends again what is lost; the rest by datagram, as all else.
const RELIABLE_BYTES: usize = 1 << 20;

impl Node {
    /// Flushes are at least a flush interval apart; after a pause the first news waits only for its burst to end.
    pub(super) fn flush_if_due(&mut self, now: Monotonic) {
        if !self.table.has_news() {
            self.news_since = None;
            return;
        }
        if self.is_holding_much() {
            return;
        }
        self.news_since.get_or_insert(now);
        if self.next_flush() <= now {
            self.flush(now);
        }
    }

    /// When what is waiting to be announced is to leave; never, if nothing is.
    pub(super) fn next_flush(&self) -> Monotonic {
        if self.is_holding_much() || !self.table.has_numbers() {
            return Monotonic::NEVER;
        }
        // Of zero: then neither a flush nor a burst is waited for.
        let interval = self.settings.counters.flush_interval();
        let paced = self.last_flush.after(interval);
        match self.news_since {
            Some(since) => since.after(BURST.min(interval)).max(paced),
            None if self.table.has_news() => Monotonic::ZERO,
            None => Monotonic::NEVER,
        }
    }

    /// Has the table ring at the next news or earlier timer, unless the node is about to look by itself. Whoever calls this
    /// asks for [`Self::next_deadline`] afterwards.
    pub fn listen(&self, now: Monotonic) {
        if self.next_flush() > now.after(SOON) {
            self.table.listen();
        }
    }

    /// Says all that waits to be said, however much it is, and so that it does not get lost: nobody will repair it.
    pub(super) fn flush_all(&mut self, now: Monotonic) {
        self.reliable_bytes = RELIABLE_BYTES;
        self.flush_all_by_datagram(now);
        self.reliable_bytes = 0;
    }

    /// Says all that waits to be said, however much it is.
    pub(super) fn flush_all_by_datagram(&mut self, now: Monotonic) {
        for _ in 0..LAST_FLUSHES {
            self.flush(now);
            if !self.table.has_news() {
                break;
            }
        }
    }

    /// Numbers and sends what waits to be said, or much of it.
    pub(super) fn flush(&mut self, now: Monotonic) {
        self.news_since = None;
        self.last_flush = now;
        let mut announcements = std::mem::take(&mut self.announcements);
        self.table.drain(ANNOUNCEMENTS_A_FLUSH, now, &mut announcements);
        let is_all = announcements.len() < ANNOUNCEMENTS_A_FLUSH;
        if is_all && self.table.next_timer() > now {
            // All that waited at `now` has its number; what has come since may wait.
            self.note_told(now);
        }
        announcements = self.announce(announcements, now);
        if is_all {
            self.send_owed_digests(now);
        }
        announcements.shrink_to(4096);
        self.announcements = announcements;
    }

    /// Sends announcements of the present replica to every linked peer. Answers the emptied list.
    pub(super) fn announce(&mut self, mut announcements: Vec<Announcement>, now: Monotonic) -> Vec<Announcement> {
        if announcements.is_empty() {
            return announcements;
        }
        let own = self.own_index;
        let sequence = self.sequence_of(own);
        // A flush that stops halfway leaves gaps, and nobody else ever fills them.
        let runs = announcements.chunk_by(|one, next| one.number.checked_add(1) == Some(next.number));
        sequence.held.insert_all(runs.filter_map(|run| Some((run.first()?.number, run.last()?.number))));
        for announcement in &announcements {
            sequence.backlog.push(announcement.number, announcement.location);
        }
        let linked: Vec<NodeId> = self.peers.values().filter(|peer| peer.is_linked()).map(|peer| peer.id).collect();
        if !linked.is_empty() {
            self.has_told = true;
            self.pack(&announcements, now);
            self.send_packed(&linked, announcements.len(), now);
        }
        announcements.clear();
        announcements
    }

    /// The longest datagram that every linked peer can take: all get the same bytes.
    fn datagram_limit(&self) -> usize {
        let limits = self.peers.values().filter_map(|peer| peer.link.as_ref()).map(|link| link.max_datagram_bytes);
        limits.min().unwrap_or(0)
    }

    fn pack(&mut self, announcements: &[Announcement], now: Monotonic) {
        let mut packer = RecordPacker::new(self.own.incarnation, clock_micros(now), self.datagram_limit());
        let mut packed = std::mem::take(&mut self.packed);
        for announcement in announcements {
            if let Some(record) = self.record_of(announcement) {
                packer.push(announcement.number, &record, &mut packed);
            }
        }
        packer.finish(&mut packed);
        self.packed = packed;
    }

    fn send_packed(&mut self, to: &[NodeId], records: usize, now: Monotonic) {
        let traffic = &self.state.traffic;
        traffic.records_sent.fetch_add((records * to.len()) as u64, Ordering::Relaxed);
        let packed = std::mem::take(&mut self.packed);
        for one in packed {
            let (bytes, as_message) = match one {
                Packed::Datagram(bytes, _) => (Bytes::from(bytes), false),
                Packed::Message(bytes) => (Bytes::from(bytes), true),
            };
            let as_message = as_message || self.reliable_bytes >= bytes.len();
            self.reliable_bytes = self.reliable_bytes.saturating_sub(bytes.len());
            let sent = (bytes.len() * to.len()) as u64;
            self.state.traffic.record_bytes_sent.fetch_add(sent, Ordering::Relaxed);
            for peer in to {
                if as_message {
                    self.state_message(*peer, bytes.to_vec(), false, now);
                } else {
                    self.state_datagram(*peer, bytes.clone(), now);
                }
            }
        }
    }

    fn record_of<'a>(&self, announcement: &'a Announcement) -> Option<Record<'a>> {
        // Every name in the table was checked when it came in.
        let name = |bytes: &'a [u8]| crate::base::Name::new(bytes).ok();
        Some(match &announcement.body {
            AnnouncementBody::Share { name: named, born, total, rate, whole } => Record::Share {
                location: announcement.location,
                born: *born,
                total: *total,
                rate: *rate,
                age: Duration::ZERO,
                whole: *whole,
                name: named.as_deref().and_then(name),
            },
            AnnouncementBody::Assignment { name: named, assignment } => {
                Record::Assignment { name: name(named)?, body: self.body_of(assignment) }
            }
            AnnouncementBody::Precision { name: named, register } => {
                Record::Precision { name: name(named)?, time: register.stamp.time, precision: register.precision }
            }
            AnnouncementBody::Retirement { name: named, replica, born } => {
                Record::Retirement { name: name(named)?, replica: self.registry.replica(*replica)?, born: *born }
            }
        })
    }

    /// An assignment in the words of the wire: replicas by their ids.
    pub(super) fn body_of(&self, assignment: &Assignment) -> AssignmentBody {
        let observed = self.registry.iter().filter_map(|(index, replica)| {
            let received = assignment.context.received(index);
            let share = assignment.cut_of(index).copied();
            (received > 0 || share.is_some()).then_some(Observed { replica, received, share })
        });
        AssignmentBody {
            time: assignment.stamp.time,
            base: assignment.base,
            deleted: assignment.deleted,
            observed: observed.collect(),
        }
    }

    /// Says again, with their names, the shares whose names a peer never learned.
    pub(super) fn tell_names(&mut self, to: NodeId, wanted: &[(Location, u64)], now: Monotonic) {
        let own = self.own_index;
        let only_own = move |replica: ReplicaIndex, _: u64| replica != own;
        let mut found = Vec::new();
        for (location, wanted_birth) in wanted {
            self.table.visit_items_at(*location, &only_own, now, &mut |name, location, item| {
                if let NumberedItem::Own(share, forecast) = item
                    && share.born == *wanted_birth
                {
                    found.push((location, name.to_vec(), share, forecast));
                }
            });
        }
        found.sort_unstable_by_key(|(_, _, share, _)| share.revision);
        let mut packer = RecordPacker::new(self.own.incarnation, clock_micros(now), self.datagram_limit());
        let mut packed = std::mem::take(&mut self.packed);
        for (location, name, share, forecast) in &found {
            let record = Record::Share {
                location: *location,
                born: share.born,
                total: share.total,
                rate: forecast.map_or(0.0, |forecast| forecast.rate),
                age: forecast.map_or(Duration::ZERO, |forecast| now.since(forecast.since)),
                whole: forecast.is_some_and(|forecast| forecast.whole),
                name: crate::base::Name::new(name).ok(),
            };
            packer.push(share.revision, &record, &mut packed);
        }
        packer.finish(&mut packed);
        self.packed = packed;
        self.send_packed(&[to], found.len(), now);
    }
}
