//! Taking what peers send: records into the table, numbers into what is held, the rest to whom it concerns.

use super::machine::Node;
use crate::base::{HybridTime, Location, Monotonic, Name, NodeId, ReplicaId, ReplicaIndex, Stamp};
use crate::counter::{Assignment, Context, Forecast, IncomingShare, PrecisionRegister, Retired, Share};
use crate::wire::{
    AssignmentBody, Datagram, Message, MessageKind, Record, Records, RepairItems, WireError, encode_names_wanted,
};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Places to one request for names; the rest is asked for with the next records that name them.
const NAMES_A_REQUEST: usize = 100;

impl Node {
    pub(super) fn take_datagram(&mut self, from: NodeId, bytes: &[u8], now: Monotonic) {
        self.state.traffic.datagrams_received.fetch_add(1, Ordering::Relaxed);
        self.state.traffic.kinds.count_received(bytes);
        if !self.hear(from, now) {
            return;
        }
        match Datagram::decode(bytes) {
            Ok(Datagram::Records(records)) => self.take_records(from, &records, now),
            Ok(Datagram::Membership(bytes)) => {
                if let Err(error) = self.membership.handle(from, bytes, now) {
                    self.refuse(from, &error, now);
                }
            }
            Ok(Datagram::Heartbeat(heartbeat)) => self.take_heartbeat(from, heartbeat, now),
            Ok(Datagram::NamesWanted(places)) => self.tell_names(from, &places, now),
            Err(error) => self.refuse(from, &error, now),
        }
    }

    pub(super) fn take_message(&mut self, from: NodeId, bytes: &[u8], now: Monotonic) {
        self.state.traffic.messages_received.fetch_add(1, Ordering::Relaxed);
        self.state.traffic.kinds.count_received(bytes);
        let message = match Message::decode(bytes) {
            Ok(message) => message,
            Err(error) => {
                if MessageKind::of(bytes) == Some(MessageKind::RepairItems) {
                    self.spoil_pull_from(from);
                }
                self.refuse(from, &error, now);
                return;
            }
        };
        if let Message::Hello(hello) = &message {
            self.take_hello(from, hello, now);
            self.hear(from, now);
            return;
        }
        if !self.hear(from, now) {
            return;
        }
        match message {
            Message::Hello(_) => {}
            Message::Digest(clock, lines) => self.take_digest(from, clock, &lines, now),
            Message::Pull(lines) => self.serve(from, &lines, now),
            Message::RepairBegin(items) => self.take_repair_begin(from, items, now),
            Message::RepairItems(clock, RepairItems { items, unknown }) => {
                self.pass_over(from, unknown, now);
                if unknown > 0 {
                    self.spoil_pull_from(from);
                }
                self.take_repair_items(from, clock, &items, now);
            }
            Message::RepairEnd(time, lines) => self.take_repair_end(from, time, &lines, now),
            Message::Bans(nodes) => self.take_bans(from, &nodes, now),
            Message::Admissions(admissions) => self.take_admissions(from, &admissions, now),
            Message::Partings(clusters) => self.take_partings(from, &clusters),
            Message::Records(records) => self.take_records(from, &records, now),
            Message::TellPredictions => self.tell_predictions(from, now),
            Message::PredictionsTold => self.take_predictions_told(from, now),
            Message::DigestWanted(token, number) => self.take_digest_wanted(from, token, number, now),
            Message::DigestGiven(token) => self.take_digest_given(from, token),
            Message::Leaving => self.has_left(from, now),
        }
    }

    /// So many parts of what a peer sent are of kinds that this version does not know.
    fn pass_over(&mut self, from: NodeId, parts: u64, now: Monotonic) {
        if parts > 0 {
            self.state.traffic.parts_passed_over.fetch_add(parts, Ordering::Relaxed);
            self.refuse(from, &WireError::LaterKinds(parts), now);
        }
    }

    /// A sign of life of a linked peer. Answers false for one that has not greeted: nothing it says is taken.
    fn hear(&mut self, from: NodeId, now: Monotonic) -> bool {
        let Some(peer) = self.peers.get_mut(&from) else { return false };
        peer.last_heard = Some(now);
        let is_linked = peer.link.as_ref().is_some_and(|link| link.replica.is_some());
        if is_linked {
            peer.twins.heard(now);
        }
        is_linked
    }

    /// When what arrives now was said, at `clock` on the sender's clock, and before that what it says of its age. Half a
    /// round trip ago while the clocks were not compared.
    pub(super) fn said_at(&mut self, from: NodeId, clock: u64, age: Duration, now: Monotonic) -> Monotonic {
        let Some(peer) = self.peers.get_mut(&from) else { return now.before(age) };
        let on_the_way = peer.link.as_ref().map_or(Duration::ZERO, |link| link.round_trip / 2);
        peer.offset.moment_or(clock, now.before(on_the_way)).min(now).before(age)
    }

    fn take_records(&mut self, from: NodeId, records: &Records<'_>, now: Monotonic) {
        let sender = ReplicaId { node: from, incarnation: records.incarnation };
        let Some(replica) = self.enter(sender) else { return };
        if replica == self.own_index {
            return;
        }
        self.pass_over(from, records.unknown, now);
        self.state.traffic.records_received.fetch_add(records.records.len() as u64, Ordering::Relaxed);
        let said_at = self.said_at(from, records.clock, Duration::ZERO, now);
        self.table.progress().set_heard_at(replica, said_at);
        self.prefetch(replica, &records.records);
        let mut unknown = Vec::new();
        for (number, record) in &records.records {
            if self.sequence_of(replica).held.contains(*number) {
                self.take_prediction(from, replica, *number, record, said_at);
                continue;
            }
            match self.take_record(sender, replica, *number, record, said_at, now) {
                Taken::At(location) => {
                    let sequence = self.sequence_of(replica);
                    sequence.held.insert(*number, *number);
                    sequence.backlog.push(*number, location);
                }
                Taken::UnknownPlace(location, born) => unknown.push((location, born)),
                Taken::TooEarly => {}
            }
        }
        let contiguous = self.sequence_of(replica).held.contiguous();
        self.table.progress().set_received(replica, contiguous);
        if self.early_retirements.is_any_due(replica, contiguous) {
            self.take_early_retirements();
        }
        self.credit(from, now);
        self.answer_wanted_digests(now);
        for places in unknown.chunks(NAMES_A_REQUEST) {
            self.datagram(from, encode_names_wanted(places).into());
        }
    }

    /// Has the processor fetch what the records are about: each would wait for memory several times, one after the other.
    fn prefetch(&mut self, replica: ReplicaIndex, records: &[(u64, Record<'_>)]) {
        if !self.table.is_worth_prefetching() {
            return;
        }
        let Self { sequences, table, .. } = self;
        let Some(places) = sequences.get(replica.as_usize()).and_then(|sequence| sequence.places.as_ref()) else {
            return;
        };
        let theirs = || {
            records.iter().filter_map(|(_, record)| match record {
                Record::Share { location, name: None, .. } => Some(*location),
                _ => None,
            })
        };
        theirs().for_each(|location| places.prefetch(location));
        theirs().filter_map(|location| places.get(location)).for_each(|ours| table.prefetch_at(ours));
        theirs().filter_map(|location| places.get(location)).for_each(|ours| table.prefetch_shares_at(ours));
    }

    /// What is held already is told again to a node that came back and does not know how it moves.
    fn take_prediction(
        &mut self,
        from: NodeId,
        replica: ReplicaIndex,
        number: u64,
        record: &Record<'_>,
        said_at: Monotonic,
    ) {
        let link = self.peers.get(&from).and_then(|peer| peer.link.as_ref());
        let Record::Share { location, total, rate, age, whole, name: Some(name), .. } = record else { return };
        if link.is_some_and(|link| link.awaits_predictions) {
            let forecast = Forecast { total: *total, rate: *rate, whole: *whole, since: said_at.before(*age) };
            if let Some(ours) = self.table.take_forecast(*name, replica, number, forecast) {
                self.sequence_of(replica).places.get_or_insert_default().set(*location, ours);
            }
        }
    }

    fn take_record(
        &mut self,
        sender: ReplicaId,
        replica: ReplicaIndex,
        number: u64,
        record: &Record<'_>,
        said_at: Monotonic,
        now: Monotonic,
    ) -> Taken {
        match record {
            Record::Share { location, born, total, rate, age, whole, name } => {
                let since = said_at.before(*age);
                let forecast = (*rate != 0.0).then_some(Forecast { total: *total, rate: *rate, whole: *whole, since });
                let share = Share { born: *born, revision: number, total: *total };
                let is_in_order = self.sequence_of(replica).held.contiguous().checked_add(1) == Some(number);
                let incoming = IncomingShare { replica, share, forecast, in_order_at: is_in_order.then_some(since) };
                self.take_live_share(*location, *name, incoming)
            }
            Record::Assignment { name, body } => {
                let Some(assignment) = self.assignment_of(sender, replica, number, body) else {
                    return Taken::TooEarly;
                };
                let in_cut = self.beyond_received(&assignment);
                let location = self.table.take_assignment(*name, Arc::new(assignment));
                self.note_loose(in_cut, location);
                Taken::At(location)
            }
            Record::Precision { name, time, precision } => {
                let stamp = Stamp { time: *time, replica: sender, number };
                let register = PrecisionRegister { stamp, origin: replica, precision: *precision };
                Taken::At(self.table.take_precision(*name, register, now))
            }
            Record::Retirement { name, replica: of, born } => {
                // A share may be dropped only by who has everything that was said before that.
                if self.sequence_of(replica).held.contiguous().checked_add(1) != Some(number) {
                    return Taken::TooEarly;
                }
                let Some(of) = self.enter(*of) else { return Taken::TooEarly };
                let retired = Retired { replica: of, born: *born, by: replica, number };
                Taken::At(self.table.take_retirement(*name, retired))
            }
        }
    }

    /// What the cut of an assignment says of shares that was not received yet: whose, and under which number.
    pub(super) fn beyond_received(&self, assignment: &Assignment) -> Vec<(ReplicaIndex, u64)> {
        let shares = assignment.cut.iter().filter(|(replica, _)| *replica != self.own_index);
        let held = |replica: ReplicaIndex| self.sequences.get(replica.as_usize()).map(|one| one.held.contiguous());
        let is_beyond = |(replica, number): &(ReplicaIndex, u64)| held(*replica).is_some_and(|held| *number > held);
        shares.map(|(replica, share)| (*replica, share.revision)).filter(is_beyond).collect()
    }

    /// These have come into the table with something else about the same counter.
    pub(super) fn note_loose(&mut self, numbers: Vec<(ReplicaIndex, u64)>, location: Location) {
        for (replica, number) in numbers {
            let sequence = self.sequence_of(replica);
            sequence.note_loose(number);
            sequence.backlog.push(number, location);
        }
    }

    fn take_live_share(&mut self, theirs: Location, name: Option<Name<'_>>, incoming: IncomingShare) -> Taken {
        if let Some(name) = name {
            let ours = self.table.take_share(name, incoming);
            self.sequence_of(incoming.replica).places.get_or_insert_default().set(theirs, ours);
            return Taken::At(ours);
        }
        let ours = self.sequence_of(incoming.replica).places.as_ref().and_then(|places| places.get(theirs));
        match ours {
            Some(ours) if self.table.take_share_at(ours, incoming) => Taken::At(ours),
            _ => Taken::UnknownPlace(theirs, incoming.share.born),
        }
    }

    /// An assignment in the words of the table: replicas by their index. None when one of them has no room.
    pub(super) fn assignment_of(
        &mut self,
        writer: ReplicaId,
        origin: ReplicaIndex,
        number: u64,
        body: &AssignmentBody,
    ) -> Option<Assignment> {
        let mut context = Vec::new();
        let mut cut = Vec::new();
        for observed in &body.observed {
            let index = self.enter(observed.replica)?;
            if context.len() <= index.as_usize() {
                context.resize(index.as_usize() + 1, 0);
            }
            context[index.as_usize()] = observed.received;
            cut.extend(observed.share.map(|share| (index, share)));
        }
        let time: HybridTime = body.time;
        Some(Assignment {
            stamp: Stamp { time, replica: writer, number },
            origin,
            base: body.base,
            cut,
            context: Context::new(context),
            deleted: body.deleted,
        })
    }
}

/// What became of a record.
enum Taken {
    /// It is in the table, at this place.
    At(Location),
    /// It speaks of a counter whose name never arrived.
    UnknownPlace(Location, u64),
    /// Something that was said before it is missing, or there is no room; repair will bring it again.
    TooEarly,
}
