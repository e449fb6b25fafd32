//! Who is kept out: CLUSTER FORGET, the word of it that every member passes on, and the meeting that ends it.

use super::event::Event;
use super::following::PartingKnown;
use super::input::{CloseCause, Output, RequestNumber};
use super::machine::Node;
use super::peer::Peer;
use crate::base::{HybridTime, Monotonic, NodeId, WallMillis};
use crate::membership::{Admission, MAX_BANNED};
use crate::wire::Message;

impl Node {
    /// An operator wants a member out. Whether it is there does not matter: it will hear of it from whom it speaks to. Of a
    /// key that is banned nothing need be known.
    pub(super) fn forget(&mut self, request: RequestNumber, node: NodeId, ban: bool, now: Monotonic) {
        let result = if node == self.own.node {
            Err("I tried hard but I can't forget myself...".to_owned())
        } else if ban {
            self.ban(node, now)
        } else if self.peers.contains_key(&node) {
            self.rule_out(node, self.wall, now);
            Ok(())
        } else if self.admissions.is_out(node) {
            Err(format!("Unknown node {node}: it is forgotten already; nothing was changed"))
        } else {
            Err(format!("Unknown node {node}: CLUSTER NODES lists those that can be forgotten; nothing was changed"))
        };
        self.answer(Some(request), result);
    }

    /// Keeps a node out, and has all members do so.
    fn rule_out(&mut self, node: NodeId, wall: WallMillis, now: Monotonic) {
        let admission = Admission { node, forgotten: self.table.tick(wall), met: HybridTime(0), banned: false };
        self.rule(admission, now);
    }

    fn ban(&mut self, node: NodeId, now: Monotonic) -> Result<(), String> {
        if self.admissions.of(node).is_some_and(|known| known.banned) {
            return Err(format!("the key of node {node} is banned already; nothing was changed"));
        }
        if self.admissions.banned().count() >= MAX_BANNED {
            return Err(format!("{MAX_BANNED} keys are banned, the most that can be; nothing was changed"));
        }
        let admission = Admission { node, forgotten: self.table.tick(self.wall), met: HybridTime(0), banned: true };
        self.rule(admission, now);
        self.emit(Event::Banned(node));
        Ok(())
    }

    /// Takes what a peer has heard of whose keys are banned.
    pub(super) fn take_bans(&mut self, from: NodeId, nodes: &[NodeId], now: Monotonic) {
        let own = self.own.node;
        let bans: Vec<Admission> =
            nodes.iter().filter(|node| **node != own).map(|node| Admission::ban(*node)).collect();
        let is_banned = |node: &Self, id| node.admissions.of(id).is_some_and(|known| known.banned);
        let news: Vec<NodeId> = bans.iter().map(|ban| ban.node).filter(|id| !is_banned(self, *id)).collect();
        self.take_admissions(from, &bans, now);
        for node in news.into_iter().filter(|id| is_banned(self, *id)).collect::<Vec<_>>() {
            self.emit(Event::Banned(node));
        }
    }

    /// A member said that it leaves for good. Those that cannot hear it now are told so when they are back.
    pub(super) fn has_left(&mut self, node: NodeId, now: Monotonic) {
        if self.peers.get(&node).is_some_and(Peer::has_greeted) && !self.admissions.is_out(node) {
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
        self.admissions.keep_only(node);
        let admission = Admission { node, forgotten: self.table.tick(self.wall), met: HybridTime(0), banned: false };
        self.admissions.take(admission);
    }

    /// Two nodes meet because an operator said so: from now on both are in.
    pub(super) fn let_in(&mut self, node: NodeId, now: Monotonic) {
        // Meeting one member of a cluster that was left is meeting all of it.
        self.barred.clear();
        let barred: Vec<NodeId> = self.membership.barred().collect();
        for barred in barred.into_iter().filter(|barred| !self.admissions.is_out(*barred)) {
            self.membership.allow(barred);
        }
        self.doubt.met_somebody();
        let met = self.table.tick(self.wall);
        let met = |node| Admission { node, forgotten: HybridTime(0), met, banned: false };
        self.rule(met(node), now);
        if self.admissions.is_out(self.own.node) {
            self.rule(met(self.own.node), now);
        }
    }

    fn rule(&mut self, admission: Admission, now: Monotonic) {
        self.apply(admission, now);
        self.keep_out();
        self.pass_on(&[admission.node], None);
    }

    /// Takes what a peer has heard of who is in and who is out.
    pub(super) fn take_admissions(&mut self, from: NodeId, admissions: &[Admission], now: Monotonic) {
        let mut news = Vec::new();
        let parted = self.parted_at();
        if let Some(peer) = self.peers.get_mut(&from).filter(|_| parted > HybridTime(0)) {
            let is_it = |admission: &Admission| admission.node == self.own.node && admission.forgotten >= parted;
            peer.parting_known.note_says(admissions.iter().any(is_it));
        }
        for admission in admissions {
            let known = self.admissions.of(admission.node).map_or(HybridTime(0), |known| known.forgotten);
            let is_own = admission.node == self.own.node;
            if is_own && admission.forgotten > known {
                // Meanwhile they gave up what this node may still hold.
                self.part_from(from);
                self.ask_commit(now);
            } else if admission.forgotten > known {
                self.doubt_stranger(from);
            }
            if self.apply(*admission, now) {
                news.push(admission.node);
            }
        }
        if !news.is_empty() {
            self.keep_out();
            self.pass_on(&news, Some(from));
        }
    }

    /// Tells a peer on a new link all that is known.
    pub(super) fn send_admissions_to(&mut self, to: NodeId) {
        let all: Vec<Admission> = self.admissions.iter().copied().collect();
        if !all.is_empty() {
            self.message(to, Message::encode_admissions(&all));
            self.send_bans(to, &all);
            self.note_told_of_parting(to, true);
        }
    }

    /// In a message of their own, which older nodes pass over.
    fn send_bans(&mut self, to: NodeId, admissions: &[Admission]) {
        let banned: Vec<NodeId> =
            admissions.iter().filter(|admission| admission.banned).map(|admission| admission.node).collect();
        if !banned.is_empty() {
            self.message(to, Message::encode_bans(&banned));
        }
    }

    /// When this node was last forgotten, or left; zero for never.
    pub(super) fn parted_at(&self) -> HybridTime {
        self.admissions.of(self.own.node).map_or(HybridTime(0), |own| own.forgotten)
    }

    fn note_told_of_parting(&mut self, peer: NodeId, is_greeting: bool) {
        if self.parted_at() > HybridTime(0)
            && let Some(peer) = self.peers.get_mut(&peer)
        {
            peer.parting_known.note_told(is_greeting);
        }
    }

    /// Answers whether it was news.
    fn apply(&mut self, admission: Admission, now: Monotonic) -> bool {
        self.table.observe(admission.latest());
        if !self.admissions.take(admission) {
            return false;
        }
        let node = admission.node;
        if node == self.own.node {
            return true;
        }
        if self.admissions.is_out(node) {
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
        let Some(peer) = self.peers.get_mut(&node) else { return };
        let (is_member, stranger) = (peer.has_greeted(), peer.take_greeting(now));
        if is_member || stranger.is_none() {
            self.emit(Event::Forgotten(node));
            self.drop_peer(node, CloseCause::Forgotten);
        }
        if let Some(stranger) = stranger {
            // Perhaps somebody has said to meet it, later than what has just been heard: that is in its greeting.
            self.peers.insert(node, stranger);
        }
        self.remember_members();
    }

    /// Takes a node out of the members, and closes the link to it if there is one.
    pub(super) fn drop_peer(&mut self, node: NodeId, cause: CloseCause) {
        let Some(dropped) = self.peers.remove(&node) else { return };
        self.serving.remove(&node);
        self.keeping.forget_link(node);
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
        // A process that does not know this might bring back what that one gives up.
        self.ask_commit(now);
        if let Err(error) = self.membership.forget(node, now) {
            self.emit(Event::Membership(error.to_string()));
        }
        // It is not barred: perhaps it has only not heard yet that this node was met again, and will dial when it has.
        self.drop_peer(node, CloseCause::Left);
        self.remember_members();
    }

    /// What this node holds may have been given up by that one from now on.
    pub(super) fn part_from(&mut self, node: NodeId) {
        self.doubt.part_from(node);
        for peer in self.peers.values_mut() {
            // It may be of that cluster, and have given up things, too.
            peer.was_caught_up_with = false;
            peer.parting_known = PartingKnown::Unknown;
        }
        // Before anybody hears from here that this node is out: they may have from it what that one gives up.
        self.send_partings_to(&self.linked());
        self.members_changed();
    }

    fn pass_on(&mut self, news: &[NodeId], but: Option<NodeId>) {
        let news: Vec<Admission> = news.iter().filter_map(|node| self.admissions.of(*node)).collect();
        let linked: Vec<NodeId> = self.peers.values().filter(|peer| peer.is_linked()).map(|peer| peer.id).collect();
        for peer in linked.into_iter().filter(|peer| Some(*peer) != but) {
            self.message(peer, Message::encode_admissions(&news));
            self.send_bans(peer, &news);
            if news.iter().any(|admission| admission.node == self.own.node) {
                self.note_told_of_parting(peer, false);
            }
        }
    }

    /// Has it remembered across restarts who is kept out.
    pub(super) fn keep_out(&mut self) {
        let admissions = self.admissions.iter().copied().collect();
        self.outputs.push_back(Output::KeepOut { barred: self.barred.clone(), admissions });
    }

    /// Tells a new membership who is kept out.
    pub(super) fn bar_again(&mut self) {
        let out = self.admissions.iter().filter(|admission| admission.is_out()).map(|admission| admission.node);
        let all: Vec<NodeId> = self.barred.iter().copied().chain(out).filter(|node| *node != self.own.node).collect();
        for node in all {
            if let Err(error) = self.membership.bar(node) {
                self.emit(Event::Membership(error.to_string()));
            }
        }
    }
}
