//! Links and members: who is dialled and when, the greeting, meeting.

use super::event::Event;
use super::input::{CloseCause, DialNumber, LinkEnd, Output, RequestNumber};
use super::machine::Node;
use super::peer::{Link, Peer};
use super::pulling::Pulling;
use super::view::{ClusterView, LinkView, MemberView};
use crate::base::{MAX_PEERS, Monotonic, NodeId, ReplicaId};
use crate::membership::{MemberIdentity, Output as News};
use crate::wire::{Hello, LinkProtocol, Message, encode_membership};
use std::net::IpAddr;
use std::time::Duration;

/// Every QUIC path carries datagrams of this many bytes; the true figure comes with the first [`super::Input::LinkFigures`].
const FIRST_DATAGRAM_BYTES: usize = 1100;
/// Of two nodes that hear of each other at once, the one with the larger id waits this long before it dials.
const SECOND_DIALLER_WAITS: Duration = Duration::from_millis(300);

impl Node {
    pub(super) fn link_up(
        &mut self,
        peer: NodeId,
        address: IpAddr,
        dial: Option<DialNumber>,
        protocol: LinkProtocol,
        now: Monotonic,
    ) {
        let request = dial.and_then(|dial| self.meetings.remove(&dial));
        let met = request.is_some();
        let wanted = dial.and_then(|dial| self.end_dial(dial, now));
        if dial.is_some() && !met && wanted != Some(peer) && !self.peers.contains_key(&peer) {
            // Who answers where a member was is not that member, and only a MEET makes members.
            self.emit(Event::Stranger { peer, wanted });
            self.outputs.push_back(Output::Close { peer, cause: CloseCause::Stranger });
            return;
        }
        if !self.peers.contains_key(&peer) && self.peers.len() >= MAX_PEERS {
            self.answer(request, Err(format!("this cluster has {MAX_PEERS} other members, which is the most")));
            self.outputs.push_back(Output::Close { peer, cause: CloseCause::Full });
            return;
        }
        // Whether a stranger becomes a member is decided by its greeting.
        let entry = self.peers.entry(peer).or_insert_with(|| Peer::new(peer, now));
        entry.seen_at = Some(address);
        self.keeping.forget_link(peer);
        entry.is_incompatible = false;
        let link = Link { meeting: request, met, protocol, ..Link::new(now, FIRST_DATAGRAM_BYTES) };
        let before = entry.link.replace(link).and_then(|before| before.meeting);
        entry.dialling = None;
        entry.last_heard = Some(now);
        self.answer(before, Err("the link was made again before the other node had greeted".to_owned()));
        if dial.is_some() {
            // Whoever was dialled answers to a greeting by its own once it takes this node in, and by a close if not.
            self.greet(peer);
        }
        self.members_changed();
    }

    fn greet(&mut self, peer: NodeId) {
        let Some(entry) = self.peers.get_mut(&peer) else { return };
        let Some(link) = entry.link.as_mut().filter(|link| !link.greeted) else { return };
        link.greeted = true;
        let hello = Hello {
            incarnation: self.own.incarnation,
            host: self.settings.host.clone(),
            client_port: self.settings.client_port,
            mesh_port: self.settings.mesh_port,
            meet: link.met,
            you: entry.seen_at.map_or_else(String::new, |seen| seen.to_string()),
            instance: self.instance,
            default_precision: self.settings.counters.default_precision,
            drawn_before: self.drawn_before,
            labels: self.settings.labels.clone(),
        };
        let version = link.protocol.version;
        self.message(peer, Message::encode_hello(&hello, version));
    }

    pub(super) fn link_down(&mut self, peer: NodeId, end: &LinkEnd, now: Monotonic) {
        self.serving.remove(&peer);
        self.keeping.forget_link(peer);
        self.membership.link_down(peer);
        self.abandon_pull_from(peer);
        let spread = self.spread();
        let Some(entry) = self.peers.get_mut(&peer) else { return };
        let link = entry.link.take();
        entry.back_off(now, spread);
        entry.following.note_link_lost();
        entry.parting_known.note_says(false);
        let (is_member, host, port) = (entry.has_greeted(), entry.address(), entry.mesh_port);
        match link.and_then(|link| Some((link.meeting?, link.met_late))) {
            Some((request, true)) if is_member => self.meet(request, host, port),
            Some((request, _)) => self.answer(Some(request), Err(meeting_failed(end))),
            None => {}
        }
        match end {
            // It came, and went without a greeting: it never was a member.
            _ if !is_member => drop(self.peers.remove(&peer)),
            LinkEnd::Left | LinkEnd::Forgotten if self.is_leaving() => self.heard_of_leaving(peer),
            LinkEnd::Twin(text) => self.told_of_twin(peer, text, now),
            LinkEnd::Left => self.has_left(peer, now),
            LinkEnd::Forgotten => self.forgotten_by(peer, now),
            LinkEnd::Lost(reason) => self.emit(Event::Unlinked { peer, reason: reason.clone() }),
            LinkEnd::Anew(reason) => self.emit(Event::Relinking { peer, reason: reason.clone() }),
            // The membership reports the goodbye of those that it knows.
            LinkEnd::Goodbye if self.membership.said_goodbye(peer, now) => {}
            LinkEnd::Goodbye => self.mark(peer, false, true, Event::SaidGoodbye(peer)),
            // What this side closed it has reported itself.
            LinkEnd::Closed => {}
        }
        self.members_changed();
        self.leave_if_told(now);
    }

    pub(super) fn already_linked(&mut self, dial: DialNumber, peer: NodeId, now: Monotonic) {
        let request = self.meetings.remove(&dial);
        self.end_dial(dial, now);
        let Some(request) = request else { return };
        let link = self.peers.get_mut(&peer).and_then(|peer| peer.link.as_mut());
        let Some(link) = link.filter(|link| link.replica.is_none() && link.meeting.is_none()) else {
            self.let_in(peer, now);
            self.answer(Some(request), Ok(()));
            return;
        };
        // What becomes of that link is not decided yet, and perhaps it was not said on it that somebody wants it.
        (link.met, link.meeting, link.met_late) = (true, Some(request), link.greeted);
    }

    pub(super) fn dial_failed(&mut self, dial: DialNumber, reason: &str, is_incompatible: bool, now: Monotonic) {
        if let Some(request) = self.meetings.remove(&dial) {
            self.answer(Some(request), Err(reason.to_owned()));
            self.emit(Event::MeetFailed { reason: reason.to_owned() });
        }
        match self.end_dial(dial, now) {
            Some(peer) if is_incompatible => self.take_incompatible(peer, reason, now),
            Some(peer) => self.emit(Event::DialFailed { peer, reason: reason.to_owned() }),
            None => {}
        }
    }

    /// The attempt is over, whatever came of it; the member that it was for, if any, is dialled again after a pause.
    fn end_dial(&mut self, dial: DialNumber, now: Monotonic) -> Option<NodeId> {
        let spread = self.spread();
        let entry = self.peers.values_mut().find(|peer| peer.dialling == Some(dial))?;
        entry.dialling = None;
        entry.back_off(now, spread);
        Some(entry.id)
    }

    pub(super) fn answer(&mut self, request: Option<RequestNumber>, result: Result<(), String>) {
        if let Some(request) = request {
            self.outputs.push_back(Output::Answer { request, result });
        }
    }

    /// Dials the members that are not linked and whose time has come.
    pub(super) fn dial_due(&mut self, now: Monotonic) {
        let due: Vec<NodeId> = self
            .peers
            .values()
            .filter(|peer| peer.link.is_none() && peer.dialling.is_none() && peer.redial_at <= now)
            .map(|peer| peer.id)
            .collect();
        for id in due {
            let dial = self.next_dial();
            let spread = self.spread();
            let Some(peer) = self.peers.get_mut(&id) else { continue };
            let (host, port) = (peer.address(), peer.mesh_port);
            if host.is_empty() || port == 0 {
                // Nobody knows where it is; it may know where we are.
                peer.back_off(now, spread);
                continue;
            }
            peer.dialling = Some(dial);
            self.outputs.push_back(Output::Dial { dial, host, port });
        }
    }

    pub(super) fn meet(&mut self, request: RequestNumber, host: String, port: u16) {
        let dial = self.next_dial();
        self.meetings.insert(dial, request);
        self.outputs.push_back(Output::Dial { dial, host, port });
    }

    /// Takes a peer's greeting, which makes it a member unless it is kept out.
    pub(super) fn take_hello(&mut self, from: NodeId, hello: &Hello, now: Monotonic) {
        let Some(link) = self.peers.get(&from).and_then(|peer| peer.link.as_ref()) else { return };
        let meets = hello.meet || link.met;
        if self.is_refused_as_twin(from, hello, now) {
            return;
        }
        if meets {
            self.let_in(from, now);
        } else if let Some(cause) = self.reason_to_keep_out(from) {
            self.emit(Event::KeptOut(from));
            self.drop_peer(from, cause);
            return;
        }
        self.greet(from);
        self.learn_own_address(&hello.you, now);
        let replica = ReplicaId { node: from, incarnation: hello.incarnation };
        let Some(index) = self.enter(replica) else { return };
        let Some(peer) = self.peers.get_mut(&from) else { return };
        peer.set_address(&hello.host, hello.client_port, hello.mesh_port);
        let (host, port) = (peer.address(), peer.mesh_port);
        let Some(link) = &mut peer.link else { return };
        link.replica = Some((index, hello.incarnation));
        link.was_untold = !self.has_told;
        let (meeting, protocol) = (link.meeting.take(), link.protocol.clone());
        // Not before: one that takes links and closes them, as while it loads, is not to be dialled ten times a second.
        peer.reset_pause();
        if peer.greeted(index, hello) {
            // Its counters have other places now, and what it foresaw before holds no more.
            self.sequence_of(index).places = None;
            self.table.progress().set_void(index, hello.drawn_before);
            // What it vouched for rested on that.
            self.table.progress().update_standings(|standings| {
                let member = standings.members.iter_mut().find(|member| member.node == from);
                member.map(|member| member.told.take())
            });
        }
        let labels = hello.labels.clone();
        self.emit(Event::Linked { peer: from, host, port, protocol, labels });
        self.membership.allow(from);
        self.membership.link_up(from, now);
        self.refresh_standings(now);
        self.send_heartbeat_to(&[from], now);
        // In this order: whoever hears that this node was forgotten must know by then by whom.
        self.send_partings_to(&[from]);
        self.send_admissions_to(from);
        self.send_first_digest(from, now);
        self.ask_for_predictions(from);
        self.remember_members();
        self.answer(meeting, Ok(()));
    }

    fn reason_to_keep_out(&self, node: NodeId) -> Option<CloseCause> {
        if self.admissions.is_out(node) {
            Some(CloseCause::Forgotten)
        } else {
            self.barred.contains(&node).then_some(CloseCause::Left)
        }
    }

    /// A node that is bound to all addresses is where its peers see it. What a peer on this very machine sees holds only
    /// until one on another machine says better.
    fn learn_own_address(&mut self, seen: &str, now: Monotonic) {
        let is_loopback = |host: &str| host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        let is_open = self.learns_address && (self.settings.host.is_empty() || is_loopback(&self.settings.host));
        if !is_open || seen.is_empty() || seen == self.settings.host {
            return;
        }
        let (client_port, mesh_port) = (self.settings.client_port, self.settings.mesh_port);
        match self.membership.set_address(seen.to_owned(), client_port, mesh_port, now) {
            Ok(()) => seen.clone_into(&mut self.settings.host),
            Err(error) => self.emit(Event::Membership(error.to_string())),
        }
    }

    /// Carries out what the membership wants and has found out.
    pub(super) fn drain_membership(&mut self, now: Monotonic) {
        while let Some(news) = self.membership.poll_output() {
            match news {
                News::Send { to, bytes } => self.datagram(to, encode_membership(&bytes).into()),
                News::Up(identity) => self.member_is_there(&identity, now),
                News::Changed(identity) => self.member_is_there(&identity, now),
                News::Suspected(node) => self.mark(node, true, false, Event::Suspected(node)),
                News::Cleared(node) => self.mark(node, false, false, Event::Recovered(node)),
                News::Down(node) => self.mark(node, false, true, Event::Failed(node)),
                News::Left(node) => {
                    if let Some(peer) = self.peers.get_mut(&node) {
                        peer.twins.said_goodbye();
                    }
                    self.mark(node, false, true, Event::SaidGoodbye(node));
                }
                News::Renewed(_) => {}
                News::Defunct => self.emit(Event::Membership("this node is held for failed for good".to_owned())),
                News::Trouble(error) => self.emit(Event::Membership(error.to_string())),
            }
        }
    }

    fn member_is_there(&mut self, identity: &MemberIdentity, now: Monotonic) {
        let id = identity.node;
        if id == self.own.node || self.barred.contains(&id) || self.admissions.is_out(id) {
            return;
        }
        let is_new = !self.peers.contains_key(&id);
        if is_new && self.peers.len() >= MAX_PEERS {
            return;
        }
        let wait = if self.own.node < id { Duration::ZERO } else { SECOND_DIALLER_WAITS };
        let peer = self.peers.entry(id).or_insert_with(|| Peer::new(id, now.after(wait)));
        let was_away = peer.failed || peer.suspected;
        (peer.failed, peer.suspected) = (false, false);
        let moved = peer.set_identity(identity);
        if was_away {
            peer.redial_at = peer.redial_at.min(now.after(wait));
            self.emit(Event::Recovered(id));
        }
        if is_new {
            self.emit(Event::Joined(id));
        }
        if is_new || moved {
            self.remember_members();
        }
        self.members_changed();
    }

    fn mark(&mut self, node: NodeId, suspected: bool, failed: bool, event: Event) {
        if let Some(peer) = self.peers.get_mut(&node) {
            (peer.suspected, peer.failed) = (suspected, failed);
            self.emit(event);
            self.members_changed();
        }
    }

    /// Tells the keeper of the data directory who the members are, and splits precision over them.
    pub(super) fn remember_members(&mut self) {
        // After a restart a stranger would be waited for, and nobody would know where it is.
        let known = self.peers.values().filter(|peer| peer.has_greeted()).map(Peer::to_known).collect();
        self.outputs.push_back(Output::Remember(known));
        self.members_changed();
    }

    pub(super) fn publish_view(&mut self, now: Monotonic) {
        self.refresh_standings(now);
        self.table.set_members(u32::try_from(self.peers.len()).unwrap_or(u32::MAX).saturating_add(1));
        let own = &self.settings;
        let myself = MemberView {
            incarnation: Some(self.own.incarnation),
            labels: own.labels.clone(),
            ..MemberView::myself(self.own.node, own.host.clone(), own.client_port, own.mesh_port)
        };
        let others = self.peers.values().map(|peer| MemberView {
            id: peer.id,
            myself: false,
            host: peer.address(),
            client_port: peer.client_port,
            mesh_port: peer.mesh_port,
            link: match &peer.link {
                Some(link) if link.replica.is_some() => LinkView::Linked,
                Some(_) => LinkView::Handshake,
                None => LinkView::Unlinked,
            },
            suspected: peer.suspected,
            failed: peer.failed,
            linked_since: peer.link.as_ref().map(|link| link.since),
            last_heard: peer.last_heard,
            round_trip: peer.link.as_ref().map(|link| link.round_trip),
            incarnation: peer.link.as_ref().and_then(|link| Some(link.replica?.1)),
            protocol: peer.link.as_ref().map(|link| link.protocol.clone()),
            is_incompatible: peer.is_incompatible,
            labels: peer.labels.clone(),
            link_counts: peer.link.as_ref().and_then(|link| link.counts),
            lag_records: self.lag_behind(peer),
        });
        let digest = |peer: &Peer| Some((peer.id, peer.link.as_ref()?.digest.clone()?));
        let digests = self.peers.values().filter_map(digest).collect();
        let members = std::iter::once(myself).chain(others).collect();
        self.state.publish(ClusterView {
            members,
            replicas_known: self.registry.len(),
            digests,
            catching_up: self.is_in_doubt() || self.is_catching_up(),
            repair: self.pulling.as_ref().map(Pulling::view),
        });
    }
}

/// Why a MEET came to nothing though the other node was reached.
fn meeting_failed(end: &LinkEnd) -> String {
    match end {
        LinkEnd::Lost(reason) => format!("the link broke before the other node had greeted: {reason}"),
        LinkEnd::Goodbye => "the other node is shutting down".to_owned(),
        LinkEnd::Left => "the other node has just left a cluster; try again".to_owned(),
        LinkEnd::Forgotten => "the other node keeps this one out".to_owned(),
        LinkEnd::Twin(text) => text.clone(),
        LinkEnd::Anew(text) => format!("the other node cannot take it at this moment: {text}; try again"),
        LinkEnd::Closed => "the link was closed before the other node had greeted".to_owned(),
    }
}
