//! The sending side of anti-entropy: what a peer lacks, out of the backlog where that reaches back far enough, else by a
//! walk over the table. A chunk at a time: the next one is made when the one before has left.

use super::clock_offset::clock_micros;
use super::input::Output;
use super::machine::Node;
use crate::base::{HybridTime, Location, Monotonic, Name, NodeId, REPAIR_CHUNK_BYTES, ReplicaId, ReplicaIndex};
use crate::counter::{Forecast, NumberedItem, Share};
use crate::replication::NumberSet;
use crate::wire::{HeldLine, Message, RepairItem, RepairKind, RepairWriter};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Places looked at under one lock, and between two looks at the size of the chunk.
const PLACES_A_STEP: usize = 256;
/// Places looked at for one chunk: what is not sent costs time too.
const PLACES_A_CHUNK: usize = 4096;

/// A repair that a peer has asked for.
#[derive(Debug)]
pub(super) struct Serving {
    /// What the peer had when it asked; by index.
    have: Vec<u64>,
    /// What this node had when it began: that is what the peer will have.
    held: Vec<(ReplicaIndex, NumberSet)>,
    /// No stamp among that is later.
    time: HybridTime,
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

impl Node {
    /// Begins to send a peer everything above what it has.
    pub(super) fn serve(&mut self, to: NodeId, have: &[(ReplicaId, u64)], now: Monotonic) {
        let mut known = Vec::new();
        for (replica, number) in have {
            let Some(index) = self.enter(*replica) else { continue };
            if known.len() <= index.as_usize() {
                known.resize(index.as_usize() + 1, 0);
            }
            known[index.as_usize()] = *number;
        }
        let held: Vec<(ReplicaIndex, NumberSet)> =
            self.registry.iter().map(|(index, _)| (index, self.sequences[index.as_usize()].held.clone())).collect();
        let cursor = self.cursor_above(&known);
        let first =
            self.serving.insert(to, Serving { have: known, held, time: self.table.latest_time(), cursor }).is_none();
        if first {
            self.serve_more(to, now);
        }
    }

    fn cursor_above(&self, known: &[u64]) -> Cursor {
        let mut places = Vec::new();
        for (index, sequence) in self.sequences.iter().enumerate() {
            let above = known.get(index).copied().unwrap_or(0);
            if sequence.held.newest() > above {
                match sequence.backlog.above(above) {
                    Some(recent) => places.extend(recent),
                    None => return Cursor::Walk(Location(0)),
                }
            }
        }
        places.sort_unstable();
        places.dedup();
        Cursor::Backlog(places)
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
            self.repair_message(to, bytes, !done);
        } else if !done {
            // Nothing of this stretch was lacking; come back as if it had been sent, so that nobody waits for this walk.
            self.repair_message(to, Message::encode_empty_repair(clock_micros(now)), true);
        }
        if done {
            let lines: Vec<HeldLine> =
                serving.held.iter().filter_map(|(index, held)| self.held_line(*index, held)).collect();
            self.repair_message(to, Message::encode_repair_end(serving.time, &lines), false);
        } else {
            self.serving.insert(to, serving);
        }
    }

    fn repair_message(&mut self, to: NodeId, bytes: Vec<u8>, wants_sent: bool) {
        self.state.traffic.messages_sent.fetch_add(1, Ordering::Relaxed);
        self.outputs.push_back(Output::Message { to, bytes: bytes.into(), wants_sent });
    }

    fn held_line(&self, index: ReplicaIndex, held: &NumberSet) -> Option<HeldLine> {
        let replica = self.registry.replica(index)?;
        (held.newest() > 0).then(|| HeldLine { replica, contiguous: held.contiguous(), ranges: held.ranges().to_vec() })
    }

    /// Answers whether there is more.
    fn serve_step(&self, serving: &mut Serving, writer: &mut RepairWriter, now: Monotonic) -> bool {
        let have = &serving.have;
        let known = |replica: ReplicaIndex| have.get(replica.as_usize()).copied().unwrap_or(0);
        let mut visit = |name: &[u8], location: Location, item: NumberedItem<'_>| {
            if let Some(item) = self.repair_item(name, location, item, now) {
                writer.push(&item);
            }
        };
        match &mut serving.cursor {
            Cursor::Backlog(places) => {
                let from = places.len().saturating_sub(PLACES_A_STEP);
                for location in places.drain(from..) {
                    self.table.visit_items_at(location, &known, now, &mut visit);
                }
                if places.is_empty() {
                    serving.cursor = Cursor::Done;
                }
            }
            Cursor::Walk(at) => match self.table.visit_items_from(*at, PLACES_A_STEP, &known, now, &mut visit) {
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
                (held.replica, held.share.revision, share(None, &held.share, held.forecast.as_deref()))
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
