//! Back from disk: what have the others heard of this node's replicas that it does not have itself, or have no more?
//!
//! A node is reconciled once it is linked with every member, all know the same members, and each of them has said, after
//! the last of these links stood, what it has, and this node has all of that. Then nobody has heard more of this node's
//! replicas than it holds: it may go on as the one it was, and what it had counted and told nobody may be counted again.

use super::event::Event;
use super::input::Output;
use super::machine::Node;
use super::peer::{Link, Peer};
use super::view::Phase;
use crate::base::{Monotonic, NodeId, ReplicaIndex};
use crate::wire::Message;
use std::time::Duration;

/// While all members are linked and there is more to take over, the wait may last so many times longer.
const PATIENCE: u32 = 5;

/// A node that does not know yet as which replica it goes on, or what the others have given up.
#[derive(Debug)]
pub(super) struct Rejoining {
    since: Monotonic,
    /// When it goes on without having found out.
    pub(super) until: Monotonic,
    /// It may go on as the replica it was.
    may_resume: bool,
    /// All that its replica ever told is numbered up to this, if what is on disk is no copy of something older.
    all_told: Option<u64>,
    /// What is on disk is older than what it once said to have.
    is_found_stale: bool,
}

/// Asking all members, once all are there.
#[derive(Debug, Default)]
pub(super) struct Reconciling {
    /// How often all were there: what somebody said before that does not count.
    round: u64,
    /// All are there.
    is_complete: bool,
}

impl Reconciling {
    fn present_round(&self) -> Option<u64> {
        self.is_complete.then_some(self.round)
    }
}

impl Node {
    /// Others may have heard more of the replica that this node was than it holds: at any rate, or only if what is on disk
    /// is a copy of something older, and `all_told` not the last number that it used.
    pub(super) fn begin_rejoining(&mut self, all_told: Option<u64>, now: Monotonic) {
        let until = now.after(self.settings.cluster.rejoin_wait());
        self.rejoining = Some(Rejoining { since: now, until, may_resume: true, all_told, is_found_stale: false });
        self.reconciling = Some(Reconciling::default());
        self.state.set_phase(Phase::Rejoining);
    }

    /// What this node holds may have been given up. It has begun a new replica already.
    pub(super) fn begin_taking_back(&mut self, now: Monotonic) {
        let until = now.after(self.settings.cluster.rejoin_wait());
        let is_found_stale = true;
        self.rejoining = Some(Rejoining { since: now, until, may_resume: false, all_told: None, is_found_stale });
        self.reconciling = Some(Reconciling::default());
        self.state.set_phase(Phase::Rejoining);
    }

    /// Earlier replicas of this node may have counted what they told nobody.
    pub(super) fn reconcile_if_needed(&mut self) {
        if self.own_past().next().is_some() {
            self.reconciling = Some(Reconciling::default());
        }
    }

    /// The earlier replicas of this node.
    fn own_past(&self) -> impl Iterator<Item = ReplicaIndex> {
        self.registry.of_node(self.own.node).filter(|index| *index != self.own_index)
    }

    /// Whether it is not known yet whether this node may go on as the replica that it greets as.
    pub(super) fn may_resume(&self) -> bool {
        self.rejoining.as_ref().is_some_and(|rejoining| rejoining.may_resume)
    }

    /// The last number of the own replica that anybody can have heard of, as far as is known from the disk, while it is not
    /// known whether this node may go on as that.
    pub(super) fn last_told_before(&self) -> Option<u64> {
        let rejoining = self.rejoining.as_ref().filter(|rejoining| rejoining.may_resume)?;
        Some(rejoining.all_told.unwrap_or(self.drawn_before))
    }

    /// It is known already that this node cannot go on as the replica it was.
    pub(super) fn awaits_incarnation(&self) -> bool {
        self.rejoining.as_ref().is_some_and(|rejoining| rejoining.may_resume && rejoining.is_found_stale)
    }

    /// What is said by a node that may hold what everybody else has given up leads nobody to take it from there.
    pub(super) fn is_stale(&self) -> bool {
        self.rejoining.as_ref().is_some_and(|rejoining| !rejoining.may_resume)
    }

    /// The round that a pull which begins now belongs to.
    pub(super) fn present_round(&self) -> u64 {
        self.reconciling.as_ref().and_then(Reconciling::present_round).unwrap_or(0)
    }

    /// A node that may resume pulls once from each that has more; the words of a replica that its owner must be asked for
    /// are passed on by nobody, so nobody ever has all of them.
    pub(super) fn may_pull_from(&self, link: &Link) -> bool {
        !self.may_resume() || link.pulled != Some(self.present_round())
    }

    /// All that a peer had when it was asked, in this round, is here.
    pub(super) fn note_pulled(&mut self, from: NodeId, round: u64) {
        if round != 0
            && round == self.present_round()
            && let Some(link) = self.peers.get_mut(&from).and_then(|peer| peer.link.as_mut())
        {
            link.reconciled = round;
        }
    }

    /// The digest that a peer sent last was made after it had been asked.
    pub(super) fn take_digest_given(&mut self, from: NodeId, token: u64) {
        if let Some(link) = self.peers.get_mut(&from).and_then(|peer| peer.link.as_mut()) {
            link.answered = link.answered.max(token);
        }
    }

    /// Looks whether all members are there and have answered.
    pub(super) fn mind_reconciling(&mut self, now: Monotonic) {
        if self.reconciling.is_none() || self.state.phase() == Phase::Loading {
            return;
        }
        let is_complete = self.peers.values().all(Peer::is_linked) && self.agrees_on_members();
        let Some(reconciling) = &mut self.reconciling else { return };
        let was_complete = std::mem::replace(&mut reconciling.is_complete, is_complete);
        if !is_complete {
            return;
        }
        if !was_complete {
            reconciling.round += 1;
            let wanted = Message::encode_digest_wanted(reconciling.round, 0);
            let all: Vec<NodeId> = self.peers.keys().copied().collect();
            for peer in all {
                self.message(peer, wanted.clone());
            }
        }
        if self.are_all_reconciled(now) {
            self.reconciled(now);
        }
    }

    fn are_all_reconciled(&mut self, now: Monotonic) -> bool {
        let round = self.present_round();
        let is_open = |link: &Link| link.reconciled != round;
        if self.peers.values().filter_map(|peer| peer.link.as_ref()).any(|link| is_open(link) && link.answered != round)
        {
            return false;
        }
        let (mine, voices) = (self.digest(now), self.voices(now));
        for link in self.peers.values_mut().filter_map(|peer| peer.link.as_mut()) {
            let has_news = link.digest.as_ref().is_none_or(|digest| digest.has_news_for(&mine, link.voice(&voices)));
            if !has_news {
                link.reconciled = round;
            }
        }
        !self.peers.values().filter_map(|peer| peer.link.as_ref()).any(is_open)
    }

    /// Nobody has heard more of this node's replicas than it holds.
    fn reconciled(&mut self, now: Monotonic) {
        if self.may_resume() {
            // Whoever remembers nobody and has told somebody does not know whom to ask: somebody may be dialling.
            if !self.peers.is_empty() && self.resume(now) {
                self.count_past(now);
                self.send_digests(now);
            }
            return;
        }
        if self.state.phase() == Phase::Serving && !self.doubt.is_own() {
            self.reconciling = None;
            self.count_past(now);
        }
    }

    /// Goes on as the replica that this node was, unless what is on disk turned out to be older than that.
    fn resume(&mut self, now: Monotonic) -> bool {
        let Some(index) = self.registry.index(self.own) else { return false };
        if self.awaits_incarnation() {
            return false;
        }
        let (heard, said) = (self.sequence_of(index).held.newest(), self.last_told_before());
        if let Some(said) = said.filter(|said| heard > *said) {
            let later = self.find_itself_outnumbered(heard, said, now);
            self.outputs.push_back(Output::NewIncarnation(later));
            return false;
        }
        let Some(rejoining) = self.rejoining.take() else { return false };
        self.reconciling = None;
        let limit = self.keeping.number_limit();
        self.table.adopt_replica((self.own, index), self.drawn_before, limit);
        self.own_index = index;
        self.hold_own_up_to(self.drawn_before);
        self.begin_serving(now);
        let milliseconds = u64::try_from(now.since(rejoining.since).as_millis()).unwrap_or(u64::MAX);
        self.emit(Event::Resumed { replica: self.own, milliseconds });
        self.count_remainders_of([index]);
        true
    }

    /// Counts what earlier replicas had counted and told nobody. That is irrevocable, or the next process would do it again:
    /// nothing of it leaves before it is on disk, and where nothing is written down it has to wait for other times.
    fn count_past(&mut self, now: Monotonic) {
        if self.writes_down() {
            let past: Vec<ReplicaIndex> = self.own_past().collect();
            self.count_remainders_of(past);
            self.note_irrevocable(now);
        }
    }

    /// Goes on when nothing more is to be found out, or when there is no more time for it.
    pub(super) fn mind_rejoining(&mut self, now: Monotonic) {
        let Some(rejoining) = &self.rejoining else { return };
        let is_settled = !rejoining.may_resume && !self.doubt.is_own();
        let is_busy =
            self.reconciling.as_ref().is_some_and(|reconciling| reconciling.is_complete) && !self.peers.is_empty();
        let wait = self.settings.cluster.rejoin_wait();
        if !is_settled && (now < rejoining.until || (is_busy && now < rejoining.since.after(wait * PATIENCE))) {
            if now >= rejoining.until {
                self.look_again_at(now.after(wait / 10));
            }
            return;
        }
        if rejoining.all_told.is_some() {
            // Nobody that is there has heard more than is on disk.
            if self.resume(now) {
                self.reconcile_if_needed();
                self.send_digests(now);
            }
        } else if rejoining.may_resume {
            // Should there be none to be had, it is asked for again.
            self.look_again_at(now.after(wait.max(Duration::from_secs(1))));
            self.give_up_resuming();
        } else {
            self.rejoining = None;
            self.begin_serving(now);
            self.send_digests(now);
        }
    }

    fn look_again_at(&mut self, at: Monotonic) {
        if let Some(rejoining) = &mut self.rejoining {
            rejoining.until = at;
        }
    }

    /// This node cannot know what was heard of its replica: it goes on as another.
    fn give_up_resuming(&mut self) {
        let missing = self.peers.values().filter(|peer| !peer.is_linked()).map(|peer| peer.id).collect();
        self.emit(Event::NotResumed { replica: self.own, missing });
        self.outputs.push_back(Output::NewIncarnation(self.own.incarnation));
    }

    /// Somebody has heard of a later life of this node, or more of this one than it can have said: what it has on disk is
    /// older than what it once said to have.
    pub(super) fn learn_that_it_is_stale(&mut self, now: Monotonic) {
        self.doubt_all();
        let wait = self.settings.cluster.rejoin_wait().max(Duration::from_secs(1));
        if let Some(rejoining) = self.rejoining.as_mut().filter(|rejoining| rejoining.may_resume) {
            // A new incarnation was asked for.
            (rejoining.all_told, rejoining.is_found_stale, rejoining.until) = (None, true, now.after(wait));
        }
    }

    /// Another process runs as this node: what that says is not on this one's disk.
    pub(super) fn learn_that_it_is_a_copy(&mut self, now: Monotonic) {
        if let Some(rejoining) = self.rejoining.as_mut().filter(|rejoining| rejoining.all_told.is_some()) {
            (rejoining.all_told, rejoining.until) = (None, now);
        }
    }

    /// The new replica begins.
    pub(super) fn end_rejoining(&mut self, now: Monotonic) {
        match self.rejoining.take() {
            Some(rejoining) if rejoining.is_found_stale => self.begin_taking_back(now),
            Some(_) => self.begin_serving(now),
            None => {}
        }
    }
}
