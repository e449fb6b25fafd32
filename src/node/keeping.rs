//! What this node has on disk, and what may not leave before it is: the record that goes with each commit, reserved
//! numbers, and outputs that are held back.
//!
//! Nothing irrevocable is said before it is durable. Digests, heartbeats and the like say nothing of a counter and are
//! never held back.

use super::input::{Output, RequestNumber};
use super::machine::Node;
use super::settings::NodeSettings;
use super::start::Start;
use super::view::Phase;
use crate::base::{Durability, Monotonic, NodeId, ReplicaIndex};
use crate::replication::NodeRecord;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Numbers that are reserved at a time.
const RESERVED_AT_ONCE: u64 = 1 << 20;
/// The table draws no numbers when no more than about so many are left: ask for more long before that.
const FEW_NUMBERS: u64 = 8192;
/// The pause between two records, which take some work.
const RECORD_INTERVAL: Duration = Duration::from_millis(50);
/// With so many bytes held back, the table is not asked for more.
const MUCH_HELD_BYTES: usize = 4 << 20;

/// What is on disk, and what waits for it.
#[derive(Debug)]
pub(super) struct Keeping {
    mode: Durability,
    /// What the last commit wrote beside the counters.
    committed: Option<Arc<NodeRecord>>,
    published_at: Monotonic,
    /// The last number drawn then.
    published_number: u64,
    /// Numbers up to this one may be used; and those that the next record reserves.
    reserved: u64,
    wanted: u64,
    block: u64,
    /// The last cycle that was asked for.
    asked: u64,
    /// What no crash may take back is on disk with this cycle.
    irrevocable: u64,
    /// It is on disk that somebody may have been told something by the present replica.
    is_telling_kept: bool,
    /// Outputs, each with the cycle that it waits for.
    held: VecDeque<(u64, Output)>,
    held_bytes: usize,
}

impl Keeping {
    pub(super) fn new(settings: &NodeSettings) -> Self {
        let (kept, goes_on) = (settings.start.record(), settings.start.goes_on_as());
        let drawn = goes_on.map_or(0, |record| record.reserved);
        let block = match settings.reserved.saturating_sub(drawn) {
            0 => RESERVED_AT_ONCE,
            block => block,
        };
        let reserved = match settings.start {
            // Reserved by the first record that names the new replica: nothing of it leaves before that.
            Start::Stale(_) => block,
            _ => settings.reserved.max(drawn),
        };
        Self {
            mode: settings.durability,
            committed: kept.cloned().map(Arc::new),
            published_at: Monotonic::ZERO,
            published_number: 0,
            reserved,
            wanted: reserved,
            block,
            asked: 0,
            irrevocable: 0,
            is_telling_kept: goes_on.is_some_and(|record| record.has_told),
            held: VecDeque::new(),
            held_bytes: 0,
        }
    }

    fn writes(&self) -> bool {
        self.mode != Durability::Memory
    }

    /// Numbers that the table may use.
    pub(super) fn number_limit(&self) -> u64 {
        if self.writes() { self.reserved } else { u64::MAX }
    }

    /// Numbers that a new replica may use.
    pub(super) fn first_number_limit(&self) -> u64 {
        if self.writes() { self.block } else { u64::MAX }
    }

    /// The present replica is another, whose numbers are reserved by the first record that names it: nothing of it leaves
    /// before that.
    pub(super) fn begin_replica(&mut self) {
        (self.reserved, self.wanted, self.is_telling_kept) = (self.block, self.block, false);
    }

    fn bytes_of(output: &Output) -> usize {
        match output {
            Output::Datagram { bytes, .. } | Output::Message { bytes, .. } => bytes.len(),
            _ => 0,
        }
    }

    fn hold(&mut self, ticket: u64, output: Output) {
        // What was made earlier leaves earlier.
        let ticket = self.held.back().map_or(ticket, |(before, _)| ticket.max(*before));
        self.held_bytes += Self::bytes_of(&output);
        self.held.push_back((ticket, output));
    }

    /// A link is gone, and what was to go over it means nothing on the next.
    pub(super) fn forget_link(&mut self, peer: NodeId) {
        let is_to =
            |output: &Output| matches!(output, Output::Datagram { to, .. } | Output::Message { to, .. } if *to == peer);
        self.held.retain(|(_, output)| !is_to(output));
        self.held_bytes = self.held.iter().map(|(_, output)| Self::bytes_of(output)).sum();
    }
}

impl Node {
    fn make_record(&self) -> NodeRecord {
        let held = |index: ReplicaIndex| self.sequences.get(index.as_usize()).map(|one| one.held.clone());
        NodeRecord {
            own: self.own,
            replicas: self.registry.iter().map(|(index, id)| (id, held(index).unwrap_or_default())).collect(),
            reserved: if self.keeping.writes() { self.keeping.wanted } else { self.table.last_number() },
            has_told: self.has_told,
            time: self.table.latest_time(),
            parted: self.doubt.parted().collect(),
        }
    }

    /// Says what the next commit writes beside the counters. What that claims to hold is in the table already.
    ///
    /// A node that does not serve yet holds its old replica's shares as another's: nothing of that is to be written.
    pub(super) fn publish_record(&mut self, now: Monotonic) {
        (self.keeping.published_at, self.keeping.published_number) = (now, self.table.last_number());
        if self.state.phase() != Phase::Serving {
            return;
        }
        let record = self.make_record();
        if *self.state.record() != record {
            self.state.publish_record(Arc::new(record));
        }
    }

    /// Publishes what is new, and reserves more numbers in time.
    pub(super) fn mind_keeping(&mut self, now: Monotonic) {
        if self.keeping.published_at.after(RECORD_INTERVAL) <= now {
            self.publish_record(now);
            self.reserve_numbers(now);
        }
        self.release_held();
    }

    fn reserve_numbers(&mut self, now: Monotonic) {
        let Keeping { reserved, wanted, block, .. } = self.keeping;
        let is_short = self.table.last_number().saturating_add((block / 2).max(FEW_NUMBERS)) > reserved;
        if self.keeping.writes() && self.state.phase() == Phase::Serving && wanted == reserved && is_short {
            self.keeping.wanted = reserved.saturating_add(block.max(2 * FEW_NUMBERS));
            self.ask_commit(now);
        }
    }

    /// Has all that was changed until now written, with what the record says now. Answers the cycle that it is on disk with.
    pub(super) fn ask_commit(&mut self, now: Monotonic) -> u64 {
        if !self.keeping.writes() {
            return 0;
        }
        // In this order: whatever cycle has the number takes this record or a later one.
        self.publish_record(now);
        let ticket = self.table.commits().ticket();
        if ticket > self.keeping.asked {
            self.keeping.asked = ticket;
            self.outputs.push_back(Output::CommitNow);
        }
        ticket
    }

    /// Something was done that no crash may take back: nothing is said before it is on disk.
    pub(super) fn note_irrevocable(&mut self, now: Monotonic) {
        self.keeping.irrevocable = self.ask_commit(now);
    }

    /// What is copied is told: once this is answered, no process takes what comes back from a copy for another's words.
    pub(super) fn begin_backup(&mut self, request: RequestNumber, now: Monotonic) {
        if self.state.phase() != Phase::Serving {
            self.answer(Some(request), Err("this node is coming back to its cluster; try again".to_owned()));
            return;
        }
        self.has_told = true;
        // Where nothing is written by itself this goes with what is, and after a crash the replica is another anyway.
        self.publish_record(now);
        if self.keeping.writes() && !self.keeping.is_telling_kept {
            let ticket = self.ask_commit(now);
            self.keeping.hold(ticket, Output::Answer { request, result: Ok(()) });
        } else {
            self.answer(Some(request), Ok(()));
        }
    }

    /// Puts out what says something of counters, or holds it back.
    pub(super) fn say(&mut self, output: Output, now: Monotonic) {
        match self.waits_for(now) {
            Some(ticket) => self.keeping.hold(ticket, output),
            None => self.outputs.push_back(output),
        }
    }

    /// The cycle that has to be on disk before anything that is known now is said.
    fn waits_for(&mut self, now: Monotonic) -> Option<u64> {
        // What a node that does not serve yet passes on was said by others, or stands in its record.
        if !self.keeping.writes() || self.state.phase() != Phase::Serving {
            return None;
        }
        if !self.keeping.is_telling_kept {
            self.has_told = true;
            return Some(self.ask_commit(now));
        }
        if self.keeping.mode == Durability::Always {
            let ticket = self.table.commits().ticket();
            if ticket > self.keeping.asked {
                return Some(self.ask_commit(now));
            }
            // The record on disk knows of every number that anybody has heard of, or a start would take it for a copy's.
            if self.table.last_number() != self.keeping.published_number {
                self.publish_record(now);
            }
            return Some(ticket);
        }
        let irrevocable = self.keeping.irrevocable;
        (!self.keeping.held.is_empty() || !self.table.commits().is_durable(irrevocable)).then_some(irrevocable)
    }

    /// Whether a commit is had by itself, and not only when somebody asks for it.
    pub(super) fn writes_down(&self) -> bool {
        self.keeping.writes()
    }

    /// So much waits for the disk that no more is to be said meanwhile.
    pub(super) fn is_holding_much(&self) -> bool {
        self.keeping.held_bytes >= MUCH_HELD_BYTES
    }

    fn release_held(&mut self) {
        let durable = self.table.commits().durable();
        while let Some((_, output)) = self.keeping.held.pop_front_if(|(ticket, _)| *ticket <= durable) {
            self.keeping.held_bytes -= Keeping::bytes_of(&output);
            self.outputs.push_back(output);
        }
    }

    /// A commit cycle is on disk.
    pub(super) fn committed(&mut self, record: Arc<NodeRecord>, now: Monotonic) {
        if record.own == self.own {
            self.keeping.is_telling_kept |= record.has_told;
            if record.reserved > self.keeping.reserved && self.keeping.writes() {
                self.keeping.reserved = record.reserved;
                self.table.set_number_limit(record.reserved);
            }
        }
        self.keeping.committed = Some(record);
        self.release_held();
        self.confirm(now);
        self.answer_wanted_digests(now);
    }

    /// Up to which number everything of a replica will survive a crash. In memory mode, what was received: such a node
    /// restarts with nothing of the others', or asks for all of it.
    pub(super) fn durable(&self, replica: ReplicaIndex) -> u64 {
        let received = self.sequences.get(replica.as_usize()).map_or(0, |sequence| sequence.held.contiguous());
        if !self.keeping.writes() {
            return received;
        }
        let kept = self.keeping.committed.as_ref().and_then(|record| record.replicas.get(replica.as_usize()));
        kept.map_or(0, |(_, held)| held.contiguous()).min(received)
    }
}
