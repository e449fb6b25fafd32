//! What a node makes of members of other versions. The test is its mesh.

use discnt::base::{Durability, Incarnation, Moment, Monotonic, NodeId, WallMillis};
use discnt::node::{DialNumber, Event, Input, KnownMember, Node, NodeSettings, Output, RequestNumber, Start};
use discnt::wire::{LinkProtocol, MessageKind, ProtocolVersion};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

struct Bench {
    node: Node,
    now: Monotonic,
}

fn id(node: u8) -> NodeId {
    NodeId::new([node; 20])
}

impl Bench {
    fn new(members: Vec<KnownMember>) -> Self {
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
            counters: discnt::counter::Config::default(),
            cluster: discnt::membership::Config::default(),
            replication: discnt::replication::Config::default(),
            members,
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

    fn input(&mut self, input: Input<'_>) -> Vec<Output> {
        let moment = self.moment();
        self.node.handle(input, moment);
        self.outputs()
    }

    fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.node.poll_output()).collect()
    }

    /// Meets node 2 on a link of this version, and answers which kinds of messages that is sent.
    fn kinds_said(&mut self, version: u16) -> Vec<MessageKind> {
        let meet = Input::Meet { request: RequestNumber(1), host: "2".to_owned(), port: 2 };
        let dial = self.input(meet).iter().find_map(dial_of).expect("a dial");
        let protocol = LinkProtocol { version: ProtocolVersion(version), software: String::new() };
        let said = self.input(Input::LinkUp { peer: id(2), address: LOCALHOST, dial: Some(dial), protocol });
        let message = |output: &Output| match output {
            Output::Message { bytes, .. } | Output::Datagram { bytes, .. } => MessageKind::of(bytes),
            _ => None,
        };
        said.iter().filter_map(message).collect()
    }

    /// Lets so much time pass, and answers the dials and the warnings of that time. Every dial finds a node that speaks
    /// nothing that this one does.
    fn dial_in_vain(&mut self, time: Duration) -> (Vec<Duration>, usize) {
        let (start, mut dials, mut warnings) = (self.now, Vec::new(), 0);
        while self.now.since(start) < time {
            let moment = self.moment();
            self.node.tick(moment);
            let mut outputs = self.outputs();
            while let Some(output) = outputs.pop() {
                warnings += usize::from(matches!(&output, Output::Event(Event::Incompatible { .. })));
                if let Some(dial) = dial_of(&output) {
                    dials.push(self.now.since(start));
                    let reason = "it speaks version 9 of the protocol".to_owned();
                    outputs.extend(self.input(Input::DialFailed { dial, reason, is_incompatible: true }));
                }
            }
            self.now = self.now.after(Duration::from_millis(100));
        }
        (dials, warnings)
    }

    fn is_shown_as_incompatible(&self) -> bool {
        let view = self.node.state().view();
        view.members.iter().any(|member| member.id == id(2) && member.is_incompatible)
    }
}

const fn dial_of(output: &Output) -> Option<DialNumber> {
    match output {
        Output::Dial { dial, .. } => Some(*dial),
        _ => None,
    }
}

#[test]
fn what_a_links_version_has_no_word_for_is_not_sent_on_it() {
    assert_eq!(Bench::new(Vec::new()).kinds_said(MessageKind::Hello.since().0), [MessageKind::Hello]);
    // Before the first version there was no word at all.
    assert_eq!(Bench::new(Vec::new()).kinds_said(0), []);
}

#[test]
fn a_member_without_a_version_in_common_is_shown_warned_of_and_dialled_seldom() {
    let member = KnownMember { id: id(2), host: "2".to_owned(), client_port: 2, mesh_port: 2 };
    let mut bench = Bench::new(vec![member]);
    let (dials, warnings) = bench.dial_in_vain(Duration::from_secs(600));
    assert!((10..=21).contains(&dials.len()), "{dials:?}");
    assert!(dials.windows(2).all(|pair| (30..=61).contains(&(pair[1] - pair[0]).as_secs())), "{dials:?}");
    assert!((5..=10).contains(&warnings), "{warnings}");
    assert!(bench.is_shown_as_incompatible());
    // It was upgraded, and dials.
    let protocol = LinkProtocol { version: ProtocolVersion(2), software: "0.2.0".to_owned() };
    bench.input(Input::LinkUp { peer: id(2), address: LOCALHOST, dial: None, protocol });
    assert!(!bench.is_shown_as_incompatible());
}

#[test]
fn a_member_that_dials_in_vain_is_shown_and_a_stranger_only_told_of() {
    let member = KnownMember { id: id(2), host: "2".to_owned(), client_port: 2, mesh_port: 2 };
    let mut bench = Bench::new(vec![member]);
    for (peer, members) in [(2, 1), (3, 1)] {
        let reason = "it speaks version 9 of the protocol".to_owned();
        let outputs = bench.input(Input::Incompatible { peer: id(peer), reason });
        let told = outputs.iter().any(|output| {
            matches!(output, Output::Event(event @ Event::Incompatible { .. }) if event.to_string().contains("version 9"))
        });
        assert!(told, "{outputs:?}");
        assert_eq!(bench.node.state().view().members.len(), 1 + members);
        assert!(bench.is_shown_as_incompatible());
    }
}
