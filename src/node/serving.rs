//! The sending side of anti-entropy: what a peer lacks, out of the backlog where that reaches back far enough, else by a
//! walk over the table. A chunk at a time: the next one is made when the one before has left.

use super::clock_offset::clock_micros;
use super::machine::Node;
use super::sequence::Sequence;
use crate::base::{HybridTime, Location, Monotonic, Name, NodeId, REPAIR_CHUNK_BYTES, ReplicaIndex};
use crate::counter::{Forecast, NumberedItem, Retired, Share};
use crate::replication::NumberSet;
use crate::wire::{HeldLine, Message, PullLine, RepairItem, RepairKind, RepairWriter};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Places looked at under one lock, and between two looks at the size of the chunk.
const PLACES_A_STEP: usize = 64;
/// Places looked at for one chunk: what is not sent costs time too.
const PLACES_A_CHUNK: usize = 4096;

/// A repair that a peer has asked for.
#[derive(Debug)]
pub(super) struct Serving {
    /// What the peer had when it asked; by index.
    have: Vec<NumberSet>,
    /// What the peer will have in the end: no more than this node had when it began.
    claim: Vec<(ReplicaIndex, NumberSet)>,
    /// No stamp among that is later.
    time: HybridTime,
    /// What was given up and waited for what was said before that when this began. It goes first: it may come to stand in the
    /// table behind the cursor.
    early: Vec<(Box<[u8]>, Retired)>,
    cursor: Cursor,
}

#[derive(Debug)]
enum Cursor {
    /// These places, from the last to the first.
    Backlog(Vec<Location>),
    /// Every place from this one on.
    Walk(Location),
    Done,
}

/// What a peer has, and up to where it asked for the rest; by index.
#[derive(Default)]
struct Wanted {
    have: Vec<NumberSet>,
    until: Vec<u64>,
}

impl Wanted {
    fn set(&mut self, index: ReplicaIndex, have: NumberSet, until: u64) {
        if self.have.len() <= index.as_usize() {
            self.have.resize(index.as_usize() + 1, NumberSet::default());
            self.until.resize(index.as_usize() + 1, u64::MAX);
        }
        self.have[index.as_usize()] = have;
        self.until[index.as_usize()] = until;
    }

    fn until(&self, index: ReplicaIndex) -> u64 {
        self.until.get(index.as_usize()).copied().unwrap_or(u64::MAX)
    }
}

impl Node {
    /// Begins to send a peer what it lacks.
    pub(super) fn serve(&mut self, to: NodeId, lines: &[PullLine], now: Monotonic) {
        self.has_told = true;
        if lines.is_empty()
            && let Some(peer) = self.peers.get_mut(&to)
        {
            peer.following.note_followed();
        }
        let mut wanted = Wanted::default();
        for line in lines {
            let Some(index) = self.enter(line.held.replica) else { continue };
            let have = NumberSet::new(line.held.contiguous, line.held.ranges.iter().copied());
            wanted.set(index, have, line.until);
        }
        let (serving, items) = self.plan(wanted, now);
        self.send_repair(to, Message::encode_repair_begin(items), false, now);
        let first = self.serving.insert(to, serving).is_none();
        if first {
            self.serve_more(to, now);
        }
    }

    /// What to send, what may be claimed when all that was sent, and about how many items it is.
    ///
    /// Whoever holds a number holds what was said under it, or what has taken its place since. So of what the peer lacks,
    /// only that is looked for which stands under a number that the peer lacks, too.
    fn plan(&self, wanted: Wanted, now: Monotonic) -> (Serving, u64) {
        let nothing = NumberSet::default();
        let voices = self.voices(now);
        let mut claim = Vec::new();
        let mut lacking = Vec::new();
        let mut places = Some(Vec::new());
        for (index, sequence) in (0..).map(ReplicaIndex).zip(&self.sequences) {
            let have = wanted.have.get(index.as_usize()).unwrap_or(&nothing);
            let until = wanted.until(index);
            let asked = sequence.spoken_for(voices.contains(&index)).up_to(until);
            let count = have.lacks_of(&asked);
            claim.push((index, asked));
            if count == 0 {
                continue;
            }
            lacking.push(count);
            // Every number of its own leads this node to what was said under it. What it has been told under one number may
            // stand under a later one since, which the peer must get even if it asked for less.
            let look_until = if index == self.own_index { until } else { u64::MAX };
            let recent = sequence.backlog.lacking(have, look_until);
            places = places.zip(recent).map(|(mut places, recent)| {
                places.extend(recent);
                places
            });
        }
        let (cursor, most) = match places {
            Some(mut places) => {
                places.sort_unstable();
                places.dedup();
                let most = places.len() as u64;
                (Cursor::Backlog(places), most)
            }
            None => {
                // A walk finds everything, asked for or not.
                let all = (0..).map(ReplicaIndex).zip(&self.sequences);
                let has = |(index, one): (ReplicaIndex, &Sequence)| {
                    (index, one.spoken_for(voices.contains(&index)).into_owned())
                };
                claim = all.map(has).collect();
                (Cursor::Walk(Location(0)), self.table.held())
            }
        };
        let items = lacking.iter().map(|count| most.min(*count)).sum();
        let lacks = |by: ReplicaIndex, number: u64| {
            !wanted.have.get(by.as_usize()).is_some_and(|numbers| numbers.contains(number))
        };
        let early = self.early_retirements.counted_from(ReplicaIndex(0), 0);
        let early = early.filter(|((by, number), _)| lacks(*by, *number));
        let early = early.map(|(_, (name, retired))| (name.clone(), *retired)).collect();
        (Serving { have: wanted.have, claim, time: self.table.latest_time(), early, cursor }, items)
    }

    /// Sends the next chunk of a repair, or its end.
    pub(super) fn serve_more(&mut self, to: NodeId, now: Monotonic) {
        let Some(mut serving) = self.serving.remove(&to) else { return };
        let mut writer = RepairWriter::default();
        let mut looked_at = 0;
        while writer.len() < REPAIR_CHUNK_BYTES && looked_at < PLACES_A_CHUNK {
            looked_at += PLACES_A_STEP;
            if !self.serve_step(&mut serving, &mut writer, now) {
                break;
            }
        }
        let done = matches!(serving.cursor, Cursor::Done);
        if !writer.is_empty() {
            let bytes = writer.finish(clock_micros(now));
            self.send_repair(to, bytes, !done, now);
        } else if !done {
            // Nothing of this stretch was lacking; come back as if it had been sent, so that nobody waits for this walk.
            self.send_repair(to, Message::encode_empty_repair(clock_micros(now)), true, now);
        }
        if done {
            let lines: Vec<HeldLine> =
                serving.claim.iter().filter_map(|(index, held)| self.held_line(*index, held)).collect();
            self.send_repair(to, Message::encode_repair_end(serving.time, &lines), false, now);
        } else {
            self.serving.insert(to, serving);
        }
    }

    fn send_repair(&mut self, to: NodeId, bytes: Vec<u8>, wants_sent: bool, now: Monotonic) {
        self.count_repair(&bytes);
        self.state_message(to, bytes, wants_sent, now);
    }

    pub(super) fn count_repair(&self, bytes: &[u8]) {
        self.state.traffic.repair_bytes_sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    }

    fn held_line(&self, index: ReplicaIndex, held: &NumberSet) -> Option<HeldLine> {
        let replica = self.registry.replica(index)?;
        (held.newest() > 0).then(|| HeldLine { replica, contiguous: held.contiguous(), ranges: held.ranges().to_vec() })
    }

    /// Answers whether there is more.
    fn serve_step(&self, serving: &mut Serving, writer: &mut RepairWriter, now: Monotonic) -> bool {
        let have = &serving.have;
        let has = |replica: ReplicaIndex, number: u64| {
            have.get(replica.as_usize()).is_some_and(|numbers| numbers.contains(number))
        };
        let mut visit = |name: &[u8], location: Location, item: NumberedItem<'_>| {
            if let Some(item) = self.repair_item(name, location, item, now) {
                writer.push(&item);
            }
        };
        if !serving.early.is_empty() {
            let from = serving.early.len().saturating_sub(PLACES_A_STEP);
            for (name, retired) in serving.early.drain(from..) {
                // Nothing of it is in the table yet, so there is no place to speak of.
                visit(&name, Location(0), NumberedItem::Retired(&retired));
            }
            return true;
        }
        match &mut serving.cursor {
            Cursor::Backlog(places) => {
                let from = places.len().saturating_sub(PLACES_A_STEP);
                for location in places.drain(from..) {
                    self.table.visit_items_at(location, &has, now, &mut visit);
                }
                if places.is_empty() {
                    serving.cursor = Cursor::Done;
                }
            }
            Cursor::Walk(at) => match self.table.visit_items_from(*at, PLACES_A_STEP, &has, now, &mut visit) {
                Some(next) => *at = next,
                None => serving.cursor = Cursor::Done,
            },
            Cursor::Done => {}
        }
        !matches!(serving.cursor, Cursor::Done)
    }

    fn repair_item<'a>(
        &self,
        name: &'a [u8],
        location: Location,
        item: NumberedItem<'_>,
        now: Monotonic,
    ) -> Option<RepairItem<'a>> {
        let name = Name::new(name).ok()?;
        let replica = |index| self.registry.replica(index);
        let share = |location, share: &Share, forecast: Option<&Forecast>| RepairKind::Share {
            location,
            born: share.born,
            total: share.total,
            rate: forecast.map_or(0.0, |forecast| forecast.rate),
            age: forecast.map_or(Duration::ZERO, |forecast| now.since(forecast.since)),
            whole: forecast.is_some_and(|forecast| forecast.whole),
        };
        let (index, number, kind) = match item {
            NumberedItem::Own(own, forecast) => {
                (self.own_index, own.revision, share(Some(location), &own, forecast.as_ref()))
            }
            NumberedItem::Held(held) => {
                let is_void = self.table.progress().is_void(held.replica, held.share.revision);
                let forecast = held.forecast.as_ref().filter(|_| !is_void);
                (held.replica, held.share.revision, share(None, &held.share, forecast))
            }
            NumberedItem::Assignment(assignment) => {
                let kind = RepairKind::Assignment(self.body_of(assignment));
                (assignment.origin, assignment.stamp.number, kind)
            }
            NumberedItem::Precision(register) => {
                let kind = RepairKind::Precision { time: register.stamp.time, precision: register.precision };
                (register.origin, register.stamp.number, kind)
            }
            NumberedItem::Retired(retired) => {
                let kind = RepairKind::Retirement { of: replica(retired.replica)?, born: retired.born };
                (retired.by, retired.number, kind)
            }
        };
        Some(RepairItem { name, replica: replica(index)?, number, kind })
    }
}
