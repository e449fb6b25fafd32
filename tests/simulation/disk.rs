//! A simulated disk for each host: commit cycles as they are promised, writes that a crash drops while they are under way,
//! commits that fail, and starts from what is left.

use crate::world::{Event, OnlyIf, World, make_node};
use discnt::base::{Durability, Incarnation, Name, ReplicaId, ReplicaIndex};
use discnt::counter::StoredCounter;
use discnt::node::{Input, KnownMember, NodeRecord, Start};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Numbers that are reserved at a time: few, so that more are needed now and then.
const BLOCK: u64 = 8_192 + 300;
/// Counters taken from the table at a time.
const TAKEN_AT_ONCE: usize = 2;
/// The pause between two commits where they come by themselves.
const EVERY: Duration = Duration::from_millis(500);

/// A cycle that is not on disk yet.
struct Cycle {
    number: u64,
    record: Arc<NodeRecord>,
    changes: Vec<(Vec<u8>, Option<StoredCounter>)>,
}

/// What was on a disk once.
pub(crate) struct Copy {
    counters: BTreeMap<Vec<u8>, StoredCounter>,
    record: Option<NodeRecord>,
    clean: bool,
    members: Vec<KnownMember>,
}

pub(crate) struct Disk {
    pub(crate) mode: Durability,
    /// What a crash leaves.
    pub(crate) counters: BTreeMap<Vec<u8>, StoredCounter>,
    pub(crate) record: Option<NodeRecord>,
    pub(crate) clean: bool,
    cycle: Option<Cycle>,
    asked: bool,
    /// A cycle was asked for before the node served.
    asked_early: bool,
    /// How long a commit takes at most, in microseconds.
    pub(crate) slowest: u64,
    /// How likely a commit fails.
    pub(crate) failing: f64,
    pub(crate) commits: u64,
}

impl Disk {
    fn new(mode: Durability) -> Self {
        Self {
            mode,
            counters: BTreeMap::new(),
            record: None,
            clean: false,
            cycle: None,
            asked: false,
            asked_early: false,
            slowest: 5_000,
            failing: 0.0,
            commits: 0,
        }
    }

    fn writes(&self) -> bool {
        self.mode != Durability::Memory
    }

    /// What the next process begins with.
    fn start(&self) -> Start {
        match &self.record {
            None => Start::Fresh,
            Some(record) if self.clean => Start::Whole(record.clone()),
            Some(record) if self.mode == Durability::Memory => Start::Stale(record.clone()),
            Some(record) if self.mode == Durability::Always || !record.has_told => Start::Whole(record.clone()),
            Some(record) => Start::Rejoining(record.clone()),
        }
    }

    /// The place, in the list on disk, of the replica that wrote it.
    pub(crate) fn kept_by(&self) -> ReplicaIndex {
        let place = self
            .record
            .as_ref()
            .and_then(|record| record.replicas.iter().position(|(replica, _)| *replica == record.own));
        ReplicaIndex(place.unwrap_or(0) as u32)
    }
}

impl World {
    /// Every host gets an empty disk.
    pub(crate) fn with_disks(mut self, modes: &[Durability]) -> Self {
        for at in 0..self.nodes() {
            self.hosts[at].disk = Some(Disk::new(modes[at % modes.len()]));
            self.boot(at);
        }
        self
    }

    pub(crate) fn disk(&self, at: usize) -> &Disk {
        self.hosts[at].disk.as_ref().expect("this world has disks")
    }

    pub(crate) fn disk_mut(&mut self, at: usize) -> &mut Disk {
        self.hosts[at].disk.as_mut().expect("this world has disks")
    }

    /// The process dies, and what it had not written dies with it. Another begins so much later.
    pub(crate) fn kill(&mut self, at: usize, down_for: Duration, noticed_at_once: bool) {
        self.drop_links(at, noticed_at_once);
        let disk = self.disk_mut(at);
        (disk.cycle, disk.asked, disk.asked_early) = (None, false, false);
        self.stay_down(at, down_for);
    }

    /// The process stops as it should: it says goodbye, writes all it has, and goes.
    pub(crate) fn stop(&mut self, at: usize, down_for: Duration) {
        let moment = self.moment(at);
        self.hosts[at].node.say_goodbye(moment);
        self.carry_out(at);
        let is_serving = self.node(at).state().phase() == discnt::node::Phase::Serving;
        if is_serving {
            self.write_all(at);
            self.disk_mut(at).clean = true;
        }
        let disk = self.disk_mut(at);
        (disk.cycle, disk.asked, disk.asked_early) = (None, false, false);
        self.drop_links(at, true);
        self.stay_down(at, down_for);
    }

    /// A copy of what is on disk.
    pub(crate) fn copy_of_disk(&self, at: usize) -> Copy {
        let (disk, members) = (self.disk(at), self.hosts[at].members.clone());
        Copy { counters: disk.counters.clone(), record: disk.record.clone(), clean: disk.clean, members }
    }

    /// The disk is what it was when this copy was made.
    pub(crate) fn put_back(&mut self, at: usize, copy: Copy) {
        let disk = self.disk_mut(at);
        (disk.counters, disk.record, disk.clean) = (copy.counters, copy.record, copy.clean);
        disk.cycle = None;
        self.hosts[at].members = copy.members;
    }

    /// Has all that there is on disk at once.
    pub(crate) fn write_all(&mut self, at: usize) {
        if let Some(cycle) = self.disk_mut(at).cycle.take() {
            self.write(at, cycle);
        }
        let cycle = self.take_cycle(at);
        self.write(at, cycle);
    }

    /// The disk is empty, but for who the node is and whom it knows.
    pub(crate) fn lose_disk(&mut self, at: usize) {
        let disk = self.disk_mut(at);
        disk.counters.clear();
        (disk.record, disk.clean, disk.cycle) = (None, false, None);
    }

    fn drop_links(&mut self, at: usize, noticed_at_once: bool) {
        for other in (0..self.nodes()).filter(|other| *other != at) {
            if let Some(link) = self.links.view(at, other) {
                self.links.lose(at, other, link);
            }
            self.notice_loss(other, at, noticed_at_once, OnlyIf::Always);
        }
    }

    fn stay_down(&mut self, at: usize, down_for: Duration) {
        let host = &mut self.hosts[at];
        (host.is_down, host.life, host.deadline) = (true, host.life + 1, None);
        host.parked.clear();
        let life = host.life;
        self.post(down_for, Event::Boot { at, life });
    }

    /// A process begins with what is on disk.
    pub(crate) fn boot(&mut self, at: usize) {
        let now = self.clock(at);
        let host = &mut self.hosts[at];
        let disk = host.disk.as_mut().expect("this world has disks");
        let start = disk.start();
        let (own, drawn) = match &start {
            Start::Whole(record) | Start::Rejoining(record) => (record.own, record.reserved),
            _ => {
                host.incarnation += 1;
                (ReplicaId { node: host.id, incarnation: Incarnation(host.incarnation) }, 0)
            }
        };
        let kept_by = disk.kept_by();
        let reserved = drawn + BLOCK;
        if disk.writes() {
            // On disk before anything else.
            let record = disk.record.get_or_insert_with(|| NodeRecord { own, ..NodeRecord::default() });
            if record.own == own {
                record.reserved = reserved;
            }
        }
        disk.clean = false;
        let is_fresh = start == Start::Fresh;
        let counters = disk.counters.clone();
        let beginning = (disk.mode, start, reserved);
        (host.is_down, host.paused_until) = (false, discnt::base::Monotonic::ZERO);
        host.parked.clear();
        host.node = make_node(at, host.process(), self.seed, now, beginning);
        for (name, stored) in counters {
            host.node.table().restore(Name::new(&name).expect("it was one"), stored, kept_by);
        }
        let moment = self.moment(at);
        if !is_fresh {
            self.hosts[at].node.handle(Input::Loaded, moment);
        }
        self.carry_out(at);
        if self.disk(at).mode == Durability::EverySecond {
            let life = self.hosts[at].life;
            self.post(EVERY, Event::CommitTimer { at, life });
        }
    }

    pub(crate) fn commit_timer(&mut self, at: usize) {
        if self.node(at).table().has_unsaved() {
            self.commit(at);
        }
        let life = self.hosts[at].life;
        self.post(EVERY, Event::CommitTimer { at, life });
    }

    /// What was asked for before the node served is written as soon as it does.
    pub(crate) fn commit_if_asked_early(&mut self, at: usize) {
        let serves = self.node(at).state().phase() == discnt::node::Phase::Serving;
        if serves && self.hosts[at].disk.as_mut().is_some_and(|disk| std::mem::take(&mut disk.asked_early)) {
            self.commit(at);
        }
    }

    /// A cycle begins as soon as there can be one.
    pub(crate) fn commit(&mut self, at: usize) {
        if self.node(at).state().phase() != discnt::node::Phase::Serving {
            self.disk_mut(at).asked_early = true;
            return;
        }
        if self.disk(at).cycle.is_some() {
            self.disk_mut(at).asked = true;
            return;
        }
        let cycle = self.take_cycle(at);
        self.disk_mut(at).cycle = Some(cycle);
        let after = Duration::from_micros(self.random.between(100, self.disk(at).slowest));
        let life = self.hosts[at].life;
        self.post(after, Event::Written { at, life });
    }

    fn take_cycle(&mut self, at: usize) -> Cycle {
        let (table, now) = (self.node(at).table(), self.clock(at));
        let number = table.commits().begin();
        let record = self.node(at).state().record();
        let mut changes = Vec::new();
        for shard in 0..=u8::MAX {
            let mut visit =
                |name: &[u8], stored: Option<&StoredCounter>| changes.push((name.to_vec(), stored.cloned()));
            while table.take_unsaved(shard, TAKEN_AT_ONCE, now, &mut visit) {}
        }
        let record = self.node(at).state().complete_record(&record);
        Cycle { number, record, changes }
    }

    fn write(&mut self, at: usize, cycle: Cycle) {
        let Cycle { number, record, changes } = cycle;
        let disk = self.disk_mut(at);
        for (name, stored) in changes {
            match stored {
                Some(stored) => drop(disk.counters.insert(name, stored)),
                None => drop(disk.counters.remove(&name)),
            }
        }
        disk.record = Some((*record).clone());
        disk.commits += 1;
        self.node(at).table().commits().finish(number);
        let moment = self.moment(at);
        self.hosts[at].node.handle(Input::Committed { cycle: number, record }, moment);
        self.carry_out(at);
    }

    /// The cycle that was begun is on disk, or could not be written.
    pub(crate) fn written(&mut self, at: usize) {
        let failing = self.disk(at).failing;
        let is_lost = self.random.unit() < failing;
        let disk = self.disk_mut(at);
        let Some(cycle) = disk.cycle.take() else { return };
        let asked = std::mem::take(&mut disk.asked);
        if is_lost {
            let table = self.node(at).table();
            for (name, _) in &cycle.changes {
                table.mark_unsaved(name);
            }
            self.disk_mut(at).asked = true;
            let life = self.hosts[at].life;
            self.post(Duration::from_millis(20), Event::CommitAgain { at, life });
            return;
        }
        self.write(at, cycle);
        if asked {
            self.commit(at);
        }
    }
}
