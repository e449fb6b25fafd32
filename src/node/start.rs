//! How a node begins: with nothing, or with what it has on disk, and as which replica.

use super::event::Event;
use super::input::{CloseCause, Input, Output};
use super::machine::Node;
use super::sequence::Sequence;
use super::settings::NodeSettings;
use super::view::Phase;
use crate::base::{Incarnation, Location, MAX_LABEL_BYTES, Monotonic, NodeId, ReplicaId, ReplicaIndex};
use crate::counter::NumberedItem;
use crate::membership::MembershipError;
use crate::replication::{NodeRecord, NumberSet, Registry, RegistryFull};
use std::sync::Arc;

/// No replica has this index: the own one of a node that does not know yet whether it may go on as the one it was.
pub(super) const NOBODY: ReplicaIndex = ReplicaIndex(u32::MAX);
/// Places of the table looked at under one lock.
const PLACES_A_STEP: usize = 256;

/// What a node begins with.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Start {
    /// Nothing that it holds, and a replica that never was.
    #[default]
    Fresh,
    /// All that its replica ever told anybody, unless this is a copy or an older state of that: it goes on as that
    /// replica, after asking the members that it finds.
    Whole(NodeRecord),
    /// Others may have heard more of its replica than it has on disk: it finds out, and goes on as that or as another.
    Rejoining(NodeRecord),
    /// What it has may be older than what it said to have: it goes on as a new replica, and takes over what a member has.
    Stale(NodeRecord),
}

impl Start {
    pub(super) fn record(&self) -> Option<&NodeRecord> {
        match self {
            Self::Fresh => None,
            Self::Whole(record) | Self::Rejoining(record) | Self::Stale(record) => Some(record),
        }
    }

    /// The record of the replica that the node is still, or may be again.
    pub(super) fn goes_on_as(&self) -> Option<&NodeRecord> {
        self.record().filter(|_| !matches!(self, Self::Stale(_)))
    }

    /// Whether others are asked before the node goes on as the replica it was.
    fn asks_first(&self, settings: &NodeSettings) -> bool {
        match self {
            Self::Fresh | Self::Stale(_) => false,
            // Whoever knows nobody has nobody to ask.
            Self::Whole(_) => settings.members.iter().any(|member| member.id != settings.node),
            Self::Rejoining(_) => true,
        }
    }
}

/// Why a node could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The identity or the `[cluster]` section.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// What is on disk names more replicas than can be.
    #[error(transparent)]
    Registry(#[from] RegistryFull),
    /// What is on disk is another node's.
    #[error("the counters on disk are those of node {0}, and this one has another key; nothing was changed")]
    OtherNode(NodeId),
    /// A node that cannot go on as the replica it was needs a later incarnation.
    #[error("incarnation {} is not later than {} on disk; nothing was changed", given.0, kept.0)]
    Incarnation {
        /// What was given.
        given: Incarnation,
        /// What the disk has.
        kept: Incarnation,
    },
    /// What the operator says of the node is no label.
    #[error(
        "[node] {key} = \"{given}\": allowed are 1 to {MAX_LABEL_BYTES} letters, digits, '-', '_' and '.', of which the first is a letter or digit"
    )]
    Label {
        /// The setting.
        key: &'static str,
        /// What was given.
        given: String,
    },
}

/// The replicas that a node begins with.
pub(super) struct Replicas {
    pub(super) own: ReplicaId,
    /// [`NOBODY`] while it is not known whether the node may go on as `own`.
    pub(super) own_index: ReplicaIndex,
    pub(super) registry: Registry,
    pub(super) sequences: Vec<Sequence>,
}

impl Replicas {
    pub(super) fn of(settings: &NodeSettings) -> Result<Self, StartError> {
        let fresh = ReplicaId { node: settings.node, incarnation: settings.incarnation };
        let own = match &settings.start {
            Start::Fresh => fresh,
            Start::Whole(record) | Start::Rejoining(record) => record.own,
            Start::Stale(record) if record.own.node == fresh.node && record.own.incarnation >= fresh.incarnation => {
                return Err(StartError::Incarnation { given: fresh.incarnation, kept: record.own.incarnation });
            }
            Start::Stale(_) => fresh,
        };
        if own.node != settings.node {
            return Err(StartError::OtherNode(own.node));
        }
        let (mut registry, mut sequences) = (Registry::default(), Vec::new());
        let capacity = settings.replication.backlog_numbers;
        for (replica, held) in settings.start.record().map_or(&[][..], |record| &record.replicas) {
            // The counters on disk refer to replicas by their place in this list.
            registry.enter(*replica)?;
            sequences.push(Sequence::restored(held.clone(), capacity));
        }
        let home = registry.enter(own)?;
        if sequences.len() < registry.len() {
            sequences.push(Sequence::new(capacity));
        }
        let own_index = if settings.start.asks_first(settings) { NOBODY } else { home };
        Ok(Self { own, own_index, registry, sequences })
    }
}

impl Node {
    /// Sets out as it was told to.
    pub(super) fn begin(&mut self, now: Monotonic) {
        let goes_on = self.settings.start.goes_on_as();
        (self.drawn_before, self.has_told) = goes_on.map_or((0, false), |record| (record.reserved, record.has_told));
        if let Some(record) = self.settings.start.record() {
            self.is_restored = true;
            // The first that is told with has all that was counted before.
            self.told_until = (Monotonic::ZERO, 1);
            self.table.observe(record.time);
            self.state.publish_record(Arc::new(record.clone()));
            self.state.set_phase(Phase::Loading);
        }
        if let Some(home) = self.registry.index(self.own) {
            self.table.progress().set_void(home, self.drawn_before);
        }
        if !self.writes_down() {
            self.table.save_exactly();
        }
        // Who does not know who it is says nothing.
        let (last, limit) =
            if self.own_index == NOBODY { (0, 0) } else { (self.drawn_before, self.keeping.number_limit()) };
        self.table.go_on_after(last, limit);
        self.publish_record(now);
    }

    /// What this node was in doubt of before it stopped, it is in doubt of still. What may be older than it said to have
    /// is in doubt of everybody.
    pub(super) fn doubt_as_kept(&mut self) {
        let parted = self.settings.start.record().map_or(&[][..], |record| &record.parted).to_vec();
        for node in parted {
            self.doubt.part_from(node);
        }
        // It was parted, and fell before it had written from whom.
        if let Some(record) = self.settings.start.record()
            && self.parted_at() > record.time
        {
            let others = record.replicas.iter().map(|(replica, _)| replica.node);
            for node in others.filter(|node| *node != self.own.node) {
                self.doubt.part_from(node);
            }
        }
        if matches!(self.settings.start, Start::Stale(_)) {
            self.doubt_all();
        }
    }

    /// Any member may have given up what this node still holds.
    pub(super) fn doubt_all(&mut self) {
        for peer in self.peers.keys() {
            self.doubt.part_from(*peer);
        }
    }

    /// Takes an input apart that is not for a node that is not there yet, or there no more.
    pub(super) fn unless_deaf<'a>(&mut self, input: Input<'a>) -> Option<Input<'a>> {
        if !self.is_gone && self.state.phase() != Phase::Loading {
            return Some(input);
        }
        let what = if self.is_gone { "stopping" } else { "loading what it has on disk" };
        match input {
            Input::Loaded | Input::Committed { .. } => return Some(input),
            Input::LinkUp { peer, .. } if !self.is_gone => {
                self.outputs
                    .push_back(Output::Close { peer, cause: CloseCause::Anew("it is loading what it has on disk") });
            }
            Input::Meet { request, .. }
            | Input::Forget { request, .. }
            | Input::Reset { request, .. }
            | Input::BeginBackup { request } => {
                self.answer(Some(request), Err(format!("this node is {what}; nothing was changed")));
            }
            _ => {}
        }
        None
    }

    /// All that was kept is in the table.
    pub(super) fn loaded(&mut self, now: Monotonic) {
        if self.state.phase() != Phase::Loading {
            return;
        }
        self.claim_what_is_held(now);
        for (index, sequence) in (0..).map(ReplicaIndex).zip(&self.sequences) {
            if index != self.own_index {
                self.table.progress().set_received(index, sequence.held.contiguous());
            }
        }
        match std::mem::take(&mut self.settings.start) {
            Start::Fresh => {}
            Start::Whole(record) if self.own_index != NOBODY => {
                self.hold_own_up_to(record.reserved);
                self.begin_serving(now);
                self.reconcile_if_needed();
            }
            Start::Whole(_) => {
                let home = self.registry.index(self.own).and_then(|home| self.sequences.get(home.as_usize()));
                let all_told = home.map_or(0, |sequence| sequence.held.newest());
                self.begin_rejoining(Some(all_told), now);
            }
            Start::Rejoining(_) => self.begin_rejoining(None, now),
            Start::Stale(record) => {
                self.write_again_as_anothers(record.own);
                self.begin_taking_back(now);
            }
        }
        self.members_changed();
    }

    /// What is in the table and not yet among the numbers that this node says to hold: it changed after they were written
    /// down, and perhaps nobody else has it.
    pub(super) fn claim_what_is_held(&mut self, now: Monotonic) {
        let mut found: Vec<(ReplicaIndex, u64)> = Vec::new();
        let sequences = &self.sequences;
        let has = |replica: ReplicaIndex, number: u64| {
            sequences.get(replica.as_usize()).is_none_or(|sequence| sequence.held.contains(number))
        };
        let (own, drawn_before) = (self.own_index, self.drawn_before);
        let mut visit = |_: &[u8], _: Location, item: NumberedItem<'_>| {
            found.push(match item {
                // It has just got another number.
                NumberedItem::Own(share, _) if share.revision > drawn_before => return,
                NumberedItem::Own(share, _) => (own, share.revision),
                NumberedItem::Held(held) => (held.replica, held.share.revision),
                NumberedItem::Assignment(assignment) => (assignment.origin, assignment.stamp.number),
                NumberedItem::Precision(register) => (register.origin, register.stamp.number),
                NumberedItem::Retired(retired) => (retired.by, retired.number),
            });
        };
        let mut next = Some(Location(0));
        while let Some(at) = next {
            next = self.table.visit_items_from(at, PLACES_A_STEP, &has, now, &mut visit);
        }
        found.sort_unstable();
        found.dedup();
        let capacity = self.settings.replication.backlog_numbers;
        for of_one in found.chunk_by(|one, next| one.0 == next.0) {
            let Some((replica, _)) = of_one.first().copied() else { continue };
            let Some(sequence) = self.sequences.get_mut(replica.as_usize()) else { continue };
            let mut held = std::mem::take(&mut sequence.held);
            // There is nobody else who may send them.
            held.insert_all(of_one.iter().map(|(_, number)| (*number, *number)));
            *sequence = Sequence::restored(held, capacity);
        }
    }

    /// What stands on disk as shares of the own replica is another's from now on.
    pub(super) fn write_again_as_anothers(&mut self, ended: ReplicaId) {
        if let Some(index) = self.registry.index(ended) {
            self.table.touch_shares_of(index);
        }
    }

    /// Numbers of the own sequence up to this one were used before this process, if at all: what was said under those
    /// that nobody holds is nowhere.
    pub(super) fn hold_own_up_to(&mut self, number: u64) {
        let own = self.own_index;
        self.sequence_of(own).held.unite(&NumberSet::new(number, []));
    }

    /// Clients are served from now on.
    pub(super) fn begin_serving(&mut self, now: Monotonic) {
        self.state.set_phase(Phase::Serving);
        self.publish_record(now);
        self.send_partings_to(&self.linked());
        self.members_changed();
    }

    /// What replicas of this node had counted before, and told nobody, counts again.
    pub(super) fn count_remainders_of(&mut self, replicas: impl IntoIterator<Item = ReplicaIndex>) {
        let counters = replicas.into_iter().map(|replica| self.table.count_remainders(replica)).sum();
        if counters > 0 {
            self.emit(Event::CountedAgain { counters });
        }
    }
}
