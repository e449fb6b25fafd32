//! What the nodes want done, and the packets that come of it.

use crate::world::{Event, OnlyIf, Witness, World};
use bytes::Bytes;
use discnt::base::{Incarnation, NodeId};
use discnt::node::{CloseCause, DialNumber, Input, LinkCounts, LinkEnd, Output, RequestNumber};
use discnt::wire::{LinkProtocol, Message, MessageKind, ProtocolVersions, SOFTWARE_VERSION};
use std::cmp::Reverse;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

const LONGEST_DATAGRAM: usize = 1162;
/// A silent loss is found out within this many milliseconds.
const LATEST_DETECTION: u64 = 4000;
/// Of so many datagrams and messages one is checked.
const SAID_FOR_A_CHECK: u64 = 61;

impl World {
    /// Does what a node wants done.
    pub(crate) fn carry_out(&mut self, at: usize) {
        self.hosts[at].deadline = None;
        while let Some(output) = self.hosts[at].node.poll_output() {
            match output {
                Output::Datagram { to, bytes } => self.send_datagram(at, to, &bytes),
                Output::Message { to, bytes, wants_sent } => self.send_message(at, to, &bytes, wants_sent),
                Output::Dial { dial, host, .. } => {
                    let to = host.parse().unwrap_or_else(|_| panic!("{host:?} is no node of this world"));
                    let life = self.hosts[at].life;
                    self.post(Duration::from_millis(2), Event::Dial { from: at, life, dial: dial.0, to });
                }
                Output::Remember(members) => self.hosts[at].members = members,
                Output::KeepOut { barred, admissions } => {
                    (self.hosts[at].barred, self.hosts[at].admissions) = (barred, admissions)
                }
                Output::Close { peer, cause } => self.close(at, peer, cause),
                Output::NewIdentity => self.rebirth(at),
                Output::NewIncarnation(heard) => self.begin_incarnation(at, heard.0),
                Output::CommitNow => self.commit(at),
                Output::Answer { result: Err(_), request: RequestNumber(2) } => panic!("node {at} could not be reset"),
                Output::Confirmed { request, here, members } => {
                    self.hosts[at].confirmed = Some((here, members));
                    self.hosts[at].confirmations.push((request.0, here, members));
                }
                Output::Answer { .. } | Output::Event(_) => {}
            }
        }
        self.commit_if_asked_early(at);
    }

    pub(crate) fn post(&mut self, after: Duration, event: Event) {
        self.sequence += 1;
        self.queue.push(Reverse((self.now.after(after), self.sequence, event)));
    }

    /// Where the node with this id runs; none for an id that was given up.
    fn index(&self, id: NodeId) -> Option<usize> {
        let at = usize::from(id.as_bytes()[0]).checked_sub(1)?;
        self.hosts.get(at).is_some_and(|host| host.id == id).then_some(at)
    }

    fn send_datagram(&mut self, from: usize, to: NodeId, bytes: &Bytes) {
        let Some(to) = self.index(to) else { return };
        let Some(link) = self.links.view(from, to) else { return };
        assert!(bytes.len() <= LONGEST_DATAGRAM, "a datagram of {} bytes", bytes.len());
        self.check_grammar(bytes);
        let copies = 1 + u64::from(self.random.unit() < 0.1);
        for _ in 0..copies {
            if self.random.unit() >= self.loss {
                // Each takes its own time, so they overtake each other.
                let after = Duration::from_micros(self.random.between(200, self.slowest));
                self.post(after, Event::Datagram { to, from, link, bytes: bytes.clone() });
            }
        }
    }

    /// One in a few is held against what the first version of the protocol takes.
    fn check_grammar(&mut self, bytes: &[u8]) {
        self.said += 1;
        let is_of_the_first = MessageKind::of(bytes).is_some_and(|kind| kind.since().0 == 1);
        if self.said.is_multiple_of(SAID_FOR_A_CHECK) && is_of_the_first {
            crate::grammar::check(bytes).unwrap_or_else(|error| panic!("{error}: {bytes:02x?}"));
        }
    }

    fn send_message(&mut self, from: usize, to: NodeId, bytes: &[u8], wants_sent: bool) {
        let Some(to) = self.index(to) else { return };
        let Some(link) = self.links.view(from, to) else { return };
        self.check_grammar(bytes);
        match Message::decode(bytes) {
            Ok(Message::Pull(_)) => self.pulls += 1,
            Ok(Message::RepairItems(_, sent)) => self.repair_items += sent.items.len() as u64,
            _ => {}
        }
        let after = Duration::from_micros(self.random.between(300, 20_000));
        let arrival = self.now.after(after).max(self.last_arrival[from][to]);
        self.last_arrival[from][to] = arrival;
        self.links.push(from, to, bytes.to_vec());
        self.post(arrival.since(self.now), Event::Stream { to, from, link });
        if wants_sent {
            self.post(Duration::from_millis(1), Event::Sent { at: from, to, link });
        }
    }

    pub(crate) fn dial(&mut self, from: usize, dial: DialNumber, to: usize, witness: &mut dyn Witness) {
        if self.links.is_cut(from, to) || self.is_paused(to) || from == to || self.is_banned_between(from, to) {
            self.input(
                from,
                Input::DialFailed { dial, reason: "no answer".to_owned(), is_incompatible: false },
                witness,
            );
            return;
        }
        let (from_id, to_id) = (self.hosts[from].id, self.hosts[to].id);
        if self.links.view(from, to).is_some() {
            self.input(from, Input::AlreadyLinked { dial, peer: to_id }, witness);
            return;
        }
        if let Some(stale) = self.links.view(to, from) {
            self.lose(to, from, stale, LinkEnd::Lost("replaced".to_owned()));
        }
        let link = self.links.join(from, to);
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let protocol =
            || LinkProtocol { version: ProtocolVersions::SPOKEN.newest(), software: SOFTWARE_VERSION.to_owned() };
        self.input(from, Input::LinkUp { peer: to_id, address, dial: Some(dial), protocol: protocol() }, witness);
        self.input(to, Input::LinkUp { peer: from_id, address, dial: None, protocol: protocol() }, witness);
        for (at, other, peer) in [(from, to, to_id), (to, from, from_id)] {
            if self.links.view(at, other) == Some(link) {
                let round_trip = Duration::from_millis(2);
                let figures = Input::LinkFigures {
                    peer,
                    round_trip,
                    max_datagram_bytes: LONGEST_DATAGRAM,
                    counts: LinkCounts::default(),
                };
                self.input(at, figures, witness);
            }
        }
    }

    /// Whether one of the two lets no handshake with the other's key through.
    fn is_banned_between(&self, one: usize, two: usize) -> bool {
        self.has_banned(one, two) || self.has_banned(two, one)
    }

    fn close(&mut self, at: usize, peer: NodeId, cause: CloseCause) {
        let Some(to) = self.index(peer) else { return };
        let Some(link) = self.links.view(at, to) else { return };
        self.links.lose(at, to, link);
        let moment = self.moment(at);
        self.hosts[at].node.handle(Input::LinkDown { peer, end: LinkEnd::Closed }, moment);
        if self.links.view(to, at) == Some(link) {
            let end = match cause {
                _ if self.links.is_cut(at, to) => LinkEnd::Lost("closed".to_owned()),
                CloseCause::Left => LinkEnd::Left,
                CloseCause::Forgotten => LinkEnd::Forgotten,
                CloseCause::Twin(text) => LinkEnd::Twin(text),
                CloseCause::Anew(text) => LinkEnd::Anew(text.to_owned()),
                CloseCause::Stranger | CloseCause::Full => LinkEnd::Lost("closed".to_owned()),
            };
            self.lose(to, at, link, end);
        }
    }

    /// A new key, so a new id.
    fn rebirth(&mut self, at: usize) {
        let host = &mut self.hosts[at];
        let mut bytes = *host.id.as_bytes();
        bytes[19] = bytes[19].wrapping_add(0x40);
        (host.id, host.incarnation) = (NodeId::new(bytes), host.incarnation + 1);
        let (node, incarnation) = (host.id, Incarnation(host.incarnation));
        let moment = self.moment(at);
        self.hosts[at].node.handle(Input::Reborn { node, incarnation }, moment);
        if self.hosts[at].disk.is_some() {
            // What is on disk belongs to the node that its key says.
            self.write_all(at);
        }
    }

    /// The node takes another incarnation.
    fn begin_incarnation(&mut self, at: usize, heard: u64) {
        let host = &mut self.hosts[at];
        host.incarnation = host.incarnation.max(heard) + 1;
        let (node, incarnation) = (host.id, Incarnation(host.incarnation));
        let moment = self.moment(at);
        self.hosts[at].node.handle(Input::Reborn { node, incarnation }, moment);
    }

    /// `at` finds out that its link with `peer` is gone: at once, or some time later (if it suffers still then).
    pub(crate) fn notice_loss(&mut self, at: usize, peer: usize, at_once: bool, only_if: OnlyIf) {
        let Some(link) = self.links.view(at, peer) else { return };
        if at_once {
            self.lose(at, peer, link, LinkEnd::Lost("cut".to_owned()));
        } else {
            let after = Duration::from_millis(self.random.below(LATEST_DETECTION));
            self.post(after, Event::Lost { at, peer, link, only_if });
        }
    }

    pub(crate) fn lose(&mut self, at: usize, peer: usize, link: u64, end: LinkEnd) {
        if self.hosts[at].is_down {
            return;
        }
        if self.is_paused(at) {
            self.hosts[at].parked.push(Event::Lost { at, peer, link, only_if: OnlyIf::Always });
            return;
        }
        if !self.links.lose(at, peer, link) {
            return;
        }
        let moment = self.moment(at);
        let id = self.hosts[peer].id;
        self.hosts[at].node.handle(Input::LinkDown { peer: id, end }, moment);
        self.carry_out(at);
        // What one side gives up the other finds out about sooner or later.
        if self.links.view(peer, at) == Some(link) {
            let after = Duration::from_millis(self.random.below(LATEST_DETECTION));
            self.post(after, Event::Lost { at: peer, peer: at, link, only_if: OnlyIf::Always });
        }
    }

    /// What happens to a stopped process waits until it goes on, but for most datagrams, which nobody keeps for so long.
    pub(crate) fn unless_paused(&mut self, event: Event) -> Option<Event> {
        let who = match &event {
            Event::Datagram { to, .. } | Event::Stream { to, .. } => *to,
            Event::Sent { at, .. } | Event::Lost { at, .. } | Event::Resume { at } => *at,
            Event::Dial { from, .. } | Event::Meet { from, .. } => *from,
            Event::CommitTimer { at, .. } | Event::CommitAgain { at, .. } | Event::Written { at, .. } => *at,
            Event::Boot { .. } => return Some(event),
        };
        if self.hosts[who].is_down {
            return None;
        }
        if !self.is_paused(who) {
            return Some(event);
        }
        let is_kept = match event {
            Event::Resume { .. } => false,
            Event::Datagram { .. } => self.random.unit() < 0.2,
            _ => true,
        };
        if is_kept {
            self.hosts[who].parked.push(event);
        }
        None
    }

    /// Whether the node's process is stopped.
    pub(crate) fn is_paused(&self, at: usize) -> bool {
        self.hosts[at].is_down || self.hosts[at].paused_until > self.now
    }
}
