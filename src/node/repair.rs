//! The receiving side of anti-entropy: digests are compared, and what is lacking is pulled.
//!
//! One pull at a time, from one peer, of everything that this node lacks: that way an empty node gets the state of the whole
//! cluster once, and not once from every member. What is still on its way is not asked for.

use super::machine::Node;
use super::peer::Link;
use super::pulling::Pulling;
use crate::base::{Monotonic, ReplicaIndex};
use crate::replication::Digest;
use std::time::Duration;

/// A peer that has not said for this long what it has may be out of hearing, whatever its link says.
const SPEAKS_FOR: Duration = Duration::from_millis(1500);
/// How often digests are compared when no new one has come.
const COMPARE_INTERVAL: Duration = Duration::from_millis(100);

impl Node {
    /// Compares the digests whose time has come, and pulls from the first peer that has what this node lacks.
    pub(super) fn compare_digests(&mut self, now: Monotonic) {
        self.mind_pull(now);
        let mut is_due = self.next_compare <= now;
        for peer in self.peers.values_mut() {
            if let Some(link) = peer.link.as_mut().filter(|link| link.compare_at <= now) {
                link.compare_at = Monotonic::NEVER;
                is_due = true;
            }
        }
        if !is_due {
            return;
        }
        self.next_compare = now.after(COMPARE_INTERVAL);
        let mine = self.digest(now);
        self.mind_goals(&mine, now);
        self.verify_digests(now);
        if self.pulling.is_some() || self.is_taking_over(now) {
            return;
        }
        let voices = self.voices(now);
        let source = self.peers.values().find(|peer| {
            let link = peer.link.as_ref().filter(|link| link.replica.is_some() && link.compare_at == Monotonic::NEVER);
            let has_news = |link: &Link| {
                self.may_pull_from(link)
                    && link.digest.as_ref().is_some_and(|digest| digest.has_news_for(&mine, link.voice(&voices)))
            };
            link.is_some_and(has_news)
        });
        if let Some(from) = source.map(|peer| peer.id) {
            self.pull(from, &voices, now);
        }
    }

    /// The replicas whose owners can be asked: this node's own, and those of the peers that say what they have.
    pub(super) fn voices(&self, now: Monotonic) -> Vec<ReplicaIndex> {
        let speaks = |link: &&Link| link.digest.is_some() && now.since(link.digest_at) <= SPEAKS_FOR;
        let links = self.peers.values().filter_map(|peer| peer.link.as_ref()).filter(speaks);
        links.filter_map(|link| Some(link.replica?.0)).chain([self.own_index]).collect()
    }

    /// Forgets of every peer's first digest that this node has all of it by now.
    fn mind_goals(&mut self, mine: &Digest, now: Monotonic) {
        if self.peers.values().all(|peer| peer.link.as_ref().is_none_or(|link| link.goal.is_none())) {
            return;
        }
        let voices = self.voices(now);
        let mut is_any_reached = false;
        for peer in self.peers.values_mut() {
            let Some(link) = peer.link.as_mut() else { continue };
            // A later digest speaks of all that the first did, and perhaps of more that this node has, too.
            let speaks_of_nothing_else = |digest: &Option<Digest>| {
                digest.as_ref().is_some_and(|one| !one.has_news_for(mine, link.voice(&voices)))
            };
            if speaks_of_nothing_else(&link.goal) || (link.goal.is_some() && speaks_of_nothing_else(&link.digest)) {
                link.goal = None;
                peer.was_caught_up_with = true;
                is_any_reached = true;
            }
        }
        if is_any_reached {
            self.members_changed();
        }
    }

    /// Whether what is read here may be much older than what was said elsewhere.
    pub(super) fn is_catching_up(&self) -> bool {
        let lacks = |link: &Link| {
            link.replica.is_some() && (link.digest.is_none() || link.goal.is_some() || link.awaits_predictions)
        };
        self.peers.values().filter_map(|peer| peer.link.as_ref()).any(lacks)
            || self.pulling.as_ref().is_some_and(Pulling::is_long)
    }
}
