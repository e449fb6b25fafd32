//! Leaving a cluster, and going on under a new identity or incarnation.

use super::event::Event;
use super::input::{CloseCause, Output, RequestNumber};
use super::machine::Node;
use super::peer::Link;
use super::sequence::Sequence;
use super::settings::NodeSettings;
use super::view::Phase;
use crate::base::{Incarnation, Monotonic, NodeId, ReplicaId, ReplicaIndex};
use crate::membership::{MemberIdentity, Membership};
use crate::wire::Message;
use std::time::Duration;

/// Renewals of one incarnation's membership stay below the next incarnation's.
const GENERATIONS_AN_INCARNATION: u64 = 1 << 20;

/// For so long who leaves waits for the others to say that they have its last words, and then as long for them to close
/// their links.
const LONGEST_FAREWELL: Duration = Duration::from_millis(2500);

/// A node that leaves as soon as the others have its last words, and know that these were the last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Farewell {
    request: RequestNumber,
    hard: bool,
    since: Monotonic,
    /// The number of the last word.
    last: u64,
    /// They are told that it leaves.
    is_leaving: bool,
}

/// Somebody has heard more of the present replica than this process has said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contested {
    /// This process has said nothing.
    pub(super) is_untold: bool,
}

impl Node {
    /// Tells the others all that they have not heard, and leaves the cluster once they have.
    pub(super) fn reset(&mut self, request: RequestNumber, hard: bool, now: Monotonic) {
        if self.state.phase() != Phase::Serving {
            self.answer(Some(request), Err("this node is coming back to its cluster; try again".to_owned()));
            return;
        }
        if self.farewell.is_some() || self.resetting.is_some() {
            self.answer(Some(request), Err("another CLUSTER RESET is under way".to_owned()));
            return;
        }
        self.table.queue_all_moved();
        self.flush_all(now);
        let last = self.table.last_number();
        self.farewell = Some(Farewell { request, hard, since: now, last, is_leaving: false });
        self.leave_if_told(now);
    }

    /// Goes on with leaving, if that is wanted: once every linked member has the last words, it says so; and it leaves once
    /// they have closed their links for that. Each has its time, and no more.
    pub(super) fn leave_if_told(&mut self, now: Monotonic) {
        let Some(farewell) = &mut self.farewell else { return };
        let is_late = now.since(farewell.since) >= LONGEST_FAREWELL;
        let has_told = |link: &Link| {
            link.digest.as_ref().is_some_and(|digest| digest.entry(self.own_index).received >= farewell.last)
        };
        let mut links = self.peers.values().filter_map(|peer| peer.link.as_ref().filter(|link| link.replica.is_some()));
        if !farewell.is_leaving && (is_late || links.all(has_told)) {
            (farewell.is_leaving, farewell.since) = (true, now);
        } else if !farewell.is_leaving {
            return;
        } else if is_late {
            return self.leave(now);
        }
        self.say_leaving();
        if self.linked().is_empty() {
            self.leave(now);
        }
    }

    /// Tells the linked members that have not been told.
    fn say_leaving(&mut self) {
        for id in self.linked() {
            let link = self.peers.get_mut(&id).and_then(|peer| peer.link.as_mut());
            if link.is_some_and(|link| !std::mem::replace(&mut link.told_leaving, true)) {
                self.message(id, Message::encode_leaving());
            }
        }
    }

    /// Whether the members are told that this node leaves.
    pub(super) fn is_leaving(&self) -> bool {
        self.farewell.is_some_and(|farewell| farewell.is_leaving)
    }

    /// A member knows that this node leaves: there is no use in dialling it again.
    pub(super) fn heard_of_leaving(&mut self, peer: NodeId) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.redial_at = Monotonic::NEVER;
        }
    }

    /// Leaves the cluster: the others forget this node and keep its counts, and it keeps theirs.
    fn leave(&mut self, now: Monotonic) {
        let Some(Farewell { request, hard, .. }) = self.farewell.take() else { return };
        self.membership.leave(now);
        self.drain_membership(now);
        let left: Vec<NodeId> = self.peers.keys().copied().collect();
        self.rule_out_oneself();
        for peer in &left {
            self.drop_peer(*peer, CloseCause::Left);
        }
        for peer in &left {
            self.part_from(*peer);
        }
        // A process that does not know this might bring back what those give up.
        self.ask_commit(now);
        // Under a new id, too: a link to the old one may have been on its way.
        self.barred.extend(left);
        self.barred.sort_unstable();
        self.barred.dedup();
        self.renew_membership();
        self.pulling = None;
        self.taking_over = None;
        self.serving.clear();
        self.keep_out();
        self.remember_members();
        if hard {
            self.resetting = Some(request);
            self.outputs.push_back(Output::NewIdentity);
        } else {
            self.answer(Some(request), Ok(()));
        }
    }

    /// Counts under a new replica from now on.
    pub(super) fn reborn(&mut self, node: NodeId, incarnation: Incarnation, now: Monotonic) {
        let request = self.resetting.take();
        let replica = ReplicaId { node, incarnation };
        let Some(index) = self.enter(replica) else {
            self.answer(request, Err("there is no room for one more replica".to_owned()));
            return;
        };
        let is_stopped = self.may_resume();
        let mut last_words = Vec::new();
        let contested = self.contested.take().filter(|_| !is_stopped && (self.is_restored || self.has_told));
        // What stood on disk may have been told by a process that came after.
        if let Some(Contested { is_untold }) = contested {
            self.table.begin_apart(replica, index, self.keeping.first_number_limit(), is_untold);
            self.forget_numbers_of(self.own_index);
        } else if self.is_restored || self.has_told || node != self.own.node {
            // The ended replica's last words still go out under its name.
            self.table.begin_replica((replica, index), self.keeping.first_number_limit(), now, &mut last_words);
            self.announce(last_words, now);
            self.ended_here.push(self.own_index);
            if is_stopped {
                self.write_again_as_anothers(self.own);
            }
        } else {
            self.table.begin_instead(replica, index, self.keeping.first_number_limit());
            self.forget_numbers_of(self.own_index);
        }
        self.has_told = false;
        self.drawn_before = 0;
        self.own = replica;
        self.own_index = index;
        self.keeping.begin_replica();
        if contested.is_some() {
            self.claim_what_is_held(now);
        }
        (self.settings.node, self.settings.incarnation) = (node, incarnation);
        self.end_rejoining(now);
        self.publish_record(now);
        self.renew_membership();
        self.emit(Event::NewReplica(replica));
        self.answer(request, Ok(()));
        // Links were made in the old name; the greeting on new ones tells the new.
        let linked: Vec<NodeId> = self.peers.values().filter(|peer| peer.link.is_some()).map(|peer| peer.id).collect();
        for peer in linked {
            self.outputs
                .push_back(Output::Close { peer, cause: CloseCause::Anew("it counts as a new replica from now on") });
        }
        self.members_changed();
    }

    /// What others heard under a replica's numbers is to be heard here, too.
    fn forget_numbers_of(&mut self, replica: ReplicaIndex) {
        let capacity = self.settings.replication.backlog_numbers;
        *self.sequence_of(replica) = Sequence::new(capacity);
    }

    pub(super) fn not_reborn(&mut self, reason: &str) {
        let request = self.resetting.take();
        self.answer(request, Err(format!("{reason}; this node has left the cluster and keeps its identity")));
    }

    pub(super) fn renew_membership(&mut self) {
        let generation = self.membership.me().generation + 1;
        let renewals = generation % GENERATIONS_AN_INCARNATION;
        let made = Membership::new(
            identity(&self.settings, renewals),
            self.settings.cluster.clone(),
            self.settings.seed ^ generation,
        );
        match made {
            Ok(membership) => {
                self.membership = membership;
                self.bar_again();
            }
            Err(error) => self.emit(Event::Membership(error.to_string())),
        }
    }
}

/// How this node presents itself.
pub(super) fn identity(settings: &NodeSettings, renewals: u64) -> MemberIdentity {
    MemberIdentity {
        node: settings.node,
        generation: settings.incarnation.0.saturating_mul(GENERATIONS_AN_INCARNATION) + renewals,
        host: settings.host.clone(),
        client_port: settings.client_port,
        mesh_port: settings.mesh_port,
    }
}
