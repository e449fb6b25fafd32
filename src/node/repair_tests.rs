//! What a node asks for and what it answers, message by message.

use super::*;
use crate::base::{
    Amount, Durability, HybridTime, Incarnation, Labels, Moment, Monotonic, Name, NodeId, ReplicaId, Total, WallMillis,
};
use crate::counter::{Precision, Share};
use crate::replication::Config as ReplicationConfig;
use crate::wire::{
    AssignmentBody, DigestLine, HeldLine, Hello, LinkProtocol, Message, Observed, Packed, ProtocolVersions, PullLine,
    Record, RecordPacker, RepairItem, RepairItems, RepairKind, RepairWriter,
};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

fn id(node: u8) -> NodeId {
    NodeId::new([node; 20])
}

fn replica(node: u8) -> ReplicaId {
    ReplicaId { node: id(node), incarnation: Incarnation(1) }
}

fn name(text: &str) -> Name<'_> {
    Name::new(text.as_bytes()).expect("short")
}

/// What a peer was sent, as far as it concerns repair.
#[derive(Debug, PartialEq)]
enum Said {
    Pull(Vec<PullLine>),
    Begin(u64),
    /// Counter and number.
    Item(String, u64),
    End(Vec<HeldLine>),
}

/// A node with peers that are played by the test.
struct Bench {
    node: Node,
    now: Monotonic,
}

impl Bench {
    fn new(backlog_numbers: usize) -> Self {
        Self::with(backlog_numbers, crate::counter::Config::default())
    }

    fn with(backlog_numbers: usize, counters: crate::counter::Config) -> Self {
        let now = Monotonic::from_nanos(1_000_000_000);
        let settings = NodeSettings {
            node: id(1),
            incarnation: Incarnation(1),
            durability: Durability::Memory,
            start: Start::Fresh,
            reserved: 0,
            host: "1".to_owned(),
            client_port: 1,
            mesh_port: 1,
            labels: Default::default(),
            counters,
            cluster: crate::membership::Config::default(),
            replication: ReplicationConfig { backlog_numbers },
            members: Vec::new(),
            barred: Vec::new(),
            admissions: Vec::new(),
            hash_seeds: [1, 2, 3, 4],
            seed: 5,
            wake: Box::new(|| ()),
        };
        Self { node: Node::new(settings, now).expect("the settings are in range"), now }
    }

    fn moment(&self) -> Moment {
        Moment { monotonic: self.now, wall: WallMillis(1_700_000_000_000) }
    }

    fn hear(&mut self, from: u8, bytes: &[u8]) {
        let moment = self.moment();
        self.node.handle(Input::Message { from: id(from), bytes }, moment);
    }

    fn link(&mut self, peer: u8) {
        let moment = self.moment();
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let protocol = LinkProtocol { version: ProtocolVersions::SPOKEN.newest(), software: String::new() };
        self.node.handle(Input::LinkUp { peer: id(peer), address, dial: None, protocol }, moment);
        let hello = Hello {
            incarnation: Incarnation(1),
            host: peer.to_string(),
            client_port: 1,
            mesh_port: 1,
            meet: true,
            you: "1".to_owned(),
            instance: u64::from(peer),
            default_precision: Precision::ONE,
            drawn_before: 0,
            labels: Labels::default(),
        };
        self.hear(peer, &Message::encode_hello(&hello, ProtocolVersions::SPOKEN.newest()));
    }

    fn digest(&mut self, from: u8, lines: &[(u8, u64)]) {
        let lines: Vec<(u8, u64, u64)> = lines.iter().map(|(node, number)| (*node, *number, 0)).collect();
        self.digest_beyond(from, &lines);
    }

    fn digest_beyond(&mut self, from: u8, lines: &[(u8, u64, u64)]) {
        let line = |(node, number, beyond): &(u8, u64, u64)| DigestLine {
            replica: replica(*node),
            received: *number,
            durable: *number,
            beyond: *beyond,
        };
        let lines: Vec<DigestLine> = lines.iter().map(line).collect();
        self.hear(from, &Message::encode_digest(0, &lines));
    }

    fn wait(&mut self, milliseconds: u64) {
        self.now = self.now.after(Duration::from_millis(milliseconds));
        self.node.tick(self.moment());
    }

    /// What a peer was sent since this was asked last. What the others were sent is gone.
    fn said_to(&mut self, peer: u8) -> Vec<Said> {
        let mut said = Vec::new();
        while let Some(output) = self.node.poll_output() {
            let Output::Message { to, bytes, wants_sent } = output else { continue };
            if to == id(peer) {
                match Message::decode(&bytes).expect("what a node says is understood") {
                    Message::Pull(lines) => said.push(Said::Pull(lines)),
                    Message::RepairBegin(items) => said.push(Said::Begin(items)),
                    Message::RepairItems(_, RepairItems { items, .. }) => {
                        let item = |item: &RepairItem<'_>| {
                            Said::Item(String::from_utf8_lossy(item.name.as_bytes()).into_owned(), item.number)
                        };
                        said.extend(items.iter().map(item));
                    }
                    Message::RepairEnd(_, lines) => said.push(Said::End(lines)),
                    _ => {}
                }
            }
            if wants_sent {
                let moment = self.moment();
                self.node.handle(Input::Sent { to }, moment);
            }
        }
        said
    }

    fn add(&mut self, counter: &str) {
        self.node.table().increment(name(counter), Amount::ONE, self.now).expect("in range");
        // The first tick sees the news, the second sends it: every counter gets a flush of its own.
        self.wait(5);
        self.wait(5);
    }

    /// A peer asks for what this node's replica said.
    fn pull(&mut self, from: u8, contiguous: u64, ranges: &[(u64, u64)], until: u64) -> Vec<Said> {
        self.said_to(from);
        let line = PullLine { held: held(1, contiguous, ranges), until };
        self.hear(from, &Message::encode_pull(&[line]));
        self.said_to(from)
    }
}

fn held(node: u8, contiguous: u64, ranges: &[(u64, u64)]) -> HeldLine {
    HeldLine { replica: replica(node), contiguous, ranges: ranges.to_vec() }
}

fn item(counter: &str, number: u64) -> Said {
    Said::Item(counter.to_owned(), number)
}

/// The share of a counter called `a`, born under its number.
fn share(node: u8, number: u64) -> RepairItem<'static> {
    let kind = RepairKind::Share {
        location: None,
        born: number,
        total: Total::from_units(Amount::ONE.units()),
        rate: 0.0,
        age: Duration::ZERO,
        whole: false,
    };
    RepairItem { name: name("a"), replica: replica(node), number, kind }
}

/// Five counters under the numbers 1 to 5.
fn five(backlog_numbers: usize) -> Bench {
    let mut bench = Bench::new(backlog_numbers);
    bench.link(2);
    for counter in ["a", "b", "c", "d", "e"] {
        bench.add(counter);
    }
    bench
}

#[test]
fn what_the_peer_has_is_not_sent_again() {
    // By the backlog, and by a walk.
    for backlog_numbers in [100, 0] {
        let mut bench = five(backlog_numbers);
        let said = bench.pull(2, 1, &[(3, 3), (5, 5)], u64::MAX);
        assert!(matches!(said.first(), Some(Said::Begin(2))), "{said:?}");
        assert!(said.contains(&item("b", 2)) && said.contains(&item("d", 4)), "{said:?}");
        assert_eq!((said.len(), said.last()), (4, Some(&Said::End(vec![held(1, 5, &[])]))));
        let said = bench.pull(2, 5, &[], u64::MAX);
        assert_eq!(said, [Said::Begin(0), Said::End(vec![held(1, 5, &[])])]);
    }
}

#[test]
fn what_is_on_its_way_is_neither_sent_nor_claimed() {
    let mut bench = five(100);
    let said = bench.pull(2, 1, &[], 3);
    assert!(said.contains(&item("b", 2)) && said.contains(&item("c", 3)), "{said:?}");
    assert_eq!((said.len(), said.last()), (4, Some(&Said::End(vec![held(1, 3, &[])]))));
    let said = bench.pull(2, 1, &[], 0);
    assert_eq!(said, [Said::Begin(0), Said::End(Vec::new())], "nothing was asked for");
}

#[test]
fn what_has_moved_on_is_sent_as_it_is_now() {
    let mut bench = five(100);
    bench.add("b");
    // The peer lacks only what b was at first; that is in what b is now.
    let said = bench.pull(2, 1, &[(3, 5)], 5);
    assert_eq!(said, [Said::Begin(1), item("b", 6), Said::End(vec![held(1, 5, &[])])]);
    let said = bench.pull(2, 1, &[(3, 6)], 5);
    assert_eq!(said, [Said::Begin(1), Said::End(vec![held(1, 5, &[])])], "which the peer has");
}

#[test]
fn it_asks_the_owner_for_what_is_said_to_be_there_and_others_when_the_owner_is_silent() {
    let mut bench = Bench::new(100);
    bench.link(2);
    bench.link(3);
    bench.said_to(2);
    bench.digest(2, &[(2, 0)]);
    bench.digest(3, &[(3, 0), (2, 7)]);
    bench.wait(300);
    assert_eq!(bench.said_to(3), [], "the owner itself will say");
    bench.digest(2, &[(2, 7)]);
    bench.wait(200);
    let said = bench.said_to(2);
    let [Said::Pull(lines)] = &said[..] else { panic!("{said:?}") };
    let until = |node| lines.iter().find(|line| line.held.replica == replica(node)).map(|line| line.until);
    assert_eq!((until(1), until(2), until(3)), (Some(0), Some(7), Some(0)));
    let moment = bench.moment();
    bench.node.handle(Input::LinkDown { peer: id(2), end: LinkEnd::Lost("cut".to_owned()) }, moment);
    bench.wait(200);
    let said = bench.said_to(3);
    let [Said::Pull(lines)] = &said[..] else { panic!("{said:?}") };
    let until = |node| lines.iter().find(|line| line.held.replica == replica(node)).map(|line| line.until);
    assert_eq!((until(1), until(2), until(3)), (Some(0), Some(u64::MAX), Some(0)));
}

/// Number 7 of node 2 gives its share of `a` up, and number 5 has not come yet.
fn with_waiting_retirement() -> Bench {
    let mut bench = Bench::new(100);
    bench.link(2);
    bench.digest(2, &[(2, 9)]);
    bench.wait(200);
    let mut writer = RepairWriter::default();
    writer.push(&share(2, 3));
    let retirement = RepairKind::Retirement { of: replica(2), born: 3 };
    writer.push(&RepairItem { name: name("a"), replica: replica(2), number: 7, kind: retirement });
    bench.hear(2, &writer.finish(0));
    bench.hear(2, &Message::encode_repair_end(HybridTime(1), &[held(2, 4, &[(6, 7)])]));
    bench
}

/// Whoever says that it has a number must pass on what was said under it, even if it cannot act on it yet.
#[test]
fn what_was_given_up_is_passed_on_while_it_waits_for_what_came_before() {
    let mut bench = with_waiting_retirement();
    assert_eq!(bench.node.received(replica(2)), 4);
    bench.link(3);
    bench.said_to(3);
    bench.hear(3, &Message::encode_pull(&[]));
    let said = bench.said_to(3);
    assert!(said.contains(&item("a", 3)) && said.contains(&item("a", 7)), "{said:?}");
    assert!(matches!(said.last(), Some(Said::End(lines)) if lines.contains(&held(2, 4, &[(6, 7)]))), "{said:?}");
}

/// A gap may be filled by the owner's own word, and no repair comes after that.
#[test]
fn what_was_given_up_goes_as_soon_as_what_came_before_is_here() {
    let mut bench = with_waiting_retirement();
    let (mut packer, mut packed) = (RecordPacker::new(Incarnation(1), 5, 1000), Vec::new());
    let record = Record::Precision { name: name("b"), time: HybridTime(3), precision: Precision::ONE };
    packer.push(5, &record, &mut packed);
    packer.finish(&mut packed);
    let [Packed::Datagram(bytes, _)] = &packed[..] else { panic!("{packed:?}") };
    assert!(bench.node.table().inspect(name("a")).is_some_and(|state| !state.has_no_others()));
    let moment = bench.moment();
    bench.node.handle(Input::Datagram { from: id(2), bytes }, moment);
    assert_eq!(bench.node.received(replica(2)), 7);
    assert!(bench.node.table().inspect(name("a")).is_some_and(|state| state.has_no_others()));
}

/// What this node says that it has beyond the contiguous part of a replica, and what it sends to who asks for that.
fn passes_on_of(bench: &mut Bench, of: u8) -> (bool, Vec<Said>) {
    bench.link(3);
    bench.wait(1100);
    let is_of = |line: &DigestLine| line.replica == replica(of) && line.beyond != 0;
    let mut is_told = false;
    while let Some(output) = bench.node.poll_output() {
        if let Output::Message { bytes, .. } = output
            && let Ok(Message::Digest(_, lines)) = Message::decode(&bytes)
        {
            is_told |= lines.iter().any(is_of);
        }
    }
    let line = PullLine { held: held(2, 9, &[]), until: u64::MAX };
    bench.hear(3, &Message::encode_pull(&[line]));
    (is_told, bench.said_to(3))
}

/// Whoever sent it, and whoever said it, may be gone.
#[test]
fn what_came_by_a_repair_that_broke_off_is_passed_on() {
    for backlog_numbers in [100, 0] {
        let mut bench = Bench::new(backlog_numbers);
        bench.link(2);
        bench.digest(2, &[(2, 0), (4, 3)]);
        bench.wait(200);
        let mut writer = RepairWriter::default();
        writer.push(&share(4, 3));
        bench.hear(2, &writer.finish(0));
        let moment = bench.moment();
        bench.node.handle(Input::LinkDown { peer: id(2), end: LinkEnd::Lost("cut".to_owned()) }, moment);
        let (is_told, said) = passes_on_of(&mut bench, 4);
        assert!(is_told && said.contains(&item("a", 3)), "{said:?}");
        assert!(matches!(said.last(), Some(Said::End(lines)) if lines.contains(&held(4, 0, &[(3, 3)]))), "{said:?}");
    }
}

/// The assignment is replaced by one that had not seen it.
#[test]
fn what_came_in_the_cut_of_an_assignment_is_passed_on() {
    let mut bench = Bench::new(100);
    bench.link(2);
    let total = Total::from_units(Amount::ONE.units());
    let seen = Observed { replica: replica(4), received: 0, share: Some(Share { born: 2, revision: 3, total }) };
    let body = |time, observed| AssignmentBody { time: HybridTime(time), base: Amount::ONE, deleted: false, observed };
    let (mut packer, mut packed) = (RecordPacker::new(Incarnation(1), 5, 1000), Vec::new());
    packer.push(1, &Record::Assignment { name: name("a"), body: body(5, vec![seen]) }, &mut packed);
    packer.push(2, &Record::Assignment { name: name("a"), body: body(6, Vec::new()) }, &mut packed);
    packer.finish(&mut packed);
    let [Packed::Datagram(bytes, _)] = &packed[..] else { panic!("{packed:?}") };
    let moment = bench.moment();
    bench.node.handle(Input::Datagram { from: id(2), bytes }, moment);
    let (is_told, said) = passes_on_of(&mut bench, 4);
    assert!(is_told && said.contains(&item("a", 3)), "{said:?}");
    assert!(matches!(said.last(), Some(Said::End(lines)) if lines.contains(&held(4, 0, &[(3, 3)]))), "{said:?}");
}

/// What a peer had of a replica that is gone was less than what this node has, and is the same by now.
#[test]
fn a_node_has_caught_up_with_a_peer_that_has_the_same() {
    let mut bench = Bench::new(100);
    bench.link(2);
    bench.link(5);
    bench.digest(2, &[(4, 3)]);
    bench.digest_beyond(5, &[(4, 0, 77)]);
    bench.wait(200);
    let mut writer = RepairWriter::default();
    writer.push(&share(4, 3));
    bench.hear(2, &writer.finish(0));
    bench.hear(2, &Message::encode_repair_end(HybridTime(1), &[held(4, 3, &[])]));
    bench.wait(200);
    assert!(bench.node.state().view().catching_up, "it may be something else");
    bench.digest(5, &[(4, 3)]);
    bench.wait(200);
    assert!(!bench.node.state().view().catching_up);
}

#[test]
fn a_repair_with_something_in_it_that_is_not_known_here_proves_nothing() {
    // An item of a kind that a later version may bring, and a whole part that cannot be read.
    for spoiling in [&b"\x9f\x01\x13\x06\x81\x82\x54\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x01\x81\x82\x18\x4d\xf6\xff"[..], b"\x9f\x01\x13\x06\xff"] {
        let mut bench = Bench::new(100);
        bench.link(2);
        bench.digest(2, &[(2, 3)]);
        bench.wait(2000);
        assert!(bench.said_to(2).iter().any(|said| matches!(said, Said::Pull(_))));
        bench.hear(2, spoiling);
        bench.hear(2, &Message::encode_repair_end(HybridTime(9), &[held(2, 3, &[])]));
        assert_eq!(bench.node.received(replica(2)), 0, "what was not understood is not held");
        // It is asked for again, and a whole answer counts.
        bench.digest(2, &[(2, 3)]);
        bench.wait(2000);
        assert!(bench.said_to(2).iter().any(|said| matches!(said, Said::Pull(_))));
        bench.hear(2, &Message::encode_repair_end(HybridTime(9), &[held(2, 3, &[])]));
        assert_eq!(bench.node.received(replica(2)), 3);
    }
}

#[test]
fn news_leaves_after_the_flush_interval_and_at_once_where_that_is_zero() {
    for (flush_interval_ms, leaves_at_once) in [(5, false), (0, true)] {
        let mut bench = Bench::with(100, crate::counter::Config { flush_interval_ms, ..Default::default() });
        bench.link(2);
        bench.add("another");
        bench.wait(10);
        for _ in 0..3 {
            bench.node.table().increment(name("a"), Amount::ONE, bench.now).expect("in range");
            bench.wait(0);
            assert_eq!(!bench.node.table().has_news(), leaves_at_once, "{flush_interval_ms} ms");
        }
        (0..3).for_each(|_| bench.wait(5));
        assert!(!bench.node.table().has_news(), "{flush_interval_ms} ms");
    }
}
