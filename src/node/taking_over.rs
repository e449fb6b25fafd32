//! Resynchronising wholly: a node that was parted from a cluster takes over all that one member has, and drops what it
//! holds at or below that member's numbers and the member has not: that was given up meanwhile.
//!
//! It never drops its present replica's own share, nor anything that the member has not heard of; so what it counted
//! while it was parted stays, and what was deleted meanwhile does not come back.

use super::event::Event;
use super::input::{CloseCause, Output};
use super::machine::Node;
use crate::base::{Location, Monotonic, NodeId, ReplicaIndex};
use crate::replication::NumberSet;
use crate::wire::HeldLine;
use std::collections::HashMap;

/// Places looked at under one lock, and such looks at a time: nobody waits for longer than these take.
const PLACES_A_STEP: u32 = 256;
const STEPS_A_TICK: usize = 16;

/// A member's state on its way over.
#[derive(Debug)]
pub(super) struct TakingOver {
    from: NodeId,
    /// The numbers of all that it sent, by replica: a number says which item it is.
    sent: HashMap<ReplicaIndex, Vec<u64>>,
    dropping: Option<Dropping>,
}

/// All has come; what did not come is dropped, a part of the table at a time.
#[derive(Debug)]
struct Dropping {
    theirs: HashMap<ReplicaIndex, NumberSet>,
    at: Location,
    dropped: u64,
}

impl TakingOver {
    fn is_gone(&self, dropping: &Dropping, replica: ReplicaIndex, number: u64) -> bool {
        let has_heard = dropping.theirs.get(&replica).is_some_and(|theirs| theirs.contains(number));
        let was_sent = || self.sent.get(&replica).is_some_and(|sent| sent.binary_search(&number).is_ok());
        has_heard && !was_sent()
    }
}

impl Node {
    /// Whether what this node holds is not to be relied on as it could be, because somebody who knows better is linked.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.taking_over.is_some()
            || (self.doubt.is_open() && self.peers.values().any(|peer| peer.is_linked() && self.doubt.wants(peer.id)))
    }

    pub(super) fn is_taking_over_from(&self, node: NodeId) -> bool {
        self.taking_over.as_ref().is_some_and(|taking| taking.from == node)
    }

    /// Begins to take over a member's state where that is wanted. Answers whether other repairs have to wait.
    pub(super) fn is_taking_over(&mut self, now: Monotonic) -> bool {
        if self.taking_over.is_some() {
            return true;
        }
        if !self.doubt.is_open() {
            return false;
        }
        let ready = self.peers.values().filter(|peer| {
            let link = peer.link.as_ref().filter(|link| link.replica.is_some());
            link.is_some_and(|link| link.digest.is_some() && link.compare_at == Monotonic::NEVER)
        });
        let Some(from) = self.doubt.choose(ready.map(|peer| peer.id)) else { return false };
        let link = self.peers.get(&from).and_then(|peer| peer.link.as_ref());
        if link.is_some_and(|link| link.pull_given_up) {
            let cause = CloseCause::Anew("it asks for all that is counted once more");
            self.outputs.push_back(Output::Close { peer: from, cause });
            return true;
        }
        self.taking_over = Some(TakingOver { from, sent: HashMap::new(), dropping: None });
        self.pull_beyond(from, &[], now);
        self.members_changed();
        true
    }

    /// A member sent an item.
    pub(super) fn note_item(&mut self, from: NodeId, replica: ReplicaIndex, number: u64) {
        let taking = self.taking_over.as_mut().filter(|taking| taking.from == from && taking.dropping.is_none());
        if let Some(taking) = taking {
            taking.sent.entry(replica).or_default().push(number);
        }
    }

    /// A pull brings nothing. What it was to bring has to be asked for again.
    pub(super) fn give_up_pull_from(&mut self, from: NodeId) {
        if let Some(link) = self.peers.get_mut(&from).and_then(|peer| peer.link.as_mut()) {
            link.pull_given_up = true;
        }
        self.give_up_taking_over();
    }

    /// The pull ended early. What has come is kept, and nothing is dropped.
    pub(super) fn give_up_taking_over(&mut self) {
        self.taking_over.take_if(|taking| taking.dropping.is_none());
        self.members_changed();
    }

    /// A member has sent all it has, and says what numbers that is made of.
    pub(super) fn begin_dropping(&mut self, from: NodeId, lines: &[HeldLine]) {
        let mut theirs = HashMap::new();
        for line in lines {
            if let Some(replica) = self.enter(line.replica) {
                theirs.insert(replica, NumberSet::new(line.contiguous, line.ranges.iter().copied()));
            }
        }
        let taking = self.taking_over.as_mut().filter(|taking| taking.from == from && taking.dropping.is_none());
        if let Some(taking) = taking {
            for sent in taking.sent.values_mut() {
                sent.sort_unstable();
            }
            taking.dropping = Some(Dropping { theirs, at: Location(0), dropped: 0 });
        }
    }

    pub(super) fn is_dropping(&self) -> bool {
        self.taking_over.as_ref().is_some_and(|taking| taking.dropping.is_some())
    }

    /// Drops what was given up, in a part of the table.
    pub(super) fn drop_some(&mut self) {
        let Some(mut taking) = self.taking_over.take_if(|taking| taking.dropping.is_some()) else { return };
        let Some(mut dropping) = taking.dropping.take() else { return };
        let is_gone = |replica, number| taking.is_gone(&dropping, replica, number);
        let (mut dropped, mut next) = (0, Some(dropping.at));
        for _ in 0..STEPS_A_TICK {
            next = next.and_then(|at| self.table.drop_gone(at, PLACES_A_STEP, &is_gone, &mut dropped));
        }
        dropping.dropped += dropped;
        if let Some(next) = next {
            dropping.at = next;
            taking.dropping = Some(dropping);
            self.taking_over = Some(taking);
            return;
        }
        self.made_good_with(taking.from, dropping.dropped);
        self.emit(Event::Reconciled { peer: taking.from, dropped: dropping.dropped });
        self.members_changed();
    }
}
