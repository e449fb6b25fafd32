//! Who is kept out: CLUSTER FORGET, the word of it that every member passes on, and the meeting that ends it.

use super::event::Event;
use super::input::{CloseCause, Output, RequestNumber};
use super::machine::Node;
use super::peer::Peer;
use crate::base::{HybridTime, Monotonic, NodeId, WallMillis};
use crate::membership::Standing;
use crate::wire::Message;

impl Node {
    /// An operator wants a member out. Whether it is there does not matter: it will hear of it from whom it speaks to.
    pub(super) fn forget(&mut self, request: RequestNumber, node: NodeId, now: Monotonic) {
        let result = if node == self.own.node {
            Err("I tried hard but I can't forget myself...".to_owned())
        } else if self.peers.contains_key(&node) {
            self.rule_out(node, self.wall, now);
            Ok(())
        } else if self.standings.is_out(node) {
            Err(format!("Unknown node {node}: it is forgotten already"))
        } else {
            Err(format!("Unknown node {node}: CLUSTER NODES lists those that can be forgotten"))
        };
        self.answer(Some(request), result);
    }

    /// Keeps a node out, and has all members do so.
    fn rule_out(&mut self, node: NodeId, wall: WallMillis, now: Monotonic) {
        let standing = Standing { node, forgotten: self.table.tick(wall), met: HybridTime(0) };
        self.rule(standing, now);
    }

    /// A member said that it leaves for good. Those that cannot hear it now are told so when they are back.
    pub(super) fn has_left(&mut self, node: NodeId, now: Monotonic) {
        if self.peers.get(&node).is_some_and(Peer::has_greeted) && !self.standings.is_out(node) {
            self.membership.left_for_good(node, now);
            self.emit(Event::LeftCluster(node));
            self.drop_peer(node, CloseCause::Left);
            self.remember_members();
            // Later than all that is known here, and no later: it may be met again before others have heard of this.
            self.rule_out(node, WallMillis(0), now);
        }
    }

    /// The node that leaves says so of itself, and knows nothing of that cluster's members from then on.
    pub(super) fn rule_out_oneself(&mut self) {
        let node = self.own.node;
        self.standings.keep_only(node);
        let standing = Standing { node, forgotten: self.table.tick(self.wall), met: HybridTime(0) };
        self.standings.take(standing);
    }

    /// Two nodes meet because an operator said so: from now on both are in.
    pub(super) fn let_in(&mut self, node: NodeId, now: Monotonic) {
        for barred in std::mem::take(&mut self.barred) {
            // Meeting one member of a cluster that was left is meeting all of it.
            if !self.standings.is_out(barred) {
                self.membership.allow(barred);
            }
        }
        self.doubt.met_somebody();
        let met = self.table.tick(self.wall);
        self.rule(Standing { node, forgotten: HybridTime(0), met }, now);
        if self.standings.is_out(self.own.node) {
            self.rule(Standing { node: self.own.node, forgotten: HybridTime(0), met }, now);
        }
    }

    fn rule(&mut self, standing: Standing, now: Monotonic) {
        self.apply(standing, now);
        self.keep_out();
        self.pass_on(&[standing.node], None);
    }

    /// Takes what a peer has heard of who is in and who is out.
    pub(super) fn take_standings(&mut self, from: NodeId, standings: &[Standing], now: Monotonic) {
        let mut news = Vec::new();
        for standing in standings {
            let known = self.standings.of(standing.node).map_or(HybridTime(0), |known| known.forgotten);
            if standing.node == self.own.node && standing.forgotten > known {
                // Meanwhile they gave up what this node may still hold.
                self.part_from(from);
            }
            if self.apply(*standing, now) {
                news.push(standing.node);
            }
        }
        if !news.is_empty() {
            self.keep_out();
            self.pass_on(&news, Some(from));
        }
    }

    /// Tells a peer on a new link all that is known.
    pub(super) fn send_standings_to(&mut self, to: NodeId) {
        let all: Vec<Standing> = self.standings.iter().copied().collect();
        if !all.is_empty() {
            self.message(to, Message::encode_standings(&all));
        }
    }

    /// Answers whether it was news.
    fn apply(&mut self, standing: Standing, now: Monotonic) -> bool {
        self.table.observe(standing.latest());
        if !self.standings.take(standing) {
            return false;
        }
        let node = standing.node;
        if node == self.own.node {
            return true;
        }
        if self.standings.is_out(node) {
            self.throw_out(node, now);
        } else if !self.barred.contains(&node) {
            self.membership.allow(node);
        }
        true
    }

    fn throw_out(&mut self, node: NodeId, now: Monotonic) {
        if let Err(error) = self.membership.forget(node, now) {
            self.emit(Event::Membership(error.to_string()));
        }
        if self.peers.contains_key(&node) {
            self.emit(Event::Forgotten(node));
            self.drop_peer(node, CloseCause::Forgotten);
            self.remember_members();
        }
    }

    /// Takes a node out of the members, and closes the link to it if there is one.
    pub(super) fn drop_peer(&mut self, node: NodeId, cause: CloseCause) {
        let Some(dropped) = self.peers.remove(&node) else { return };
        self.serving.remove(&node);
        self.abandon_pull_from(node);
        if let Some(link) = dropped.link {
            self.answer(link.meeting, Err(format!("node {node} is kept out of the cluster; say CLUSTER MEET again")));
            self.outputs.push_back(Output::Close { peer: node, cause });
        }
        self.members_changed();
    }

    /// A peer keeps this node out. It is no member of this node's cluster any more, nor is what it tells of others of use.
    pub(super) fn forgotten_by(&mut self, node: NodeId, now: Monotonic) {
        if !self.peers.contains_key(&node) {
            return;
        }
        self.emit(Event::ForgottenBy(node));
        self.part_from(node);
        if let Err(error) = self.membership.forget(node, now) {
            self.emit(Event::Membership(error.to_string()));
        }
        self.drop_peer(node, CloseCause::Left);
        if !self.barred.contains(&node) {
            self.barred.push(node);
        }
        self.keep_out();
        self.remember_members();
    }

    /// What this node holds may have been given up by that one from now on.
    pub(super) fn part_from(&mut self, node: NodeId) {
        self.doubt.part_from(node);
        self.members_changed();
    }

    fn pass_on(&mut self, news: &[NodeId], but: Option<NodeId>) {
        let news: Vec<Standing> = news.iter().filter_map(|node| self.standings.of(*node)).collect();
        let linked: Vec<NodeId> = self.peers.values().filter(|peer| peer.is_linked()).map(|peer| peer.id).collect();
        for peer in linked.into_iter().filter(|peer| Some(*peer) != but) {
            self.message(peer, Message::encode_standings(&news));
        }
    }

    /// Has it remembered across restarts who is kept out.
    pub(super) fn keep_out(&mut self) {
        let standings = self.standings.iter().copied().collect();
        self.outputs.push_back(Output::KeepOut { barred: self.barred.clone(), standings });
    }

    /// Tells a new membership who is kept out.
    pub(super) fn bar_again(&mut self) {
        let out = self.standings.iter().filter(|standing| standing.is_out()).map(|standing| standing.node);
        let all: Vec<NodeId> = self.barred.iter().copied().chain(out).filter(|node| *node != self.own.node).collect();
        for node in all {
            if let Err(error) = self.membership.bar(node) {
                self.emit(Event::Membership(error.to_string()));
            }
        }
    }
}
